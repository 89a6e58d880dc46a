"""Scores without some of a user's interactions, propagated again.

An interaction is deleted in both directions: nothing is propagated along it, and no
walk begins with it. Every other weight stays the same: neither the attention nor the
normalisation nor |N(u)| is computed again, and no model is trained.
`LinearScore.without` deletes several at once and propagates from the start. Here each
one is deleted on its own, for all items: with E = A - A', of two entries, and A'^l the
powers without them,

    A^l f - A'^l f  =  sum_{m<l} A'^(l-1-m) E A^m f

is a sum of 2 L outer products, so that the embeddings need not be propagated again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import diags

from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Floats, Integers


def scores_without_each(
    score: LinearScore, user: int, positions: Sequence[int]
) -> Floats:
    """Scores of all items, each time without another interaction.

    Args:
        score: the model.
        user: number of the user.
        positions: which interactions, by their positions among the user's.

    Returns:
        Shape: [n_positions, n_items]
    """
    graph = score.graph
    edges = score.interactions(user)[list(positions)]
    first, last = graph.n_users, graph.n_users + graph.n_items
    columns = _powers(score, user, edges)
    scores = np.zeros((len(edges), graph.n_items))
    squares = np.einsum("nd,nd->n", score.propagated_items, score.propagated_items)
    for number, edge in enumerate(edges.tolist()):
        left = columns[:, :, number].T
        right = _brought_layers(score, user, edge)
        of_user = score.propagated[user] - left[user] @ right
        left = left[first:last]
        changed = score.propagated_items @ of_user - left @ (right @ of_user)
        scale = score.similarity_weight
        if score.is_cosine:
            crossed = left * (score.propagated_items @ right.T)
            after = squares - 2 * crossed.sum(axis=1)
            after += ((left @ (right @ right.T)) * left).sum(axis=1)
            lengths = np.sqrt(after.clip(min=0)).clip(min=1e-12)
            length = max(float(np.linalg.norm(of_user)), 1e-12)
            scale = scale / (lengths * length)
        scores[number] = scale * changed
    scores += _walks_without(score, user, edges)
    scores += sum(bias.of_items for bias in score.biases)
    history = np.tile(score.history(user), (len(edges), 1))
    history[np.arange(len(edges)), graph.tail[edges] - first] = 0
    return score.with_borrowed(scores, history)


def _powers(score: LinearScore, user: int, edges: Integers) -> Floats:
    """Columns of A'^k for k < L at the user and at the item of each interaction.

    Returns:
        Shape: [2 n_layers, n_nodes, n_edges]: those of the user, then of the items.
    """
    graph, n_edges = score.graph, len(edges)
    items = graph.tail[edges]
    to_item, to_user = score.weight[edges], score.weight[graph.reverse[edges]]
    every = np.arange(n_edges)
    powers: list[Floats] = []
    for starts in (np.full(n_edges, user), items):
        column = np.zeros((graph.n_nodes, n_edges))
        column[starts, every] = 1
        for layer in range(score.n_layers):
            powers.append(column)
            if layer == score.n_layers - 1:
                break
            following = score.matrix @ column
            following[user] -= to_item * column[items, every]
            following[items, every] -= to_user * column[user]
            column = following
    return np.stack(powers) if powers else np.zeros((0, graph.n_nodes, n_edges))


def _brought_layers(score: LinearScore, user: int, edge: int) -> Floats:
    """The rows that `_powers` multiplies, shape: [2 n_layers, d]."""
    graph = score.graph
    ends = (
        (graph.tail[edge], score.weight[edge]),
        (user, score.weight[graph.reverse[edge]]),
    )
    rows = [
        weight * sum(layer[node] for layer in score.layers[: score.n_layers - k])
        for node, weight in ends
        for k in range(score.n_layers)
    ]
    width = score.embedding.shape[1]
    return np.array(rows).reshape(-1, width) / (score.n_layers + 1)


def _walks_without(score: LinearScore, user: int, edges: Integers) -> Floats:
    """The walk terms of all items without each interaction: [n_edges, n_items]."""
    graph = score.graph
    total = np.zeros((len(edges), graph.n_items))
    for term in score.walks:
        of_edges = term.items[graph.tail[edges] - graph.n_users]
        weighted = of_edges @ diags(term.weight_without(user))
        own = term.filtered((term.items @ weighted.T).toarray()).T
        scale = term.scale(user, range(graph.n_items))
        total += term.scores(user, score.history(user)) - own * scale
    return total
