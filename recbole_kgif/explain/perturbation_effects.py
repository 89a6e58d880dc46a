"""How a score changes once paths are removed, by several kinds of removal.

The score is a sum over walks, and a path is one of them. From the mildest removal to
the harshest:

*Path walks*: the paths' own walks are removed from the sum, and nothing else; the
lengths of the propagated embeddings stay the same. By definition the score falls by the
paths' contributions, and by 0 for a path that does not lead to the item.

*Hop walks*: all walks that take one of the paths' hops in the same direction are
removed from the sum.

*Middle facts*, *later facts*, *all facts*: facts are deleted from the graph in both
directions, from the propagation and from the direct walks, and the score is computed
again with all other weights unchanged: neither attention nor normalisation is computed
again. They are the middle hop of each path; all hops but the user's own interaction;
all hops. The last is *comprehensiveness* (DeYoung et al., "ERASER", ACL 2020), also
called fidelity+. Deleting an interaction of the user deletes all walks that begin
there, so that comprehensiveness depends most on how many interactions, and which, the
paths begin with.

*Sufficiency* is the reverse: all facts but those of the paths are deleted. It is
normalised: the part of what the graph adds to the score that is left. Fidelity- is what
is missing of the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbole_kgif.explain.contribution_paths import path_contribution
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Flags
from recbole_kgif.explain.score_decomposition import walks_without
from recbole_kgif.training.candidates import rank

# Fields of `PerturbationEffect` that say by how much the score falls.
SCORE_DROPS = (
    *("path_walks", "hop_walks", "middle_facts", "later_facts", "comprehensiveness"),
)


@dataclass(frozen=True)
class PerturbationEffect:
    """How the score and the rank of an item depend on a selection of paths.

    Attributes:
        path_walks: drop of the score without the paths' own walks.
        hop_walks: drop without all walks that take one of their hops.
        middle_facts: drop without the fact in the middle of each path.
        later_facts: drop without all their facts but the user's own interactions.
        comprehensiveness: drop without all their facts.
        rank_drop: by how many ranks the item falls without all their facts.
        sufficiency: part of what the graph adds to the score that is left with their
            facts alone.
        interactions: number of different interactions that they begin with.
        facts: number of different facts in them.
    """

    path_walks: float
    hop_walks: float
    middle_facts: float
    later_facts: float
    comprehensiveness: float
    rank_drop: float
    sufficiency: float
    interactions: float
    facts: float


def perturbation_effect(
    score: LinearScore,
    user: int,
    item: int,
    ranked: Flags,
    paths: Sequence[Sequence[int]],
) -> PerturbationEffect:
    """Remove paths from a score.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        ranked: whether each item is ranked, shape: [n_items]
        paths: edges of each path; random ones need not lead from the user to the item.
    """
    graph, target = score.graph, score.graph.item_node(item)
    edges = sorted({edge for path in paths for edge in path})
    later = [edge for path in paths for edge in path[1:]]
    middle = [path[len(path) // 2] for path in paths]
    whole, without = score.scores(user), score.without(edges).scores(user)
    without_graph = score.only([]).score(user, item)
    from_graph = whole[item] - without_graph
    from_paths = score.only(edges).score(user, item) - without_graph
    walks = walks_without(score, user, item, [])
    return PerturbationEffect(
        path_walks=sum(
            path_contribution(score, user, item, path)
            for path in paths
            if graph.head[path[0]] == user and graph.tail[path[-1]] == target
        ),
        hop_walks=walks - walks_without(score, user, item, edges),
        middle_facts=float(whole[item] - score.without(middle).score(user, item)),
        later_facts=float(whole[item] - score.without(later).score(user, item)),
        comprehensiveness=float(whole[item] - without[item]),
        rank_drop=float(rank(without, ranked, item) - rank(whole, ranked, item)),
        sufficiency=float(from_paths / from_graph) if from_graph else 0.0,
        interactions=float(len({path[0] for path in paths})),
        facts=float(len(np.unique(np.minimum(edges, graph.reverse[edges])))),
    )
