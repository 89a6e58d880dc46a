"""Paths by attention alone, as they are read out of KGAT and models like it.

Attention is no share of a score: what a path of high attention carries depends on the
embeddings at its end, and the layers mix it with others. Such paths are marked as not
exact wherever they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recbole_kgif.explain.path_graph import Floats, Graph
from recbole_kgif.explain.path_search import Chain, FoundPath, best_paths, varied_paths


@dataclass(frozen=True, eq=False)
class AttentionGraph:
    """A graph with the attention of its edges.

    Attributes:
        graph: the graph.
        weight: attention of each edge from the side of its head, not negative, shape:
            [n_edges]
        longest: most edges of a path.
    """

    graph: Graph
    weight: Floats
    longest: int


def attention_paths(
    attended: AttentionGraph, user: int, item: int, count: int, *, varied: bool = False
) -> list[FoundPath]:
    """The paths with the largest products of attention, largest first.

    Args:
        attended: the graph.
        user: number of the user.
        item: number of the item.
        count: how many paths.
        varied: whether the paths begin with different interactions, as far as these
            have strong ones; see `search.varied_paths`.
    """
    graph = attended.graph
    target = graph.item_node(item)
    behind = np.zeros(graph.n_nodes)
    behind[target] = 1
    bounds: list[Floats] = []
    chains = []
    for length in range(1, attended.longest + 1):
        weights = [attended.weight] * length
        chains.append([Chain("attention", 1.0, weights, list(bounds))])
        behind = graph.largest_by_head(attended.weight * behind[graph.tail])
        bounds.insert(0, behind)
    find = varied_paths if varied else best_paths
    return find(graph, user, target, chains, count)
