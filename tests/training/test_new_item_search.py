from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_kgif.model.new_items import MIXING, OTHER_MIXINGS
from recbole_kgif.options.item_groups import harmonic_mean
from recbole_kgif.training import new_item_search
from recbole_kgif.training.new_item_search import (
    OFFSETS,
    NewItemSearch,
    RankedList,
    has_new_items,
    item_gains,
    leader,
    ndcg,
)

N_USERS, N_ITEMS, K = 40, 24, 5
IS_KNOWN = torch.arange(N_ITEMS) < 16
Data = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def data(seed: int = 0) -> Data:
    """Scores, expected and walked ones, candidates, and validation interactions."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(N_USERS, N_ITEMS, generator=generator)
    scores[:, ~IS_KNOWN] -= 1.5
    expected = torch.randn(N_USERS, 8, generator=generator)
    chosen = torch.rand(N_USERS, N_ITEMS, generator=generator) < 0.1
    walked = torch.randn(N_USERS, 8, generator=generator)
    # The expected scores know something of what is chosen.
    expected += 1.5 * chosen[:, ~IS_KNOWN]
    seen = torch.rand(N_USERS, N_ITEMS, generator=generator) < 0.2
    seen[:, ~IS_KNOWN] = False
    row, item = torch.nonzero(chosen & ~seen).t()
    return scores, expected, walked, ~seen, row, item


def searched(of: Data, separately: bool) -> NewItemSearch:
    """The search after two batches."""
    scores, expected, walked, candidates, row, item = of
    search = NewItemSearch(IS_KNOWN, K, separately)
    for first in (0, 25):
        last = 25 if first == 0 else N_USERS
        inside = (row >= first) & (row < last)
        batch = slice(first, last)
        search.add(
            scores[batch],
            expected[batch],
            walked[batch],
            candidates[batch],
            row[inside] - first,
            item[inside],
        )
    return search


def mean_ndcg(ranking: np.ndarray, chosen: list[set[int]]) -> float:
    values = []
    for of_user, wanted in zip(ranking, chosen):
        if wanted:
            gain = sum(
                1 / math.log2(place + 2)
                for place, item in enumerate(of_user[:K])
                if item in wanted
            )
            ideal = sum(1 / math.log2(p + 2) for p in range(min(K, len(wanted))))
            values.append(gain / ideal)
    return float(np.mean(values))


def brute_force(
    of: Data, mixing: tuple[float, float], offset: float
) -> tuple[float, float, float]:
    """NDCG of all, warm and new items, all of them ranked."""
    scores, expected, walked, candidates, row, item = of
    final = scores.clone()
    new = final[:, ~IS_KNOWN]
    m, n = mixing
    final[:, ~IS_KNOWN] = (1 - m - n) * new + m * expected + n * walked + offset
    final = final.masked_fill(~candidates, -torch.inf)
    ranking = final.argsort(1, descending=True).numpy()
    pairs = list(zip(row.tolist(), item.tolist()))
    chosen = [{i for u, i in pairs if u == user} for user in range(N_USERS)]
    warm = [{i for i in of_user if IS_KNOWN[i]} for of_user in chosen]
    both = [of_user - of_warm for of_user, of_warm in zip(chosen, warm)]
    return tuple(mean_ndcg(ranking, group) for group in (chosen, warm, both))  # type: ignore[return-value]


@pytest.mark.parametrize("separately", [True, False])
@pytest.mark.parametrize("largest_cost", [1.0, 0.05])
def test_the_offset_is_the_best_by_brute_force(
    separately: bool, largest_cost: float
) -> None:
    of = data()
    *mixing, offset = searched(of, separately).choose(largest_cost)
    assert tuple(mixing) == MIXING
    before = brute_force(of, (0, 0), 0)[1]
    values = {}
    for tried in OFFSETS:
        of_all, warm, new = brute_force(of, MIXING, tried)
        if warm >= (1 - largest_cost) * before:
            values[tried] = harmonic_mean(warm, new) if separately else of_all
    assert 1 < len(values) <= len(OFFSETS)
    assert values[offset] == pytest.approx(max(values.values()))


def test_where_all_that_is_chosen_is_new_new_items_precede_all_others() -> None:
    scores, expected, walked, candidates, row, item = data()
    is_new = ~IS_KNOWN[item]
    only_new = (scores, expected, walked, candidates, row[is_new], item[is_new])
    for separately in (True, False):
        assert searched(only_new, separately).choose(0.2)[2] == max(OFFSETS)


def test_a_limit_of_the_cost_of_warm_items_is_kept() -> None:
    of = data()
    free, bound = (searched(of, True).choose(cost)[2] for cost in (1, 0.01))
    assert bound < free
    before, after = brute_force(of, (0, 0), 0)[1], brute_force(of, MIXING, bound)[1]
    assert brute_force(of, MIXING, free)[1] < 0.99 * before <= after


def test_other_mixing_weights_are_taken_if_they_clearly_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Eight items can lead by the square root of eight standard errors at most.
    monkeypatch.setattr(new_item_search, "LEAST_LEAD", 2)
    scores, expected, walked, candidates, row, item = data()
    is_new = ~IS_KNOWN[item]
    walked[row[is_new], item[is_new] - 16] += 9
    walks_know = scores, expected, walked, candidates, row, item
    *mixing, _ = searched(walks_know, True).choose(1)
    # The offset puts new items first.
    values = {
        each: brute_force(walks_know, each, 99)[2] for each in (MIXING, *OTHER_MIXINGS)
    }
    assert tuple(mixing) in OTHER_MIXINGS
    assert values[tuple(mixing)] == max(values.values()) > values[MIXING]


def test_a_lead_has_to_be_beyond_chance() -> None:
    default = torch.full((8,), 0.5)
    by_two_items = default.clone()
    by_two_items[:2] += 0.4  # error 0.57 of a lead of 0.8
    by_all = default + 0.04  # error 0.11 of a lead of 0.32
    # Three standard errors are the square root of nine items.
    assert leader([default, by_two_items, by_all]) == 0
    assert leader([default.repeat(2), by_two_items.repeat(2), by_all.repeat(2)]) == 2


def test_gains_of_items_add_up_to_the_sum_of_ndcg() -> None:
    generator = torch.Generator().manual_seed(4)
    chosen = torch.rand(30, 12, generator=generator) < 0.2
    chosen[:, 0] = True
    ranked = RankedList.of(torch.rand(30, 12, generator=generator), chosen, K)
    n_chosen = chosen.sum(1)
    gains = item_gains(ranked, n_chosen, 12)
    assert float(gains.sum()) == pytest.approx(30 * ndcg(ranked.hits, n_chosen, 30))
    alone = chosen & (torch.arange(12) == 3)
    of_one = RankedList.of(torch.zeros(30, 12), alone, K)
    assert not item_gains(of_one, n_chosen, 12)[[0, 1, 2, *range(4, 12)]].any()


def test_lists_of_enough_users_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    search = searched(data(), False)
    assert not search.is_full
    with monkeypatch.context() as patch:
        patch.setattr(new_item_search, "MOST_USERS", N_USERS)
        assert search.is_full
    n_new = int((~IS_KNOWN).sum())
    monkeypatch.setattr(new_item_search, "MOST_SCORES", N_USERS * n_new)
    assert search.is_full


def test_users_without_a_new_item_choose_no_offset() -> None:
    *of_users, row, item = data()
    assert searched(data(), True).has_new
    warm = IS_KNOWN[item]
    of_warm = *of_users, row[warm], item[warm]
    assert not searched(of_warm, True).has_new


@pytest.mark.parametrize(("share", "expected"), [(0.005, False), (0.02, True)])
def test_a_search_needs_interactions_with_new_items(
    share: float, expected: bool
) -> None:
    from recbole.data.dataloader import FullSortEvalDataLoader

    items = torch.ones(1000, dtype=torch.int64)
    items[: int(1000 * share)] = N_ITEMS - 1
    dataset = SimpleNamespace(iid_field="item_id", inter_feat={"item_id": items})
    loader = FullSortEvalDataLoader.__new__(FullSortEvalDataLoader)
    loader._dataset = dataset
    assert has_new_items(loader, IS_KNOWN) is expected
    assert not has_new_items(SimpleNamespace(_dataset=dataset), IS_KNOWN)
