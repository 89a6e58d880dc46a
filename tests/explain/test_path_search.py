from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif.explain import path_search
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.contribution_paths import (
    contribution_search,
    longest_path,
)
from recbole_kgif.explain.linear_score import LinearScore
from tests.explain.helpers import all_walks, is_path, random_score, strongest


def check(score: LinearScore, user: int, item: int, count: int) -> None:
    """The search finds what brute force finds; where several tie, any of them."""
    expected = strongest(score, user, item, longest_path(score))
    found = contribution_search(score, user, item).best(count)
    assert len(found) == min(count, len(expected))
    assert len({path.edges for path in found}) == len(found)
    by_edges = {edges: value for value, edges in expected}
    for path, (value, _) in zip(found, expected):
        assert path.strength == pytest.approx(by_edges[path.edges])
        assert abs(path.strength) == pytest.approx(abs(value))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_layers=st.sampled_from([0, 1, 2]),
    has_walks=st.booleans(),
    count=st.integers(1, 30),
    density=st.floats(0.1, 0.9),
    cosine_weight=st.sampled_from([2.0, -0.5, 0.0]),
    equal_weights=st.booleans(),
)
def test_the_best_paths_are_those_of_brute_force(
    seed: int,
    n_layers: int,
    has_walks: bool,
    count: int,
    density: float,
    cosine_weight: float,
    equal_weights: bool,
) -> None:
    score = random_score(
        seed,
        n_layers=n_layers,
        has_walks=has_walks,
        n_entities=2,
        density=density,
        cosine_weight=cosine_weight,
        equal_weights=equal_weights,
    )
    check(score, seed % 3, seed % 4, count)


def varied_by_brute_force(
    score: LinearScore, user: int, item: int, count: int
) -> list[float]:
    """Strengths of the strong path of each first edge, and of others in their place."""
    every = strongest(score, user, item, longest_path(score))
    beginnings = [edges[0] for _, edges in every]
    is_first = [
        beginnings.index(edges[0]) == n and abs(value) >= 0.1 * abs(every[0][0])
        for n, (value, edges) in enumerate(every)
    ]
    chosen = [value for (value, _), first in zip(every, is_first) if first][:count]
    others = [value for (value, _), first in zip(every, is_first) if not first]
    return sorted(map(abs, chosen + others[: count - len(chosen)]), reverse=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 12),
    density=st.floats(0.1, 0.9),
    cosine_weight=st.sampled_from([2.0, -0.5]),
    equal_weights=st.booleans(),
)
def test_varied_paths_are_those_of_brute_force(
    seed: int, count: int, density: float, cosine_weight: float, equal_weights: bool
) -> None:
    score = random_score(
        seed,
        n_entities=2,
        density=density,
        cosine_weight=cosine_weight,
        equal_weights=equal_weights,
    )
    user, item = seed % 3, seed % 4
    found = contribution_search(score, user, item).varied(count)
    expected = varied_by_brute_force(score, user, item, count)
    assert [abs(path.strength) for path in found] == pytest.approx(expected)
    assert len({path.edges for path in found}) == len(found)


def test_varied_paths_do_not_depend_on_the_size_of_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = [random_score(5, density=0.8), random_score(3, equal_weights=True)]
    expected = [contribution_search(score, 0, 2).varied(10) for score in scores]
    monkeypatch.setattr(path_search, "_BLOCK_SIZE", 1)
    assert [contribution_search(s, 0, 2).varied(10) for s in scores] == expected


def test_each_first_edge_has_its_strongest_path() -> None:
    score = random_score(4, density=0.8)
    listed = contribution_search(score, 0, 2).best_by_first_edge(100)
    found = {path.edges[0]: path for path in listed}
    assert len(found) == len(listed)
    every = contribution_search(score, 0, 2).best(10_000)
    assert len(found) > 1
    assert found.keys() == {path.edges[0] for path in every}
    for edge, path in found.items():
        assert path == next(other for other in every if other.edges[0] == edge)


@pytest.mark.parametrize("seed", range(3))
def test_six_edges_are_searched_too(seed: int) -> None:
    score = random_score(seed, n_layers=3, n_entities=2, density=0.35)
    for item in range(3):
        check(score, 0, item, 8)


def test_the_size_of_the_blocks_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    score = random_score(5, density=0.8)
    expected = contribution_search(score, 0, 2).best(10)
    monkeypatch.setattr(path_search, "_BLOCK_SIZE", 1)
    assert contribution_search(score, 0, 2).best(10) == expected


def test_equally_strong_paths_come_in_the_order_of_their_edges() -> None:
    score = random_score(3, density=0.9, has_walks=False, equal_weights=True)
    every = contribution_search(score, 0, 1).best(1000)
    assert len({round(path.strength, 9) for path in every}) < len(every)
    for count in range(1, 12):
        assert contribution_search(score, 0, 1).best(count) == every[:count]


def test_negative_balance_gives_paths_that_lower_the_score() -> None:
    score = random_score(1, density=0.8, cosine_weight=-5.0)
    found = contribution_search(score, 0, 1).best(50)
    signs = {np.sign(path.strength) for path in found}
    assert signs == {-1.0, 1.0}


def test_a_path_joins_its_meeting_points_and_the_direct_walk() -> None:
    score = random_score(2, density=0.9)
    found = contribution_search(score, 0, 1).best(1000)
    meetings = {tuple(hop for hop, _ in path.parts) for path in found}
    # Two layers: at most two hops are on either side of the meeting point. None is the
    # direct walk.
    assert meetings == {(0, 1, 2), (0, 1), (1, 2), (1, 2, None), (2,)}


def test_paths_by_attention_are_those_of_the_largest_product() -> None:
    for seed in range(5):
        score = random_score(seed, density=0.7)
        attended = AttentionGraph(score.graph, score.weight, longest=3)
        walks = all_walks(score.graph, 0, score.graph.item_node(1), 3)
        expected = sorted(
            (
                (np.prod(score.weight[walk]), tuple(walk))
                for walk in walks
                if is_path(score.graph, walk)
            ),
            reverse=True,
        )
        found = attended.search(0, 1).best(6)
        assert [path.edges for path in found] == [edges for _, edges in expected[:6]]
        assert [path.strength for path in found] == pytest.approx(
            [value for value, _ in expected[:6]]
        )


def test_varied_paths_by_attention_begin_with_different_edges() -> None:
    score = random_score(2, density=0.9)
    attended = AttentionGraph(score.graph, score.weight, longest=3)
    every = attended.search(0, 1).best(1000)
    first: dict[int, float] = {}
    for path in every:
        first.setdefault(path.edges[0], path.strength)
    assert list(first.values())[:2] != [path.strength for path in every[:2]]
    found = attended.search(0, 1).varied(2)
    assert [path.strength for path in found] == list(first.values())[:2]


def test_nothing_leads_to_an_isolated_item_or_back_to_the_user() -> None:
    score = random_score(0, density=0)
    assert contribution_search(score, 0, 1).best(5) == []
    connected = dataclasses.replace(random_score(0), n_layers=2)
    assert path_search.PathSearch(connected.graph, 0, 0, [[]]).best(5) == []
