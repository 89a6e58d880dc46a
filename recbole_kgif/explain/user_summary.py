"""What drives all of a user's best items together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from recbole_kgif.explain.explanation_records import (
    FACT,
    FILTER,
    LINK,
    LONGER,
    PEOPLE,
    TASTE,
    Part,
    Reason,
    Relation,
    ScoreShare,
    UserSummary,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.explain.reason_records import ordered, score_shares
from recbole_kgif.explain.reason_tree import (
    NO_EDGE,
    ScoreTree,
    short_walks,
)


def summarise(
    score: LinearScore,
    names: NodeNames,
    user: int,
    items: Sequence[int],
    tree: ScoreTree,
    n_reasons: int,
) -> UserSummary:
    """Sum the reasons of several items.

    Args:
        score: the model.
        names: names of nodes and relations.
        user: number of the user.
        items: numbers of the items, none of them the user's own.
        tree: their reasons.
        n_reasons: how many interactions are listed.
    """
    sums = tree.interactions.sum(axis=1)
    strongest = np.argsort(-np.abs(sums), kind="stable")[:n_reasons].tolist()
    tails = score.graph.tail[tree.edges]
    by_kind: dict[str, float] = defaultdict(float)
    for column in range(len(items)):
        for share in score_shares(score, tree, column):
            by_kind[share.kind] += share.value
    listed = [Reason(names.node(int(tails[n])), float(sums[n])) for n in strongest]
    return UserSummary(
        user=names.node(user),
        n_items=len(items),
        score=float(tree.total.sum()),
        reasons=tuple(listed),
        n_others=len(sums) - len(listed),
        others=float(np.delete(sums, strongest).sum()),
        parts=tuple(_parts(score, names, user, items, tree)),
        shares=tuple(ScoreShare(kind, value) for kind, value in by_kind.items()),
    )


def _parts(
    score: LinearScore,
    names: NodeNames,
    user: int,
    items: Sequence[int],
    tree: ScoreTree,
) -> list[Part]:
    """The parts of all interactions for all items, by kind and relation."""
    graph, n_relations = score.graph, 2 * score.graph.n_relations
    by_relation = np.zeros((2, n_relations))
    similarity = people = 0.0
    for item in items:
        walks = short_walks(score, user, item, range(len(tree.edges)))
        is_link = walks.third == NO_EDGE
        is_person = ~is_link & (graph.tail[walks.second] < graph.n_users)
        similarity += float(walks.similarity.sum())
        people += float(walks.value[is_person].sum())
        relation = graph.relation[walks.second]
        for row, chosen in enumerate((is_link, ~is_link & ~is_person)):
            found = np.bincount(relation[chosen], walks.value[chosen], n_relations)
            by_relation[row] += found
    parts = [
        Part(kind, float(value), (Relation(*names.relation(relation)),))
        for kind, values in zip((LINK, FACT), by_relation)
        for relation, value in enumerate(values)
        if value
    ]
    rest = {
        PEOPLE: people,
        LONGER: float(tree.connected.sum()) - similarity,
        TASTE: float(tree.taste.sum()),
        FILTER: float(tree.filtered.sum()),
    }
    return ordered([*parts, *(Part(kind, value) for kind, value in rest.items())])
