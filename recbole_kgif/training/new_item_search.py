"""Choice of mixing weights and offset of new items, from what a validation has seen.

The best offset by the metric that stops the training is taken: the NDCG of all items,
or the harmonic mean of those of warm and new ones. What it costs warm items, those with
training interactions, can be limited.

Validations have few new items, and which mixing weights are the best for them is mostly
chance: choosing the best for one half of the new items of a data set made it worse for
the other half. So there are default weights, and others are taken only if their lead
over the default is more than the chance in the draw of the items explains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from recbole.data.dataloader import FullSortEvalDataLoader
from torch import Tensor

from recbole_kgif.model.new_items import MIXING, OTHER_MIXINGS
from recbole_kgif.options.item_groups import harmonic_mean

# Half steps, and then large ones, which put every new item before all others.
OFFSETS = (*(step / 2 for step in range(-8, 49)), 28.0, 32.0, 40.0, 48.0)
# Users of whom the ranked lists are kept, and scores of new items that are computed for
# them: enough for the choice of one value.
MOST_USERS = 4000
MOST_SCORES = 2 * 10**7
# The least share of the validation interactions that have to be with new items.
LEAST_SHARE = 0.01
# Standard errors by which other mixing weights have to lead.
LEAST_LEAD = 3
MIXINGS = (MIXING, *OTHER_MIXINGS)


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
        items: which ones they are, by column, of the same shape.
    """

    scores: Tensor
    hits: Tensor
    items: Tensor

    @classmethod
    def of(cls, scores: Tensor, chosen: Tensor, k: int) -> RankedList:
        """The best k columns."""
        best, index = scores.topk(min(k, scores.shape[1]), dim=1)
        hits = chosen.gather(1, index) & torch.isfinite(best)
        return cls(best, hits, index)

    @classmethod
    def joined(cls, lists: list[RankedList]) -> RankedList:
        """The lists of all users."""
        return cls(
            torch.cat([one.scores for one in lists]),
            torch.cat([one.hits for one in lists]),
            torch.cat([one.items for one in lists]),
        )

    def rows(self, users: Tensor) -> RankedList:
        """The lists of some users."""
        return RankedList(self.scores[users], self.hits[users], self.items[users])


@dataclass
class NewItemSearch:
    """What a validation shows of warm and new items, for the choice of their weights.

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
    _new: list[list[RankedList]] = field(default_factory=lambda: [[] for _ in MIXINGS])
    _unchanged: list[RankedList] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the lists of enough users are kept."""
        n_new = int((~self.is_known).sum())
        return self._n_users >= min(MOST_USERS, MOST_SCORES // n_new)

    def add(
        self,
        scores: Tensor,
        expected: Tensor,
        walked: Tensor,
        is_candidate: Tensor,
        row: Tensor,
        item: Tensor,
    ) -> None:
        """Keep the lists of a batch of users.

        Args:
            scores: of all items as learned, shape: [n_users, n_items]
            expected: of new items, by the regression, shape: [n_users, n_new]
            walked: of new items, by random walks, of the same shape
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
        self._unchanged.append(RankedList.of(of_new, chosen_new, self.k))
        is_ranked = torch.isfinite(of_new)
        for lists, (of_facts, of_walks) in zip(self._new, MIXINGS):
            mixed = (1 - of_facts - of_walks) * of_new
            mixed = mixed + of_facts * expected + of_walks * walked
            mixed = mixed.masked_fill(~is_ranked, -torch.inf)
            lists.append(RankedList.of(mixed, chosen_new, self.k))
        of_warm = scores.masked_fill_(~self.is_known, -torch.inf)
        self._warm.append(RankedList.of(of_warm, chosen, self.k))

    @property
    def has_new(self) -> bool:
        """Whether a kept user chose a new item."""
        return bool(torch.cat(self._n_chosen, dim=1)[1].any())

    def choose(self, largest_cost: float) -> tuple[float, float, float]:
        """The best weights; by users who chose no new item all would be equal.

        Args:
            largest_cost: the share of the NDCG of warm items, with the scores of new
                ones unchanged, that may be lost.

        Returns:
            The mixing weights m and n, and the offset.
        """
        n_chosen = torch.cat(self._n_chosen, dim=1)
        n_chosen = torch.cat([n_chosen, n_chosen.sum(0, keepdim=True)])
        by_mixing = [RankedList.joined(lists) for lists in self._new]
        n_items = int((~self.is_known).sum())
        number = leader([item_gains(one, n_chosen[1], n_items) for one in by_mixing])
        # Users without a hit add nothing to any of the sums.
        lists = [*map(RankedList.joined, (self._warm, self._unchanged))]
        lists.append(by_mixing[number])
        has_hit = torch.stack([one.hits.any(1) for one in lists]).any(0)
        warm, unchanged, new = (one.rows(has_hit) for one in lists)
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
        # Of equal ones the least, but the largest where all that is chosen is new: some
        # users need it who are not in the validation.
        offsets = OFFSETS if of_warm_users else OFFSETS[::-1]
        allowed = [offset for offset in offsets if values[offset][1] >= least]
        best = max(allowed or OFFSETS[:1], key=lambda offset: values[offset][0])
        return (*MIXINGS[number], best)


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


def leader(gains: list[Tensor]) -> int:
    """The position of the best ranking, the first one unless another clearly leads.

    The items are a sample: the standard error of a lead is that of a sum over items
    drawn independently.

    Args:
        gains: of each ranking `item_gains`.
    """
    best, most = 0, 0.0
    for number, gain in enumerate(gains[1:], 1):
        leads = gain - gains[0]
        lead, error = float(leads.sum()), float(leads.square().sum().sqrt())
        if lead > max(most, LEAST_LEAD * error):
            best, most = number, lead
    return best


def item_gains(ranked: RankedList, n_chosen: Tensor, n_items: int) -> Tensor:
    """What each item adds to the sum of the users' NDCG.

    Args:
        ranked: the lists.
        n_chosen: number of items that each user chose, shape: [n_users]
        n_items: number of items.

    Returns:
        Shape: [n_items]
    """
    discount, ideal = _discounts(ranked.hits.shape[1], n_chosen)
    gain = ranked.hits * discount / ideal[:, None]
    total = gain.new_zeros(n_items)
    return total.index_add(0, ranked.items.flatten(), gain.flatten())


def _discounts(k: int, n_chosen: Tensor) -> tuple[Tensor, Tensor]:
    """The discount of each place, [k], and the largest sum of each user, [n_users]."""
    places = torch.arange(2, k + 2, device=n_chosen.device)
    discount = places.double().log2().reciprocal()
    return discount, discount.cumsum(0)[n_chosen.clamp(min=1, max=k) - 1]


def ndcg(hits: Tensor, n_chosen: Tensor, n_users: int) -> float:
    """Mean NDCG over the users who have chosen something.

    Args:
        hits: by place, of at least all users with a hit, shape: [n_listed, k]
        n_chosen: number of items that each user chose, shape: [n_listed]
        n_users: number of users who have chosen something.

    Returns:
        The mean; 0 if there are no such users.
    """
    discount, ideal = _discounts(hits.shape[1], n_chosen)
    return float(((hits.double() @ discount) / ideal).sum()) / max(n_users, 1)
