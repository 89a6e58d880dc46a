"""The parts of a score of KGIF, each computed by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.explanation_records import Decomposition
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Floats


def cosine_scale(score: LinearScore, user: int, item: int) -> float:
    """Factor p / (tau |z_u| |z_i| (L+1)^2) of each pair of walks."""
    nodes = [user, score.graph.item_node(item)]
    lengths = np.linalg.norm(score.propagated[nodes], axis=1).clip(min=1e-12)
    scale = score.cosine_weight / (lengths.prod() * (score.n_layers + 1) ** 2)
    return float(scale)


def decompose(
    score: LinearScore, user: int, items: Sequence[int]
) -> list[Decomposition]:
    """The parts of a user's scores.

    Args:
        score: the model.
        user: number of the user.
        items: numbers of the items.

    Returns:
        One entry an item.
    """
    nodes = [score.graph.item_node(item) for item in items]
    from_user, *from_items = score.reach([user, *nodes])
    direct, longer = score.direct_walks(user), score.longer_walks(user)
    parts = []
    for item, from_item in zip(items, from_items):
        scale = cosine_scale(score, user, item)
        pairs = (from_user * score.gain) @ from_item.T
        endpoints = _different_endpoints(
            score.embedding, from_user.sum(axis=0), from_item.sum(axis=0)
        )
        parts.append(
            Decomposition(
                bias=float(score.item_bias[item]),
                direct_walks=float(direct[item]),
                longer_walks=float(longer[item]),
                connected=tuple(
                    float(scale * np.fliplr(pairs).trace(score.n_layers - length))
                    for length in range(1, 2 * score.n_layers + 1)
                ),
                different_endpoints=float(scale * endpoints),
            )
        )
    return parts


def walks_by_first_edge(score: LinearScore, user: int, item: int) -> Floats:
    """Sums over the walks that begin with each edge out of the user.

    Every walk begins with one of them, so the sums add up to `Decomposition.walks`.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.

    Returns:
        Shape: [number of the user's edges]
    """
    graph = score.graph
    edges = graph.edges_of(user)
    from_item = score.reach([graph.item_node(item)])[0]
    # All continuations after the first edge with the meeting point after it.
    at_meeting = score.gain * from_item.sum(axis=0)
    after = np.zeros_like(at_meeting)
    for _ in range(score.n_layers):
        after = at_meeting + score.matrix @ after
    met_after = score.weight[edges] * after[graph.tail[edges]]
    # Where the user is the meeting point, the item's side takes the first edge too.
    reached = from_item[: score.n_layers].sum(axis=0)[graph.tail[edges]]
    met_at_user = score.gain[user] * score.weight_back[edges] * reached
    connected = cosine_scale(score, user, item) * (met_after + met_at_user)
    return connected + score.item_walks_by_edge(user, item)


def walks_without(
    score: LinearScore, user: int, item: int, hops: Sequence[int]
) -> float:
    """Sum over the walks that take none of these hops.

    A hop is an edge in the direction walked from the user to the item: walks that take
    it the other way stay, as do longer walks that take it after their first neighbour.
    The lengths of the propagated embeddings stay the same. Without any hops the sum is
    `Decomposition.walks`.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        hops: edges in the direction walked.
    """
    graph = score.graph
    stays = np.ones(graph.n_edges, dtype=bool)
    stays[list(hops)] = False
    shape = (graph.n_nodes, graph.n_nodes)
    forth, back = (
        csr_matrix((weight * stays, graph.tail, graph.first), shape=shape)
        for weight in (score.weight, score.weight_back)
    )
    at_user, at_item = np.zeros((2, graph.n_nodes))
    at_user[user] = at_item[graph.item_node(item)] = 1
    from_user, from_item = at_user, at_item
    for _ in range(score.n_layers):
        at_user, at_item = forth.T @ at_user, back @ at_item
        from_user = from_user + at_user
        from_item = from_item + at_item
    pairs = float((from_user * score.gain) @ from_item)
    connected = cosine_scale(score, user, item) * pairs
    return connected + float(score.item_walks_by_edge(user, item, stays).sum())


def _different_endpoints(embedding: Floats, left: Floats, right: Floats) -> float:
    """Sum of left_n right_n' f_n . f_n' over all n and all n' other than n.

    For each n the sum over the others is taken first, without n itself.
    """
    same = right[:, None] * embedding
    others = right @ embedding - same
    return float(left @ np.einsum("nd,nd->n", embedding, others))
