"""Paths by attention alone, as they are usually read from KGAT and similar models.

Attention is no contribution to a score: what a path of high attention carries depends
on the embeddings at its end, and the layers mix it with other paths. Such paths are
marked as not exact wherever they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from recbole_kgif.explain.path_graph import Floats, Graph
from recbole_kgif.explain.path_search import PathSearch


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

    def search(self, user: int, item: int) -> PathSearch:
        """The search for the paths with the largest products of attention.

        Args:
            user: number of the user.
            item: number of the item.
        """
        target = self.graph.item_node(item)
        return PathSearch(self.graph, user, target, self.weight, self.longest)
