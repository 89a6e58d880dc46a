"""The tree of reasons: a score as a sum over the user's interactions, and their parts.

A score is the sum of the parts of the user's interactions, of the user's own vector and
of the item's biases. Each interaction's part is, again exactly, the sum of

* *walks through one node*, u -> j -> n -> i, and u -> j -> i: by the embeddings, with
  every meeting point after the first hop, and by the walk terms. Where n is an entity
  it is a fact that the two items share, where it is another user a person in common;
* *longer connections*: all other connected walks through the embeddings;
* *taste*: the products of the embeddings of different end nodes, which belong to no
  walk: similarity that no single fact accounts for;
* *the filter*: what the spectral filter of the walk terms adds, mostly below 0.

With c = p_i / (temperature (L+1)^2), divided by |z_u| |z_i| for the cosine, a walk that
meets after its node n contributes c times the attention of its hops before n as the
user's side gives it, |f_n|^2, and the attention of those after n as the item's side
gives it to their other direction. Walks that meet at the user itself are part of its
own vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import diags

from recbole_kgif.explain.linear_score import LinearScore, WalkTerm
from recbole_kgif.explain.path_graph import Floats, Integers

NO_EDGE = -1


@dataclass(frozen=True, eq=False)
class ScoreTree:
    """The exact parts of the scores of one user and some items.

    Attributes:
        edges: the user's interactions, shape: [n_interactions]
        connected: walks through the embeddings that begin with each interaction
        taste: products of different end nodes, by interaction
        direct: the walk terms without their filters, by interaction
        filtered: what the filters add, by interaction; like the three before of shape:
            [n_interactions, n_items]
        own: part of the user's own vector, shape: [n_items]
        biases: the item's biases, shape: [n_biases, n_items]
        borrowed: what the item gets from known ones, shape: [n_items]
    """

    edges: Integers
    connected: Floats
    taste: Floats
    direct: Floats
    filtered: Floats
    own: Floats
    biases: Floats
    borrowed: Floats

    @property
    def interactions(self) -> Floats:
        """Part of each interaction, shape: [n_interactions, n_items]."""
        return self.connected + self.taste + self.direct + self.filtered

    @property
    def total(self) -> Floats:
        """The scores, shape: [n_items]."""
        rest = self.own + self.biases.sum(axis=0) + self.borrowed
        total: Floats = self.interactions.sum(axis=0) + rest
        return total


def score_tree(score: LinearScore, user: int, items: Sequence[int]) -> ScoreTree:
    """Take the scores of a user apart.

    Args:
        score: the model.
        user: number of the user.
        items: numbers of the items.
    """
    edges, chosen = score.interactions(user), list(items)
    n_layers = score.n_layers + 1
    scale = score.similarity_scale(user, chosen) / n_layers
    of_items = score.propagated_items[chosen].T
    by_edge = score.weight[edges, None]
    similar = by_edge * (score.brought[score.graph.tail[edges]] @ of_items) * scale
    reached = by_edge * _continuations(score, chosen)[score.graph.tail[edges]]
    connected = reached * scale / n_layers
    direct, filtered = np.zeros((2, len(edges), len(chosen)))
    for term in score.walks:
        whole, unfiltered = _walk_term(score, term, user, chosen)
        direct += unfiltered
        filtered += whole - unfiltered
    biases = [bias.of_items[chosen] for bias in score.biases]
    return ScoreTree(
        edges=edges,
        connected=connected,
        taste=similar - connected,
        direct=direct,
        filtered=filtered,
        own=score.embedding[user] @ of_items * scale,
        biases=np.array(biases).reshape(-1, len(chosen)),
        borrowed=_borrowed(score, user, chosen),
    )


def _borrowed(score: LinearScore, user: int, items: Sequence[int]) -> Floats:
    if score.borrowed is None or not score.borrowed.is_new[list(items)].any():
        return np.zeros(len(items))
    scores, history = score.learned_scores(user), score.history(user)
    return score.borrowed.parts(scores[None], history[None])[0, list(items)]


def _continuations(score: LinearScore, items: Sequence[int]) -> Floats:
    """Sum over the walks from each node on to an item, shape: [n_nodes, n_items].

    They meet at the node itself or later, after L - 1 further hops at most.
    """
    graph = score.graph
    at_layer = np.zeros((graph.n_nodes, len(items)))
    at_layer[[graph.item_node(item) for item in items], np.arange(len(items))] = 1
    reach = at_layer
    for _ in range(score.n_layers):
        at_layer = score.matrix.T @ at_layer
        reach = reach + at_layer
    at_meeting = score.gain[:, None] * reach
    after = np.zeros_like(at_meeting)
    for _ in range(score.n_layers):
        after = at_meeting + score.matrix @ after
    return after


def _walk_term(
    score: LinearScore, term: WalkTerm, user: int, items: Sequence[int]
) -> tuple[Floats, Floats]:
    """A walk term by interaction, with and without its filter: [n, n_items] each."""
    graph = score.graph
    own_items = graph.tail[score.interactions(user)] - graph.n_users
    first = term.items[own_items] @ diags(term.weight_without(user))
    at_items = np.zeros((graph.n_items, len(items)))
    at_items[list(items), np.arange(len(items))] = 1
    scale = term.scale(user, items)
    whole = first @ (term.items.T @ term.filtered(at_items))
    return whole * scale, (first @ term.items[list(items)].T).toarray() * scale


@dataclass(frozen=True, eq=False)
class ShortWalks:
    """All walks u -> j -> n -> i and u -> j -> i through some interactions.

    Walks that return to the user are longer connections. Each array has the shape:
    [n_walks].

    Attributes:
        interaction: position of the interaction among those of the `ScoreTree`.
        second: edge from j on.
        third: edge from n to i, or `NO_EDGE`.
        similarity: what it contributes through the embeddings.
        direct: what it contributes to the walk terms, without their filters.
    """

    interaction: Integers
    second: Integers
    third: Integers
    similarity: Floats
    direct: Floats

    @property
    def value(self) -> Floats:
        """The contribution of each walk."""
        return self.similarity + self.direct

    def at(self, interaction: int) -> ShortWalks:
        """The walks through one interaction."""
        chosen = self.interaction == interaction
        return ShortWalks(*(getattr(self, name)[chosen] for name in _FIELDS))


_FIELDS = ("interaction", "second", "third", "similarity", "direct")


def short_walks(
    score: LinearScore, user: int, item: int, positions: Sequence[int]
) -> ShortWalks:
    """Find the short walks from a user to an item, with their contributions.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        positions: which interactions, by their positions among the user's.
    """
    graph, target = score.graph, score.graph.item_node(item)
    first = score.interactions(user)[list(positions)]
    place, second = graph.edges_from(graph.tail[first])
    if score.stays is not None:
        place, second = place[score.stays[second]], second[score.stays[second]]
    is_link = graph.tail[second] == target
    is_open = graph.tail[second] != user
    to_target, third = graph.edges_between(graph.tail[second[is_open]], target)
    interaction = np.concatenate([place[is_link], place[is_open][to_target]])
    middle = np.concatenate([second[is_link], second[is_open][to_target]])
    last = np.concatenate([np.full(int(is_link.sum()), NO_EDGE), third])
    scale = float(score.similarity_scale(user, [item])[0])
    similarity = scale / (score.n_layers + 1) ** 2 * _met(score, middle, last)
    direct = np.zeros(len(last))
    has_third = last != NO_EDGE
    for term in score.walks:
        found = _direct_values(score, term, user, middle[has_third], last[has_third])
        direct[has_third] += found * term.scale(user, [item])
    return ShortWalks(
        interaction=np.asarray(list(positions), dtype=np.int64)[interaction],
        second=middle,
        third=last,
        similarity=similarity * score.weight[first][interaction],
        direct=direct,
    )


def itself_value(score: LinearScore, user: int, item: int, edge: int) -> float:
    """What the walk u -> i contributes, where the interaction is with the item."""
    if score.graph.tail[edge] != score.graph.item_node(item) or not score.n_layers:
        return 0.0
    scale = float(score.similarity_scale(user, [item])[0])
    value = score.weight[edge] * score.gain[score.graph.tail[edge]]
    return float(scale / (score.n_layers + 1) ** 2 * value)


def _met(score: LinearScore, second: Integers, third: Integers) -> Floats:
    """Sum over the meeting points after the first hop, without that hop's attention."""
    graph, n_layers = score.graph, score.n_layers
    back = score.weight_back
    has_third = third != NO_EDGE
    # Without a third edge the walk ends one hop earlier.
    forth_third = np.where(has_third, score.weight[third], 0.0)
    back_third = np.where(has_third, back[third], 1.0)
    total = np.zeros(len(second))
    n_after_first = np.where(has_third, 2, 1)
    at_first = score.gain[graph.head[second]] * back[second] * back_third
    total += at_first * (n_after_first <= n_layers) * (n_layers >= 1)
    at_second = score.weight[second] * score.gain[graph.tail[second]] * back_third
    total += at_second * (n_layers >= 2)
    at_third = score.weight[second] * forth_third * score.gain[graph.tail[third]]
    return total + at_third * (n_layers >= 3)


def _direct_values(
    score: LinearScore, term: WalkTerm, user: int, second: Integers, third: Integers
) -> Floats:
    """G x_jn x_in of walks j -> n -> i, 0 where the relations differ."""
    graph = score.graph
    if not len(term.node):
        return np.zeros(len(second))
    back = graph.reverse[third]
    known = term.relation * graph.n_nodes + term.node
    key = graph.relation[second] * graph.n_nodes + graph.tail[second]
    neighbour = np.searchsorted(known, key).clip(max=len(known) - 1)
    is_shared = (known[neighbour] == key) & (
        graph.relation[back] == graph.relation[second]
    )
    value = np.zeros(len(second))
    shared = np.flatnonzero(is_shared)
    if not len(shared):  # of no place SciPy gives a matrix
        return value
    columns = neighbour[shared]
    ends = (graph.head[edges[shared]] - graph.n_users for edges in (second, back))
    left, right = (np.asarray(term.items[rows, columns]).ravel() for rows in ends)
    value[shared] = left * right * term.weight_without(user)[columns]
    return value
