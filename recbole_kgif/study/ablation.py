"""An ablation's records as rows of figures, and as a document."""

from __future__ import annotations

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
    seeds_text,
    with_deviation,
)
from recbole_kgif.report.document import Block, Cell, Document, Section, Table
from recbole_kgif.report.metric_names import cutoff, ordered, title
from recbole_kgif.report.run_records import Comparison, Run, read_comparison
from recbole_kgif.report.statistics import (
    DECIMALS,
    LEVEL,
    Figure,
    figure,
    metric_figures,
    runs_by_model,
)
from recbole_kgif.study.differences import Difference, differences
from recbole_kgif.study.variants import ABLATION, FULL, Variant

_MISSING = "-"
_DAGGER = "\N{DAGGER}"
_PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


@dataclass(frozen=True)
class Ablation:
    """What came of an ablation.

    Attributes:
        comparison: Its runs and failures.
        variants: The variants with a run or a failure, in the order of display.
        models: The finished runs of each variant that has some, by its name.
        metrics: The metrics, in the order of display.
        tests: For each metric the difference of each variant from the full model.
    """

    comparison: Comparison
    variants: Sequence[Variant]
    models: Mapping[str, Sequence[Run]]
    metrics: Sequence[str]
    tests: Mapping[str, Mapping[str, Difference]]


def read_ablation(folder: Path) -> Ablation:
    """Read the records of a data set's ablation.

    Args:
        folder: that of the data set.

    Raises:
        UserError: no variant has finished, or the records cannot be compared.
    """
    return ablation_of(read_comparison([folder]), folder)


def ablation_of(comparison: Comparison, folder: Path) -> Ablation:
    """Take an ablation out of records that have been read.

    Args:
        comparison: the records of a data set.
        folder: where they are, for the message.

    Raises:
        UserError: no variant has finished.
    """
    known = [variant.name for variant in ABLATION]
    comparison = Comparison(
        [run for run in comparison.runs if run.model in known],
        [failure for failure in comparison.failures if failure.model in known],
    )
    if not comparison.runs:
        raise UserError(f"{folder}: no variant of an ablation has finished")
    by_name = runs_by_model(comparison)
    models = {name: by_name[name] for name in known if name in by_name}
    there = {*models, *(failure.model for failure in comparison.failures)}
    metrics = ordered(key for run in comparison.runs for key in run.test)
    return Ablation(
        comparison,
        [variant for variant in ABLATION if variant.name in there],
        models,
        metrics,
        {metric: differences(models, metric, FULL) for metric in metrics},
    )


# --- rows ---------------------------------------------------------------------------


def ablation_rows(ablation: Ablation) -> list[dict[str, Any]]:
    """The figures with all their digits: a row for each variant and metric.

    A failed run is a row with its reason.
    """
    first = ablation.comparison.runs[0].record
    shared = {
        "dataset": ablation.comparison.dataset,
        "split_hash": first["split_hash"],
        "protocol": protocol_of(first),
    }
    rows = []
    for metric in ablation.metrics:
        figures = metric_figures(ablation.models, metric)
        for name, value in figures.items():
            rows.append(
                {
                    **shared,
                    "variant": name,
                    "metric": metric,
                    "mean": value.mean,
                    "standard_deviation": value.deviation,
                    "seeds": len(value.values),
                    **_test_columns(ablation.tests[metric].get(name)),
                    "training_seconds_per_epoch": _seconds(ablation, name),
                    "failure": None,
                }
            )
    empty = dict.fromkeys(rows[0])
    for failure in ablation.comparison.failures:
        told = f"seed {failure.seed}: {failure.reason}"
        rows.append({**empty, **shared, "variant": failure.model, "failure": told})
    return rows


def _test_columns(difference: Optional[Difference]) -> dict[str, Optional[float]]:
    if difference is None:
        names = ("minus_full", "minus_full_low", "minus_full_high")
        return dict.fromkeys((*names, "p_value", "p_value_holm"))
    return {
        "minus_full": difference.test.difference,
        "minus_full_low": difference.test.low,
        "minus_full_high": difference.test.high,
        "p_value": difference.test.p_value,
        "p_value_holm": difference.adjusted,
    }


def _seconds(ablation: Ablation, name: str) -> Optional[float]:
    """Mean seconds of a training epoch; None for a variant that is not trained."""
    value = _seconds_figure(ablation, name)
    return None if value is None else value.mean


def _seconds_figure(ablation: Ablation, name: str) -> Optional[Figure]:
    if not _is_trained(name):
        return None
    runs = ablation.models[name]
    return figure([run.record["training_seconds_per_epoch"] for run in runs])


def _is_trained(name: str) -> bool:
    return next(variant.is_trained for variant in ABLATION if variant.name == name)


# --- document -----------------------------------------------------------------------


def ablation_document(ablation: Ablation) -> Document:
    """What the ablation shows, for a reader who was not there."""
    return Document(
        f"Ablation of KGIF on {ablation.comparison.dataset}",
        [
            _results(ablation),
            _variants(ablation),
            _significance(ablation),
            *provenance(ablation.comparison, ablation.models),
        ],
    )


