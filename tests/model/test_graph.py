from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
from recbole_kgif.model.kgif import Triples, drop_dangling_nodes
from recbole_kgif.model.layers import InformationFusion
from recbole_kgif.model.sparse_pattern import SparsePattern

N_NODES, N_RELATIONS = 6, 3

# A repeated fact, two relations between one pair of nodes, a fact and its mirror image,
# a self loop, and node 5 in none of them.
FACTS = [(0, 1, 1), (0, 1, 1), (0, 2, 1), (1, 1, 0), (2, 1, 2), (0, 1, 3), (4, 0, 3)]


def as_triples(facts: list[tuple[int, int, int]]) -> Triples:
    columns = torch.tensor(facts, dtype=torch.int64).reshape(-1, 3).t()
    return Triples(*columns.contiguous())


def graph_of(facts: list[tuple[int, int, int]]) -> CollaborativeKnowledgeGraph:
    return CollaborativeKnowledgeGraph(as_triples(facts), N_NODES, N_RELATIONS)


def edges_by_hand(facts: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    edges = {(h, r, t) for h, r, t in facts}
    edges |= {(t, r + N_RELATIONS, h) for h, r, t in facts}
    return sorted(edges)


def edges_of(graph: CollaborativeKnowledgeGraph) -> list[tuple[int, int, int]]:
    columns = (graph.edges.row, graph.edge_relation, graph.edges.column)
    return list(zip(*(column.tolist() for column in columns)))


def test_edges_are_both_directions_of_the_distinct_facts() -> None:
    assert edges_of(graph_of(FACTS)) == edges_by_hand(FACTS)
    assert graph_of(FACTS).n_edges == 12


def test_parallel_edges_stay_apart_and_self_loops_count_twice() -> None:
    edges = edges_of(graph_of(FACTS))
    assert [r for h, r, t in edges if (h, t) == (0, 1)] == [1, 2, 4]
    assert [r for h, r, t in edges if (h, t) == (2, 2)] == [1, 4]


def test_normalisation_takes_the_degree_at_both_ends() -> None:
    graph = graph_of(FACTS)
    # Edges out of each node: 0 has 1-1, 0-1 by 2 and by 4, 0-3.
    degree = {0: 4, 1: 3, 2: 2, 3: 2, 4: 1}
    expected = [(degree[h] * degree[t]) ** -0.5 for h, _, t in edges_of(graph)]
    torch.testing.assert_close(graph.normalisation, torch.tensor(expected))


def pair_counts(pattern: SparsePattern, count: torch.Tensor) -> dict[Any, int]:
    pairs = zip(pattern.row.tolist(), pattern.column.tolist())
    return dict(zip(pairs, count.tolist()))


def pair_counts_by_hand(left_out: Sequence[int] = ()) -> dict[Any, int]:
    edges = edges_by_hand(FACTS)
    return Counter((h, r) for h, r, _ in edges if r not in left_out)


def test_pairs_count_the_edges_of_a_node_by_relation() -> None:
    graph = graph_of(FACTS)
    by_hand = pair_counts_by_hand()
    assert pair_counts(graph.node_relations, graph.pair_count) == by_hand
    assert graph.n_pairs == len(by_hand) < graph.n_edges


@pytest.mark.parametrize("left_out", [(), (1,), (1, 4), range(2 * N_RELATIONS)])
def test_tokens_are_the_pairs_but_for_relations_left_out(
    left_out: Sequence[int],
) -> None:
    fusion = InformationFusion(graph_of(FACTS), 2, left_out)
    assert pair_counts(fusion.tokens, fusion.token_count) == pair_counts_by_hand(
        left_out
    )
    assert fusion.tokens.n_rows == N_NODES
    assert fusion.tokens.n_columns == 2 * N_RELATIONS


def test_an_isolated_node_has_no_edges() -> None:
    pointer = graph_of(FACTS).edges.row_pointer
    assert pointer[5] == pointer[6] == graph_of(FACTS).n_edges


@pytest.mark.parametrize("fact", [(6, 0, 0), (0, 0, -1), (0, 3, 0)])
def test_ids_out_of_range_are_refused(fact: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"ids must be in 0\.\.\d"):
        graph_of([fact])


def test_a_graph_too_large_to_sort_is_refused() -> None:
    with pytest.raises(ValueError, match="too many to sort"):
        CollaborativeKnowledgeGraph(as_triples(FACTS), 2**31, N_RELATIONS)


facts_strategy = st.lists(
    st.tuples(
        st.integers(0, N_NODES - 1),
        st.integers(0, N_RELATIONS - 1),
        st.integers(0, N_NODES - 1),
    ),
    min_size=1,
    max_size=30,
)


@given(facts_strategy)
def test_any_facts_give_the_edges_by_hand(facts: list[tuple[int, int, int]]) -> None:
    graph = graph_of(facts)
    assert edges_of(graph) == edges_by_hand(facts)
    assert torch.isfinite(graph.normalisation).all()
    assert int(graph.pair_count.sum()) == graph.n_edges


@given(facts_strategy)
def test_the_transposed_order_is_that_of_the_columns(
    facts: list[tuple[int, int, int]],
) -> None:
    pattern: SparsePattern = graph_of(facts).edges
    values = torch.arange(1.0, pattern.n_entries + 1)
    dense = torch.zeros(N_NODES, N_NODES)
    dense.index_put_((pattern.row, pattern.column), values, accumulate=True)
    identity = torch.eye(N_NODES)
    torch.testing.assert_close(pattern.matrix(values) @ identity, dense)
    torch.testing.assert_close(pattern.transposed_matrix(values) @ identity, dense.t())


def test_rows_of_a_pattern_come_in_the_given_order() -> None:
    pattern = SparsePattern(
        torch.tensor([0, 0, 2, 3]), torch.tensor([1, 4, 0, 2]), n_rows=4, n_columns=5
    )
    selected = pattern.rows(torch.tensor([3, 1, 0, 0]))
    assert (selected.n_rows, selected.n_columns) == (4, 5)
    assert selected.row.tolist() == [0, 2, 2, 3, 3]
    assert selected.column.tolist() == [2, 1, 4, 1, 4]
    assert selected.row_pointer.tolist() == [0, 1, 1, 3, 5]


@pytest.mark.parametrize("n_rows", [0, 2, 4])
def test_the_first_rows_of_a_pattern_have_its_first_entries(n_rows: int) -> None:
    row, column = torch.tensor([0, 0, 2, 2, 3]), torch.tensor([1, 2, 0, 0, 1])
    first = SparsePattern(row, column, 4, 3).first_rows(n_rows)
    stays = row < n_rows
    assert (first.n_rows, first.n_columns) == (n_rows, 3)
    assert first.row.tolist() == row[stays].tolist()
    assert first.column.tolist() == column[stays].tolist()
    values = torch.arange(1.0, 6.0)
    dense = torch.zeros(4, 3).index_put((row, column), values, accumulate=True)
    assert torch.equal(first.matrix(values[stays]).to_dense(), dense[:n_rows])


@given(facts_strategy, st.lists(st.integers(0, N_NODES - 1), max_size=8))
def test_entries_of_rows_are_the_neighbours_of_each_given_row(
    facts: list[tuple[int, int, int]], rows: list[int]
) -> None:
    graph = graph_of(facts)
    selected = torch.tensor(rows, dtype=torch.int64)
    place, entry = graph.edges.entries_of_rows(selected)
    column = graph.edges.column[entry]
    expected = [
        (place, tail)
        for place, row in enumerate(rows)
        for head, _, tail in edges_of(graph)
        if head == row
    ]
    assert list(zip(place.tolist(), column.tolist())) == expected


def test_dangling_nodes_are_dropped_until_none_is_left() -> None:
    # 0 and 1 stay in any case. 5 hangs on 4 alone, by two relations; without it 4 hangs
    # on 0; 6 has a self loop besides. 3 links 0 and 1, 7 links 1 and itself to nothing.
    facts = [
        (0, 1, 3),
        (1, 1, 3),
        (0, 0, 4),
        (4, 1, 5),
        (5, 2, 4),
        (1, 0, 6),
        (6, 0, 6),
    ]
    kept, nodes = drop_dangling_nodes(as_triples(facts), n_fixed=2, n_nodes=20)
    assert nodes.tolist() == [0, 1, 3]
    assert list(zip(*(c.tolist() for c in kept))) == [(0, 1, 2), (1, 1, 2)]


def dangling_by_hand(facts: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    while True:
        neighbours: dict[int, set[int]] = {}
        for h, _, t in facts:
            neighbours.setdefault(h, set()).add(t)
            neighbours.setdefault(t, set()).add(h)
        gone = {n for n, found in neighbours.items() if n >= 2 and len(found - {n}) < 2}
        left = [(h, r, t) for h, r, t in facts if not {h, t} & gone]
        if left == facts:
            return facts
        facts = left


@given(facts_strategy)
def test_any_dangling_nodes_are_dropped(facts: list[tuple[int, int, int]]) -> None:
    kept, nodes = drop_dangling_nodes(as_triples(facts), n_fixed=2, n_nodes=20)
    found = zip(
        nodes[kept.head].tolist(), kept.relation.tolist(), nodes[kept.tail].tolist()
    )
    expected = dangling_by_hand(facts)
    assert list(found) == expected
    assert set(nodes.tolist()) == {0, 1} | {n for h, _, t in expected for n in (h, t)}
