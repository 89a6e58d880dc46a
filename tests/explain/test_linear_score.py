from __future__ import annotations

import numpy as np
import pytest

from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Graph, both_directions
from recbole_kgif.explain.score_decomposition import decompose, walks_by_first_edge
from tests.explain.helpers import (
    all_walks,
    as_direct_walk,
    contribution,
    random_score,
    through_embeddings,
    with_longer_walks,
)

PAIRS = [(user, item) for user in range(3) for item in range(4)]


def dense_scores(score: LinearScore, user: int) -> np.ndarray:
    """The scores by dense matrices, straight from the model's definition."""
    graph = score.graph
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(matrix, (graph.head, graph.tail), score.weight)
    powers = [np.linalg.matrix_power(matrix, n) for n in range(score.n_layers + 1)]
    z = sum(powers) @ score.embedding / (score.n_layers + 1)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    cosine = z[graph.n_users :][: graph.n_items] @ z[user]
    longest = 3 if score.walks is not None else 0
    direct = [
        sum(
            as_direct_walk(score, user, walk)
            for walk in all_walks(graph, user, graph.item_node(item), longest)
        )
        for item in range(graph.n_items)
    ]
    return score.cosine_weight * cosine + score.item_bias + np.array(direct)


@pytest.mark.parametrize("has_walks", [True, False])
@pytest.mark.parametrize("n_layers", [0, 1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_those_of_the_definition(
    seed: int, n_layers: int, has_walks: bool
) -> None:
    score = random_score(seed, n_layers=n_layers, has_walks=has_walks)
    for user in range(3):
        expected = dense_scores(score, user)
        np.testing.assert_allclose(score.scores(user), expected)
        each = [score.score(user, item) for item in range(score.graph.n_items)]
        np.testing.assert_allclose(each, expected)


@pytest.mark.parametrize("seed", range(4))
def test_all_walks_the_remainder_and_the_bias_make_the_score(seed: int) -> None:
    score = random_score(seed)
    graph = score.graph
    assert (graph.head == graph.tail).any(), "a self loop"
    ends = list(zip(graph.head.tolist(), graph.tail.tolist()))
    assert len(set(ends)) < len(ends), "parallel edges"
    for user, item in PAIRS:
        walks = list(all_walks(graph, user, graph.item_node(item), 4))
        total = sum(contribution(score, user, item, walk) for walk in walks)
        (parts,) = decompose(score, user, [item])
        assert total + parts.different_endpoints + parts.bias == pytest.approx(
            score.scores(user)[item], abs=1e-9
        )
        for length, value in enumerate(parts.connected, start=1):
            of_length = [walk for walk in walks if len(walk) == length]
            expected = sum(
                through_embeddings(score, user, item, walk) for walk in of_length
            )
            assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_remainder_is_the_sum_over_different_endpoints(seed: int) -> None:
    score = random_score(seed, n_layers=3)
    graph = score.graph
    for user, item in PAIRS[:6]:
        left, right = score.reach([user, graph.item_node(item)]).sum(axis=1)
        products = score.embedding @ score.embedding.T
        np.fill_diagonal(products, 0)
        z = score.propagated[[user, graph.item_node(item)]]
        scale = score.cosine_weight / (16 * np.linalg.norm(z, axis=1).prod())
        (parts,) = decompose(score, user, [item])
        assert parts.different_endpoints == pytest.approx(
            scale * (left @ products @ right)
        )


@pytest.mark.parametrize("seed", range(3))
def test_walks_are_separated_by_their_first_edge(seed: int) -> None:
    score = random_score(seed)
    graph = score.graph
    for user, item in PAIRS:
        totals = walks_by_first_edge(score, user, item)
        expected = np.zeros(len(totals))
        for walk in all_walks(graph, user, graph.item_node(item), 4):
            expected[walk[0] - graph.first[user]] += contribution(
                score, user, item, walk
            )
        np.testing.assert_allclose(totals, expected, atol=1e-12)
        (parts,) = decompose(score, user, [item])
        assert totals.sum() == pytest.approx(parts.walks)


def test_an_isolated_item_has_its_own_embedding_and_no_walks() -> None:
    score = random_score(0, density=0)
    (parts,) = decompose(score, 1, [2])
    assert parts.walks == 0
    assert parts.total == pytest.approx(score.scores(1)[2])


def test_deleted_edges_have_no_walks_in_either_direction() -> None:
    score = random_score(1)
    graph = score.graph
    edge = int(np.flatnonzero((graph.head == 0) & (score.walks.interaction > 0))[0])
    without = score.without([edge])
    changed = np.flatnonzero(without.weight != score.weight)
    assert set(changed) == {edge, int(graph.reverse[edge])}
    for item in range(4):
        walks = all_walks(graph, 0, graph.item_node(item), 4)
        gone = {edge, int(graph.reverse[edge])}
        left = [walk for walk in walks if not gone & set(walk)]
        (parts,) = decompose(without, 0, [item])
        total = sum(contribution(without, 0, item, walk) for walk in left)
        assert parts.walks == pytest.approx(total, abs=1e-12)


def test_only_some_edges_leaves_their_walks_alone() -> None:
    score = random_score(2, density=0.9)
    graph = score.graph
    walk = next(w for w in all_walks(graph, 0, graph.item_node(1), 3) if len(w) == 3)
    kept = score.only(walk)
    assert set(np.flatnonzero(kept.weight)) <= {*walk, *graph.reverse[walk]}
    assert not decompose(score.only([]), 0, [1])[0].walks


def test_edges_must_be_in_both_directions() -> None:
    sizes = {"n_users": 1, "n_items": 1, "n_nodes": 2, "n_relations": 1}
    head, relation, tail = both_directions([0], [0], [1], 1)
    assert list(Graph(head, relation, tail, **sizes).reverse) == [1, 0]
    with pytest.raises(ValueError, match="both directions"):
        Graph(head[:1], relation[:1], tail[:1], **sizes)
    with pytest.raises(ValueError, match="sorted"):
        Graph(head[::-1], relation[::-1], tail[::-1], **sizes)


@pytest.mark.parametrize("seed", range(4))
def test_longer_walks_are_what_a_polynomial_of_the_similarities_adds(seed: int) -> None:
    without = random_score(seed, density=0.8)
    score = with_longer_walks(without)
    assert score.walks is not None and score.walks.longer is not None
    longer = score.walks.longer
    matrix = longer.items.toarray()
    between = matrix * longer.relation_weight @ matrix.T
    polynomial = longer.spectral_filter.apply(between.__matmul__, np.eye(len(between)))
    for user, item in PAIRS:
        added = without.direct_walks(user) @ polynomial - without.direct_walks(user)
        np.testing.assert_allclose(score.longer_walks(user), added, atol=1e-12)
        np.testing.assert_allclose(score.scores(user), without.scores(user) + added)
        assert score.score(user, item) == pytest.approx(score.scores(user)[item])
        (parts,) = decompose(score, user, [item])
        assert parts.longer_walks == pytest.approx(added[item])
        assert parts.total == pytest.approx(score.score(user, item))
        by_edge = walks_by_first_edge(score, user, item)
        assert by_edge.sum() == pytest.approx(parts.walks)


def test_longer_walks_are_deleted_with_the_interaction_they_begin_with() -> None:
    score = with_longer_walks(random_score(1, density=0.8))
    for user in range(3):
        first = int(score.graph.first[user])
        assert score.longer_walks(user).any()
        left = score.without([first]).longer_walks(user)
        own = score.only([first]).longer_walks(user)
        assert not np.allclose(left, score.longer_walks(user)) or not own.any()
        edges = list(range(first, int(score.graph.first[user + 1])))
        assert not score.without(edges).longer_walks(user).any()
