"""The strongest paths between two nodes, found exactly.

A walk's strength is the product of the weights of its edges. The largest product that
the rest of a walk can still collect on its way to the target gives an upper bound on
the strength of every continuation of a partial walk. The search is a branch and bound
on blocks of partial walks: the most promising block is extended first, and what cannot
beat the paths found so far is dropped. The result is that of trying all.

A *path* is a walk that visits no node twice. Parallel edges make different paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

import numpy as np

from recbole_kgif.explain.path_graph import Flags, Floats, Graph, Integers

# Partial walks that are extended at once: a balance of memory and speed.
_BLOCK_SIZE = 4096
# A bound and a strength that are equal may differ in their last digits.
_SLACK = 1 + 1e-9

# Weakest path, in units of the strongest, that is listed for its different beginning.
_LEAST_STRENGTH = 0.1


@dataclass(frozen=True)
class FoundPath:
    """A path and its strength.

    Attributes:
        edges: its edges from the source to the target.
        strength: the product of its edges' weights.
    """

    edges: tuple[int, ...]
    strength: float


@dataclass(frozen=True, eq=False)
class _Block:
    """Partial walks of one length.

    nodes: shape: [n_walks, n_hops + 1]; edges: shape: [n_walks, n_hops]; product of
    the weights so far, and bound: shape: [n_walks].
    """

    nodes: Integers
    edges: Integers
    product: Floats
    bound: Floats

    def part(self, chosen: Union[Integers, Flags, slice]) -> _Block:
        return _Block(
            self.nodes[chosen],
            self.edges[chosen],
            self.product[chosen],
            self.bound[chosen],
        )


class _Best:
    """The strongest paths so far, ties by length, then edges."""

    def __init__(self, count: int):
        self._count = count
        self.paths: list[FoundPath] = []

    def allows(self, block: _Block) -> Flags:
        """Whether each walk can still become one of them."""
        is_full = 0 < len(self.paths) == self._count
        threshold = self.paths[-1].strength if is_full else 0.0
        return (block.bound > 0) & (block.bound * _SLACK >= threshold)

    def add(self, found: _Block) -> None:
        """Add whole paths, bounded by their strengths."""
        found = found.part(np.argsort(-found.bound, kind="stable"))
        if len(found.bound) > self._count:
            # With those that tie with the last one.
            cut = found.bound[self._count - 1]
            found = found.part(found.bound * _SLACK >= cut)
        self._keep([*self.paths, *_found_paths(found)])

    def _keep(self, paths: Sequence[FoundPath]) -> None:
        self.paths = sorted(paths, key=_order)[: self._count]


class _BestOfEachFirstEdge(_Best):
    """The strongest paths so far of which no two begin with the same edge."""

    def __init__(self, graph: Graph, source: int, count: int):
        super().__init__(count)
        self._first = graph.first[source]
        self._strongest = np.zeros(graph.first[source + 1] - self._first)

    def allows(self, block: _Block) -> Flags:
        allowed = super().allows(block)
        if block.edges.shape[1]:
            allowed &= block.bound * _SLACK >= self._strongest[self._place(block)]
        return allowed

    def add(self, found: _Block) -> None:
        np.maximum.at(self._strongest, self._place(found), found.bound)
        found = found.part(self.allows(found))
        best = {path.edges[0]: path for path in self.paths}
        for path in _found_paths(found):
            other = best.setdefault(path.edges[0], path)
            best[path.edges[0]] = min(path, other, key=_order)
        self._keep(list(best.values()))

    def _place(self, block: _Block) -> Integers:
        """Position of each walk's first edge among those of the source."""
        places: Integers = block.edges[:, 0] - self._first
        return places


def _found_paths(found: _Block) -> list[FoundPath]:
    rows = zip(found.edges.tolist(), found.product.tolist())
    return [FoundPath(tuple(edges), value) for edges, value in rows]


def _order(path: FoundPath) -> tuple[float, int, tuple[int, ...]]:
    # Rounded, so that strengths that differ by rounding alone tie.
    return -float(f"{path.strength:.9e}"), len(path.edges), path.edges


