from __future__ import annotations

import numpy as np
import pytest

from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.reason_tree import (
    NO_EDGE,
    ShortWalks,
    itself_value,
    score_tree,
    short_walks,
)
from recbole_kgif.explain.what_if import scores_without_each
from tests.explain.helpers import (
    N_ITEMS,
    N_USERS,
    all_walks,
    as_direct_walk,
    borrowed_by_last,
    product_scale,
    random_score,
    through_embeddings,
)

MODELS = [
    {},
    {"n_layers": 0},
    {"n_layers": 1, "n_terms": 0},
    {"n_layers": 3, "density": 0.3},
    {"is_cosine": False, "n_terms": 2},
    {"has_new_item": True},
    {"density": 0.0},
]
ITEMS = range(N_ITEMS)


def model_of(options: dict[str, object]) -> LinearScore:
    return random_score(3, **options)  # type: ignore[arg-type]


def dense_scores(score: LinearScore, user: int, history: np.ndarray) -> np.ndarray:
    """The scores by dense matrices, straight from the model's definition."""
    graph = score.graph
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(matrix, (graph.head, graph.tail), score.weight)
    powers = [np.linalg.matrix_power(matrix, n) for n in range(score.n_layers + 1)]
    z = sum(powers) @ score.embedding / (score.n_layers + 1)
    if score.is_cosine:
        z /= np.linalg.norm(z, axis=1, keepdims=True)
    scores = score.similarity_weight * (z[N_USERS:][:N_ITEMS] @ z[user])
    for term in score.walks:
        x, g = term.items.toarray(), np.diag(term.relation_weight)
        own = np.diag(np.where(term.node == user, 0, term.relation_weight))
        kernel, by = x @ g @ x.T, term.spectral_filter
        assert by is not None
        filtered = sum(
            coefficient * np.linalg.matrix_power(by.scale * kernel, power)
            for power, coefficient in enumerate(by.coefficients)
        )
        walks = history @ (x @ own @ x.T) @ filtered
        scores += term.item_weight * term.user_factor[user] * walks
    scores = scores + sum(bias.of_items for bias in score.biases)
    if score.borrowed is not None:
        scores[-1] += borrowed_by_last(scores, history)
    return scores


def history_of(score: LinearScore, user: int) -> np.ndarray:
    history = np.zeros(N_ITEMS)
    edges = score.graph.edges_of(user)
    history[score.graph.tail[edges] - N_USERS] = 1
    return history


@pytest.mark.parametrize("options", MODELS)
def test_the_tree_adds_up_to_the_scores_of_the_definition(
    options: dict[str, object],
) -> None:
    score = model_of(options)
    for user in range(N_USERS):
        expected = dense_scores(score, user, history_of(score, user))
        np.testing.assert_allclose(score.scores(user), expected, atol=1e-12)
        tree = score_tree(score, user, ITEMS)
        np.testing.assert_allclose(tree.total, expected, atol=1e-10)
        assert tree.interactions.shape == (len(score.graph.edges_of(user)), N_ITEMS)


def test_the_graph_has_what_is_hard() -> None:
    graph = random_score(3).graph
    assert (graph.head == graph.tail).any(), "a self loop"
    ends = list(zip(graph.head.tolist(), graph.tail.tolist()))
    assert len(set(ends)) < len(ends), "parallel edges"
    assert (graph.degree == 0).any(), "an isolated node"


