"""Selections of paths that are compared: the best by several rules, and random ones.

Three rules take the largest exact contributions. *Strongest* are the paths of the
largest contributions; they often begin with the same interaction. *Varied* are the
strongest that begin with different interactions, which is what an explanation lists.
*Weightiest* are the strongest paths through the interactions of the user with the
largest sums over all walks that begin there.

Two rules take the largest attention, as paths are usually read from KGAT.

Random paths are as many and as long as those that they are compared with. The strongest
baseline are random paths from the user to the item, because each carries a part of the
score. Others begin at the user and end anywhere, or begin anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.contribution_paths import (
    contribution_search,
    longest_path,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Graph
from recbole_kgif.explain.path_search import FoundPath
from recbole_kgif.explain.random_paths import (
    PathEdges,
    random_paths_between,
    random_paths_from,
)
from recbole_kgif.explain.score_decomposition import walks_by_first_edge

STRONGEST = "strongest"
VARIED = "varied"
WEIGHTIEST = "weightiest"
BY_CONTRIBUTION = (STRONGEST, VARIED, WEIGHTIEST)
ATTENTION = "attention"
VARIED_ATTENTION = "varied attention"
BY_ATTENTION = (ATTENTION, VARIED_ATTENTION)
SELECTIONS = (*BY_CONTRIBUTION, *BY_ATTENTION)

TO_ITEM = "from the user to the item"
FROM_USER = "from the user"
ANYWHERE = "anywhere"
BASELINES = (TO_ITEM, FROM_USER, ANYWHERE)


def as_attention(score: LinearScore) -> AttentionGraph:
    """The edge weights of KGIF as attention, with paths as long as can contribute."""
    return AttentionGraph(score.graph, score.weight, longest_path(score))


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
        Edges of the paths by name of the selection, as many by each as there are; empty
        lists where no path leads to the item.
    """
    search = contribution_search(score, user, item)
    by_attention = as_attention(score).search(user, item)
    found = {
        STRONGEST: search.best(count),
        VARIED: search.varied(count),
        WEIGHTIEST: weightiest_paths(score, user, item, count),
        ATTENTION: by_attention.best(count),
        VARIED_ATTENTION: by_attention.varied(count),
    }
    if not found[STRONGEST]:
        return {selection: [] for selection in SELECTIONS}
    return {name: [path.edges for path in paths] for name, paths in found.items()}


def weightiest_paths(
    score: LinearScore, user: int, item: int, count: int
) -> list[FoundPath]:
    """The strongest path through each of the interactions of the largest sums of walks.

    Args:
        score: the model.
        user: number of the user.
        item: number of the item.
        count: how many paths; the strongest others follow where the interactions are
            fewer.
    """
    search, first = contribution_search(score, user, item), score.graph.first[user]
    totals = np.abs(walks_by_first_edge(score, user, item))
    paths = {path.edges[0]: path for path in search.best_by_first_edge(len(totals))}
    order = sorted(paths, key=lambda edge: (-totals[edge - first], edge))
    selected = [paths[edge] for edge in order[:count]]
    others = [path for path in search.best(count) if path not in selected]
    return [*selected, *others[: count - len(selected)]]


def random_by_each_rule(
    graph: Graph,
    user: int,
    target: int,
    paths: Sequence[PathEdges],
    random: np.random.Generator,
) -> dict[str, list[PathEdges]]:
    """Random paths as many and as long as others.

    Args:
        graph: the graph.
        user: number of the user.
        target: node of the item.
        paths: the others.
        random: source of random numbers.

    Returns:
        Edges of the paths by name of the baseline; fewer where no other is found.
    """
    lengths = [len(path) for path in paths]
    starts = random.choice(np.flatnonzero(graph.degree), len(paths)).tolist()
    return {
        TO_ITEM: random_paths_between(graph, user, target, lengths, random),
        FROM_USER: random_paths_from(graph, [user] * len(paths), lengths, random),
        ANYWHERE: random_paths_from(graph, starts, lengths, random),
    }
