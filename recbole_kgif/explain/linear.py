r"""A trained KGIF as what it is: a score that is linear in the walks of its graph.

With A the matrix of the edge weights alpha, f the fused embeddings and L the number of
layers, the propagated embeddings are z = 1/(L+1) sum_l A^l f, and the score is::

    y(u, i) = p cos(z_u, z_i) / tau  +  q w(u, i)  +  b_i

**Direct walks.** w is a sum over walks already. Each u -> j -> n -> i, with n a node
that j and i reach by the same relation r, contributes q |N(u)|^-a g_r x_jn x_in.

**Embeddings.** With the lengths of z_u and z_i held at what they are, the cosine part
is a sum over pairs of walks, l edges from u to n and m edges from i to n'::

    p / (tau |z_u| |z_i| (L+1)^2)
        sum_{l,m <= L} sum_{n,n'} (A^l)_un (A^m)_in' f_n . f_n'

The terms with n = n' join into a connected walk from u to i of l + m edges: its edges
before n count with the attention that the user's side gives them, those behind n with
the attention that the item's side gives to their other direction, and the place of
meeting counts with |f_n|^2. One walk has several such places (l, m); its contribution
is the sum of all, and of its direct walk where it is one. The terms with n != n' belong
to no path: they are the *similarity of different endpoints*, one named part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.graph import Flags, Floats, Graph, Integers


@dataclass(frozen=True, eq=False)
class DirectWalks:
    """The part w of the score, by edges of the graph.

    Attributes:
        user_factor: q |N(u)|^-a of each user, shape: [n_users]
        takes: 1 for an edge from a user to an item, else 0, shape: [n_edges]
        value: x_jn of an edge from an item j to a shared neighbour n, 0 for any other,
            shape: [n_edges]
        trust: g_r of the relation of each edge, shape: [n_edges]
        neighbour: number of the shared neighbour, a pair of relation and node, that
            each edge leads to; any number where the value is 0, shape: [n_edges]
    """

    user_factor: Floats
    takes: Floats
    value: Floats
    trust: Floats
    neighbour: Integers

    @cached_property
    def n_neighbours(self) -> int:
        """Number of shared neighbours, 1 at least."""
        return int(self.neighbour.max(initial=0)) + 1


@dataclass(frozen=True, eq=False)
class LinearScore:
    """The numbers of a trained KGIF, in double precision.

    Attributes:
        graph: the graph.
        weight: alpha of each edge, not negative, shape: [n_edges]
        embedding: f of each node, shape: [n_nodes, d]
        n_layers: L.
        cosine_weight: p / tau.
        item_bias: b of each item, shape: [n_items]
        walks: the part w, or None in a model without it.
    """

    graph: Graph
    weight: Floats
    embedding: Floats
    n_layers: int
    cosine_weight: float
    item_bias: Floats
    walks: Optional[DirectWalks]

    @cached_property
    def gain(self) -> Floats:
        """|f_n|^2 of each node, shape: [n_nodes]."""
        return np.einsum("nd,nd->n", self.embedding, self.embedding)

    @cached_property
    def weight_back(self) -> Floats:
        """Of each edge the weight of its other direction, shape: [n_edges]."""
        return self.weight[self.graph.reverse]

    @cached_property
    def weight_into_meeting(self) -> Floats:
        """The weight of each edge times |f|^2 of its tail, shape: [n_edges]."""
        return self.weight * self.gain[self.graph.tail]

    @cached_property
    def matrix(self) -> csr_matrix:
        """A, shape: [n_nodes, n_nodes]; parallel edges are added up."""
        graph = self.graph
        return csr_matrix(
            (self.weight, graph.tail, graph.first), shape=(graph.n_nodes,) * 2
        )

    @cached_property
    def propagated(self) -> Floats:
        """Propagated embeddings z of all nodes, shape: [n_nodes, d]."""
        current = total = self.embedding
        for _ in range(self.n_layers):
            current = self.matrix @ current
            total = total + current
        return total / (self.n_layers + 1)

    def reach(self, nodes: Sequence[int]) -> Floats:
        """How far nodes see: their rows of A^0 .. A^L.

        Args:
            nodes: shape: [n_asked]

        Returns:
            Shape: [n_asked, n_layers + 1, n_nodes]
        """
        rows = np.zeros((self.graph.n_nodes, len(nodes)))
        rows[list(nodes), np.arange(len(nodes))] = 1
        layers = [rows]
        for _ in range(self.n_layers):
            layers.append(self.matrix.T @ layers[-1])
        return np.stack(layers).transpose(2, 0, 1)

    def direct_walks(self, user: int) -> Floats:
        """The part q w(u, i) of a user and all items, shape: [n_items]."""
        graph = self.graph
        if self.walks is None:
            return np.zeros(graph.n_items)
        neighbour, n_neighbours = self.walks.neighbour, self.walks.n_neighbours
        edges = np.arange(graph.first[user], graph.first[user + 1])
        # An edge missing from the history, as after a deletion, takes nothing.
        place, second = graph.edges_from(graph.tail[edges])
        reached = np.bincount(
            neighbour[second],
            self.walks.takes[edges][place] * self.walks.value[second],
            n_neighbours,
        )
        third = self._edges_to_others(user)
        last = self.walks.trust[third] * self.walks.value[third]
        total = np.bincount(
            graph.head[third] - graph.n_users,
            last * reached[neighbour[third]],
            graph.n_items,
        )
        return self.walks.user_factor[user] * total

    def direct_walks_by_edge(
        self, user: int, item: int, stays: Optional[Flags] = None
    ) -> Floats:
        """The part q w(u, i) by the edge out of the user that a walk begins with.

        Args:
            user: number of the user.
            item: number of the item.
            stays: whether walks may take each edge in its own direction; None for all
                edges, shape: [n_edges]

        Returns:
            Shape: [number of the user's edges]
        """
        graph = self.graph
        edges = np.arange(graph.first[user], graph.first[user + 1])
        if self.walks is None:
            return np.zeros(len(edges))
        if stays is None:
            stays = np.ones(graph.n_edges, dtype=bool)
        neighbour, n_neighbours = self.walks.neighbour, self.walks.n_neighbours
        third = self._edges_to_others(user)
        third = third[graph.head[third] == graph.item_node(item)]
        last = self.walks.trust[third] * self.walks.value[third]
        # A walk takes the last edge from the neighbour to the item.
        last = last * stays[graph.reverse[third]]
        behind = np.bincount(neighbour[third], last, n_neighbours)
        place, second = graph.edges_from(graph.tail[edges])
        value = self.walks.value[second] * stays[second]
        total = np.bincount(place, value * behind[neighbour[second]], len(edges))
        takes = self.walks.takes[edges] * stays[edges]
        return self.walks.user_factor[user] * takes * total

    def _edges_to_others(self, user: int) -> Integers:
        """Edges from items to shared neighbours, but for the user in question."""
        assert self.walks is not None
        return np.flatnonzero((self.walks.value > 0) & (self.graph.tail != user))

    def scores(self, user: int) -> Floats:
        """y(u, i) of a user and all items, shape: [n_items]."""
        items = self.propagated[self.graph.n_users :][: self.graph.n_items]
        cosine = _unit(items) @ _unit(self.propagated[user])
        return self.cosine_weight * cosine + self.direct_walks(user) + self.item_bias

    def score(self, user: int, item: int) -> float:
        """y(u, i) of one item, without propagating to all nodes."""
        seen = self.reach([user, self.graph.item_node(item)]).sum(axis=1)
        of_user, of_item = _unit(seen @ self.embedding / (self.n_layers + 1))
        direct = float(self.direct_walks_by_edge(user, item).sum())
        cosine = float(of_user @ of_item)
        return self.cosine_weight * cosine + direct + float(self.item_bias[item])

    def without(self, edges: Sequence[int]) -> LinearScore:
        """The score once edges are gone, in both directions.

        All other weights stay as they are: neither the attention nor the
        normalisation nor |N(u)| is worked out anew.
        """
        return self._with_edges(~self._both(edges))

    def only(self, edges: Sequence[int]) -> LinearScore:
        """The score once all edges but these, in both directions, are gone."""
        return self._with_edges(self._both(edges))

    def _both(self, edges: Sequence[int]) -> Flags:
        chosen = np.zeros(self.graph.n_edges, dtype=bool)
        numbers = np.asarray(list(edges), dtype=np.int64)
        chosen[numbers] = True
        chosen[self.graph.reverse[numbers]] = True
        return chosen

    def _with_edges(self, stays: Flags) -> LinearScore:
        walks = self.walks
        if walks is not None:
            walks = dataclasses.replace(
                walks, takes=walks.takes * stays, value=walks.value * stays
            )
        return dataclasses.replace(self, weight=self.weight * stays, walks=walks)


def _unit(vectors: Floats) -> Floats:
    """Each vector divided by its length, as PyTorch's `normalize` does it."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return vectors / np.maximum(length, 1e-12)
