"""What becomes of a score once paths are taken away, by several meanings of that.

The score is a sum over walks, and a path is one of them. From the mildest to the
harshest:

*Own*: the paths' own walks are taken out of the sum, and nothing else; the lengths of
the propagated embeddings stay as they are. That is exactly what the contributions say,
and 0 for a path that does not lead to the item.

*Directed*: all walks are taken out of the sum that take one of the paths' hops in the
same direction.

*Cut*, *behind*, *deleted*: facts are taken out of the graph in both directions, out of
the propagation and out of the direct walks, and the score is computed again. All other
weights stay as they are: neither attention nor normalisation is worked out anew. *Cut*
takes the middle hop of each path, *behind* all hops but the user's own interaction,
*deleted* all of them. With an interaction of the user go all walks that begin there,
whatever the path does behind it, so that *deleted* asks most of all through how many
interactions, and through which, a list of paths leads.

*Kept* turns it round: all facts but those of the paths are gone, and it is measured how
much remains of what the graph gives to the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recbole_kgif.explain.contribution_paths import path_contribution
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Flags
from recbole_kgif.explain.score_decomposition import walks_without
from recbole_kgif.trained_model import rank

OWN, DIRECTED, CUT, BEHIND, DELETED = "own", "directed", "cut", "behind", "deleted"
MEASURES = (OWN, DIRECTED, CUT, BEHIND, DELETED)


@dataclass(frozen=True)
class Effect:
    """What one list of paths does to the score of an item.

    Attributes:
        own: by how much the score falls without the paths' own walks.
        directed: by how much without all walks that take one of their hops.
        cut: by how much once each path has lost its middle hop.
        behind: by how much without their facts behind the user's own interactions.
        deleted: by how much without all their facts.
        places: how many places the item falls without all their facts.
        kept: part of what the graph gives to the score that their facts alone keep.
        interactions: with how many different interactions they begin.
        facts: how many different facts they take.
    """

    own: float
    directed: float
    cut: float
    behind: float
    deleted: float
    places: float
    kept: float
    interactions: float
    facts: float


def effect(
    score: LinearScore,
    user: int,
    item: int,
    ranked: Flags,
    paths: Sequence[Sequence[int]],
) -> Effect:
    """Take paths away from a score.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        ranked: whether each item is ranked, shape: [n_items]
        paths: edges of each path; random ones need not lead from the user to the item.
    """
    target = score.graph.item_node(item)
    edges = sorted({edge for path in paths for edge in path})
    behind = [edge for path in paths for edge in path[1:]]
    middle = [path[len(path) // 2] for path in paths]
    whole, without = score.scores(user), score.without(edges).scores(user)
    nothing = score.only([]).score(user, item)
    from_graph = whole[item] - nothing
    remains = score.only(edges).score(user, item) - nothing
    walks = walks_without(score, user, item, [])
    return Effect(
        own=sum(
            path_contribution(score, user, item, path)
            for path in paths
            if score.graph.head[path[0]] == user
            and score.graph.tail[path[-1]] == target
        ),
        directed=walks - walks_without(score, user, item, edges),
        cut=float(whole[item] - score.without(middle).score(user, item)),
        behind=float(whole[item] - score.without(behind).score(user, item)),
        deleted=float(whole[item] - without[item]),
        places=float(rank(without, ranked, item) - rank(whole, ranked, item)),
        kept=float(remains / from_graph) if from_graph else 0.0,
        interactions=float(len({path[0] for path in paths})),
        facts=float(len(np.unique(np.minimum(edges, score.graph.reverse[edges])))),
    )
