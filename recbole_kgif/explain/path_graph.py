"""The graph in which paths are looked for: plain arrays, both directions of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Graph:
    """A collaborative knowledge graph: users, then items, then other entities.

    Every fact is there in both directions, with relation r and with the inverse
    relation; parallel edges stay apart. `make_graph` builds one.

    Attributes:
        n_users: number of users, padding included; users are the first nodes.
        n_items: number of items, padding included; they are the next.
        n_nodes: number of all nodes.
        n_relations: number of relations R of the facts; relation r + R is the inverse
            of r, and r = R - 1 is the interaction.
        head: node that an edge leaves, ascending, shape: [n_edges]
        relation: its relation, below 2 R, shape: [n_edges]
        tail: node that it leads to, shape: [n_edges]
        reverse: the edge of the same fact in the other direction, shape: [n_edges]
        first: first edge of each node, and the number of all, shape: [n_nodes + 1]
    """

    n_users: int
    n_items: int
    n_nodes: int
    n_relations: int
    head: Integers
    relation: Integers
    tail: Integers
    reverse: Integers
    first: Integers

    @property
    def n_edges(self) -> int:
        """Number of edges, both directions counted."""
        return len(self.head)

    @property
    def interaction(self) -> int:
        """The relation of the interactions, from the user to the item."""
        return self.n_relations - 1

    @property
    def degree(self) -> Integers:
        """Number of edges out of each node, shape: [n_nodes]."""
        return np.diff(self.first)

    def edges_from(self, nodes: Integers) -> tuple[Integers, Integers]:
        """All edges out of the given nodes.

        Args:
            nodes: in any order, repeated ones too, shape: [n_asked]

        Returns:
            For each edge found the place of its head in `nodes`, and the edge, both of
            shape: [n_found]
        """
        start = self.first[nodes]
        count = self.first[nodes + 1] - start
        place = np.repeat(np.arange(len(nodes)), count)
        before = np.cumsum(count) - count
        return place, np.arange(len(place)) + (start - before)[place]

    def edges_to(self, target: int) -> Integers:
        """All edges into a node, sorted by their heads."""
        edges = self.reverse[self.first[target] : self.first[target + 1]]
        return edges[np.argsort(self.head[edges], kind="stable")]

    def item_node(self, item: int) -> int:
        """The node that an item is."""
        return self.n_users + item

    def largest_by_head(self, values: Floats) -> Floats:
        """The largest of the values of each node's edges, 0 where it has none.

        Args:
            values: not negative, shape: [n_edges]

        Returns:
            Shape: [n_nodes]
        """
        largest = np.zeros(self.n_nodes)
        # reduceat gives an empty group the value of the next one.
        has_edges = np.flatnonzero(self.degree)
        if len(has_edges):
            largest[has_edges] = np.maximum.reduceat(values, self.first[has_edges])
        return largest


def make_graph(
    head: Any,
    relation: Any,
    tail: Any,
    *,
    n_users: int,
    n_items: int,
    n_nodes: int,
    n_relations: int,
) -> Graph:
    """Build a graph from edges that are there in both directions.

    Args:
        head: heads of the edges, sorted by head, relation and tail, integers of shape:
            [n_edges]
        relation: their relations, likewise.
        tail: their tails, likewise.
        n_users: number of users, padding included.
        n_items: number of items, padding included.
        n_nodes: number of nodes.
        n_relations: number of relations without the inverse ones.

    Raises:
        ValueError: an edge is not there in the other direction, or they are not sorted.
    """
    head, relation, tail = (
        np.asarray(column, dtype=np.int64) for column in (head, relation, tail)
    )
    key = _keys(head, relation, tail, n_relations, n_nodes)
    inverse = np.where(relation < n_relations, relation, relation - 2 * n_relations)
    reverse_key = _keys(tail, inverse + n_relations, head, n_relations, n_nodes)
    reverse = np.searchsorted(key, reverse_key)
    is_sorted = bool((np.diff(key) > 0).all())
    if not is_sorted or not np.array_equal(
        key[np.minimum(reverse, len(key) - 1)], reverse_key
    ):
        raise ValueError("the edges must be sorted, distinct and in both directions")
    return Graph(
        n_users=n_users,
        n_items=n_items,
        n_nodes=n_nodes,
        n_relations=n_relations,
        head=head,
        relation=relation,
        tail=tail,
        reverse=reverse,
        first=np.searchsorted(head, np.arange(n_nodes + 1)),
    )


def both_directions(
    head: Any, relation: Any, tail: Any, n_relations: int, n_nodes: int
) -> tuple[Integers, Integers, Integers]:
    """Both directions of the distinct facts, sorted as `make_graph` asks for."""
    head, relation, tail = (
        np.asarray(column, dtype=np.int64) for column in (head, relation, tail)
    )
    key = np.unique(
        _keys(
            np.concatenate([head, tail]),
            np.concatenate([relation, relation + n_relations]),
            np.concatenate([tail, head]),
            n_relations,
            n_nodes,
        )
    )
    rest, sorted_tail = np.divmod(key, n_nodes)
    sorted_head, sorted_relation = np.divmod(rest, 2 * n_relations)
    return sorted_head, sorted_relation, sorted_tail


def find_edges(
    graph: Graph, head: Integers, relation: Integers, tail: Integers
) -> Integers:
    """The edges with these ends and relations, which must be there."""
    known = _keys(
        graph.head, graph.relation, graph.tail, graph.n_relations, graph.n_nodes
    )
    return np.searchsorted(
        known, _keys(head, relation, tail, graph.n_relations, graph.n_nodes)
    )


def _keys(
    head: Integers, relation: Integers, tail: Integers, n_relations: int, n_nodes: int
) -> Integers:
    return (head * 2 * n_relations + relation) * n_nodes + tail
