"""Path-quality measures of the literature, by their published names.

They measure the explanations of one user's list of items, one path an item,
independently of whether the model relies on them. Linking interaction recency (LIR) and
shared entity popularity (SEP) are from Balloccu, Boratto, Fenu and Marras, "Post
Processing Recommender Systems with Knowledge Graphs for Recency, Popularity, and
Diversity of Explanations", SIGIR 2022, which also counts the types of explanations. The
other four, linking interaction diversity (LID), shared entity diversity (SED), path
type diversity (PTD) and path type concentration (PTC), come from the same authors'
later work on the quality of explanation paths.

The *linking interaction* of a path is its first hop, the *shared entity* the last node
before the item, whatever its kind, and the *path type* the relation of the last hop.
RecBole's data has no types of entities; users, items and other entities are the types
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pandas as pd

from recbole_kgif.explain.path_graph import Floats, Graph


@dataclass(frozen=True)
class Quality:
    """The measures of one list, all between 0 and 1.

    Attributes:
        lir: mean recency of the linking interactions; None without times.
        sep: mean popularity of the shared entities.
        lid: distinct linking interactions, divided by the number of paths.
        sed: distinct shared entities, divided by the number of paths.
        ptd: distinct path types, divided by the most that there could be.
        ptc: probability that two paths drawn from the list are of different types; 0
            for a single path.
    """

    lir: Optional[float]
    sep: float
    lid: float
    sed: float
    ptd: float
    ptc: float


class QualityMeasures:
    """Measures lists of paths in a graph.

    Args:
        graph: the graph.
        times: times of the training interactions by user, then item; None where there
            are none.
    """

    def __init__(
        self, graph: Graph, times: Optional[Mapping[int, Mapping[int, float]]] = None
    ):
        self._graph = graph
        self._times = times
        self._popularity = _popularity_by_kind(graph)
        item = graph.tail - graph.n_users
        is_into_item = (item >= 0) & (item < graph.n_items)
        self._n_types = len(np.unique(graph.relation[is_into_item]))

    def of(self, user: int, paths: Sequence[Sequence[int]]) -> Quality:
        """Measure the paths of a user's list, one path an item.

        Args:
            user: number of the user.
            paths: edges of each path; at least one path.
        """
        graph, count = self._graph, len(paths)
        linking = [int(graph.tail[path[0]]) for path in paths]
        shared = [int(graph.head[path[-1]]) for path in paths]
        types = Counter(int(graph.relation[path[-1]]) for path in paths)
        same = sum(n * (n - 1) for n in types.values())
        return Quality(
            lir=self._recency(user, linking),
            sep=float(np.mean(self._popularity[shared])),
            lid=len(set(linking)) / count,
            sed=len(set(shared)) / count,
            ptd=len(types) / min(count, self._n_types),
            ptc=1 - same / (count * (count - 1)) if count > 1 else 0.0,
        )

    def _recency(self, user: int, linking: Sequence[int]) -> Optional[float]:
        if self._times is None:
            return None
        times = self._times[user]
        items = sorted(times, key=times.__getitem__)
        smoothed = _smoothed(np.array([times[item] for item in items]))
        recency = dict(zip(items, smoothed))
        n_users = self._graph.n_users
        return float(np.mean([recency[node - n_users] for node in linking]))


def _popularity_by_kind(graph: Graph) -> Floats:
    """Smoothed number of edges of each node among those of its kind."""
    popularity = np.zeros(graph.n_nodes)
    kinds = (graph.n_users, graph.n_users + graph.n_items)
    for of_kind in np.split(np.arange(graph.n_nodes), kinds):
        nodes = of_kind[graph.degree[of_kind] > 0]
        nodes = nodes[np.argsort(graph.degree[nodes], kind="stable")]
        popularity[nodes] = _smoothed(graph.degree[nodes].astype(np.float64))
    return popularity


def _smoothed(ascending: Floats) -> Floats:
    """Exponentially weighted moving average, scaled from 0 to 1.

    The span of the average is the number of values. Equal values all get 1: none of
    them is older or less popular than another.
    """
    if not len(ascending):
        return ascending
    average = pd.Series(ascending).ewm(span=len(ascending)).mean().to_numpy()
    lowest, highest = average.min(), average.max()
    if highest - lowest <= 1e-9 * max(1.0, abs(highest)):
        return np.ones_like(average)
    scaled: Floats = (average - lowest) / (highest - lowest)
    return scaled
