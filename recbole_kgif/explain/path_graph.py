"""The graph in which paths are searched: plain arrays, both directions of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_kgif.candidates import Flags, Floats, Integers

__all__ = ["Flags", "Floats", "Graph", "Integers", "both_directions", "make_graph"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A collaborative knowledge graph: users, then items, then other entities.

    Every fact has an edge in both directions, with relation r and with the inverse
    relation; parallel edges are separate. `make_graph` builds one.

    Attributes:
        n_users: number of users, padding included; users are the first nodes.
        n_items: number of items, padding included; they are the next.
        n_nodes: number of all nodes.
        n_relations: number of relations R of the facts; relation r + R is the inverse
            of r, and r = R - 1 is the interaction.
        head: node that an edge leaves, ascending, shape: [n_edges]
        relation: its relation, below 2 R, shape: [n_edges]
        tail: node that it enters, shape: [n_edges]
        reverse: the edge of the same fact in the other direction, shape: [n_edges]
        first: first edge of each node, then the number of edges, shape: [n_nodes + 1]
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

    def edges_of(self, node: int) -> Integers:
        """All edges out of one node."""
        return np.arange(self.first[node], self.first[node + 1])

    def edges_from(self, nodes: Integers) -> tuple[Integers, Integers]:
        """All edges out of the given nodes.

        Args:
            nodes: in any order, repeated ones too, shape: [n_asked]

        Returns:
            For each edge found the position of its head in `nodes`, and the edge, both
            of shape: [n_found]
        """
        start = self.first[nodes]
        count = self.first[nodes + 1] - start
        return _ranges(start, count)

    def edges_between(self, nodes: Integers, target: int) -> tuple[Integers, Integers]:
        """All edges from the given nodes to a target; returns as `edges_from`."""
        edges = self.reverse[self.edges_of(target)]
        edges = edges[np.argsort(self.head[edges], kind="stable")]
        start = np.searchsorted(self.head[edges], nodes, side="left")
        end = np.searchsorted(self.head[edges], nodes, side="right")
        place, number = _ranges(start, end - start)
        return place, edges[number]

    def item_node(self, item: int) -> int:
        """The node that an item is."""
        return self.n_users + item

    def largest_product(self, weight: Floats, at_tail: Floats) -> Floats:
        """The largest product of an edge's weight and its tail's value, by head.

        Args:
            weight: not negative, shape: [n_edges]
            at_tail: value of each node, not negative, shape: [n_nodes]

        Returns:
            0 for a node without edges, shape: [n_nodes]
        """
        largest = np.zeros(self.n_nodes)
        # reduceat gives an empty group the value of the next one.
        has_edges = np.flatnonzero(self.degree)
        if len(has_edges):
            values = weight * at_tail[self.tail]
            largest[has_edges] = np.maximum.reduceat(values, self.first[has_edges])
        return largest


def _ranges(start: Integers, count: Integers) -> tuple[Integers, Integers]:
    """Consecutive numbers from each start on, each with the position of its start."""
    place = np.repeat(np.arange(len(start)), count)
    before = np.cumsum(count) - count
    return place, np.arange(len(place)) + (start - before)[place]


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
    """Build a graph from edges in both directions, see `Graph`.

    Args:
        head: heads of the edges, sorted by head, relation and tail, shape: [n_edges]
        relation: their relations, likewise.
        tail: their tails, likewise.
        n_users: number of users, padding included.
        n_items: number of items, padding included.
        n_nodes: number of nodes.
        n_relations: number of relations without the inverse ones.

    Raises:
        ValueError: an edge has no other direction, or they are not sorted.
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
    """The edges with these ends and relations, which must exist."""
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
