"""Metrics of the test interactions with new, few and other items, apart.

A user's list is the same for all groups: all candidates, ranked. A group's metrics
count its items alone as hits and as test items, and are means over the users who have
such a test item. `NEW_ONLY` ranks new items alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import torch
from recbole.evaluator.base_metric import TopkMetric
from recbole.evaluator.collector import DataStruct
from recbole.evaluator.register import metrics_dict
from torch import Tensor

from recbole_kgif.options.item_groups import (
    FEW,
    HARMONIC,
    MOST_OF_FEW,
    NEW,
    NEW_ONLY,
    REST,
    WARM,
    WARM_ONLY,
    group_metric,
    harmonic_mean,
)

Values = npt.NDArray[np.float64]

# What is collected for each group: hits in the list and number of test items, as in
# RecBole's "rec.topk".
COLLECTED = {
    group: f"group.{group}" for group in (NEW, FEW, REST, WARM, NEW_ONLY, WARM_ONLY)
}
_BOTH = (WARM, NEW)


@dataclass(frozen=True)
class ItemGroups:
    """The groups of a data set's items.

    Attributes:
        members: whether each item is in a group, by group, each of shape: [n_items]
        new_candidates: the items that `NEW_ONLY` ranks in an evaluation, by the
            evaluated set, "valid" or "test": the new ones that have an interaction in
            it, or none in any set. Those of the other set are not new there.
    """

    members: Mapping[str, Tensor]
    new_candidates: Mapping[str, Tensor]

    @classmethod
    def of(cls, train: Any, valid: Any, test: Any) -> ItemGroups:
        """The groups of the items of RecBole's data sets."""
        counts = {
            name: torch.bincount(
                part.inter_feat[part.iid_field], minlength=part.item_num
            )
            for name, part in (("train", train), ("valid", valid), ("test", test))
        }
        n_trained = counts["train"]
        is_new = n_trained == 0
        is_idle = torch.stack(list(counts.values())).sum(dim=0) == 0
        is_idle[0] = False  # the padding
        members = {
            NEW: is_new,
            FEW: ~is_new & (n_trained <= MOST_OF_FEW),
            REST: n_trained > MOST_OF_FEW,
            WARM: ~is_new,
            NEW_ONLY: is_new,
            WARM_ONLY: ~is_new,
        }
        candidates = {
            name: torch.nonzero(is_new & ((counts[name] > 0) | is_idle)).squeeze(1)
            for name in ("valid", "test")
        }
        return cls(members, candidates)

    def collect(
        self, scores: Tensor, ranked: Tensor, row: Tensor, item: Tensor, part: str
    ) -> dict[str, Tensor]:
        """Hits and numbers of test items of a batch of users.

        Args:
            scores: of all items, minus infinity for those that are not candidates,
                shape: [n_users, n_items]
            ranked: the best items of each user, shape: [n_users, k]
            row: row of each evaluated interaction, shape: [n_interactions]
            item: item of each evaluated interaction, shape: [n_interactions]
            part: the evaluated set, "valid" or "test".

        Returns:
            By what `COLLECTED` calls it, whether the item at each place is a test item
            of the group, and in the last column the number of these test items, shape:
            [n_users, k + 1]
        """
        new = self.new_candidates[part].to(scores.device)
        length = min(ranked.shape[1], len(new))
        among_new = new[torch.topk(scores[:, new], length, dim=-1).indices]
        is_new = self.members[NEW].to(scores.device)
        of_warm = scores.masked_fill(is_new, -torch.inf)
        among_warm = torch.topk(of_warm, ranked.shape[1], dim=-1).indices
        lists = {NEW_ONLY: among_new, WARM_ONLY: among_warm}
        collected = {}
        for group, name in COLLECTED.items():
            is_member = self.members[group].to(item.device)[item]
            of_list = lists.get(group, ranked)
            collected[name] = _hits(of_list, row[is_member], item[is_member], ranked)
        return collected


def _hits(of_list: Tensor, row: Tensor, item: Tensor, ranked: Tensor) -> Tensor:
    """Hits by place, as wide as `ranked`, and the number of test items."""
    n_users, k = ranked.shape
    result = torch.zeros(n_users, k + 1, dtype=torch.int64, device=ranked.device)
    row, item = row.to(ranked.device), item.to(ranked.device)
    is_hit = (of_list[row] == item.unsqueeze(1)).long()
    result[:, : of_list.shape[1]].index_add_(0, row, is_hit)
    result[:, k] = torch.bincount(row, minlength=n_users)
    return result


