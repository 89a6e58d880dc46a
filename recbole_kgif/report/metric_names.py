"""Names, order and direction of the metrics in a report."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

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


class MetricTable(NamedTuple):
    """Metrics that share a table.

    Attributes:
        metrics: in the order of the columns.
        k: their cutoff; None where they have none.
        base: the metric that all of them are, each of another group of items, such as
            "ndcg@20"; empty where they are different metrics of all items.
    """

    metrics: list[str]
    k: Optional[int]
    base: str = ""

    def label(self, name: str) -> str:
        """The label of one of several such tables."""
        if self.base:
            return f"{name}-{self.base.replace('@', '-')}"
        return name if self.k is None else f"{name}-{self.k}"

    @property
    def words(self) -> str:
        """What the table has, for its caption."""
        if self.base:
            return f"({title(self.base)}) by the items' training interactions"
        return "without a cutoff" if self.k is None else f"at {self.k}"

    def column(self, metric: str) -> str:
        """The title of a metric's column."""
        if not self.base:
            return title(metric)
        return TITLES.get(split_group(metric)[0], "All")


def by_table(metrics: Iterable[str]) -> list[MetricTable]:
    """Metrics that are ordered, in tables.

    A table has the metrics of one k; where there are groups of items it has one metric
    of one k, for each group.
    """
    listed = list(metrics)
    if not any(split_group(metric)[0] for metric in listed):
        grouped = itertools.groupby(listed, key=cutoff)
        return [MetricTable(list(group), k) for k, group in grouped]
    bases = dict.fromkeys(split_group(metric)[1] for metric in listed)
    return [
        MetricTable(
            [m for m in listed if split_group(m)[1] == base], cutoff(base), base
        )
        for base in bases
    ]


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
