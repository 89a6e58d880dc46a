"""Random paths, as baselines of the best ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import repeat
from typing import Optional

import numpy as np

from recbole_kgif.explain.path_graph import Floats, Graph

# How often a path is drawn again that visits a node twice or is drawn already.
_TRIES = 200

PathEdges = tuple[int, ...]


def random_paths_between(
    graph: Graph,
    source: int,
    target: int,
    lengths: Sequence[int],
    random: np.random.Generator,
) -> list[PathEdges]:
    """Different paths of given lengths, each drawn uniformly from all of its length.

    Args:
        graph: the graph.
        source: node that the paths begin at.
        target: node that they end at.
        lengths: number of edges of each path.
        random: source of random numbers.

    Returns:
        Edges of each path; fewer paths where no other is found.
    """
    n_walks = numbers_of_walks(graph, target, max(lengths, default=0))

    def draw(length: int) -> Optional[PathEdges]:
        node, edges = source, []
        for left in range(length - 1, -1, -1):
            choices = graph.edges_of(node)
            chances = n_walks[left][graph.tail[choices]]
            if not chances.sum():
                return None
            number = random.choice(len(choices), p=chances / chances.sum())
            edges.append(int(choices[number]))
            node = graph.tail[edges[-1]]
        nodes = {source, *graph.tail[edges].tolist()}
        return tuple(edges) if len(nodes) == length + 1 else None

    return _distinct(partial(draw, length) for length in lengths)


def random_paths_from(
    graph: Graph,
    sources: Sequence[int],
    lengths: Sequence[int],
    random: np.random.Generator,
) -> list[PathEdges]:
    """Different random walks of given lengths that return to no node and end anywhere.

    Each hop is drawn from all edges of the node that it leaves.

    Args:
        graph: the graph.
        sources: node that each path begins at.
        lengths: number of edges of each path.
        random: source of random numbers.

    Returns:
        Edges of each path; fewer paths where no other is found.
    """

    def draw(source: int, length: int) -> Optional[PathEdges]:
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

    return _distinct(map(partial, repeat(draw), sources, lengths))


def _distinct(draws: Iterable[Callable[[], Optional[PathEdges]]]) -> list[PathEdges]:
    """One path of each draw, repeated until it gives one that is new."""
    found: list[PathEdges] = []
    for draw in draws:
        for _ in range(_TRIES):
            edges = draw()
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
