"""The report on a robustness study: how models do on a corrupted knowledge graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Optional, Union

import pandas as pd

from recbole_kgif.errors import UserError
from recbole_kgif.report.metric_names import cutoff, title
from recbole_kgif.report.provenance import provenance
from recbole_kgif.report.rendering import Table
from recbole_kgif.report.run_table import (
    FULL,
    FULL_GRAPH,
    Comparison,
    Condition,
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

_COLUMNS = (
    *("dataset", "split_hash", "protocol", "model", "condition", "triples_removed"),
    *("triples_replaced", "metric", "group_of", "training_interactions_from"),
    *("training_interactions_to", "group_size", "mean", "standard_deviation"),
    *("seeds", "share_of_full", "failure"),
)

# The training interactions of its members.
if TYPE_CHECKING:
    Group = pd.Series[int]


def is_of_robustness(run: Run) -> bool:
    """Whether a run is that of a model under a condition."""
    return condition_of(run.request) is not None


class Robustness:
    """The runs of a robustness study.

    Attributes:
        comparison: Its runs and failures.
        labels: The label of each model under each condition, in the order of display;
            also of those that have failed.
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
            (str(run.request["model"]), condition): run.label
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
        for (model, condition), label in sorted(places.items()):
            self.labels.setdefault(model, {})[condition] = label
        self.main = self.comparison.main_metric
        self.length = cutoff(self.main)

    @cached_property
    def conditions(self) -> list[Condition]:
        """The conditions of any model, in the order of display."""
        return sorted({c for labels in self.labels.values() for c in labels})

    def by_condition(self, model: str, figures: pd.DataFrame) -> pd.DataFrame:
        """The rows of a model, by condition.

        Args:
            model: its name.
            figures: means by label, as `over_seeds` gives them.

        Returns:
            For each condition of which there is one: mean, deviation, seeds, and
            ``share_of_full``, the mean over that of the full graph (NaN where that is
            missing or zero).
        """
        found = {c: k for c, k in self.labels[model].items() if k in figures.index}
        rows = figures.loc[list(found.values())]
        rows.index = pd.Index([condition.name for condition in found], name="condition")
        whole = rows["mean"].get(FULL) or float("nan")
        return rows.assign(share_of_full=rows["mean"] / whole)

    # --- groups ---------------------------------------------------------------------

    @cached_property
    def user_groups(self) -> list[tuple[Group, pd.DataFrame]]:
        """Quartiles of the test users by their training interactions.

        Returns:
            Each with the main metric's means over its users, over seeds by label.
        """
        values = self.comparison.values_of_users(self.main)
        groups = quartile_groups(_degrees(self.comparison.runs[0], "user"))
        return [
            (group, _over_seeds({k: _means(v, group) for k, v in values.items()}))
            for group in groups
        ]

    @cached_property
    def item_groups(self) -> list[tuple[Group, pd.DataFrame]]:
        """Quartiles of the test items by their training interactions.

        Returns:
            Each with the share of its test interactions that is among the first of the
            lists, over seeds by label.
        """
        groups = quartile_groups(_degrees(self.comparison.runs[0], "item"))
        found = []
        for group in groups if self.length is not None else []:
            shares = {
                label: [self._share_found(run, group) for run in runs]
                for label, runs in self.comparison.by_label.items()
            }
            complete = {k: values for k, values in shares.items() if None not in values}
            found.append((group, _over_seeds(complete)))
        return found

    def _share_found(self, run: Run, group: Group) -> Optional[float]:
        values = run.record.get("test_per_item") or {}
        hits = values.get("hits", {}).get(str(self.length))
        if hits is None:
            return None
        counts = {"hits": hits, "tested": values["test_interactions"]}
        frame = pd.DataFrame(counts, values["items"])
        found, tested = frame[frame.index.isin(group.index)].sum()
        return float(found / tested)

    # --- rows -----------------------------------------------------------------------

    def rows(self) -> pd.DataFrame:
        """The values with all their digits: a row for each model, condition and metric.

        Those of groups follow, for the main metric; then failed runs with their
        reasons.
        """
        frames = []
        for model in self.labels:
            for metric in self.comparison.metrics:
                figures = self.comparison.over_seeds(metric)
                frames.append(self._rows(model, metric, "all", None, figures))
            for group, figures in self.user_groups:
                frames.append(self._rows(model, self.main, "users", group, figures))
            for group, figures in self.item_groups:
                metric = f"hits@{self.length}"
                frames.append(self._rows(model, metric, "items", group, figures))
        conditions = pd.DataFrame(
            [(c.name, c.removed, c.replaced) for c in self.conditions],
            columns=["condition", "triples_removed", "triples_replaced"],
        )
        failures = [
            {
                "model": failure.request["model"],
                "condition": condition.name,
                "triples_removed": condition.removed,
                "triples_replaced": condition.replaced,
                "failure": failure.in_words,
            }
            for failure in self.comparison.failures
            if (condition := condition_of(failure.request)) is not None
        ]
        frames = [frame.merge(conditions, how="left") for frame in frames]
        return rows_of(self.comparison, frames, failures, _COLUMNS)

    def _rows(
        self,
        model: str,
        metric: str,
        grouped: str,
        group: Optional[Group],
        figures: pd.DataFrame,
    ) -> pd.DataFrame:
        rows = self.by_condition(model, figures).reset_index()
        rows = rows.assign(model=model, metric=metric, group_of=grouped)
        if group is None:
            return rows
        return rows.assign(
            training_interactions_from=group.min(),
            training_interactions_to=group.max(),
            group_size=len(group),
        )

    # --- page -----------------------------------------------------------------------

    def context(self) -> dict[str, Any]:
        """What the template ``robustness.j2`` asks for."""
        same = [m for m in self.comparison.metrics if cutoff(m) == self.length]
        complete = {
            model: runs
            for model, labels in self.labels.items()
            if (runs := self.comparison.by_label.get(labels.get(FULL_GRAPH, "")))
        }
        whole = [run for runs in complete.values() for run in runs]
        # Data and settings as they are before anything is done to the graph.
        of_full = Comparison(whole, [])
        return {
            "data": None,
            **self.comparison.origin,
            "main": title(self.main),
            "length": self.length,
            "accuracy": [
                (title(metric), self._metric_table(metric)) for metric in same
            ],
            "failures": failures_table(self.comparison.failures),
            "differences": self._differences(),
            "user_groups": self._group_table("user-groups", self.user_groups),
            "item_groups": self._group_table("item-groups", self.item_groups),
            **(provenance(of_full, complete, self.comparison.runs) if whole else {}),
        }

    def _metric_table(self, metric: str) -> Table:
        figures = self.comparison.over_seeds(metric)
        rows = [(model, *self._cells(model, figures)) for model in self.labels]
        heads = ["Model", *(condition.words for condition in self.conditions)]
        return Table(f"robustness-{metric}", pd.DataFrame(rows, columns=heads))

    def _cells(self, model: str, figures: pd.DataFrame) -> list[str]:
        rows = self.by_condition(model, figures)
        brackets = rows["share_of_full"].map(" ({:.1%})".format)
        is_bare = rows["share_of_full"].isna() | (rows.index == FULL)
        texts = with_deviation(rows) + brackets.mask(is_bare, "")
        failed = {failure.label for failure in self.comparison.failures}
        return [
            texts.get(
                condition.name,
                "failed" if self.labels[model].get(condition) in failed else MISSING,
            )
            for condition in self.conditions
        ]

    def _differences(self) -> Optional[Table]:
        frames = []
        values = self.comparison.means_of_users(self.main)
        for model, labels in self.labels.items():
            found = {c: label for c, label in labels.items() if label in values}
            if FULL_GRAPH not in found:
                continue
            whole = values[found.pop(FULL_GRAPH)]
            tests = paired_tests(values[list(found.values())].sub(whole, axis=0))
            tests.index = pd.Index([condition.words for condition in found])
            frame = differences_frame("Triples", tests)
            frame.insert(0, "Model", model)
            frames.append(frame.drop(columns=["p", "Significant"]))
        rows = pd.concat(frames) if frames else pd.DataFrame()
        return None if rows.empty else Table("differences", rows, {"Triples"})

    def _group_table(
        self, label: str, groups: Sequence[tuple[Group, pd.DataFrame]]
    ) -> Optional[Table]:
        rows = [
            (model, _range(group), f"{len(group):,}", *self._cells(model, figures))
            for model in self.labels
            for group, figures in groups
        ]
        heads = ["Model", "Training interactions", "Members"]
        heads += [condition.words for condition in self.conditions]
        return Table(label, pd.DataFrame(rows, columns=heads)) if rows else None


def _over_seeds(values: Mapping[str, Sequence[Optional[float]]]) -> pd.DataFrame:
    rows = [(label, value) for label, of_runs in values.items() for value in of_runs]
    return over_seeds(pd.DataFrame(rows, columns=["label", "value"]), ["label"])


def _means(values: pd.DataFrame, group: Group) -> list[float]:
    """The mean of each run over the users of a group."""
    of_group = values.loc[group.index]
    return [fmean(of_group[seed]) for seed in of_group]


def _degrees(run: Run, kind: str) -> Group:
    """Training interactions of each test user or item; empty where they are unknown."""
    values: Mapping[str, Any] = run.record.get(f"test_per_{kind}") or {}
    degrees = values.get("training_interactions", [])
    named = dict(zip(values.get(f"{kind}s", []), degrees))
    return pd.Series(named, dtype="int64")


def _range(group: Group) -> str:
    """The degrees in a group, for a table."""
    low, high = group.min(), group.max()
    return f"{low}" if low == high else f"{low} to {high}"
