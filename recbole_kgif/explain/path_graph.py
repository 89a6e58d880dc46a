"""The graph in which paths are searched: plain arrays, both directions of an edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from recbole_kgif.training.candidates import Flags, Floats, Integers

__all__ = ["Flags", "Floats", "Graph", "Integers", "both_directions"]


@dataclass(frozen=True, eq=False)
class Graph:
    """A collaborative knowledge graph: users, then items, then other entities.

    Every fact has an edge in both directions, with relation r and with the inverse
    relation r + R; parallel edges are separate. The relation R - 1 is the interaction.

    Attributes:
        head: node that an edge leaves, shape: [n_edges]
        relation: its relation, below 2 R, shape: [n_edges]
        tail: node that it enters, shape: [n_edges]
        n_users: number of users, padding included; users are the first nodes.
        n_items: number of items, padding included; they are the next.
        n_nodes: number of all nodes.
        n_relations: number of relations R of the facts.

    Raises:
        ValueError: an edge has no other direction, or the edges are not sorted by head,
            relation and tail.
    """

    head: Integers
    relation: Integers
    tail: Integers
    n_users: int
    n_items: int
    n_nodes: int
    n_relations: int

    def __post_init__(self) -> None:
        """Check that the edges are sorted, distinct and in both directions."""
        key = self._keys(self.head, self.relation, self.tail)
        other_key = self._keys(self.tail, self._inverse, self.head)
        other = key[np.minimum(self.reverse, len(key) - 1)]
        if not (np.diff(key) > 0).all() or not np.array_equal(other, other_key):
            raise ValueError(
                "the edges must be sorted, distinct and in both directions"
            )

    @cached_property
    def reverse(self) -> Integers:
        """The edge of the same fact in the other direction, shape: [n_edges]."""
        return self.find(self.tail, self._inverse, self.head)

    @cached_property
    def first(self) -> Integers:
        """First edge of each node, then the number of edges, shape: [n_nodes + 1]."""
        return np.searchsorted(self.head, np.arange(self.n_nodes + 1))

    @property
    def n_edges(self) -> int:
        """Number of edges, both directions counted."""
        return len(self.head)

    @cached_property
    def degree(self) -> Integers:
        """Number of edges out of each node, shape: [n_nodes]."""
        return np.diff(self.first)

    @property
    def _inverse(self) -> Integers:
        is_fact = self.relation < self.n_relations
        return self.relation + np.where(is_fact, self.n_relations, -self.n_relations)

    def find(self, head: Integers, relation: Integers, tail: Integers) -> Integers:
        """The edges with these ends and relations, which must exist."""
        known = self._keys(self.head, self.relation, self.tail)
        return np.searchsorted(known, self._keys(head, relation, tail))

    def _keys(self, head: Integers, relation: Integers, tail: Integers) -> Integers:
        return (head * 2 * self.n_relations + relation) * self.n_nodes + tail

    def item_node(self, item: int) -> int:
        """The node of an item."""
        return self.n_users + item

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
        return _ranges(self.first[nodes], self.degree[nodes])

    def edges_between(self, nodes: Integers, target: int) -> tuple[Integers, Integers]:
        """All edges from the given nodes to a target; returns as `edges_from`."""
        edges = self.reverse[self.edges_of(target)]
        edges = edges[np.argsort(self.head[edges], kind="stable")]
        start = np.searchsorted(self.head[edges], nodes, side="left")
        end = np.searchsorted(self.head[edges], nodes, side="right")
        place, number = _ranges(start, end - start)
        return place, edges[number]

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


def both_directions(
    head: Any, relation: Any, tail: Any, n_relations: int
) -> tuple[Integers, Integers, Integers]:
    """Heads, relations and tails of both directions of facts, as `Graph` needs them."""
    facts = np.stack([head, relation, tail], axis=1).astype(np.int64)
    inverse = facts[:, ::-1] + [0, n_relations, 0]
    columns = np.unique(np.concatenate([facts, inverse]), axis=0).T
    return columns[0], columns[1], columns[2]
