"""A robustness study's records as rows of figures, and as a document."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.errors import UserError
from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.comparison_page import (
    failures_table,
    main_metric,
    p_text,
    provenance,
    with_deviation,
)
from recbole_kgif.report.document import Block, Cell, Document, Plot, Section, Table
from recbole_kgif.report.metric_names import cutoff, ordered, title
from recbole_kgif.report.run_records import Comparison, Run, read_comparison
from recbole_kgif.report.statistics import DECIMALS, Figure, figure, values_per_user
from recbole_kgif.study.conditions import CONDITIONS, Condition
from recbole_kgif.study.differences import differences
from recbole_kgif.study.groups import Group, quartiles
from recbole_kgif.study.variants import FULL

PLOT = "robustness"
ALL_USERS = "all"

_MISSING = "-"
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"

Runs = Mapping[str, Mapping[str, Sequence[Run]]]


@dataclass(frozen=True)
class Robustness:
    """What came of a robustness study.

    Attributes:
        comparison: Its runs and failures.
        conditions: The conditions with a run or a failure, in the order of display.
        runs: The finished runs, at least one, by model and name of the condition. A
            model without any stands there, too.
        metrics: The metrics, in the order of display.
        main: The metric that models were selected by.
    """

    comparison: Comparison
    conditions: Sequence[Condition]
    runs: Runs
    metrics: Sequence[str]
    main: str

    @property
    def length(self) -> Optional[int]:
        """The length of the lists of the main metric."""
        return cutoff(self.main)


def read_robustness(folder: Path) -> Robustness:
    """Read the records of a data set's robustness study.

    Args:
        folder: that of the data set.

    Raises:
        UserError: no run has finished, or the records cannot be compared.
    """
    return robustness_of(read_comparison([folder]), folder)


def robustness_of(comparison: Comparison, folder: Path) -> Robustness:
    """Take a robustness study out of records that have been read.

    Args:
        comparison: the records of a data set.
        folder: where they are, for the message.

    Raises:
        UserError: no run has finished.
    """
    comparison = Comparison(
        [run for run in comparison.runs if _divided(run.model)],
        [failure for failure in comparison.failures if _divided(failure.model)],
    )
    if not comparison.runs:
        raise UserError(f"{folder}: no run of a robustness study has finished")
    names = [run.model for run in comparison.runs]
    names += [failure.model for failure in comparison.failures]
    there = [divided for name in names if (divided := _divided(name))]
    models = sorted({model for model, _ in there})
    conditions = [c for c in CONDITIONS if c in {condition for _, condition in there}]
    runs: dict[str, dict[str, list[Run]]] = {model: {} for model in models}
    for run in comparison.runs:
        divided = _divided(run.model)
        assert divided is not None
        runs[divided[0]].setdefault(divided[1].name, []).append(run)
    metrics = ordered(key for run in comparison.runs for key in run.test)
    return Robustness(comparison, conditions, runs, metrics, main_metric(comparison))


def is_of_robustness(name: str) -> bool:
    """Whether a variant's name is that of a model under a condition."""
    return _divided(name) is not None


def _divided(name: str) -> Optional[tuple[str, Condition]]:
    """Model and condition of a variant's name; None for another name."""
    for condition in CONDITIONS:
        model, found, rest = name.rpartition(f"-{condition.name}")
        if found and model and not rest:
            return model, condition
    return None


# --- figures ------------------------------------------------------------------------


def condition_figures(
    by_condition: Mapping[str, Sequence[Run]], metric: str
) -> dict[str, Figure]:
    """The test figure of a model under each condition that has some."""
    return {
        name: figure([run.test[metric] for run in runs])
        for name, runs in by_condition.items()
        if all(metric in run.test for run in runs)
    }


def share_of_full(figures: Mapping[str, Figure], condition: str) -> Optional[float]:
    """A figure over that of the full graph; None where one is missing or zero."""
    if condition not in figures or FULL not in figures or not figures[FULL].mean:
        return None
    return figures[condition].mean / figures[FULL].mean


def user_groups(study: Robustness) -> list[Group]:
    """Quartiles of the test users by their training interactions."""
    values = study.comparison.runs[0].record.get("test_per_user") or {}
    degrees = values.get("training_interactions", [])
    return quartiles(dict(zip(values.get("users", []), degrees)))


def item_groups(study: Robustness) -> list[Group]:
    """Quartiles of the test items by their training interactions."""
    if study.length is None:
        return []
    values = study.comparison.runs[0].record.get("test_per_item") or {}
    degrees = values.get("training_interactions", [])
    return quartiles(dict(zip(values.get("items", []), degrees)))


