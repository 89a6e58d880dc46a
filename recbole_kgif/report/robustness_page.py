"""The report on a robustness study: how models do on a corrupted knowledge graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, Union

import pandas as pd

from recbole_kgif.errors import UserError
from recbole_kgif.options.conditions import CONDITIONS, Condition
from recbole_kgif.options.models import title_of_model
from recbole_kgif.options.variants import FULL
from recbole_kgif.report.metric_names import by_table, cutoff, title
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_provenance import provenance
from recbole_kgif.report.run_table import (
    Comparison,
    Failure,
    Run,
    condition_of,
)
from recbole_kgif.report.statistics import (
    fmean,
    over_seeds,
    paired_tests,
    quartile_groups,
)
from recbole_kgif.report.table_texts import (
    MISSING,
    differences_frame,
    failures_table,
    rows_of,
    with_deviation,
)

if TYPE_CHECKING:
    # The training interactions of its members.
    Group = pd.Series[int]

_FULL_GRAPH = CONDITIONS[0]
_COLUMNS = (
    *("dataset", "split_hash", "protocol", "model", "condition", "triples_removed"),
    *("triples_replaced", "metric", "group_of", "training_interactions_from"),
    *("training_interactions_to", "group_size", "mean", "standard_deviation"),
    *("seeds", "share_of_full", "failure"),
)


def is_of_robustness(run: Run) -> bool:
    """Whether a run is that of a model under a condition."""
    return condition_of(run.request) is not None


class Robustness:
    """The runs of a robustness study.

    Attributes:
        comparison: Its runs and failures.
        labels: The label of each model under each condition, in the order of display;
            also of those that have failed.
        conditions: The conditions of any model, in the order of display.
        main: The metric that models were selected by.
        length: The length of the lists of that metric.
    """

    def __init__(self, comparison: Comparison):
        """Take a robustness study out of records.

        Args:
            comparison: the records of a data set; other runs in it are left out.

        Raises:
            UserError: no run has finished.
        """
        there: list[Union[Run, Failure]] = [*comparison.runs, *comparison.failures]
        places = {
            (
                title_of_model(run.request["model"]),
                CONDITIONS.index(condition),
            ): run.label
            for run in there
            if (condition := condition_of(run.request)) is not None
        }
        self.comparison = comparison.with_labels(places.values())
        if not self.comparison.runs:
            raise UserError(
                "no run of a robustness study has finished, only runs such as "
                f"{comparison.runs[0].path}"
            )
        self.labels: dict[str, dict[Condition, str]] = {}
        for (model, place), label in sorted(places.items()):
            self.labels.setdefault(model, {})[CONDITIONS[place]] = label
        self.conditions = [
            CONDITIONS[n] for n in sorted({place for _, place in places})
        ]
        self.main = self.comparison.main_metric
        self.length = cutoff(self.main)

    @cached_property
    def design(self) -> pd.DataFrame:
        """Model and condition of each label, in the order of display."""
        rows = [
            (label, model, condition.name, condition.removed, condition.replaced)
            for model, labels in self.labels.items()
            for condition, label in labels.items()
        ]
        columns = ["label", "model", "condition", "triples_removed", "triples_replaced"]
        return pd.DataFrame(rows, columns=columns).set_index("label")

    @cached_property
    def summary(self) -> pd.DataFrame:
        """All values over seeds, by model and what is measured, then by condition.

        What is measured are the metrics over all users, then the main metric by groups
        of users and the share of hits by groups of items. ``share_of_full`` is the mean
        over that of the same model on the full graph.
        """
        measures, values = zip(*self._measures())
        named = pd.concat(values, keys=range(len(values)), names=["measure", "run"])
        rows = over_seeds(named.reset_index("measure"), ["measure", "label"])
        rows = rows.reset_index()
        n_runs = rows["label"].map(
            {k: len(v) for k, v in self.comparison.by_label.items()}
        )
        rows = rows[rows["seeds"] == n_runs]
        rows = rows.join(pd.DataFrame(measures, dtype=object), on="measure")
        rows = rows.join(self.design, on="label")
        whole = rows[rows["condition"] == FULL].set_index(["model", "measure"])["mean"]
        whole = whole.where(whole != 0).rename("whole")
        rows = rows.join(whole, on=["model", "measure"])
        rows["share_of_full"] = rows["mean"] / rows["whole"]
        rows["order"] = rows["label"].map(self.design.index.get_loc)
        return rows.sort_values(["model", "measure", "order"])

    def _measures(self) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
        """What is measured, each with a row of label and value for each run."""
        results = self.comparison.results
        for metric in self.comparison.metrics:
            of_metric = results.loc[results["metric"] == metric, ["label", "value"]]
            yield {"metric": metric, "group_of": "all"}, of_metric
        first = self.comparison.runs[0]
        for group in quartile_groups(_degrees(first, "user")):
            yield _measure(self.main, "users", group), self._means_of_users(group)
        if self.length is None:
            return
        for group in quartile_groups(_degrees(first, "item")):
            measure = _measure(f"hits@{self.length}", "items", group)
            yield measure, self._shares_of_items(group)

    def _means_of_users(self, group: Group) -> pd.DataFrame:
        """The main metric's mean over the users of a group, of each run."""
        rows = [
            (label, fmean(of_group[seed]))
            for label, values in self.comparison.values_of_users(self.main).items()
            for of_group in [values.loc[group.index]]
            for seed in of_group
        ]
        return pd.DataFrame(rows, columns=["label", "value"])

    def _shares_of_items(self, group: Group) -> pd.DataFrame:
        """The share of a group's test interactions that each run's lists have."""
        rows = []
        for run in self.comparison.runs:
            values = run.record.get("test_per_item") or {}
            hits = values.get("hits", {}).get(str(self.length))
            if hits is not None:
                counts = {"hits": hits, "tested": values["test_interactions"]}
                frame = pd.DataFrame(counts, values["items"])
                found, tested = frame[frame.index.isin(group.index)].sum()
                rows.append((run.label, found / tested))
        return pd.DataFrame(rows, columns=["label", "value"])

    @property
    def main_measure(self) -> int:
        """Which of the measures in the summary is the main metric over all users."""
        return self.comparison.metrics.index(self.main)

    def rows(self) -> pd.DataFrame:
        """The values with all their digits, then failed runs with their reasons."""
        failures = [
            {**self.design.loc[failure.label], "failure": failure.in_words}
            for failure in self.comparison.failures
        ]
        return rows_of(self.comparison, [self.summary], failures, _COLUMNS)

    # --- page -----------------------------------------------------------------------

    def context(self) -> dict[str, Any]:
        """What the template ``robustness.j2`` asks for."""
        complete = {
            model: runs
            for model, labels in self.labels.items()
            if (runs := self.comparison.by_label.get(labels.get(_FULL_GRAPH, "")))
        }
        # Data and settings as they are before anything is done to the graph.
        whole = Comparison([run for runs in complete.values() for run in runs], [])
        tables = by_table(self.comparison.metrics)
        same = next(table.metrics for table in tables if self.main in table.metrics)
        of_all = self.summary["group_of"] == "all"
        accuracy = [
            self._table(f"robustness-{m}", of_all & (self.summary["metric"] == m))
            for m in same
        ]
        return {
            "data": None,
            **self.comparison.origin,
            "main": title(self.main),
            "length": self.length,
            "accuracy": list(zip(map(title, same), accuracy)),
            "failures": failures_table(self.comparison.failures),
            "differences": self._differences(),
            "user_groups": self._table(
                "user-groups", self.summary["group_of"] == "users"
            ),
            "item_groups": self._table(
                "item-groups", self.summary["group_of"] == "items"
            ),
            **(provenance(whole, complete, self.comparison.runs) if complete else {}),
        }

    def _table(self, label: str, is_shown: pd.Series[bool]) -> Optional[Table]:
        """Values by model and condition; None where there are none."""
        rows = self.summary[is_shown]
        if rows.empty:
            return None
        is_bare = rows["share_of_full"].isna() | (rows["condition"] == FULL)
        brackets = rows["share_of_full"].map(" ({:.1%})".format).mask(is_bare, "")
        texts = rows.assign(text=with_deviation(rows) + brackets)
        wide = texts.pivot(
            index=["model", "measure"], columns="condition", values="text"
        )
        measures = rows.drop_duplicates("measure").set_index("measure")
        wide = wide.reindex(pd.MultiIndex.from_product([self.labels, measures.index]))
        models, places = (wide.index.get_level_values(level) for level in (0, 1))
        columns: dict[str, Any] = {"Model": models}
        if label.endswith("groups"):
            columns["Training interactions"] = places.map(
                measures.apply(_range, axis=1)
            )
            columns["Members"] = places.map(measures["group_size"].map("{:,}".format))
        failed = {failure.label for failure in self.comparison.failures}
        for condition in self.conditions:
            gaps = [
                "failed" if self.labels[model].get(condition) in failed else MISSING
                for model in models
            ]
            found = wide.get(condition.name, pd.Series(index=wide.index, dtype=object))
            columns[condition.words] = found.where(found.notna(), gaps).to_numpy()
        return Table(label, pd.DataFrame(columns))

    def tests(self, model: str) -> pd.DataFrame:
        """A paired test of each condition minus the full graph, by its words."""
        values = self.comparison.means_of_users(self.main)
        labels = self.labels[model].items()
        found = {c: label for c, label in labels if label in values}
        if _FULL_GRAPH not in found:
            return paired_tests(pd.DataFrame())
        whole = values[found.pop(_FULL_GRAPH)]
        tests = paired_tests(values[list(found.values())].sub(whole, axis=0))
        tests.index = pd.Index([condition.words for condition in found][: len(tests)])
        return tests

    def _differences(self) -> Optional[Table]:
        frames = []
        for model in self.labels:
            frame = differences_frame("Triples", self.tests(model))
            frame.insert(0, "Model", model)
            frames.append(frame.drop(columns=["p", "Significant"]))
        rows = pd.concat(frames) if frames else pd.DataFrame()
        return None if rows.empty else Table("differences", rows, {"Triples"})


def _degrees(run: Run, kind: str) -> Group:
    """Training interactions of each test user or item; empty where they are unknown."""
    values: Mapping[str, Any] = run.record.get(f"test_per_{kind}") or {}
    degrees = values.get("training_interactions", [])
    named = dict(zip(values.get(f"{kind}s", []), degrees))
    return pd.Series(named, dtype="int64")


def _measure(metric: str, grouped: str, group: Group) -> dict[str, Any]:
    return {
        "metric": metric,
        "group_of": grouped,
        "training_interactions_from": int(group.min()),
        "training_interactions_to": int(group.max()),
        "group_size": len(group),
    }


def _range(measure: pd.Series[Any]) -> str:
    """The degrees in a group, for a table."""
    low = measure["training_interactions_from"]
    high = measure["training_interactions_to"]
    return f"{low}" if low == high else f"{low} to {high}"
