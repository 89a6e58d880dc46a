"""Lists of paths whose deletion is compared: the best by several rules, and random.

Three rules take the best by the exact contribution. *Strongest* are the paths of the
largest contributions; they often begin with the same interaction. *Varied* are the
strongest that begin with different interactions, which is what an explanation lists.
*Weightiest* are the strongest paths through those interactions of the user on which
most of the score rests, over all walks that begin there.

Two rules take the largest attention, as paths are read out of KGAT.

The random paths are as many and as long as those that they stand beside. The hardest to
beat lead from the user to the item too, so that each carries a part of the score.
Others begin at the user and end anywhere, or begin anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recbole_kgif.explain.attention_paths import AttentionGraph, attention_paths
from recbole_kgif.explain.contribution_paths import (
    exact_paths,
    longest_path,
    paths_by_first_edge,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Graph
from recbole_kgif.explain.random_paths import random_paths, wandering_paths
from recbole_kgif.explain.score_decomposition import walks_by_first_edge

PathEdges = tuple[int, ...]

STRONGEST = "strongest"
VARIED = "varied"
WEIGHTIEST = "weightiest"
EXACT_CHOICES = (STRONGEST, VARIED, WEIGHTIEST)
ATTENTION = "attention"
VARIED_ATTENTION = "varied attention"
CHOICES = (*EXACT_CHOICES, ATTENTION, VARIED_ATTENTION)

TO_ITEM = "from the user to the item"
FROM_USER = "from the user"
ANYWHERE = "anywhere"
BASELINES = (TO_ITEM, FROM_USER, ANYWHERE)


def best_by_each_rule(
    score: LinearScore, user: int, item: int, count: int
) -> dict[str, list[PathEdges]]:
    """The best paths by each rule.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        count: how many paths.

    Returns:
        Edges of the paths by the name of the rule, as many by each as there are; empty
        lists where no path leads to the item.
    """
    strongest = exact_paths(score, user, item, count)
    if not strongest:
        return {choice: [] for choice in CHOICES}
    attended = AttentionGraph(score.graph, score.weight, longest_path(score))
    found = {
        STRONGEST: strongest,
        VARIED: exact_paths(score, user, item, count, varied=True),
        ATTENTION: attention_paths(attended, user, item, count),
        VARIED_ATTENTION: attention_paths(attended, user, item, count, varied=True),
    }
    edges = {choice: [path.edges for path in paths] for choice, paths in found.items()}
    edges[WEIGHTIEST] = weightiest_paths(score, user, item, count)
    return {choice: edges[choice] for choice in CHOICES}


def weightiest_paths(
    score: LinearScore, user: int, item: int, count: int
) -> list[PathEdges]:
    """The strongest path through each of the interactions that carry most.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        count: how many paths; the strongest others follow where the interactions are
            fewer.
    """
    totals = np.abs(walks_by_first_edge(score, user, item))
    first = score.graph.first[user]
    paths = paths_by_first_edge(score, user, item)
    order = sorted(paths, key=lambda edge: (-totals[edge - first], edge))
    chosen = [paths[edge].edges for edge in order[:count]]
    if len(chosen) == count:
        return chosen
    strongest = [path.edges for path in exact_paths(score, user, item, count)]
    others = [edges for edges in strongest if edges not in chosen]
    return [*chosen, *others[: count - len(chosen)]]


def random_by_each_rule(
    graph: Graph,
    user: int,
    target: int,
    paths: Sequence[PathEdges],
    random: np.random.Generator,
) -> dict[str, list[PathEdges]]:
    """Random paths as many and as long as some others.

    Args:
        graph: the graph.
        user: number of the user.
        target: node of the item.
        paths: the others.
        random: what draws.

    Returns:
        Edges of the paths by the name of the rule; fewer where no other is found.
    """
    lengths = [len(path) for path in paths]
    starts = random.choice(np.flatnonzero(graph.degree), len(paths)).tolist()
    return {
        TO_ITEM: random_paths(graph, user, target, lengths, random),
        FROM_USER: wandering_paths(graph, [user] * len(paths), lengths, random),
        ANYWHERE: wandering_paths(graph, starts, lengths, random),
    }
