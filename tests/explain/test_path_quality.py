from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from recbole_kgif.explain.path_graph import Graph, both_directions
from recbole_kgif.explain.path_quality import QualityMeasures
from recbole_kgif.explain.random_paths import (
    numbers_of_walks,
    random_paths_between,
    random_paths_from,
)
from tests.explain.helpers import all_walks, is_path, random_score

# Two users, four items from node 2 on, two entities; relation 0 is a genre, 1 an actor,
# 2 the interaction.
FACTS = [
    *((0, 2, 2), (0, 2, 3), (0, 2, 4), (1, 2, 2)),
    *((2, 0, 6), (3, 0, 6), (5, 0, 6), (4, 1, 7), (5, 1, 7)),
]
GRAPH = Graph(
    *both_directions(*zip(*FACTS), 3), n_users=2, n_items=4, n_nodes=8, n_relations=3
)


def edges(*nodes: int) -> list[int]:
    """The path through these nodes, between which there is one edge each."""
    found = []
    for head, tail in zip(nodes, nodes[1:]):
        (edge,) = np.flatnonzero((GRAPH.head == head) & (GRAPH.tail == tail))
        found.append(int(edge))
    return found


def test_measures_of_a_list_by_hand() -> None:
    times = {0: {0: 10.0, 1: 20.0, 2: 30.0}}
    measures = QualityMeasures(GRAPH, times)
    paths = [edges(0, 2, 6, 5), edges(0, 3, 6, 5), edges(0, 3, 6, 2)]
    quality = measures.of(0, [*paths, edges(0, 4, 7, 5)])
    assert quality.lid == 3 / 4
    assert quality.sed == 2 / 4
    # Relations into items: the inverse genre, the inverse actor and the interaction.
    assert quality.ptd == 2 / 3
    # Of the six pairs, three are of one type.
    assert quality.ptc == pytest.approx(1 - 6 / 12)
    # Entity 7 is the least popular entity (0), entity 6 the most popular one (1).
    assert quality.sep == pytest.approx(3 / 4)
    # A moving average over three values has the weight 2 / (3 + 1) = 1/2.
    averages = np.array([10, (20 + 10 / 2) / 1.5, (30 + 20 / 2 + 10 / 4) / 1.75])
    first, second, third = (averages - 10) / (averages[2] - 10)
    assert quality.lir == pytest.approx((first + 2 * second + third) / 4)


def test_a_single_path_and_no_times() -> None:
    quality = QualityMeasures(GRAPH).of(0, [edges(0, 2, 6, 5)])
    assert quality.lir is None
    assert (quality.lid, quality.sed, quality.ptd, quality.ptc) == (1, 1, 1, 0)


def test_equal_times_are_all_recent() -> None:
    measures = QualityMeasures(GRAPH, {0: {0: 5.0, 1: 5.0, 2: 5.0}})
    assert measures.of(0, [edges(0, 2, 6, 5)]).lir == 1


def test_edges_are_found_by_their_ends() -> None:
    order = np.arange(GRAPH.n_edges)[::-1]
    found = GRAPH.find(GRAPH.head[order], GRAPH.relation[order], GRAPH.tail[order])
    assert list(found) == list(order)


@pytest.mark.parametrize("seed", range(3))
def test_walks_are_counted(seed: int) -> None:
    graph = random_score(seed).graph
    counts = numbers_of_walks(graph, 4, 3)
    walks = Counter(len(walk) for walk in all_walks(graph, 0, 4, 3))
    assert [counts[n][0] for n in (1, 2, 3)] == [walks[n] for n in (1, 2, 3)]


def test_random_paths_are_different_paths_of_the_lengths_asked_for() -> None:
    graph = random_score(1, density=0.8).graph
    random = np.random.default_rng(0)
    lengths = [3, 3, 4, 2]
    found = random_paths_between(graph, 0, 4, lengths, random)
    assert [len(path) for path in found] == lengths
    assert len(set(found)) == len(found)
    for path in found:
        assert is_path(graph, list(path))
        assert graph.head[path[0]] == 0
        assert graph.tail[path[-1]] == 4


def test_random_paths_from_begin_where_asked_and_come_back_to_no_node() -> None:
    graph = random_score(1, density=0.8).graph
    random = np.random.default_rng(0)
    sources, lengths = [0, 0, 5, 4], [3, 3, 4, 1]
    found = random_paths_from(graph, sources, lengths, random)
    assert [len(path) for path in found] == lengths
    assert [graph.head[path[0]] for path in found] == sources
    assert len(set(found)) == len(found)
    assert all(is_path(graph, list(path)) for path in found)


def test_each_hop_of_a_path_from_a_source_is_drawn_from_all_edges() -> None:
    random = np.random.default_rng(0)
    drawn = Counter(random_paths_from(GRAPH, [0], [1], random)[0] for _ in range(3000))
    assert set(drawn) == {(edge,) for edge in range(GRAPH.first[0], GRAPH.first[1])}
    assert all(abs(n - 1000) < 6 * 1000**0.5 for n in drawn.values())


def test_no_path_from_a_node_without_edges_or_longer_than_any() -> None:
    random = np.random.default_rng(0)
    isolated = random_score(0, density=0).graph
    assert random_paths_from(isolated, [0], [2], random) == []
    assert random_paths_from(GRAPH, [0], [8], random) == []


def test_every_path_is_drawn_equally_often() -> None:
    graph = random_score(2, density=0.5).graph
    every = [w for w in all_walks(graph, 0, 4, 3) if len(w) == 3 and is_path(graph, w)]
    random = np.random.default_rng(0)
    drawn = Counter(
        random_paths_between(graph, 0, 4, [3], random)[0] for _ in range(2000)
    )
    assert set(drawn) == {tuple(walk) for walk in every}
    expected = 2000 / len(every)
    assert all(abs(n - expected) < 6 * expected**0.5 for n in drawn.values())


def test_there_may_be_fewer_random_paths_than_asked_for() -> None:
    random = np.random.default_rng(0)
    assert len(random_paths_between(GRAPH, 0, 5, [3] * 9, random)) == 3
    assert random_paths_between(GRAPH, 0, 5, [1], random) == []
