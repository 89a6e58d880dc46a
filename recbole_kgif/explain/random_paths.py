"""Random paths, to compare the best ones with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from recbole_kgif.explain.path_graph import Floats, Graph, Integers

# Walks that come back to a node, or come twice, are drawn anew so many times.
_TRIES = 200


def random_paths(
    graph: Graph,
    source: int,
    target: int,
    lengths: Sequence[int],
    random: np.random.Generator,
) -> list[tuple[int, ...]]:
    """Different paths of given lengths, each drawn from all walks of its length.

    Args:
        graph: the graph.
        source: node that the paths begin at.
        target: node that they end at.
        lengths: number of edges of each path.
        random: what draws.

    Returns:
        Edges of each path; fewer paths where no other is found.
    """
    ways = numbers_of_walks(graph, target, max(lengths, default=0))
    found: list[tuple[int, ...]] = []
    for length in lengths:
        for _ in range(_TRIES):
            walk = _random_walk(graph, source, length, ways, random)
            if walk is None:
                break
            edges = tuple(walk.tolist())
            nodes = {source, *graph.tail[walk].tolist()}
            if len(nodes) == length + 1 and edges not in found:
                found.append(edges)
                break
    return found


def wandering_paths(
    graph: Graph,
    sources: Sequence[int],
    lengths: Sequence[int],
    random: np.random.Generator,
) -> list[tuple[int, ...]]:
    """Different random walks of given lengths that come back to no node.

    They end anywhere. Each hop is drawn from all edges of the node that it leaves.

    Args:
        graph: the graph.
        sources: node that each path begins at.
        lengths: number of edges of each path.
        random: what draws.

    Returns:
        Edges of each path; fewer paths where no other is found.
    """
    found: list[tuple[int, ...]] = []
    for source, length in zip(sources, lengths):
        for _ in range(_TRIES):
            edges = _wander(graph, source, length, random)
            if edges is not None and edges not in found:
                found.append(edges)
                break
    return found


def numbers_of_walks(graph: Graph, target: int, longest: int) -> list[Floats]:
    """How many walks lead from each node to a target, by length from 0 on.

    Returns:
        For each length up to `longest`, shape: [n_nodes]
    """
    numbers = [np.zeros(graph.n_nodes)]
    numbers[0][target] = 1
    for _ in range(longest):
        further = np.bincount(graph.head, numbers[-1][graph.tail], graph.n_nodes)
        numbers.append(further.astype(np.float64))
    return numbers


def _random_walk(
    graph: Graph,
    source: int,
    length: int,
    ways: Sequence[Floats],
    random: np.random.Generator,
) -> Optional[Integers]:
    """One of all walks of a length, each equally likely; None where there is none."""
    node, edges = source, []
    for left in range(length - 1, -1, -1):
        first, end = graph.first[node], graph.first[node + 1]
        chances = ways[left][graph.tail[first:end]]
        if not chances.sum():
            return None
        edge = first + random.choice(end - first, p=chances / chances.sum())
        edges.append(edge)
        node = graph.tail[edge]
    return np.array(edges, dtype=np.int64)


def _wander(
    graph: Graph, source: int, length: int, random: np.random.Generator
) -> Optional[tuple[int, ...]]:
    """A random walk; None where it comes back to a node, or has nowhere to go."""
    nodes, edges = [source], []
    for _ in range(length):
        first, end = graph.first[nodes[-1]], graph.first[nodes[-1] + 1]
        if first == end:
            return None
        edges.append(int(random.integers(first, end)))
        node = int(graph.tail[edges[-1]])
        if node in nodes:
            return None
        nodes.append(node)
    return tuple(edges)
