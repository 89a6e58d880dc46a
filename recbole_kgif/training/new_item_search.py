"""Choice of the offset of new items, from what a validation has seen.

The best one by the metric that stops the training is taken: the NDCG of all items, or
the harmonic mean of those of warm and new ones. What it costs warm items, those with
training interactions, can be limited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from torch import Tensor

from recbole_kgif.model.new_items import MIXING
from recbole_kgif.options.item_groups import harmonic_mean

OFFSETS = tuple(step / 4 for step in range(-16, 49))
# Users of whom the ranked lists are kept: enough for the choice of one value.
MOST_USERS = 4000
# The least share of the validation interactions that have to be with new items.
LEAST_SHARE = 0.01


def has_new_items(valid_data: Any, is_known: Tensor) -> bool:
    """Whether a validation can choose the offset of new items.

    Args:
        valid_data: RecBole's loader of the validation interactions.
        is_known: whether each item has training interactions, shape: [n_items]

    Returns:
        Whether lists of all items are ranked, and enough interactions are with new
        items.
    """
    if not isinstance(valid_data, FullSortEvalDataLoader):
        return False
    dataset = valid_data._dataset
    is_new = ~is_known.cpu()[dataset.inter_feat[dataset.iid_field]]
    return float(is_new.double().mean()) >= LEAST_SHARE


@dataclass(frozen=True)
class RankedList:
    """The best items of some users.

    Attributes:
        scores: in descending order, shape: [n_users, k]
        hits: whether each item is one that the user chose, of the same shape.
    """

    scores: Tensor
    hits: Tensor

    @classmethod
    def of(cls, scores: Tensor, chosen: Tensor, k: int) -> RankedList:
        """The best k columns."""
        best, index = scores.topk(min(k, scores.shape[1]), dim=1)
        return cls(best, chosen.gather(1, index) & torch.isfinite(best))

    @classmethod
    def joined(cls, lists: list[RankedList]) -> RankedList:
        """The lists of all users."""
        return cls(
            torch.cat([one.scores for one in lists]),
            torch.cat([one.hits for one in lists]),
        )

    def rows(self, users: Tensor) -> RankedList:
        """The lists of some users."""
        return RankedList(self.scores[users], self.hits[users])


@dataclass
class NewItemSearch:
    """What a validation shows of warm and new items, for the choice of the offset.

    Attributes:
        is_known: whether each item has training interactions, shape: [n_items]
        k: length of the ranked lists.
        separately: whether warm and new items are valued apart.
    """

    is_known: Tensor
    k: int
    separately: bool
    _n_users: int = 0
    _n_chosen: list[Tensor] = field(default_factory=list)
    _warm: list[RankedList] = field(default_factory=list)
    _new: list[RankedList] = field(default_factory=list)
    _unchanged: list[RankedList] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the lists of enough users are kept."""
        return self._n_users >= MOST_USERS

    def add(
        self,
        scores: Tensor,
        expected: Tensor,
        is_candidate: Tensor,
        row: Tensor,
        item: Tensor,
    ) -> None:
        """Keep the lists of a batch of users.

        Args:
            scores: of all items, by the weights (0, 0), shape: [n_users, n_items]
            expected: of new items, by the regression, shape: [n_users, n_new]
            is_candidate: whether each item is ranked, shape: [n_users, n_items]
            row: row of each validation interaction, shape: [n_interactions]
            item: item of each validation interaction, shape: [n_interactions]
        """
        self._n_users += len(scores)
        chosen = torch.zeros_like(is_candidate)
        chosen[row, item] = True
        new = torch.nonzero(~self.is_known).squeeze(1)
        chosen_new = chosen.index_select(1, new)
        n_new = chosen_new.sum(1)
        self._n_chosen.append(torch.stack([chosen.sum(1) - n_new, n_new]))
        scores = scores.masked_fill(~is_candidate, -torch.inf)
        of_new = scores.index_select(1, new)
        mixed = torch.lerp(of_new, expected, MIXING)
        mixed = mixed.masked_fill(torch.isneginf(of_new), -torch.inf)
        for lists, ranked in ((self._new, mixed), (self._unchanged, of_new)):
            lists.append(RankedList.of(ranked, chosen_new, self.k))
        of_warm = scores.masked_fill_(~self.is_known, -torch.inf)
        self._warm.append(RankedList.of(of_warm, chosen, self.k))

    @property
    def has_new(self) -> bool:
        """Whether a kept user chose a new item."""
        return bool(torch.cat(self._n_chosen, dim=1)[1].any())

    def choose(self, largest_cost: float) -> float:
        """The best offset; by users who chose no new item all would be equal.

        Args:
            largest_cost: the share of the NDCG of warm items, with the scores of new
                ones unchanged, that may be lost.
        """
        n_chosen = torch.cat(self._n_chosen, dim=1)
        n_chosen = torch.cat([n_chosen, n_chosen.sum(0, keepdim=True)])
        # Users without a hit add nothing to any of the sums.
        lists = [*map(RankedList.joined, (self._warm, self._new, self._unchanged))]
        has_hit = torch.stack([one.hits.any(1) for one in lists]).any(0)
        warm, new, unchanged = (one.rows(has_hit) for one in lists)
        n_warm, n_new, n_both = n_chosen[:, has_hit]
        of_warm_users, of_new_users, of_users = (n_chosen > 0).sum(1).tolist()

        def by_offset(new: RankedList, offset: float) -> tuple[float, float]:
            """What is to be the largest, and the NDCG of warm items."""
            hits, is_new = merged(warm, new, offset)
            of_warm = ndcg(hits & ~is_new, n_warm, of_warm_users)
            if self.separately:
                of_new = ndcg(hits & is_new, n_new, of_new_users)
                return harmonic_mean(of_warm, of_new), of_warm
            return ndcg(hits, n_both, of_users), of_warm

        least = (1 - largest_cost) * by_offset(unchanged, 0)[1]
        values = {offset: by_offset(new, offset) for offset in OFFSETS}
        allowed = [offset for offset in OFFSETS if values[offset][1] >= least]
        return max(allowed or OFFSETS[:1], key=lambda offset: values[offset][0])


def merged(warm: RankedList, new: RankedList, offset: float) -> tuple[Tensor, Tensor]:
    """The lists of all items.

    Args:
        warm: the lists of warm items.
        new: the lists of new items.
        offset: what the scores of new items have besides.

    Returns:
        Whether each place of the joint list, as long as that of warm items, is a hit,
        and whether it is a new item, both of shape: [n_users, k]
    """
    scores = torch.cat([warm.scores, new.scores + offset], dim=1)
    index = scores.topk(warm.scores.shape[1], dim=1).indices
    hits = torch.cat([warm.hits, new.hits], dim=1).gather(1, index)
    return hits, index >= warm.scores.shape[1]


def ndcg(hits: Tensor, n_chosen: Tensor, n_users: int) -> float:
    """Mean NDCG over the users who have chosen something.

    Args:
        hits: by place, of at least all users with a hit, shape: [n_listed, k]
        n_chosen: number of items that each user chose, shape: [n_listed]
        n_users: number of users who have chosen something.

    Returns:
        The mean; 0 if there are no such users.
    """
    places = torch.arange(2, hits.shape[1] + 2, device=hits.device)
    discount = places.double().log2().reciprocal()
    ideal = discount.cumsum(0)[n_chosen.clamp(1, hits.shape[1]) - 1]
    return float(((hits.double() @ discount) / ideal).sum()) / max(n_users, 1)
