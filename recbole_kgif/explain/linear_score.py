r"""A trained KGIF as a score that is linear in what the user's interactions bring.

With A the matrix of the edge weights alpha, f the fused embeddings and L the number of
layers, the propagated embeddings are z = 1/(L+1) sum_l A^l f, and the score is::

    y(u, i) = p_i s(z_u, z_i)  +  sum of q_i w(u, i) over the walk terms  +  biases of i

with s the cosine or the inner product, divided by the temperature.

**Embeddings.** The first hop of every walk out of the user is an interaction, so with
g_j = sum_{l<L} (A^l f)_j the user's embedding is z_u = (f_u + sum_j alpha_uj g_j) /
(L+1). With the lengths of z_u and z_i fixed, each interaction has an exact part of the
score, and what is left is the part of the user's own vector f_u.

**Walks.** w is a sum over the user's items too. Each u -> j -> n -> i, with n a node
that j and i reach by the same relation r, contributes |N(u)|^-a g_r x_jn x_in. With K
the matrix of the sums of g_r x_jn x_in between any two items, the model multiplies
these sums by a polynomial P of K, the spectral filter. What P - 1 adds is the sum over
walks that continue from item to item. Most of it is negative: it takes off what many
items have in common.

**Biases** belong to the item alone: its popularity, and whatever else a model adds to
the score of an item.

**Borrowed scores.** Where a model mixes the scores of new items with what the scores of
known items predict for them, that prediction is not linear in the interactions: it is a
part of its own, and the weights p, q and biases of new items have what is left.

A model tells its terms once, in `model_adapters`; a further walk term or bias is one
more entry of `LinearScore.walks` or `LinearScore.biases`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.path_graph import Flags, Floats, Graph, Integers

if TYPE_CHECKING:  # without PyTorch
    from recbole_kgif.model.kgif import SpectralFilter


@dataclass(frozen=True, eq=False)
class Bias:
    """A part of the score that belongs to the item alone.

    Attributes:
        name: what it is, a word of `explanation_records`.
        of_items: its value of each item, shape: [n_items]
    """

    name: str
    of_items: Floats


@dataclass(frozen=True, eq=False)
class WalkTerm:
    """A term q_i w(u, i) of the score.

    Deleting edges of a user does not change x, g or P: it removes walks that begin
    with a deleted interaction.

    Attributes:
        item_weight: q of each item, shape: [n_items]
        user_factor: |N(u)|^-a of each user, shape: [n_users]
        items: x, shape: [n_items, n_neighbours]
        relation: relation of each neighbour, shape: [n_neighbours]
        node: node of each neighbour, shape: [n_neighbours]
        relation_weight: g of each neighbour's relation, shape: [n_neighbours]
        spectral_filter: P; None leaves it out.
    """

    item_weight: Floats
    user_factor: Floats
    items: csr_matrix
    relation: Integers
    node: Integers
    relation_weight: Floats
    spectral_filter: Optional[SpectralFilter]

    def weight_without(self, user: int) -> Floats:
        """G of each neighbour, 0 for the user itself, shape: [n_neighbours]."""
        return np.where(self.node == user, 0.0, self.relation_weight)

    def scale(self, user: int, items: Sequence[int]) -> Floats:
        """Factor q_i |N(u)|^-a of all walks, shape: [n_asked]."""
        return self.item_weight[list(items)] * self.user_factor[user]

    def filtered(self, of_items: Floats) -> Floats:
        """P times values of all items, shape: [n_items] or [n_items, n]."""
        if self.spectral_filter is None:
            return of_items
        return self.spectral_filter.apply(self._between_items, of_items)

    def _between_items(self, of_items: Floats) -> Floats:
        reached = self.items.T @ of_items
        weight = self.relation_weight
        weight = weight if of_items.ndim == 1 else weight[:, None]
        return self.items @ (weight * reached)

    def scores(self, user: int, history: Floats) -> Floats:
        """The term of a user and all items, shape: [n_items].

        Args:
            user: number of the user.
            history: 1 for each item of the user, else 0, shape: [n_items]
        """
        reached = self.weight_without(user) * (self.items.T @ history)
        every = range(self.items.shape[0])
        return self.scale(user, every) * self.filtered(self.items @ reached)


@dataclass(frozen=True, eq=False)
class BorrowedScores:
    """What new items get from known ones, and from walks that the user's items begin.

    Attributes:
        is_new: whether each item is new, shape: [n_items]
        predict: maps scores, [n_users, n_items], and 1 for each item of the user, else
            0, of the same shape, to what the new items get, [n_users, n_new].
    """

    is_new: Flags
    predict: Callable[[Floats, Floats], Floats]

    def parts(self, scores: Floats, history: Floats) -> Floats:
        """The parts of all scores, 0 for known items, shape: [n_users, n_items].

        Args:
            scores: of all items, of which those of the known ones count.
            history: 1 for each item of the user, else 0, of the same shape.
        """
        parts = np.zeros_like(scores)
        parts[:, self.is_new] = self.predict(scores, history)
        return parts


@dataclass(frozen=True, eq=False)
class LinearScore:
    """The numbers of a trained KGIF, in double precision.

    Attributes:
        graph: the graph.
        weight: alpha of each edge, not negative, shape: [n_edges]
        embedding: f of each node, shape: [n_nodes, d]
        n_layers: L.
        is_cosine: whether s is the cosine, else the inner product.
        similarity_weight: p of each item, divided by the temperature, shape: [n_items]
        walks: the walk terms.
        biases: what belongs to the item alone.
        borrowed: what new items get from known ones; None where they get nothing.
        stays: whether each edge is not deleted; None for all, shape: [n_edges]
    """

    graph: Graph
    weight: Floats
    embedding: Floats
    n_layers: int
    is_cosine: bool
    similarity_weight: Floats
    walks: tuple[WalkTerm, ...]
    biases: tuple[Bias, ...]
    borrowed: Optional[BorrowedScores] = None
    stays: Optional[Flags] = None

    @cached_property
    def matrix(self) -> csr_matrix:
        """A, shape: [n_nodes, n_nodes]; parallel edges are added up."""
        graph = self.graph
        return csr_matrix(
            (self.weight, graph.tail, graph.first), shape=(graph.n_nodes,) * 2
        )

    @cached_property
    def gain(self) -> Floats:
        """|f_n|^2 of each node, shape: [n_nodes]."""
        return np.einsum("nd,nd->n", self.embedding, self.embedding)

    @cached_property
    def weight_back(self) -> Floats:
        """Of each edge the weight of its other direction, shape: [n_edges]."""
        return self.weight[self.graph.reverse]

    @cached_property
    def layers(self) -> list[Floats]:
        """A^0 f .. A^L f, each of shape: [n_nodes, d]."""
        layers = [self.embedding]
        for _ in range(self.n_layers):
            layers.append(self.matrix @ layers[-1])
        return layers

    @cached_property
    def propagated(self) -> Floats:
        """Propagated embeddings z of all nodes, shape: [n_nodes, d]."""
        total = sum(self.layers[1:], self.layers[0])
        return total / (self.n_layers + 1)

    @cached_property
    def brought(self) -> Floats:
        """g, what a node brings to one that it is next to, shape: [n_nodes, d]."""
        return sum(self.layers[:-1], np.zeros_like(self.embedding))

    @property
    def propagated_items(self) -> Floats:
        """Z of the items, shape: [n_items, d]."""
        return self.propagated[self.graph.n_users :][: self.graph.n_items]

    def similarity_scale(self, user: int, items: Sequence[int]) -> Floats:
        """Factor of the products z_u . z_i in the score, shape: [n_asked]."""
        weight = self.similarity_weight[list(items)]
        if not self.is_cosine:
            return weight
        lengths = _lengths(self.propagated_items[list(items)])
        scale: Floats = weight / (lengths * _lengths(self.propagated[user]))
        return scale

    def interactions(self, user: int) -> Integers:
        """The edges out of a user: interactions that are not deleted, shape: [n]."""
        edges = self.graph.edges_of(user)
        return edges if self.stays is None else edges[self.stays[edges]]

    def history(self, user: int) -> Floats:
        """1 for each training item of a user, else 0, shape: [n_items]."""
        history = np.zeros(self.graph.n_items)
        history[self.graph.tail[self.interactions(user)] - self.graph.n_users] = 1
        return history

    def scores(self, user: int) -> Floats:
        """y(u, i) of a user and all items, shape: [n_items]."""
        scores, history = self.learned_scores(user), self.history(user)
        return self.with_borrowed(scores[None], history[None])[0]

    def learned_scores(self, user: int) -> Floats:
        """The scores without what new items get, shape: [n_items]."""
        products = self.propagated_items @ self.propagated[user]
        scores = self.similarity_scale(user, range(self.graph.n_items)) * products
        history = self.history(user)
        for term in self.walks:
            scores = scores + term.scores(user, history)
        total: Floats = scores + sum(bias.of_items for bias in self.biases)
        return total

    def with_borrowed(self, scores: Floats, history: Floats) -> Floats:
        """Scores of all items with what new ones get, shape: [n_users, n_items].

        Args:
            scores: of all items without it.
            history: 1 for each item of the user, else 0, of the same shape.
        """
        if self.borrowed is None:
            return scores
        return scores + self.borrowed.parts(scores, history)

    def without(self, edges: Sequence[int]) -> LinearScore:
        """The score once edges are deleted, in both directions.

        It is propagated again without them. All other weights stay the same: neither
        the attention nor the normalisation nor |N(u)| is computed again.
        """
        numbers = np.asarray(list(edges), dtype=np.int64)
        stays = np.ones(self.graph.n_edges, dtype=bool)
        if self.stays is not None:
            stays &= self.stays
        stays[numbers] = stays[self.graph.reverse[numbers]] = False
        return dataclasses.replace(self, weight=self.weight * stays, stays=stays)


def _lengths(vectors: Floats) -> Floats:
    """The length of each vector, as PyTorch's `normalize` bounds it."""
    lengths: Floats = np.linalg.norm(vectors, axis=-1).clip(min=1e-12)
    return lengths
