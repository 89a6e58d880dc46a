"""The strongest paths of a score of KGIF, with their exact contributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np

from recbole_kgif.explain.linear_score import DirectWalks, LinearScore
from recbole_kgif.explain.path_graph import Floats
from recbole_kgif.explain.path_search import Chain, FoundPath, best_paths, varied_paths
from recbole_kgif.explain.score_decomposition import cosine_scale

DIRECT_WALK = "direct walk"
_DIRECT_WALK_EDGES = 3
_MET_AFTER = "embeddings met after hop "


def met_after(part: str) -> Optional[int]:
    """How many hops lie between the user and the place of meeting.

    Args:
        part: name of a part of a path.

    Returns:
        The number of hops, or None for the direct walk.
    """
    if part == DIRECT_WALK:
        return None
    return int(part[len(_MET_AFTER) :])


def exact_paths(
    score: LinearScore, user: int, item: int, count: int, *, varied: bool = False
) -> list[FoundPath]:
    """The paths that contribute most to a score.

    A path's contribution is the sum over its places of meeting and its direct walk;
    see `linear`. All weights are positive, so that a path speaks against an item only
    where the balance of the model is negative.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        count: how many paths.
        varied: whether the paths begin with different interactions, as far as these
            have strong ones; see `search.varied_paths`.

    Returns:
        The paths of the largest absolute contribution, strongest first.
    """
    chains, target = _chains(score, user, item), score.graph.item_node(item)
    find = varied_paths if varied else best_paths
    return find(score.graph, user, target, chains, count)


def paths_by_first_edge(
    score: LinearScore, user: int, item: int
) -> dict[int, FoundPath]:
    """The strongest path that begins with each edge out of the user.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.

    Returns:
        The paths by their first edges; without those edges that no path begins with.
    """
    graph = score.graph
    n_edges = int(graph.first[user + 1] - graph.first[user])
    chains, target = _chains(score, user, item), graph.item_node(item)
    found = best_paths(graph, user, target, chains, n_edges, one_a_beginning=True)
    return {path.edges[0]: path for path in found}


def path_contribution(
    score: LinearScore, user: int, item: int, edges: Sequence[int]
) -> float:
    """What one path contributes, whether it is among the strongest or not.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        edges: the path's edges, from the user to the item.
    """
    length, total = len(edges), 0.0
    scale = cosine_scale(score, user, item)
    nodes = [user, *score.graph.tail[list(edges)]]
    for met in range(max(0, length - score.n_layers), min(length, score.n_layers) + 1):
        forth = score.weight[list(edges[:met])].prod()
        back = score.weight_back[list(edges[met:])].prod()
        total += scale * float(forth * score.gain[nodes[met]] * back)
    walks, graph = score.walks, score.graph
    if walks is not None and length == _DIRECT_WALK_EDGES:
        first, second, third = edges
        other = graph.reverse[third]
        if graph.relation[other] == graph.relation[second]:
            total += float(
                walks.user_factor[user]
                * walks.takes[first]
                * walks.value[second]
                * walks.value[other]
                * walks.trust[other]
            )
    return total


def longest_path(score: LinearScore) -> int:
    """Most edges of a path that can contribute."""
    has_walks = score.walks is not None
    return max(2 * score.n_layers, _DIRECT_WALK_EDGES if has_walks else 0)


def _chains(score: LinearScore, user: int, item: int) -> list[list[Chain]]:
    """The summands of a path's contribution, for each length from 1 on."""
    bounds = _Bounds(score, score.graph.item_node(item))
    scale = cosine_scale(score, user, item)
    chains: list[list[Chain]] = []
    for length in range(1, longest_path(score) + 1):
        first = max(0, length - score.n_layers)
        last = min(length, score.n_layers)
        chains.append(
            [
                _meeting(score, bounds, scale, user, length, met)
                for met in range(first, last + 1)
            ]
        )
        if length == _DIRECT_WALK_EDGES and score.walks is not None:
            chains[-1].append(_direct_walk(score.walks, bounds, user))
    return chains


def _meeting(
    score: LinearScore, bounds: _Bounds, scale: float, user: int, length: int, met: int
) -> Chain:
    """The summand of the place of meeting after some hops.

    Until then the user's side gives the attention, behind it the item's side; |f|^2 of
    the place itself comes with the hop that leads there.
    """
    behind = length - met
    weights = [score.weight] * (met - 1)
    weights += [score.weight_into_meeting] * min(met, 1)
    weights += [score.weight_back] * behind
    return Chain(
        name=f"{_MET_AFTER}{met}",
        factor=scale * (1 if met else float(score.gain[user])),
        weights=weights,
        bounds=[
            bounds.forth(met - hop, behind) if hop < met else bounds.back(length - hop)
            for hop in range(1, length)
        ],
    )


def _direct_walk(walks: DirectWalks, bounds: _Bounds, user: int) -> Chain:
    last = walks.trust * walks.value
    last_back = last[bounds.graph.reverse]
    at_neighbour = bounds.one_hop(last_back, bounds.back(0))
    return Chain(
        name=DIRECT_WALK,
        factor=float(walks.user_factor[user]),
        weights=[walks.takes, walks.value, last_back],
        bounds=[bounds.one_hop(walks.value, at_neighbour), at_neighbour],
        returns_by_same_relation=True,
    )


class _Bounds:
    """The most that the hops from a node to the target can multiply to."""

    def __init__(self, score: LinearScore, target: int):
        self.graph = score.graph
        self._score = score
        at_target = np.zeros(score.graph.n_nodes)
        at_target[target] = 1
        self._back = [at_target]
        self._forth: dict[tuple[int, int], Floats] = {}

    def one_hop(self, weight: Floats, behind: Floats) -> Floats:
        """One hop with these weights, then what is behind it; shape: [n_nodes]."""
        return self.graph.largest_by_head(weight * behind[self.graph.tail])

    def back(self, hops: int) -> Floats:
        """Hops with the attention of the target's side, shape: [n_nodes]."""
        while len(self._back) <= hops:
            self._back.append(self.one_hop(self._score.weight_back, self._back[-1]))
        return self._back[hops]

    def forth(self, hops: int, behind: int) -> Floats:
        """Hops to a place of meeting, that place, and the hops behind it."""
        if (hops, behind) not in self._forth:
            if hops == 1:
                weight, rest = self._score.weight_into_meeting, self.back(behind)
            else:
                weight, rest = self._score.weight, self.forth(hops - 1, behind)
            self._forth[hops, behind] = self.one_hop(weight, rest)
        return self._forth[hops, behind]
