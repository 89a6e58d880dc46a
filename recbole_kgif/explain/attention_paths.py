"""Paths by attention alone, as they are usually read from KGAT and similar models.

Attention is no contribution to a score: what a path of high attention carries depends
on the embeddings at its end, and the layers mix it with other paths. Such paths are
marked as not exact wherever they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from recbole_kgif.explain.path_graph import Floats, Graph
from recbole_kgif.explain.path_search import Chain, FoundPath, PathSearch


@dataclass(frozen=True, eq=False)
class AttentionGraph:
    """A graph with the attention of its edges.

    Attributes:
        graph: the graph.
        weight: attention of each edge, as its head pays it, not negative, shape:
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
            have strong ones; see `PathSearch.varied`.
    """
    lengths = range(1, attended.longest + 1)
    chains = [[Chain(None, 1.0, [attended.weight] * length)] for length in lengths]
    target = attended.graph.item_node(item)
    search = PathSearch(attended.graph, user, target, chains)
    return search.varied(count) if varied else search.best(count)
