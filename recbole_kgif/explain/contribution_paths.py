"""The paths of KGIF that contribute most to a score, with their exact contributions."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.linear_score import DirectWalks, LinearScore
from recbole_kgif.explain.path_graph import Graph
from recbole_kgif.explain.path_search import Chain, PathSearch
from recbole_kgif.explain.score_decomposition import cosine_scale

_DIRECT_WALK_EDGES = 3


def contribution_search(score: LinearScore, user: int, item: int) -> PathSearch:
    """The search for the paths of the largest absolute contribution to a score.

    A path's contribution is the sum over its meeting points and its direct walk; see
    `linear_score`. All weights are positive, so that a path lowers the score only where
    the model's weight of the cosine part, or of the direct walks, is negative.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
    """
    scale = cosine_scale(score, user, item)
    chains: list[list[Chain]] = []
    for length in range(1, longest_path(score) + 1):
        chains.append(
            [
                _meeting(score, scale, user, length, met_after)
                for met_after in _meeting_points(score, length)
            ]
        )
        if length == _DIRECT_WALK_EDGES and score.walks is not None:
            chains[-1].append(_direct_walk(score.graph, score.walks, user))
    return PathSearch(score.graph, user, score.graph.item_node(item), chains)


def path_contribution(
    score: LinearScore, user: int, item: int, edges: Sequence[int]
) -> float:
    """The contribution of any one path.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        edges: the path's edges, from the user to the item.
    """
    length, total = len(edges), 0.0
    scale = cosine_scale(score, user, item)
    nodes = [user, *score.graph.tail[list(edges)]]
    for met_after in _meeting_points(score, length):
        forth = score.weight[list(edges[:met_after])].prod()
        back = score.weight_back[list(edges[met_after:])].prod()
        total += scale * float(forth * score.gain[nodes[met_after]] * back)
    walks, graph = score.walks, score.graph
    if walks is not None and length == _DIRECT_WALK_EDGES:
        first, second, third = edges
        other = graph.reverse[third]
        if graph.relation[other] == graph.relation[second]:
            total += float(
                walks.user_factor[user]
                * walks.interaction[first]
                * walks.value[second]
                * walks.value[other]
                * walks.relation_weight[other]
            )
    return total


def longest_path(score: LinearScore) -> int:
    """Most edges of a path that can contribute."""
    has_walks = score.walks is not None
    return max(2 * score.n_layers, _DIRECT_WALK_EDGES if has_walks else 0)


def _meeting_points(score: LinearScore, length: int) -> range:
    """After how many hops of a path the walks of its two ends can meet."""
    return range(max(0, length - score.n_layers), min(length, score.n_layers) + 1)


def _meeting(
    score: LinearScore, scale: float, user: int, length: int, met_after: int
) -> Chain:
    """The summand of the meeting point after some hops.

    Before it the attention is that of the user's side, after it that of the item's
    side; |f|^2 of the meeting point is part of the hop that enters it.
    """
    weights = [score.weight] * (met_after - 1)
    weights += [score.weight_into_meeting] * min(met_after, 1)
    weights += [score.weight_back] * (length - met_after)
    return Chain(
        met_after, scale * (1 if met_after else float(score.gain[user])), weights
    )


def _direct_walk(graph: Graph, walks: DirectWalks, user: int) -> Chain:
    last_back = (walks.relation_weight * walks.value)[graph.reverse]
    return Chain(
        None,
        float(walks.user_factor[user]),
        [walks.interaction, walks.value, last_back],
        returns_by_same_relation=True,
    )
