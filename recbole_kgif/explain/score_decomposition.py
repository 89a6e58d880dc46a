"""What a score of KGIF consists of, each part computed by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.explanation_records import Shares
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Floats


def cosine_scale(score: LinearScore, user: int, item: int) -> float:
    """Factor p / (tau |z_u| |z_i| (L+1)^2) with which each pair of walks counts."""
    nodes = [user, score.graph.item_node(item)]
    lengths = np.linalg.norm(score.propagated[nodes], axis=1).clip(min=1e-12)
    scale = score.cosine_weight / (lengths.prod() * (score.n_layers + 1) ** 2)
    return float(scale)


def shares(score: LinearScore, user: int, items: Sequence[int]) -> list[Shares]:
    """The parts of a user's scores.

    Args:
        score: the model.
        user: number of the user.
        items: numbers of the items.

    Returns:
        One entry an item.
    """
    nodes = [score.graph.item_node(item) for item in items]
    seen_by_user, *seen_by_items = score.reach([user, *nodes])
    direct, longer = score.direct_walks(user), score.longer_walks(user)
    parts = []
    for item, seen in zip(items, seen_by_items):
        scale = cosine_scale(score, user, item)
        pairs = (seen_by_user * score.gain) @ seen.T
        endpoints = _different_endpoints(
            score.embedding, seen_by_user.sum(axis=0), seen.sum(axis=0)
        )
        parts.append(
            Shares(
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
    """What the walks give together that begin with each edge out of the user.

    All walks begin with one of them, so the values add up to `Shares.walks`.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.

    Returns:
        Shape: [number of the user's edges]
    """
    graph = score.graph
    edges = np.arange(graph.first[user], graph.first[user + 1])
    seen = score.reach([graph.item_node(item)])[0]
    # What follows the first edge where the place of meeting lies behind it.
    at_meeting = score.gain * seen.sum(axis=0)
    behind = np.zeros_like(at_meeting)
    for _ in range(score.n_layers):
        behind = at_meeting + score.matrix @ behind
    met_behind = score.weight[edges] * behind[graph.tail[edges]]
    # The item's side takes the first edge too where they meet at the user.
    reached = seen[: score.n_layers].sum(axis=0)[graph.tail[edges]]
    met_at_user = score.gain[user] * score.weight_back[edges] * reached
    connected = cosine_scale(score, user, item) * (met_behind + met_at_user)
    return connected + score.item_walks_by_edge(user, item)


def walks_without(
    score: LinearScore, user: int, item: int, hops: Sequence[int]
) -> float:
    """What the walks give together that take none of these hops.

    A hop is an edge in the direction walked from the user to the item: walks that take
    it the other way stay, as do longer walks that take it behind their first neighbour.
    The lengths of the propagated embeddings stay as they are, and `Shares.walks` is
    what there is without any such hop.

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
    from_user, to_item = np.zeros((2, graph.n_nodes))
    from_user[user] = to_item[graph.item_node(item)] = 1
    seen_by_user, seen_by_item = from_user, to_item
    for _ in range(score.n_layers):
        from_user, to_item = forth.T @ from_user, back @ to_item
        seen_by_user = seen_by_user + from_user
        seen_by_item = seen_by_item + to_item
    pairs = float((seen_by_user * score.gain) @ seen_by_item)
    connected = cosine_scale(score, user, item) * pairs
    return connected + float(score.item_walks_by_edge(user, item, stays).sum())


def _different_endpoints(embedding: Floats, left: Floats, right: Floats) -> float:
    """Sum of left_n right_n' f_n . f_n' over all n and all n' that are not n.

    For each n the sum over the others is taken first, without n itself.
    """
    own = right[:, None] * embedding
    others = right @ embedding - own
    return float(left @ np.einsum("nd,nd->n", embedding, others))
