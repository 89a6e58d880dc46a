r"""A trained KGIF as a score that is linear in the walks of its graph.

With A the matrix of the edge weights alpha, f the fused embeddings and L the number of
layers, the propagated embeddings are z = 1/(L+1) sum_l A^l f, and the score is::

    y(u, i) = p cos(z_u, z_i) / tau  +  q w(u, i)  +  b_i

**Direct walks.** w is a sum over walks. Each u -> j -> n -> i, with n a node that j and
i reach by the same relation r, contributes q |N(u)|^-a g_r x_jn x_in.

**Longer walks.** With K the matrix of the sums of g_r x_jn x_in between any two items,
the model multiplies the direct walks to all items by a polynomial P of K, the spectral
filter. What P - 1 adds is the sum over walks that continue from item to item, of five
edges and more. Most of it is negative: it removes what many items have in common.

**Embeddings.** With the lengths of z_u and z_i fixed, the cosine part is a sum over
pairs of walks, l edges from u to n and m edges from i to n'::

    p / (tau |z_u| |z_i| (L+1)^2)
        sum_{l,m <= L} sum_{n,n'} (A^l)_un (A^m)_in' f_n . f_n'

The terms with n = n' form a connected walk from u to i of l + m edges. Its edges before
n count with the attention of the user's side, those after n with the attention that the
item's side gives to their other direction, and the meeting point with |f_n|^2. One walk
has several meeting points (l, m); its contribution is the sum over all of them, and of
its direct walk where it is one. The terms with n != n' belong to no path: they are the
*similarity of different endpoints*, one named part.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.path_graph import Flags, Floats, Graph, Integers

if TYPE_CHECKING:  # without PyTorch
    from recbole_kgif.model.kgif import SpectralFilter


@dataclass(frozen=True, eq=False)
class DirectWalks:
    """The part w of the score, by edges of the graph.

    Attributes:
        user_factor: q |N(u)|^-a of each user, shape: [n_users]
        interaction: 1 for an edge from a user to an item, else 0, shape: [n_edges]
        value: x_jn of an edge from an item j to a shared neighbour n, 0 for any other,
            shape: [n_edges]
        relation_weight: g_r of the relation of each edge, shape: [n_edges]
        neighbour: number of the shared neighbour, a pair of relation and node, that
            each edge leads to; any number where the value is 0, shape: [n_edges]
        longer: what walks of five edges and more add; None without them.
    """

    user_factor: Floats
    interaction: Floats
    value: Floats
    relation_weight: Floats
    neighbour: Integers
    longer: Optional[LongerWalks] = None

    @cached_property
    def n_neighbours(self) -> int:
        """Number of shared neighbours, 1 at least."""
        return int(self.neighbour.max(initial=0)) + 1


@dataclass(frozen=True, eq=False)
class LongerWalks:
    """What walks that continue from item to item add to the direct ones.

    Deleting edges does not change it: a deletion removes the hops to the first
    neighbour, not those after it.

    Attributes:
        items: x, shape: [n_items, n_neighbours]
        relation_weight: g of the relation of each neighbour, shape: [n_neighbours]
        node: node of each neighbour, shape: [n_neighbours]
        spectral_filter: P.
    """

    items: csr_matrix
    relation_weight: Floats
    node: Integers
    spectral_filter: SpectralFilter

    def to_items(self, user: int, reached: Floats) -> Floats:
        """What they add for all items, without the user's factor, shape: [n_items].

        Args:
            user: number of the user, through whom no walk leads.
            reached: sum of x_jn over the user's items j, shape: [n_neighbours]
        """
        return self._added(self.items @ (self._weight_without(user) * reached))

    def from_neighbours(self, user: int, item: int) -> Floats:
        """What they add from each neighbour on, for one item, shape: [n_neighbours]."""
        at_item = np.zeros(self.items.shape[0])
        at_item[item] = 1
        return self._weight_without(user) * (self.items.T @ self._added(at_item))

    def _weight_without(self, user: int) -> Floats:
        return np.where(self.node == user, 0.0, self.relation_weight)

    def _added(self, of_items: Floats) -> Floats:
        """(P - 1) times a value of each item."""
        return self.spectral_filter.apply(self._between_items, of_items) - of_items

    def _between_items(self, of_items: Floats) -> Floats:
        return self.items @ (self.relation_weight * (self.items.T @ of_items))


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
        """Rows of A^0 .. A^L of some nodes, shape: [n_asked, n_layers + 1, n_nodes]."""
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
        reached = self._reached_by_direct_walks(user)
        third = self._edges_to_others(user)
        last = self.walks.relation_weight[third] * self.walks.value[third]
        total = np.bincount(
            graph.head[third] - graph.n_users,
            last * reached[self.walks.neighbour[third]],
            graph.n_items,
        )
        return self.walks.user_factor[user] * total

    def longer_walks(self, user: int) -> Floats:
        """What longer walks add to the direct ones, for all items, shape: [n_items]."""
        if self.walks is None or self.walks.longer is None:
            return np.zeros(self.graph.n_items)
        reached = self._reached_by_direct_walks(user)
        added = self.walks.longer.to_items(user, reached)
        return self.walks.user_factor[user] * added

    def _reached_by_direct_walks(self, user: int) -> Floats:
        """Sum of x_jn over the items j of a user, shape: [n_neighbours]."""
        assert self.walks is not None
        graph, edges = self.graph, self.graph.edges_of(user)
        # An edge missing from the history, as after a deletion, counts as 0.
        place, second = graph.edges_from(graph.tail[edges])
        taken = self.walks.interaction[edges][place] * self.walks.value[second]
        number = self.walks.neighbour[second]
        return np.bincount(number, taken, self.walks.n_neighbours).astype(np.float64)

    def item_walks_by_edge(
        self, user: int, item: int, stays: Optional[Flags] = None
    ) -> Floats:
        """Direct and longer walks by the edge out of the user that they begin with.

        Args:
            user: number of the user.
            item: number of the item.
            stays: whether walks may take each edge in its own direction, but for what
                longer walks take after their first neighbour; None for all edges.
                Shape: [n_edges]

        Returns:
            Shape: [number of the user's edges]
        """
        graph, edges = self.graph, self.graph.edges_of(user)
        if self.walks is None:
            return np.zeros(len(edges))
        if stays is None:
            stays = np.ones(graph.n_edges, dtype=bool)
        neighbour, n_neighbours = self.walks.neighbour, self.walks.n_neighbours
        third = self._edges_to_others(user)
        third = third[graph.head[third] == graph.item_node(item)]
        last = self.walks.relation_weight[third] * self.walks.value[third]
        # A walk takes the last edge from the neighbour to the item.
        last = last * stays[graph.reverse[third]]
        after = np.bincount(neighbour[third], last, n_neighbours).astype(np.float64)
        if self.walks.longer is not None:
            after = after + self.walks.longer.from_neighbours(user, item)
        place, second = graph.edges_from(graph.tail[edges])
        value = self.walks.value[second] * stays[second]
        total = np.bincount(place, value * after[neighbour[second]], len(edges))
        interaction = self.walks.interaction[edges] * stays[edges]
        return self.walks.user_factor[user] * interaction * total

    def _edges_to_others(self, user: int) -> Integers:
        """Edges from items to shared neighbours, but for the user in question."""
        assert self.walks is not None
        return np.flatnonzero((self.walks.value > 0) & (self.graph.tail != user))

    def scores(self, user: int) -> Floats:
        """y(u, i) of a user and all items, shape: [n_items]."""
        items = self.propagated[self.graph.n_users :][: self.graph.n_items]
        cosine = _unit(items) @ _unit(self.propagated[user])
        walks = self.direct_walks(user) + self.longer_walks(user)
        return self.cosine_weight * cosine + walks + self.item_bias

    def score(self, user: int, item: int) -> float:
        """y(u, i) of one item, without propagating to all nodes."""
        seen = self.reach([user, self.graph.item_node(item)]).sum(axis=1)
        of_user, of_item = _unit(seen @ self.embedding / (self.n_layers + 1))
        walks = float(self.item_walks_by_edge(user, item).sum())
        cosine = float(of_user @ of_item)
        return self.cosine_weight * cosine + walks + float(self.item_bias[item])

    def without(self, edges: Sequence[int]) -> LinearScore:
        """The score once edges are deleted, in both directions.

        All other weights stay the same: neither the attention nor the normalisation
        nor |N(u)| is computed again.
        """
        return self._with_edges(~self._both(edges))

    def only(self, edges: Sequence[int]) -> LinearScore:
        """The score once all edges but these, in both directions, are deleted."""
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
                walks, interaction=walks.interaction * stays, value=walks.value * stays
            )
        return dataclasses.replace(self, weight=self.weight * stays, walks=walks)


def _unit(vectors: Floats) -> Floats:
    """Each vector divided by its length, as PyTorch's `normalize` does it."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    return vectors / np.maximum(length, 1e-12)