def user_group_figures(
    by_condition: Mapping[str, Sequence[Run]], metric: str, group: Group
) -> dict[str, Figure]:
    """A metric's mean over the users of a group, under each condition."""
    figures = {}
    for name, runs in by_condition.items():
        by_run = [values_per_user([run], metric) for run in runs]
        means = [
            statistics.fmean(values[user] for user in group.members)
            for values in by_run
            if values
        ]
        if len(means) == len(runs):
            figures[name] = figure(means)
    return figures


def item_group_figures(
    by_condition: Mapping[str, Sequence[Run]], length: Optional[int], group: Group
) -> dict[str, Figure]:
    """The share of a group's test interactions that the lists of a length hold."""
    figures = {}
    for name, runs in by_condition.items():
        by_run = [_share_found(run, length, group) for run in runs]
        shares = [share for share in by_run if share is not None]
        if len(shares) == len(runs):
            figures[name] = figure(shares)
    return figures


def _share_found(run: Run, length: Optional[int], group: Group) -> Optional[float]:
    values = run.record.get("test_per_item") or {}
    hits = values.get("hits", {}).get(str(length))
    if hits is None:
        return None
    members = set(group.members)
    places = [n for n, item in enumerate(values["items"]) if item in members]
    tested = sum(values["test_interactions"][place] for place in places)
    return float(sum(hits[place] for place in places) / tested)


# --- rows ---------------------------------------------------------------------------


def robustness_rows(study: Robustness) -> list[dict[str, Any]]:
    """The figures with all their digits: a row for each model, condition and metric.

    Those of groups follow, for the main metric; then failed runs with their reasons.
    """
    rows: list[dict[str, Any]] = []
    for model, by_condition in study.runs.items():
        for metric in study.metrics:
            figures = condition_figures(by_condition, metric)
            rows += _rows(study, model, metric, ALL_USERS, None, figures)
        for group in user_groups(study):
            figures = user_group_figures(by_condition, study.main, group)
            rows += _rows(study, model, study.main, "users", group, figures)
        for group in item_groups(study):
            figures = item_group_figures(by_condition, study.length, group)
            metric = f"hits@{study.length}"
            rows += _rows(study, model, metric, "items", group, figures)
    empty = dict.fromkeys(rows[0])
    for failure in study.comparison.failures:
        divided = _divided(failure.model)
        assert divided is not None
        rows.append(
            {
                **empty,
                **_condition_columns(study, *divided),
                "failure": f"seed {failure.seed}: {failure.reason}",
            }
        )
    return rows


def _rows(
    study: Robustness,
    model: str,
    metric: str,
    grouped: str,
    group: Optional[Group],
    figures: Mapping[str, Figure],
) -> list[dict[str, Any]]:
    return [
        {
            **_condition_columns(study, model, condition),
            "metric": metric,
            "group_of": grouped,
            "training_interactions_from": group and group.low,
            "training_interactions_to": group and group.high,
            "group_size": group and len(group.members),
            "mean": figures[condition.name].mean,
            "standard_deviation": figures[condition.name].deviation,
            "seeds": len(figures[condition.name].values),
            "share_of_full": share_of_full(figures, condition.name),
            "failure": None,
        }
        for condition in study.conditions
        if condition.name in figures
    ]


def _condition_columns(
    study: Robustness, model: str, condition: Condition
) -> dict[str, Any]:
    first = study.comparison.runs[0].record
    return {
        "dataset": study.comparison.dataset,
        "split_hash": first["split_hash"],
        "protocol": protocol_of(first),
        "model": model,
        "condition": condition.name,
        "triples_removed": condition.removed,
        "triples_replaced": condition.replaced,
    }


# --- document -----------------------------------------------------------------------


def robustness_document(study: Robustness) -> Document:
    """What the study shows, for a reader who was not there."""
    complete = {
        model: by_condition[FULL]
        for model, by_condition in study.runs.items()
        if FULL in by_condition
    }
    runs = [run for runs in complete.values() for run in runs]
    sections = [_results(study), _significance(study), _groups(study)]
    if runs:
        # Data and settings as they are before anything is done to the graph.
        sections += provenance(Comparison(runs, []), complete, study.comparison)
    return Document(
        f"Robustness against a damaged knowledge graph on {study.comparison.dataset}",
        sections,
    )


