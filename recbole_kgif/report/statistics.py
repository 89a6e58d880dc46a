"""Figures over seeds and users: means, deviations, ranks and tests."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from recbole_kgif.report.metric_names import larger_is_better
from recbole_kgif.report.paired_tests import PairedTest, holm, paired_test
from recbole_kgif.report.run_records import Comparison, Run

# As many as RecBole gives its metrics; models that agree in them share a rank.
DECIMALS = 4
LEVEL = 0.05


@dataclass(frozen=True)
class Figure:
    """A figure over the seeds of a model.

    Attributes:
        mean: Mean over the seeds.
        deviation: Sample standard deviation; None for one seed.
        values: The figure of each seed.
    """

    mean: float
    deviation: Optional[float]
    values: tuple[float, ...]


@dataclass(frozen=True)
class AgainstBest:
    """The best model of a metric beside another one.

    Attributes:
        best: Name of the best model.
        other: Name of the other.
        test: The paired test of best minus other.
        adjusted: Its p-value after Holm's correction over all others.
    """

    best: str
    other: str
    test: PairedTest
    adjusted: float

    @property
    def is_significant(self) -> bool:
        """Whether the adjusted p-value is below `LEVEL`."""
        return self.adjusted < LEVEL

    def is_lead(self, metric: str) -> bool:
        """Whether the best is better, significantly: it may be first by name alone."""
        sign = 1 if larger_is_better(metric) else -1
        return self.is_significant and sign * self.test.difference > 0


def figure(values: Sequence[float]) -> Figure:
    """Mean and deviation of at least one value."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Figure(statistics.fmean(values), deviation, tuple(values))


def runs_by_model(comparison: Comparison) -> dict[str, list[Run]]:
    """The finished runs of each model, in the order of the seeds."""
    models: dict[str, list[Run]] = {}
    for run in comparison.runs:
        models.setdefault(run.model, []).append(run)
    return models


def metric_figures(
    models: Mapping[str, Sequence[Run]], metric: str
) -> dict[str, Figure]:
    """The test figure of each model that has the metric in all its runs."""
    return {
        model: figure([run.test[metric] for run in runs])
        for model, runs in models.items()
        if all(metric in run.test for run in runs)
    }


def ranks(figures: Mapping[str, Figure], metric: str) -> dict[str, int]:
    """Rank of each model by its mean as it is displayed: 1 is best, equals share one.

    After two that share rank 1 comes rank 3.
    """
    sign = -1 if larger_is_better(metric) else 1
    shown = {model: sign * round(f.mean, DECIMALS) for model, f in figures.items()}
    return {
        model: 1 + sum(other < value for other in shown.values())
        for model, value in shown.items()
    }


def values_per_user(runs: Sequence[Run], metric: str) -> Optional[dict[str, float]]:
    """A model's value for each user, averaged over its seeds; None without values."""
    by_run = [run.per_user(metric) for run in runs]
    complete = [values for values in by_run if values]
    if not complete or len(complete) < len(by_run):
        return None
    return {
        user: statistics.fmean(values[user] for values in complete)
        for user in complete[0]
    }


def against_best(models: Mapping[str, Sequence[Run]], metric: str) -> list[AgainstBest]:
    """Test the best model of a metric against every other one.

    Args:
        models: the runs of each model.
        metric: name of a metric.

    Returns:
        One comparison for each other model that has values per user, the nearest
        first; none where the best has no such values or there are fewer than two users.
        Of several best models the first by name is taken.
    """
    figures = metric_figures(models, metric)
    per_user = {
        model: values
        for model in figures
        if (values := values_per_user(models[model], metric)) is not None
    }
    if not figures:
        return []
    rank = ranks(figures, metric)
    best = min(figures, key=lambda model: (rank[model], model))
    others = sorted(
        (model for model in per_user if model != best), key=lambda m: (rank[m], m)
    )
    if best not in per_user or len(per_user[best]) < 2:
        return []
    users = sorted(per_user[best])
    tests = [
        paired_test(
            [per_user[best][user] for user in users],
            [per_user[other][user] for user in users],
        )
        for other in others
    ]
    adjusted = holm([test.p_value for test in tests])
    return [
        AgainstBest(best, other, test, p)
        for other, test, p in zip(others, tests, adjusted)
    ]
