"""Shared neighbours compared with loops that follow the definition."""

from __future__ import annotations

import math

import pytest
import torch

from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
from recbole_kgif.model.kgif import shared_neighbours
from recbole_kgif.model.shared_neighbours import SharedNeighbours
from tests.model.test_graph import N_RELATIONS, as_triples, edges_by_hand

# Users 0 to 2, items 0 to 3 (nodes 3 to 6), entities 7 to 9. Relation 0 interacts.
# Item 3 has no interaction; entity 9 is reached by one item alone, 8 by two relations;
# 7 links items 0 and 1 by relation 1, and 1 and 2 by relation 2, in different
# directions; item 0 is related to item 1, and user 2 has a single item.
N_USERS, N_ITEMS = 3, 4
LINKED = [
    *((0, 0, 3), (0, 0, 4), (0, 0, 5), (1, 0, 4), (1, 0, 3), (2, 0, 5)),
    *((3, 1, 7), (4, 1, 7), (7, 2, 4), (7, 2, 5), (3, 1, 8), (6, 1, 8), (3, 2, 8)),
    *((6, 2, 8), (5, 2, 8), (6, 1, 9), (3, 1, 4), (5, 1, 4), (9, 1, 9)),
]


def linked_graph() -> CollaborativeKnowledgeGraph:
    return CollaborativeKnowledgeGraph(as_triples(LINKED), 10, N_RELATIONS)


def shared_of(graph: CollaborativeKnowledgeGraph) -> SharedNeighbours:
    shared = shared_neighbours(graph, N_USERS, N_ITEMS)
    return SharedNeighbours(N_USERS, N_ITEMS, *shared)


def shared_by_hand() -> dict[int, dict[tuple[int, int], float]]:
    """x of each item by (relation, node), from the definition."""
    reached: dict[int, set[tuple[int, int]]] = {i: set() for i in range(N_ITEMS)}
    for head, relation, tail in edges_by_hand(LINKED):
        if 0 <= head - N_USERS < N_ITEMS:
            reached[head - N_USERS].add((relation, tail))
    count: dict[tuple[int, int], int] = {}
    for neighbours in reached.values():
        for neighbour in neighbours:
            count[neighbour] = count.get(neighbour, 0) + 1
    result: dict[int, dict[tuple[int, int], float]] = {}
    for item, neighbours in reached.items():
        shared = [n for n in neighbours if count[n] > 1]
        # All ids but that of padding.
        rarity = {n: math.log((N_ITEMS - 1) / count[n]) for n in shared}
        squares: dict[int, float] = {}
        for (relation, _), value in rarity.items():
            squares[relation] = squares.get(relation, 0) + value**2
        result[item] = {
            n: v / squares[n[0]] ** 0.5 if v else 0 for n, v in rarity.items()
        }
    return result


def shared_entries(shared: SharedNeighbours) -> dict[int, dict[tuple[int, int], float]]:
    entries: dict[int, dict[tuple[int, int], float]] = {i: {} for i in range(N_ITEMS)}
    for item, neighbour, value in zip(
        shared.items.row.tolist(), shared.items.column.tolist(), shared.value.tolist()
    ):
        name = (int(shared.relation[neighbour]), int(shared.node[neighbour]))
        entries[item][name] = value
    return entries


def test_shared_neighbours_are_those_of_the_definition() -> None:
    entries = shared_entries(shared_of(linked_graph()))
    expected = shared_by_hand()
    assert {i: set(e) for i, e in entries.items()} == {
        i: set(e) for i, e in expected.items()
    }
    for item, values in expected.items():
        assert entries[item] == pytest.approx(values)
    # Users 0 and 1 by `interacted by`, user 2 not: one item.
    nodes = {node for values in entries.values() for _, node in values}
    assert nodes & {0, 1, 2} == {0, 1}
    assert 9 not in nodes


def test_what_all_items_reach_is_worth_nothing() -> None:
    facts = [(item, 1, 7) for item in range(4, 7)]
    graph = CollaborativeKnowledgeGraph(as_triples(facts), 10, N_RELATIONS)
    shared = shared_of(graph)
    assert shared.value.tolist() == [0, 0, 0]


def test_leave_one_out_walks_are_those_of_the_definition() -> None:
    shared = shared_of(linked_graph())
    x = shared_by_hand()
    histories = {0: [0, 1, 2], 1: [0, 1], 2: [2]}
    expected = {}
    interactions = [(u, i) for u, items in histories.items() for i in items]
    for place, (user, item) in enumerate(interactions):
        for other in histories[user]:
            for neighbour in set(x[other]) & set(x[item]):
                relation, node = neighbour
                if other != item and node != user:
                    key = (place, relation)
                    share = x[other][neighbour] * x[item][neighbour]
                    expected[key] = expected.get(key, 0) + share
    pattern, values = shared.leave_one_out_walks(2 * N_RELATIONS)
    found = {
        (row, column): value
        for row, column, value in zip(
            pattern.row.tolist(), pattern.column.tolist(), values.tolist()
        )
        if abs(value) > 1e-7
    }
    assert found == pytest.approx({key: x for key, x in expected.items() if x != 0})
    selected = torch.tensor([1, 0, 2, 0])
    items = torch.tensor([1, 2, 2, 0])
    assert shared.interaction_of(selected, items).tolist() == [4, 2, 5, 0]
