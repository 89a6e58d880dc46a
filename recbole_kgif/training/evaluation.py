"""RecBole's evaluation, extended: values of each user and hits of each item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from recbole.evaluator import Collector, Evaluator
from recbole.evaluator.base_metric import TopkMetric
from torch import Tensor

from recbole_kgif.options.protocols import NEW_ITEMS
from recbole_kgif.options.protocols import OPTION as PROTOCOL
from recbole_kgif.training.distributed import group
from recbole_kgif.training.group_evaluation import (
    COLLECTED,
    GroupMetrics,
    GroupResult,
    ItemGroups,
)
from recbole_kgif.training.loading import LoadedData

# Six digits keep a mean over users exact well beyond the four that RecBole reports.
_PER_USER_DIGITS = 6

# What RecBole's collector holds of the evaluated users, a row each.
_COLLECTED = (
    *("rec.items", "rec.topk", "rec.meanrank", "rec.score", "data.label"),
    *COLLECTED.values(),
)


class RunEvaluator(Evaluator):
    """RecBole's evaluator with the metrics of groups of items, where asked for.

    Attributes:
        groups: after an evaluation, the metrics of groups, where they were collected.
    """

    def __init__(self, config: Any):
        super().__init__(config)
        self.groups: Optional[GroupResult] = None
        self._group_metrics = GroupMetrics(config)

    def evaluate(self, dataobject: Any) -> Any:
        """All metrics; by the protocol of new items those of groups among them."""
        result = super().evaluate(dataobject)
        self.groups = self._group_metrics.evaluate(dataobject)
        if self.groups is not None and self.config[PROTOCOL] == NEW_ITEMS:
            result.update(self.groups.flat(self.config["metric_decimal_place"]))
        return result


class PerUserEvaluator(RunEvaluator):
    """The evaluator that keeps the values whose means the top-k metrics are.

    Attributes:
        per_user: after an evaluation, the values of each metric at each k, one a user,
            in the order of the evaluated users; None for a user without a test item of
            the metric's group.
    """

    def __init__(self, config: Any):
        super().__init__(config)
        self.per_user: dict[str, list[Any]] = {}
        metrics: dict[str, Any] = self.metric_class
        for name, metric in metrics.items():
            if isinstance(metric, TopkMetric):
                metrics[name] = _keeping_values(type(metric), self.per_user)(config)

    def evaluate(self, dataobject: Any) -> Any:
        """All metrics."""
        result = super().evaluate(dataobject)
        if self.groups is not None and self.config[PROTOCOL] == NEW_ITEMS:
            self.per_user.update(self.groups.per_user(_PER_USER_DIGITS))
        return result


def _keeping_values(metric: Any, values: dict[str, list[Any]]) -> Any:
    """A subclass of a top-k metric that stores the value of each user."""

    class KeepingValues(metric):
        def topk_result(self, name: str, value: Any) -> Any:
            for k in self.topk:
                column = value[:, k - 1].astype(float).round(_PER_USER_DIGITS)
                values[f"{name}@{k}"] = column.tolist()
            return super().topk_result(name, value)

    return KeepingValues


class RunCollector(Collector):
    """RecBole's collector that joins what all processes have collected.

    Attributes:
        item_hits: counts the hits of each item where it is set.
        groups: the groups of items that are evaluated apart; None for none.
        evaluated: the evaluated set, "valid" or "test".
    """

    def __init__(self, config: Any, groups: Optional[ItemGroups] = None):
        super().__init__(config)
        self.item_hits: Optional[ItemHits] = None
        self.groups = groups
        self.evaluated = "valid"

    def eval_batch_collect(
        self, scores_tensor: Tensor, interaction: Any, positive_u: Any, positive_i: Any
    ) -> None:
        """Collect a batch, see RecBole's collector."""
        # One-dimensional scores are of pairs, which are valued and not ranked.
        if self._counts_lists and scores_tensor.dim() == 2:
            # As RecBole's collector takes it, so that equal scores are ranked alike.
            ranked = torch.topk(scores_tensor, max(self.topk), dim=-1).indices
            if self.item_hits is not None:
                self.item_hits.add(ranked, positive_u, positive_i)
            if self.groups is not None:
                collected = self.groups.collect(
                    scores_tensor, ranked, positive_u, positive_i, self.evaluated
                )
                for name, hits in collected.items():
                    self.data_struct.update_tensor(name, hits)
        super().eval_batch_collect(scores_tensor, interaction, positive_u, positive_i)

    @property
    def _counts_lists(self) -> bool:
        return self.item_hits is not None or self.groups is not None

    def get_data_struct(self) -> Any:
        """What all processes have collected since the last call."""
        collected = super().get_data_struct()
        for name in COLLECTED.values():
            if name in self.data_struct:
                del self.data_struct[name]
        if group.n_processes() == 1:
            return collected
        own = {name: collected.get(name) for name in _COLLECTED if name in collected}
        parts = group.from_all(own)
        for name in _COLLECTED:
            of_all = [part[name] for part in parts if name in part]
            if of_all:
                collected.set(name, torch.cat(of_all))
        return collected