@dataclass(frozen=True)
class GroupResult:
    """The metrics of each group of items in one evaluation.

    Attributes:
        has_items: whether each evaluated user has a test item of a group, by group,
            each of shape: [n_users]
        n_interactions: number of test interactions, by group.
        values: values of these users, by group and metric, such as "ndcg@20".
    """

    has_items: Mapping[str, npt.NDArray[np.bool_]]
    n_interactions: Mapping[str, int]
    values: Mapping[str, Mapping[str, Values]]

    def means(self) -> dict[str, dict[str, float]]:
        """Means over users by group and metric, with those of warm and new together."""
        means = {
            group: {metric: float(values.mean()) for metric, values in of_group.items()}
            for group, of_group in self.values.items()
        }
        if NEW in means and WARM in means:
            means[HARMONIC] = {
                metric: harmonic_mean(warm, means[NEW][metric])
                for metric, warm in means[WARM].items()
            }
        return means

    def flat(self, decimals: int) -> dict[str, float]:
        """The means by the name of the group's metric, rounded as RecBole does."""
        return {
            group_metric(group, metric): round(mean, decimals)
            for group, metrics in self.means().items()
            for metric, mean in metrics.items()
        }

    def per_user(self, digits: int) -> dict[str, list[Optional[float]]]:
        """Values of all evaluated users by the name of the group's metric.

        A user without a test item of the group has None. The harmonic mean is that of
        two means; its value of a user is the mean plus what the user adds to it in
        first order (the delta method), so that the mean over users is the harmonic
        mean, and a paired test of it is one of the users.
        """
        columns: dict[str, list[Optional[float]]] = {}
        for group, of_group in self.values.items():
            rows = np.flatnonzero(self.has_items[group])
            for metric, values in of_group.items():
                column: list[Optional[float]] = [None] * len(self.has_items[group])
                for row, value in zip(rows.tolist(), values.round(digits).tolist()):
                    column[row] = value
                columns[group_metric(group, metric)] = column
        if NEW in self.values and WARM in self.values:
            for metric in self.values[NEW]:
                name = group_metric(HARMONIC, metric)
                columns[name] = self._harmonic_by_user(metric).round(digits).tolist()
        return columns

    def _harmonic_by_user(self, metric: str) -> Values:
        means = {group: float(self.values[group][metric].mean()) for group in _BOTH}
        total = sum(means.values())
        result = np.full(
            len(self.has_items[NEW]), harmonic_mean(means[WARM], means[NEW])
        )
        if total == 0:
            return result
        for group, other in (_BOTH, _BOTH[::-1]):
            has_items = self.has_items[group]
            slope = 2 * (means[other] / total) ** 2 * len(has_items) / has_items.sum()
            result[has_items] += slope * (self.values[group][metric] - means[group])
        return result

    def to_record(self) -> dict[str, Any]:
        """Means and sizes of the groups, as JSON values."""
        record: dict[str, Any] = {}
        for group, metrics in self.means().items():
            sizes = {}
            if group in self.has_items:
                sizes["users"] = int(self.has_items[group].sum())
                sizes["interactions"] = self.n_interactions[group]
            record[group] = {**sizes, "metrics": metrics}
        return record


class GroupMetrics:
    """RecBole's metrics of ranked lists, applied to groups of items.

    Args:
        config: RecBole's configuration.
    """

    def __init__(self, config: Any):
        self._found: dict[str, Values] = {}
        self._metrics = [
            _storing_values(metric, self._found)(config)
            for metric in (metrics_dict[name.lower()] for name in config["metrics"])
            if issubclass(metric, TopkMetric) and metric.metric_need == ["rec.topk"]
        ]

    def evaluate(self, collected: Any) -> Optional[GroupResult]:
        """The metrics of each group with test items.

        Args:
            collected: what the collector has; None results where it has no groups.
        """
        if COLLECTED[NEW] not in collected:
            return None
        has_items, n_interactions, of_groups = {}, {}, {}
        for group, name in COLLECTED.items():
            hits = collected.get(name)
            has = hits[:, -1] > 0
            if not has.any():
                continue
            has_items[group] = has.numpy()
            n_interactions[group] = int(hits[:, -1].sum())
            of_groups[group] = self._values(hits[has])
        return GroupResult(has_items, n_interactions, of_groups)

    def _values(self, hits: Tensor) -> dict[str, Values]:
        of_group = DataStruct()
        of_group.set("rec.topk", hits)
        self._found.clear()
        for metric in self._metrics:
            metric.calculate_metric(of_group)
        return dict(self._found)


def _storing_values(metric: Any, found: dict[str, Values]) -> Any:
    """A subclass of a metric that stores the values of the users at each k."""

    class StoringValues(metric):
        def topk_result(self, name: str, value: Any) -> Any:
            for k in self.topk:
                found[f"{name}@{k}"] = value[:, k - 1].astype(float)
            return super().topk_result(name, value)

    return StoringValues
