"""Names, order and direction of the metrics in a report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

_TITLES = {
    "recall": "Recall",
    "ndcg": "NDCG",
    "mrr": "MRR",
    "hit": "Hit",
    "precision": "Precision",
    "map": "MAP",
}
# As RecBole's evaluator marks them; of all others a larger value is the better one.
_SMALLER_IS_BETTER = {"mae", "rmse", "logloss", "averagepopularity", "giniindex"}


def cutoff(metric: str) -> Optional[int]:
    """The k of a metric such as "recall@10"; None for one without."""
    _, at, k = metric.partition("@")
    return int(k) if at and k.isdigit() else None


def base_name(metric: str) -> str:
    """The metric without its k."""
    return metric.partition("@")[0]


def title(metric: str) -> str:
    """The metric as it is written in a table."""
    base, at, k = metric.partition("@")
    return _TITLES.get(base, base.capitalize()) + at + k


def larger_is_better(metric: str) -> bool:
    """Whether a larger value of the metric is the better one."""
    return base_name(metric) not in _SMALLER_IS_BETTER


def ordered(metrics: Iterable[str]) -> list[str]:
    """Metrics by k, and for each k in a fixed order; those without a k at the end."""
    order = list(_TITLES)

    def place(metric: str) -> tuple[float, int, str]:
        base, k = base_name(metric), cutoff(metric)
        known = order.index(base) if base in order else len(order)
        return (float("inf") if k is None else k, known, metric)

    return sorted(set(metrics), key=place)
