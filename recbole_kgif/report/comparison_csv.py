"""A report's figures as CSV: one row for each model and metric."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.metric_names import ordered
from recbole_kgif.report.run_records import Comparison, Run
from recbole_kgif.report.statistics import (
    against_best,
    figure,
    metric_figures,
    ranks,
)

_COLUMNS = (
    *(
        "dataset",
        "split_hash",
        "protocol",
        "model",
        "metric",
        "mean",
        "standard_deviation",
        "seeds",
    ),
    *("rank", "best_model", "best_minus_this", "p_value", "p_value_holm"),
    *("training_seconds_per_epoch", "peak_memory_bytes", "parameters", "failure"),
)


def render(comparison: Comparison, models: Mapping[str, Sequence[Run]]) -> str:
    """The figures with all their digits.

    Args:
        comparison: the runs and failures.
        models: the runs of each model, in the order of display.

    Returns:
        CSV with a header. A run without a result is a row with its reason.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    metrics = ordered(key for run in comparison.runs for key in run.test)
    shared = {
        "dataset": comparison.dataset,
        "split_hash": comparison.runs[0].record["split_hash"],
        "protocol": protocol_of(comparison.runs[0].record),
    }
    for metric in metrics:
        figures = metric_figures(models, metric)
        place = ranks(figures, metric)
        tests = {item.other: item for item in against_best(models, metric)}
        for model, value in figures.items():
            row = {
                **shared,
                **_cost(models[model]),
                "model": model,
                "metric": metric,
                "mean": value.mean,
                "standard_deviation": ""
                if value.deviation is None
                else value.deviation,
                "seeds": len(value.values),
                "rank": place[model],
            }
            if model in tests:
                row["best_model"] = tests[model].best
                row["best_minus_this"] = tests[model].test.difference
                row["p_value"] = tests[model].test.p_value
                row["p_value_holm"] = tests[model].adjusted
            writer.writerow(row)
    for failure in comparison.failures:
        told = f"seed {failure.seed}: {failure.reason}"
        writer.writerow({**shared, "model": failure.model, "failure": told})
    return text.getvalue()


def _cost(runs: Sequence[Run]) -> dict[str, float]:
    names = ("training_seconds_per_epoch", "peak_memory_bytes")
    means = {name: figure([run.record[name] for run in runs]).mean for name in names}
    return {**means, "parameters": runs[0].record["parameters"]}