def _results(study: Robustness) -> Section:
    blocks: list[Block] = [
        "Before training, a share of the triples is removed, or gets a random tail in "
        "place of its own, drawn uniformly from the entities. Interactions, split and "
        "evaluation stay as they are. Every seed has changed triples of its own, which "
        "are the same for all models; at a larger share those of a smaller one are "
        "changed, too. Figures are test means over users and seeds, "
        f"{_PLUS_MINUS} sample standard deviation over seeds; in brackets, the share "
        "of the model's own figure on the full graph.",
        Plot(
            PLOT,
            f"Test {title(study.main)} of each model relative to its own on the full "
            "graph, by the share of triples removed and replaced. Bars are the "
            "standard deviation over seeds.",
        ),
    ]
    same = [metric for metric in study.metrics if cutoff(metric) == study.length]
    blocks += [_metric_table(study, metric) for metric in same]
    if study.comparison.failures:
        blocks.append(failures_table(study.comparison))
    return Section("Results", blocks)


def _metric_table(study: Robustness, metric: str) -> Table:
    return Table(
        f"robustness-{metric}",
        f"Test {title(metric)} by what is done to the triples.",
        ["Model", *(condition.words for condition in study.conditions)],
        [
            [
                Cell(model),
                *_cells(study, model, condition_figures(by_condition, metric)),
            ]
            for model, by_condition in study.runs.items()
        ],
    )


def _cells(study: Robustness, model: str, figures: Mapping[str, Figure]) -> list[Cell]:
    cells = []
    for condition in study.conditions:
        name = condition.name
        if name not in figures:
            variant = condition.variant(model).name
            failed = any(f.model == variant for f in study.comparison.failures)
            cells.append(Cell("failed" if failed else _MISSING))
            continue
        share = share_of_full(figures, name)
        bracket = "" if share is None or name == FULL else f" ({share:.1%})"
        cells.append(Cell(with_deviation(figures[name]) + bracket))
    return cells


def _significance(study: Robustness) -> Section:
    rows = []
    for model, by_condition in study.runs.items():
        tests = differences(by_condition, study.main, FULL)
        words = {condition.name: condition.words for condition in study.conditions}
        for name in words:
            if name not in tests:
                continue
            item = tests[name]
            rows.append(
                [
                    Cell(model),
                    Cell(words[name]),
                    Cell(f"{item.test.difference:+.{DECIMALS}f}"),
                    Cell(f"{item.test.low:+.{DECIMALS}f}"),
                    Cell(f"{item.test.high:+.{DECIMALS}f}"),
                    Cell(p_text(item.adjusted)),
                ]
            )
    return Section(
        "Differences from the full graph",
        [
            Table(
                "differences",
                f"{title(study.main)}: each condition minus the full graph, by "
                "Student's paired t-test over the test users, two-sided; a user's "
                "value is the mean over seeds. Difference of means with its 95% "
                "confidence interval, and p-value after Holm's correction over the "
                "conditions of a model.",
                ["Model", "Triples", "Difference", "95% from", "to", "p (Holm)"],
                rows,
                frozenset({1}),
            )
            if rows
            else "There are no values of single users under two conditions, so nothing "
            "is tested."
        ],
    )


def _groups(study: Robustness) -> Section:
    blocks: list[Block] = [
        "Users and items are divided at the quartiles of their number of training "
        "interactions; equal numbers are never parted, so groups may differ in size."
    ]
    of_users = [
        [
            Cell(model),
            Cell(group.words),
            Cell(f"{len(group.members):,}"),
            *_cells(study, model, user_group_figures(by_condition, study.main, group)),
        ]
        for model, by_condition in study.runs.items()
        for group in user_groups(study)
    ]
    heads = ["Training interactions", "Members", *(c.words for c in study.conditions)]
    if of_users:
        blocks.append(
            Table(
                "user-groups",
                f"Test {title(study.main)} by the user's training interactions.",
                ["Model", *heads],
                of_users,
            )
        )
    of_items = [
        [
            Cell(model),
            Cell(group.words),
            Cell(f"{len(group.members):,}"),
            *_cells(
                study, model, item_group_figures(by_condition, study.length, group)
            ),
        ]
        for model, by_condition in study.runs.items()
        for group in item_groups(study)
    ]
    if of_items:
        blocks.append(
            Table(
                "item-groups",
                f"Share of the test interactions among the first {study.length}, by "
                "the item's training interactions.",
                ["Model", *heads],
                of_items,
            )
        )
    return Section("Groups of users and items", blocks)
