from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from recbole_kgif.explain.contribution_paths import contribution_search
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_selection import (
    ANYWHERE,
    FROM_USER,
    SELECTIONS,
    STRONGEST,
    TO_ITEM,
    VARIED,
    best_by_each_rule,
    random_by_each_rule,
    weightiest_paths,
)
from recbole_kgif.explain.perturbation_effects import (
    PerturbationEffect,
    perturbation_effect,
)
from recbole_kgif.explain.score_decomposition import (
    decompose,
    walks_by_first_edge,
    walks_without,
)
from tests.explain.helpers import all_walks, contribution, is_path, random_score

USER, ITEM = 0, 2


def effect(score: LinearScore, *paths: Sequence[int]) -> PerturbationEffect:
    ranked = np.ones(score.graph.n_items, dtype=bool)
    return perturbation_effect(score, USER, ITEM, ranked, paths)


@pytest.mark.parametrize("has_walks", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_walks_without_hops_are_those_of_brute_force(
    seed: int, has_walks: bool
) -> None:
    score = random_score(seed, density=0.8, has_walks=has_walks, n_entities=2)
    random = np.random.default_rng(seed)
    target = score.graph.item_node(ITEM)
    walks = [*all_walks(score.graph, USER, target, 2 * score.n_layers)]
    (whole,) = decompose(score, USER, [ITEM])
    assert walks_without(score, USER, ITEM, []) == pytest.approx(whole.walks)
    for _ in range(3):
        taken = walks[random.integers(len(walks))]
        expected = sum(
            contribution(score, USER, ITEM, walk)
            for walk in walks
            if not set(walk) & set(taken)
        )
        assert walks_without(score, USER, ITEM, taken) == pytest.approx(expected)


def test_paths_are_removed_in_each_way() -> None:
    score = random_score(4, density=0.8)
    best = next(
        p for p in contribution_search(score, USER, ITEM).best(50) if len(p.edges) == 3
    )
    first, middle, last = best.edges
    measured = effect(score, best.edges)
    whole = score.scores(USER)

    def fall(*edges: int) -> float:
        return float((whole - score.without(edges).scores(USER))[ITEM])

    assert measured.path_walks == pytest.approx(best.strength)
    kept = walks_without(score, USER, ITEM, best.edges)
    assert measured.hop_walks == pytest.approx(
        walks_without(score, USER, ITEM, []) - kept
    )
    assert measured.middle_facts == pytest.approx(fall(middle))
    assert measured.later_facts == pytest.approx(fall(middle, last))
    assert measured.comprehensiveness == pytest.approx(fall(first, middle, last))
    without = score.without(best.edges).scores(USER)
    places = (without > without[ITEM]).sum() - (whole > whole[ITEM]).sum()
    assert measured.rank_drop == places
    assert (measured.interactions, measured.facts) == (1, 3)


def test_a_path_to_another_place_has_no_walk_of_its_own() -> None:
    score = random_score(4, density=0.8)
    elsewhere = contribution_search(score, USER, 1).best(1)[0].edges
    assert effect(score, elsewhere).path_walks == 0
    other_user = contribution_search(score, 1, ITEM).best(1)[0].edges
    assert effect(score, other_user).path_walks == 0


def test_all_facts_are_sufficient_and_none_change_nothing() -> None:
    score = random_score(4, density=0.8)
    every = [(edge,) for edge in range(score.graph.n_edges)]
    measured = effect(score, *every)
    assert measured.sufficiency == pytest.approx(1)
    assert measured.facts == score.graph.n_edges // 2
    nothing = effect(score)
    values = (
        nothing.path_walks,
        nothing.middle_facts,
        nothing.comprehensiveness,
        nothing.sufficiency,
    )
    assert values == pytest.approx((0, 0, 0, 0))


def test_the_weightiest_paths_begin_with_the_largest_sums_of_walks() -> None:
    score = random_score(4, density=0.9)
    totals = np.abs(walks_by_first_edge(score, USER, ITEM))
    heaviest = int(totals.argmax()) + int(score.graph.first[USER])
    (path,) = weightiest_paths(score, USER, ITEM, 1)
    assert path.edges[0] == heaviest
    every = contribution_search(score, USER, ITEM).best(1000)
    assert path == next(other for other in every if other.edges[0] == heaviest)
    # As many as asked for, where interactions are fewer.
    assert len(weightiest_paths(score, USER, ITEM, 12)) == 12
    assert len(set(weightiest_paths(score, USER, ITEM, 12))) == 12


def test_each_rule_gives_as_many_paths() -> None:
    score = random_score(4, density=0.9)
    best = best_by_each_rule(score, USER, ITEM, 2)
    assert set(best) == set(SELECTIONS)
    assert all(len(paths) == 2 for paths in best.values())
    assert len({path[0] for path in best[VARIED]}) == 2
    unreached = best_by_each_rule(random_score(0, density=0), USER, ITEM, 2)
    assert unreached == {selection: [] for selection in SELECTIONS}


def test_random_paths_are_as_many_and_as_long_as_the_others() -> None:
    score = random_score(4, density=0.9)
    graph, target = score.graph, score.graph.item_node(ITEM)
    best = best_by_each_rule(score, USER, ITEM, 4)[STRONGEST]
    drawn = random_by_each_rule(graph, USER, target, best, np.random.default_rng(0))
    for paths in drawn.values():
        assert [len(path) for path in paths] == [len(path) for path in best]
        assert all(is_path(graph, list(path)) for path in paths)
    for rule in (TO_ITEM, FROM_USER):
        assert {int(graph.head[path[0]]) for path in drawn[rule]} == {USER}
    assert {int(graph.tail[path[-1]]) for path in drawn[TO_ITEM]} == {target}
    assert {int(graph.head[path[0]]) for path in drawn[ANYWHERE]} != {USER}