class ItemHits:
    """How often each test item is found; RecBole's metrics average over users alone.

    Args:
        n_items: number of items, padding included.
        lengths: the lengths k of the lists.
    """

    def __init__(self, n_items: int, lengths: Sequence[int]):
        self.lengths = tuple(lengths)
        self.interactions = torch.zeros(n_items, dtype=torch.int64)
        self.hits = torch.zeros(len(self.lengths), n_items, dtype=torch.int64)

    def add(self, ranked: Tensor, row: Tensor, item: Tensor) -> None:
        """Count a batch.

        Args:
            ranked: the best items of each user, shape: [n_users, k]
            row: row of each evaluated interaction, shape: [n_interactions]
            item: item of each evaluated interaction, shape: [n_interactions]
        """
        ranked, row, item = ranked.cpu(), row.cpu(), item.cpu()
        is_found = ranked[row] == item.unsqueeze(1)
        self.interactions += torch.bincount(item, minlength=len(self.interactions))
        for place, length in enumerate(self.lengths):
            found = item[is_found[:, :length].any(dim=1)]
            self.hits[place] += torch.bincount(found, minlength=len(self.interactions))

    def to_record(self, train_dataset: Any) -> dict[str, Any]:
        """The counts as JSON values.

        Args:
            train_dataset: RecBole's data set of the training interactions.

        Returns:
            For the items with an evaluated interaction, in equal order: `items`, their
            original ids, `training_interactions`, `test_interactions`, and `hits`, a
            list for each k.
        """
        evaluated = torch.nonzero(self.interactions).squeeze(1)
        field = train_dataset.iid_field
        degree = torch.bincount(
            train_dataset.inter_feat[field], minlength=len(self.interactions)
        )
        names = train_dataset.id2token(field, evaluated.numpy())
        return {
            "items": [str(name) for name in names],
            "training_interactions": degree[evaluated].tolist(),
            "test_interactions": self.interactions[evaluated].tolist(),
            "hits": {
                str(length): self.hits[place][evaluated].tolist()
                for place, length in enumerate(self.lengths)
            },
        }


def evaluated_users(loader: Any) -> Optional[Tensor]:
    """Numbers of the users whose values an evaluation by lists gives, in its order.

    Args:
        loader: RecBole's loader of the evaluated interactions.

    Returns:
        Each user once; None where a list is not a user's: pairs of user and item are
        valued, or a sequential model ranks at several interactions of a user.
    """
    users = getattr(loader, "uid_list", None)
    if users is not None:
        return torch.as_tensor(users)
    if not isinstance(loader, FullSortEvalDataLoader):
        return None
    # Of a sequential model, which ranks once for each interaction.
    dataset = loader._dataset
    numbers: Tensor = dataset.inter_feat[dataset.uid_field]
    return numbers if len(numbers.unique()) == len(numbers) else None


def original_ids(loader: Any, users: Tensor) -> list[str]:
    """Original ids of users, by their numbers."""
    dataset = loader._dataset
    return [str(user) for user in dataset.id2token(dataset.uid_field, users.numpy())]


def training_interactions(data: LoadedData, users: Tensor) -> list[int]:
    """Number of training interactions of each of some users."""
    train = data.train._dataset
    degree = torch.bincount(train.inter_feat[train.uid_field], minlength=train.user_num)
    of_users: list[int] = degree[users].tolist()
    return of_users
