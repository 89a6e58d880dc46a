"""The report on a comparison: which model is best, by how much, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from recbole_kgif.options.item_groups import MOST_OF_FEW
from recbole_kgif.options.protocols import RECBOLE
from recbole_kgif.report.group_table import group_table
from recbole_kgif.report.metric_names import (
    MetricTable,
    by_table,
    larger_is_better,
    title,
)
from recbole_kgif.report.rendering import Marked, Table
from recbole_kgif.report.run_provenance import provenance
from recbole_kgif.report.run_table import Comparison, Run
from recbole_kgif.report.statistics import DECIMALS, LEVEL, fmean, paired_tests, ranks
from recbole_kgif.report.table_texts import (
    DAGGER,
    MISSING,
    differences_frame,
    failures_table,
    p_text,
    p_value_tables,
    rows_of,
    seconds,
    with_deviation,
)

_COLUMNS = (
    *("dataset", "split_hash", "protocol", "model", "metric", "mean"),
    *("standard_deviation", "seeds", "rank", "best_model", "best_minus_this"),
    *("p_value", "p_value_holm", "training_seconds_per_epoch", "peak_memory_bytes"),
    *("parameters", "failure"),
)
_TEST = {
    "difference": "best_minus_this",
    "p_value": "p_value",
    "adjusted": "p_value_holm",
}


class Lead(NamedTuple):
    """The best model of a metric against the others.

    Attributes:
        best: Its label; empty where no model has the metric.
        tests: A paired test of best minus other for each other model with values by
            user, the nearest first, as `statistics.paired_tests` gives them. Of several
            best models the first by name is taken.
    """

    best: str
    tests: pd.DataFrame

    def is_significant(self, metric: str, n_models: int) -> bool:
        """Whether the best is better than every other: it may be first by name alone.

        Args:
            metric: the metric.
            n_models: number of all models; those that cannot be tested count, too.
        """
        sign = 1 if larger_is_better(metric) else -1
        is_better = self.tests["is_significant"] & (sign * self.tests["difference"] > 0)
        return 0 < len(self.tests) == n_models - 1 and bool(is_better.all())


def lead_of(comparison: Comparison, metric: str) -> Lead:
    """Test the best model of a metric against every other one."""
    place = ranks(comparison.over_seeds(metric)["mean"], metric)
    order = sorted(place.index, key=lambda label: (place[label], label))
    # In one order of the users, whatever that of the records is.
    values = comparison.means_of_users(metric).sort_index()
    tested = [label for label in order if label in values]
    if not order or order[0] not in values:
        return Lead(order[0] if order else "", paired_tests(pd.DataFrame()))
    best = order[0]
    return Lead(best, paired_tests(values[tested[1:]].rsub(values[best], axis=0)))


def leads_of(comparison: Comparison) -> dict[str, Lead]:
    """`lead_of` for each metric."""
    return {metric: lead_of(comparison, metric) for metric in comparison.metrics}


def labels_in_order(comparison: Comparison) -> list[str]:
    """The labels of finished runs, the best by the main metric first."""
    metric = comparison.main_metric
    place = ranks(comparison.over_seeds(metric)["mean"], metric)
    last = len(comparison.by_label) + 1
    return sorted(comparison.by_label, key=lambda k: (place.get(k, last), k))


def comparison_rows(comparison: Comparison, leads: Mapping[str, Lead]) -> pd.DataFrame:
    """The values with all their digits: a row for each model and metric.

    A run without a result is a row with its reason.
    """
    by_label = comparison.costs.groupby("label")
    costs = by_label.agg(
        training_seconds_per_epoch=("training_seconds_per_epoch", fmean),
        peak_memory_bytes=("peak_memory_bytes", fmean),
        parameters=("parameters", "first"),
    )
    frames = []
    for metric, (best, tests) in leads.items():
        rows = comparison.over_seeds(metric)
        rows = rows.reindex([k for k in labels_in_order(comparison) if k in rows.index])
        rows = rows.assign(metric=metric, rank=ranks(rows["mean"], metric)).join(costs)
        rows.loc[tests.index, "best_model"] = best
        rows = rows.join(tests[list(_TEST)].rename(columns=_TEST))
        frames.append(rows.rename_axis("model").reset_index())
    failures = [
        {"model": failure.label, "failure": failure.in_words}
        for failure in comparison.failures
    ]
    return rows_of(comparison, frames, failures, _COLUMNS)


def comparison_context(
    comparison: Comparison, leads: Mapping[str, Lead]
) -> dict[str, Any]:
    """What the template ``comparison.j2`` asks for."""
    labels = labels_in_order(comparison)
    models = {label: comparison.by_label[label] for label in labels}
    main = comparison.main_metric
    tested = [metric for metric, lead in leads.items() if len(lead.tests)]
    protocol = comparison.origin["protocol"]
    return {
        **comparison.origin,
        "main": title(main),
        "most_of_few": MOST_OF_FEW,
        "seed_counts": sorted({len(runs) for runs in models.values()}),
        "n_models": len(models),
        "decimals": DECIMALS,
        "level": LEVEL,
        "is_tested": bool(tested),
        "other_protocol": None if protocol == RECBOLE else protocol,
        "accuracy": [
            (shared.words, _accuracy_table(comparison, models, leads, shared))
            for shared in by_table(comparison.metrics)
        ],
        "groups": group_table(comparison, list(models)),
        "failures": failures_table(comparison.failures),
        "n_users": leads[tested[0]].tests["users"].iloc[0] if tested else 0,
        "best": leads[main].best,
        "differences": Table(
            "significance", differences_frame("Against", leads[main].tests)
        )
        if main in tested
        else None,
        "p_values": p_value_tables(
            "Model",
            labels,
            {
                metric: {**tests["adjusted"].map(p_text), best: "best"}
                for metric, (best, tests) in leads.items()
                if len(tests)
            },
        ),
        "cost": Table("cost", _cost_frame(comparison, labels)),
        **_caveats([run for runs in models.values() for run in runs]),
        "validation_metric": title(comparison.runs[0].validation_metric),
        **provenance(comparison, models),
    }


def _accuracy_table(
    comparison: Comparison,
    models: Mapping[str, Sequence[Run]],
    leads: Mapping[str, Lead],
    shared: MetricTable,
) -> Table:
    lost = [failure.label for failure in comparison.failures]
    labels = list(dict.fromkeys([*models, *lost]))
    frame = pd.DataFrame(
        {
            "Model": labels,
            "Seeds": [comparison.runs_finished(label) for label in labels],
        },
        index=labels,
    )
    for metric in shared.metrics:
        cells = _marked_column(comparison, metric, leads[metric], len(models))
        cells = cells.reindex(labels)
        frame[shared.column(metric)] = cells.where(cells.notna(), MISSING)
    of_metrics = [shared.column(metric) for metric in shared.metrics]
    frame.loc[~frame.index.isin(models), of_metrics] = "failed"
    return Table(shared.label("accuracy"), frame)


def _marked_column(
    comparison: Comparison, metric: str, lead: Lead, n_models: int
) -> pd.Series[Any]:
    summary = comparison.over_seeds(metric)
    texts = with_deviation(summary)
    # Only a test against every other model lets one say "better than every other".
    if lead.is_significant(metric, n_models):
        texts[lead.best] += DAGGER
    marks = {1: "best", 2: "second"} if len(summary) > 1 else {}
    places = ranks(summary["mean"], metric)
    cells = [
        Marked(text, marks[place]) if place in marks else text
        for text, place in zip(texts, places)
    ]
    return pd.Series(cells, texts.index, dtype=object)


# --- cost ---------------------------------------------------------------------------


def _cost_frame(comparison: Comparison, labels: Sequence[str]) -> pd.DataFrame:
    def mean(name: str, decimals: int = 0, unit: int = 1) -> pd.Series[str]:
        means = (comparison.costs[name] / unit).groupby(comparison.costs["label"])
        return means.agg(fmean).map(lambda value: f"{value:,.{decimals}f}")

    frame = pd.DataFrame(
        {
            "Training s/epoch": seconds(comparison, "training_seconds_per_epoch"),
            "Validation s/epoch": seconds(comparison, "validation_seconds_per_epoch"),
            "Epochs": mean("epochs"),
            "Best epoch": mean("best_epoch"),
            "Training s": mean("training_seconds", 1),
            "Peak MiB": mean("peak_memory_bytes", unit=2**20),
            "Parameters": comparison.costs.groupby("label")["parameters"].first(),
        }
    )
    frame["Parameters"] = frame["Parameters"].map("{:,}".format)
    return frame.loc[labels].rename_axis("Model").reset_index()


def _caveats(runs: Sequence[Run]) -> dict[str, Any]:
    """What makes times or accuracies of runs hard to compare."""
    machines = {(run.record["device"], run.record["threads"]) for run in runs}
    jobs = sorted({int(run.record.get("jobs", 1)) for run in runs})
    return {
        "are_machines_mixed": len(machines) > 1,
        "at_a_time": "" if jobs == [1] else " or ".join(map(str, jobs)),
        "cut_short": [run.name for run in runs if _reached_the_limit(run)],
    }


def _reached_the_limit(run: Run) -> bool:
    """Whether the best epoch is the last one that the budget allowed."""
    limit = run.configuration.get("epochs")
    if limit is None or run.configuration.get("MODEL_TYPE") == "TRADITIONAL":
        return False
    eval_step = min(run.configuration.get("eval_step") or 1, limit)
    last_validated = limit // eval_step * eval_step
    return bool(run.record["best_epoch"] + 1 >= last_validated)
