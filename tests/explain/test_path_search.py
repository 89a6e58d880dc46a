from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif.explain import path_search
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.path_graph import Graph
from tests.explain.helpers import all_walks, is_path, random_graph

# Edges and strength of a path.
Strength = tuple[float, tuple[int, ...]]


def attended(
    seed: int, *, longest: int = 3, density: float = 0.7, equal_weights: bool = False
) -> AttentionGraph:
    """A small graph with random attention."""
    graph = random_graph(seed, density=density)
    weight = np.random.default_rng(seed).uniform(0.05, 0.9, graph.n_edges)
    return AttentionGraph(
        graph, weight * 0 + 0.25 if equal_weights else weight, longest
    )


def by_brute_force(model: AttentionGraph, user: int, item: int) -> list[Strength]:
    """All paths, strongest first."""
    graph = model.graph
    target = graph.item_node(item)
    found = [
        (float(np.prod(model.weight[walk])), tuple(walk))
        for walk in all_walks(graph, user, model.longest)
        if graph.tail[walk[-1]] == target and is_path(graph, walk)
    ]
    return sorted(found, key=lambda entry: (-entry[0], entry[1]))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    longest=st.integers(1, 4),
    count=st.integers(1, 30),
    density=st.floats(0.1, 0.6),
    equal_weights=st.booleans(),
)
def test_the_best_paths_are_those_of_brute_force(
    seed: int, longest: int, count: int, density: float, equal_weights: bool
) -> None:
    model = attended(
        seed, longest=longest, density=density, equal_weights=equal_weights
    )
    user, item = seed % 3, seed % 4
    every = by_brute_force(model, user, item)
    found = model.search(user, item).best(count)
    assert len({path.edges for path in found}) == len(found)
    expected = [value for value, _ in every[:count]]
    assert [path.strength for path in found] == pytest.approx(expected)
    strengths = {edges: value for value, edges in every}
    for path in found:
        assert path.strength == pytest.approx(strengths[path.edges])

    varied = model.search(user, item).varied(count)
    assert len({path.edges for path in varied}) == len(varied)
    assert [path.strength for path in varied] == pytest.approx(
        varied_by_brute_force(every, count)
    )


def varied_by_brute_force(every: list[Strength], count: int) -> list[float]:
    """Strengths of the strong path of each first edge, and of others in their place."""
    beginnings = [edges[0] for _, edges in every]
    is_first = [
        beginnings.index(edges[0]) == n and value >= 0.1 * every[0][0]
        for n, (value, edges) in enumerate(every)
    ]
    chosen = [value for (value, _), first in zip(every, is_first) if first][:count]
    others = [value for (value, _), first in zip(every, is_first) if not first]
    return sorted(chosen + others[: count - len(chosen)], reverse=True)


def test_each_first_edge_has_its_strongest_path() -> None:
    search = attended(4).search(0, 2)
    listed = search.best_by_first_edge(100)
    found = {path.edges[0]: path for path in listed}
    every = search.best(10_000)
    assert 1 < len(found) == len(listed)
    assert found.keys() == {path.edges[0] for path in every}
    for edge, path in found.items():
        assert path == next(other for other in every if other.edges[0] == edge)


def test_the_size_of_the_blocks_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = [attended(5), attended(3, equal_weights=True)]
    expected = [(m.search(0, 2).best(10), m.search(0, 2).varied(10)) for m in models]
    monkeypatch.setattr(path_search, "_BLOCK_SIZE", 1)
    found = [(m.search(0, 2).best(10), m.search(0, 2).varied(10)) for m in models]
    assert found == expected


def test_equally_strong_paths_come_in_the_order_of_their_edges() -> None:
    search = attended(3, equal_weights=True).search(0, 1)
    every = search.best(1000)
    assert len({round(path.strength, 9) for path in every}) < len(every)
    for count in range(1, 12):
        assert search.best(count) == every[:count]


def test_nothing_leads_to_an_isolated_item_or_back_to_the_user() -> None:
    assert attended(0, density=0).search(0, 1).best(5) == []
    model = attended(0)
    search = path_search.PathSearch(model.graph, 0, 0, model.weight, 3)
    assert search.best(5) == []


def test_edges_must_be_in_both_directions() -> None:
    head, relation, tail = np.array([0, 1]), np.array([0, 1]), np.array([1, 0])
    sizes = {"n_users": 1, "n_items": 1, "n_nodes": 2, "n_relations": 1}
    assert list(Graph(head, relation, tail, **sizes).reverse) == [1, 0]
    with pytest.raises(ValueError, match="both directions"):
        Graph(head[:1], relation[:1], tail[:1], **sizes)
    with pytest.raises(ValueError, match="sorted"):
        Graph(head[::-1], relation[::-1], tail[::-1], **sizes)