@dataclass(frozen=True, eq=False)
class PathSearch:
    """A search for the paths of the largest strength.

    Attributes:
        graph: the graph.
        source: node that the paths begin at.
        target: node that they end at.
        weight: weight of each edge, not negative, shape: [n_edges]
        longest: most edges of a path.
    """

    graph: Graph
    source: int
    target: int
    weight: Floats
    longest: int
    _bounds: dict[int, Floats] = field(default_factory=dict, init=False)

    def best(self, count: int) -> list[FoundPath]:
        """The strongest paths.

        Args:
            count: how many, or fewer where there are no more.

        Returns:
            Paths whose strength is not zero, strongest first; ties by length, then
            edges.
        """
        return self._search(_Best(count))

    def best_by_first_edge(self, count: int) -> list[FoundPath]:
        """As `best`, of all paths that begin with the same edge the strongest alone."""
        return self._search(_BestOfEachFirstEdge(self.graph, self.source, count))

    def varied(self, count: int) -> list[FoundPath]:
        """As `best`, paths that begin with different edges.

        The strongest path of each first edge is a candidate, so that no other selection
        of paths with different first edges has a larger sum of strengths.
        Where fewer than asked for are at least a tenth as strong as the strongest of
        all, the strongest of the other paths fill the list.
        """
        varied = self.best_by_first_edge(count)
        varied = [
            path
            for path in varied
            if path.strength >= _LEAST_STRENGTH * varied[0].strength
        ]
        if len(varied) == count:
            return varied
        listed = {path.edges for path in varied}
        others = [path for path in self.best(count) if path.edges not in listed]
        return sorted([*varied, *others[: count - len(varied)]], key=_order)

    def _search(self, best: _Best) -> list[FoundPath]:
        if self.source != self.target:
            for length in range(1, self.longest + 1):
                self._search_length(length, best)
        return best.paths

    def _search_length(self, n_hops: int, best: _Best) -> None:
        graph = self.graph
        start = np.zeros((1, 0), dtype=np.int64)
        source = np.array([[self.source]])
        stack = [_Block(source, start, np.ones(1), np.array([np.inf]))]
        while stack:
            block = stack.pop()
            block = block.part(best.allows(block))
            ends = block.nodes[:, -1]
            left = n_hops - block.edges.shape[1] - 1
            if not left:
                place, edge = graph.edges_between(ends, self.target)
            else:
                place, edge = graph.edges_from(ends)
                is_inside = graph.tail[edge] != self.target
                place, edge = place[is_inside], edge[is_inside]
            longer = self._extend(block, place, edge, left)
            longer = longer.part(best.allows(longer))
            if not left:
                best.add(longer)
                continue
            longer = longer.part(np.argsort(-longer.bound, kind="stable"))
            pieces = range(0, len(longer.bound), _BLOCK_SIZE)
            # The most promising one on top.
            stack.extend(
                longer.part(slice(i, i + _BLOCK_SIZE)) for i in reversed(pieces)
            )

    def _extend(
        self, block: _Block, place: Integers, edge: Integers, left: int
    ) -> _Block:
        """The walks continued by these edges, but for those that return to a node."""
        tail = self.graph.tail[edge]
        is_new = (block.nodes[place] != tail[:, None]).all(axis=1)
        place, edge, tail = place[is_new], edge[is_new], tail[is_new]
        product = block.product[place] * self.weight[edge]
        return _Block(
            np.concatenate([block.nodes[place], tail[:, None]], axis=1),
            np.concatenate([block.edges[place], edge[:, None]], axis=1),
            product,
            product * self._bound(left)[tail],
        )

    def _bound(self, n_hops: int) -> Floats:
        """The largest product of so many hops to the target.

        Returns:
            By the node that the hops begin at, shape: [n_nodes]
        """
        if n_hops not in self._bounds:
            if n_hops:
                further = self._bound(n_hops - 1)
                bound = self.graph.largest_product(self.weight, further)
            else:
                bound = np.zeros(self.graph.n_nodes)
                bound[self.target] = 1
            self._bounds[n_hops] = bound
        return self._bounds[n_hops]
