"""Names, order and direction of the metrics in a report."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from recbole_kgif.errors import UserError
from recbole_kgif.options.item_groups import TITLES, split_group
from recbole_kgif.options.protocols import NEW_ITEMS, OPTION

_TITLES = {
    "recall": "Recall",
    "ndcg": "NDCG",
    "kgatndcg": "KGATNDCG",
    "mrr": "MRR",
    "hit": "Hit",
    "precision": "Precision",
    "map": "MAP",
    "itemcoverage": "ItemCoverage",
    "averagepopularity": "AveragePopularity",
    "shannonentropy": "ShannonEntropy",
    "giniindex": "GiniIndex",
    "tailpercentage": "TailPercentage",
    "auc": "AUC",
    "gauc": "GAUC",
    "logloss": "LogLoss",
    "mae": "MAE",
    "rmse": "RMSE",
}
# RecBole's metrics that are not of a ranked list.
_WITHOUT_CUTOFF = {"gauc", "auc", "mae", "rmse", "logloss"}
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
    group, rest = split_group(metric)
    base, at, k = rest.partition("@")
    name = _TITLES.get(base, base.capitalize()) + at + k
    return f"{name}, {TITLES[group].lower()}" if group else name


def larger_is_better(metric: str) -> bool:
    """Whether a larger value of the metric is the better one."""
    return base_name(split_group(metric)[1]) not in _SMALLER_IS_BETTER


def ordered(metrics: Iterable[str]) -> list[str]:
    """Metrics by k, and for each k in a fixed order; those without a k at the end."""
    order, groups = list(_TITLES), ["", *TITLES]

    def place(metric: str) -> tuple[float, int, int, str]:
        group, rest = split_group(metric)
        base, k = base_name(rest), cutoff(rest)
        known = order.index(base) if base in order else len(order)
        return (float("inf") if k is None else k, groups.index(group), known, metric)

    return sorted(set(metrics), key=place)


def by_cutoff(metrics: Iterable[str]) -> list[tuple[Optional[int], list[str]]]:
    """Metrics that are ordered, in groups of one k: one table each."""
    return [(k, list(group)) for k, group in itertools.groupby(metrics, key=cutoff)]


def validation_metric(options: Mapping[str, Any]) -> str:
    """The metric that training is stopped by, as it is named in a record.

    Args:
        options: a run's options, defaults included.

    Raises:
        UserError: it is none of the metrics that are computed.
    """
    metric = str(options["valid_metric"]).lower()
    names, lengths = options["metrics"], options["topk"]
    known = [name.lower() for name in ([names] if isinstance(names, str) else names)]
    ks = lengths if isinstance(lengths, list) else [lengths]
    group, rest = split_group(metric)
    if group and options.get(OPTION) != NEW_ITEMS:
        raise UserError(
            f"valid_metric={options['valid_metric']}: groups of items choose under "
            f"--protocol {NEW_ITEMS} alone; give that protocol, or another metric"
        )
    base, k = base_name(rest), cutoff(rest)
    is_complete = rest in _WITHOUT_CUTOFF or (k in ks and rest == f"{base}@{k}")
    if base not in known or not is_complete:
        raise UserError(
            f"valid_metric={options['valid_metric']}: is not computed with metrics="
            f"{names} and topk={lengths}; give one of them"
        )
    return metric