def _results(ablation: Ablation) -> Section:
    blocks: list[Block] = [
        f"Test results, means over users. Figures are means over seeds {_PLUS_MINUS} "
        "sample standard deviation; what is not trained gives the same for every seed "
        f"and was run once. {_DAGGER}: differs significantly from the full model (see "
        "below). The time of an epoch is the median of a run's epochs."
    ]
    for k in dict.fromkeys(cutoff(metric) for metric in ablation.metrics):
        metrics = [metric for metric in ablation.metrics if cutoff(metric) == k]
        blocks.append(_accuracy_table(ablation, metrics, k))
    at_a_time = max(int(run.record.get("jobs", 1)) for run in ablation.comparison.runs)
    if at_a_time > 1:
        blocks.append(
            f"{at_a_time} runs shared the machine at a time, which lengthens an epoch."
        )
    if ablation.comparison.failures:
        blocks.append(failures_table(ablation.comparison))
    return Section("Results", blocks)


def _accuracy_table(
    ablation: Ablation, metrics: Sequence[str], k: Optional[int]
) -> Table:
    return Table(
        "ablation" if k is None else f"ablation-{k}",
        "Test accuracy without a cutoff." if k is None else f"Test accuracy at {k}.",
        ["Variant", "Seeds", *(title(metric) for metric in metrics), "s/epoch"],
        [_accuracy_row(ablation, v.name, metrics) for v in ablation.variants],
    )


def _accuracy_row(ablation: Ablation, name: str, metrics: Sequence[str]) -> list[Cell]:
    runs = ablation.models.get(name, ())
    seeds = Cell(seeds_text(ablation.comparison, name, len(runs)))
    if not runs:
        return [Cell(name), seeds, *[Cell("failed")] * len(metrics), Cell(_MISSING)]
    cells = []
    for metric in metrics:
        value = metric_figures({name: runs}, metric).get(name)
        difference = ablation.tests[metric].get(name)
        differs = difference is not None and difference.is_significant
        text = _MISSING if value is None else with_deviation(value)
        cells.append(Cell(text + (_DAGGER if differs else "")))
    seconds = _seconds_figure(ablation, name)
    time = _MISSING if seconds is None else with_deviation(seconds, 2)
    return [Cell(name), seeds, *cells, Cell(time)]


def _variants(ablation: Ablation) -> Section:
    table = Table(
        "variants",
        "What each variant is; its options go over those of the settings below.",
        ["Variant", "What it is", "Model", "Options"],
        [
            [
                Cell(variant.name),
                Cell(variant.words),
                Cell(variant.model),
                Cell(_changes(variant)),
            ]
            for variant in ablation.variants
        ],
        frozenset({1, 2, 3}),
    )
    return Section("Variants", [table])


def _changes(variant: Variant) -> str:
    changes = [f"{name}={value}" for name, value in variant.options.items()]
    return ", ".join(changes + ["no triples"] * (not variant.kept)) or _MISSING


def _significance(ablation: Ablation) -> Section:
    name = "Differences from the full model"
    tested = [metric for metric in ablation.metrics if ablation.tests[metric]]
    if not tested:
        return Section(
            name,
            [
                "The full model has not finished, or nothing else has, or the records "
                "hold no values of single users: so nothing is tested."
            ],
        )
    users = next(iter(ablation.tests[tested[0]].values())).test.users
    blocks: list[Block] = [
        "Each variant is tested against the full model by Student's paired t-test over "
        f"the {users:,} test users, two-sided; a user's value is the mean over the "
        "variant's seeds. Holm's correction over all variants of one metric keeps the "
        f"chance of any false alarm among them below {LEVEL:g}. The test tells whether "
        "other users of the same kind would show the difference; how far training by "
        "another seed moves a figure is told by its deviation. A part that earns "
        "something makes the difference of the variant without it negative."
    ]
    main = main_metric(ablation.comparison)
    if ablation.tests[main]:
        blocks.append(_difference_table(main, ablation.tests[main]))
    for k in dict.fromkeys(cutoff(metric) for metric in tested):
        metrics = [metric for metric in tested if cutoff(metric) == k]
        blocks.append(_p_value_table(ablation, metrics, k))
    return Section(name, blocks)


def _difference_table(metric: str, tests: Mapping[str, Difference]) -> Table:
    return Table(
        "differences",
        f"{title(metric)}: each variant minus the full model. Difference of means over "
        "users with its 95% confidence interval.",
        ["Variant", "Difference", "95% from", "to", "p", "p (Holm)", "Significant"],
        [
            [
                Cell(name),
                Cell(f"{item.test.difference:+.{DECIMALS}f}"),
                Cell(f"{item.test.low:+.{DECIMALS}f}"),
                Cell(f"{item.test.high:+.{DECIMALS}f}"),
                Cell(p_text(item.test.p_value)),
                Cell(p_text(item.adjusted)),
                Cell("yes" if item.is_significant else "no"),
            ]
            for name, item in tests.items()
        ],
    )


def _p_value_table(
    ablation: Ablation, metrics: Sequence[str], k: Optional[int]
) -> Table:
    names = [name for name in ablation.models if name != FULL]
    return Table(
        "p-values" if k is None else f"p-values-{k}",
        "p-values after Holm's correction, of each variant against the full model; "
        f"below {LEVEL:g} is significant.",
        ["Variant", *(title(metric) for metric in metrics)],
        [
            [
                Cell(name),
                *(
                    Cell(
                        p_text(ablation.tests[metric][name].adjusted)
                        if name in ablation.tests[metric]
                        else _MISSING
                    )
                    for metric in metrics
                ),
            ]
            for name in names
        ],
    )