@pytest.mark.parametrize("options", MODELS[:6])
def test_each_part_of_an_interaction_is_that_of_brute_force(
    options: dict[str, object],
) -> None:
    score = model_of(options)
    graph, user = score.graph, 0
    tree = score_tree(score, user, ITEMS)
    walks = list(all_walks(graph, user, max(3, min(2 * score.n_layers, 4))))
    for item in ITEMS:
        target, scale = graph.item_node(item), product_scale(score, user, item)
        found = short_walks(score, user, item, range(len(tree.edges)))
        to_item = [walk for walk in walks if graph.tail[walk[-1]] == target]
        for position, edge in enumerate(tree.edges.tolist()):
            mine = [walk for walk in to_item if walk[0] == edge]
            if score.n_layers < 3:  # else walks have up to six edges
                connected = sum(through_embeddings(score, scale, w) for w in mine)
                assert tree.connected[position, item] == pytest.approx(connected)
            direct = sum(as_direct_walk(score, user, item, walk) for walk in mine)
            assert tree.direct[position, item] == pytest.approx(direct, abs=1e-12)
            expected = {
                tuple(walk[1:])
                for walk in mine
                if len(walk) in (2, 3) and user not in graph.tail[walk[1:]]
            }
            rows = values_of(found, position)
            assert {edges for edges, _, _ in rows} == expected
            for edges, similarity, value in rows:
                walk = [edge, *edges]
                by_hand = through_embeddings(score, scale, walk)
                assert similarity == pytest.approx(by_hand)
                by_hand = as_direct_walk(score, user, item, walk)
                assert value == pytest.approx(by_hand, abs=1e-12)
            itself = 0.0
            if graph.tail[edge] == target:
                itself = through_embeddings(score, scale, [edge])
            assert itself_value(score, user, item, edge) == pytest.approx(itself)


def values_of(
    found: ShortWalks, position: int
) -> list[tuple[tuple[int, ...], float, float]]:
    """Edges after the first, similarity and direct part of each walk."""
    at = found.at(position)
    columns = (at.second, at.third, at.similarity, at.direct)
    return [
        ((s,) if t == NO_EDGE else (s, t), similarity, direct)
        for s, t, similarity, direct in zip(*(column.tolist() for column in columns))
    ]


@pytest.mark.parametrize("is_cosine", [True, False])
def test_taste_is_the_sum_over_different_end_nodes(is_cosine: bool) -> None:
    score = random_score(5, n_layers=2, is_cosine=is_cosine)
    graph, user, item = score.graph, 0, 1
    tree = score_tree(score, user, [item])
    scale = product_scale(score, user, item)

    def walked(node: int) -> list[tuple[list[int], int, float]]:
        ends = [
            (w, int(graph.tail[w[-1]]), float(np.prod(score.weight[w])))
            for w in all_walks(graph, node, score.n_layers)
        ]
        return [([], node, 1.0), *ends]

    for position, edge in enumerate(tree.edges.tolist()):
        expected = sum(
            left * right * (score.embedding[a] @ score.embedding[b])
            for walk, a, left in walked(user)
            if walk and walk[0] == edge
            for _, b, right in walked(graph.item_node(item))
            if a != b
        )
        assert tree.taste[position, 0] == pytest.approx(scale * expected)


@pytest.mark.parametrize("options", MODELS[:6])
def test_scores_without_an_interaction_are_those_propagated_again(
    options: dict[str, object],
) -> None:
    score = model_of(options)
    for user in range(N_USERS):
        edges = score.graph.edges_of(user)
        found = scores_without_each(score, user, range(len(edges)))
        for position, edge in enumerate(edges.tolist()):
            left = score.without([edge])
            np.testing.assert_allclose(found[position], left.scores(user), atol=1e-10)
            history = history_of(score, user)
            history[score.graph.tail[edge] - N_USERS] = 0
            expected = dense_scores(left, user, history)
            np.testing.assert_allclose(left.scores(user), expected, atol=1e-10)
            tree = score_tree(left, user, ITEMS)
            np.testing.assert_allclose(tree.total, expected, atol=1e-10)
            assert edge not in tree.edges


def test_deletions_add_up() -> None:
    score = random_score(3)
    edges = score.graph.edges_of(0)[:2].tolist()
    at_once = score.without(edges).scores(0)
    in_turn = score.without(edges[:1]).without(edges[1:]).scores(0)
    np.testing.assert_allclose(at_once, in_turn)
    assert abs(at_once - score.scores(0)).max() > 1e-3
