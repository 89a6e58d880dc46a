"""What the service answers, as plain values: lists of items, each with its reasons."""

from __future__ import annotations

from typing import Any

import numpy as np

from recbole_kgif.explain.relation_words import what_it_is
from recbole_kgif.serving.exported_model import Asker, ExportedModel
from recbole_kgif.serving.exported_reasons import ScoreParts, shared_neighbours

# Neighbours that a reason names.
_MOST_NEIGHBOURS = 3
# Items among which one with a name is looked for.
_MOST_LOOKED_AT = 20

Answer = dict[str, Any]


def recommendations(
    model: ExportedModel, asker: Asker, k: int, n_reasons: int = 0
) -> list[Answer]:
    """The best items that are new to somebody.

    Args:
        model: the model.
        asker: a user or a visitor.
        k: how many items.
        n_reasons: how many of the asker's items are named as reasons of each.
    """
    # Reasons add up to exact scores alone.
    rows, scores = model.best_of(asker, k, exactly=n_reasons > 0)
    answers = [
        {"rank": rank, **named(model, row), "score": score}
        for rank, (row, score) in enumerate(zip(rows.tolist(), scores.tolist()), 1)
    ]
    if n_reasons:
        parts = model.parts(asker, rows.tolist())
        for column, (answer, row) in enumerate(zip(answers, rows.tolist())):
            answer.update(_tree(model, asker, parts, column, row, n_reasons))
    return answers


def explanation(model: ExportedModel, asker: Asker, row: int, n_reasons: int) -> Answer:
    """Why an item has its score: parts that add up to it.

    Args:
        model: the model.
        asker: a user or a visitor.
        row: the item.
        n_reasons: how many of the asker's items are named.
    """
    scores = model.items.scores(asker.scored)[0]
    ranked = np.ones(len(scores), dtype=bool)
    ranked[asker.seen] = False
    rank = None
    if ranked[row]:
        before = np.flatnonzero(ranked & (scores >= scores[row]))
        rank = int(((scores[before] > scores[row]) | (before <= row)).sum())
    parts = model.parts(asker, [row])
    return {
        **named(model, row),
        "score": float(scores[row]),
        "rank": rank,
        "candidates": int(ranked.sum()),
        **_tree(model, asker, parts, 0, row, n_reasons),
    }


def similar(model: ExportedModel, row: int, k: int) -> list[Answer]:
    """The items that are most similar to one by their vectors."""
    rows, cosines = model.similar_items(row, k)
    return [
        {"rank": rank, **named(model, each), "cosine": cosine}
        for rank, (each, cosine) in enumerate(zip(rows.tolist(), cosines.tolist()), 1)
    ]


def found_items(model: ExportedModel, text: str, limit: int) -> list[Answer]:
    """Items whose id or name contains a text, in any case; the best known first."""
    wanted = text.casefold()
    rows = [
        row
        for row, (token, name) in enumerate(model.searched)
        if wanted in name or wanted in token
    ]
    popularity = model.n_interactions
    rows.sort(key=lambda row: (-popularity[row], row))
    return [named(model, row) for row in rows[:limit]]


def named(model: ExportedModel, row: int) -> Answer:
    """Id and name of an item."""
    return {"item_id": model.item_ids[row], "name": model.names[row]}


def _tree(
    model: ExportedModel,
    asker: Asker,
    parts: ScoreParts,
    column: int,
    row: int,
    n_reasons: int,
) -> Answer:
    """The parts of one score, the largest of the asker's items one by one."""
    values = parts.of_chosen[:, column]
    listed = np.argsort(-np.abs(values), kind="stable")[:n_reasons].tolist()
    reasons = [
        _reason(model, asker, parts, (position, column), row) for position in listed
    ]
    others = np.delete(values, listed)
    return {
        "reasons": reasons,
        "other_items": {"count": len(others), "value": float(others.sum())},
        "own_vector": float(parts.own[column]),
        "popularity": float(parts.bias[column]),
        "new_item": {
            "predicted": float(parts.predicted[column]),
            "offset": float(parts.offset[column]),
        },
    }


def _reason(
    model: ExportedModel,
    asker: Asker,
    parts: ScoreParts,
    place: tuple[int, int],
    row: int,
) -> Answer:
    """The part of one of the asker's items, and what both items share."""
    columns, values = shared_neighbours(model.items.walks, parts, place, row)
    is_user = model.neighbour_is_user[columns]
    facts = []
    for number in np.flatnonzero(~is_user)[:_MOST_NEIGHBOURS].tolist():
        ends = (int(parts.chosen[place[0]]), row)
        fact = _fact(model, int(columns[number]), ends)
        facts.append({**fact, "value": float(values[number])})
    people = {"count": int(is_user.sum()), "value": float(values[is_user].sum())}
    return {
        **named(model, int(parts.chosen[place[0]])),
        "value": float(parts.of_chosen[place]),
        "similarity": float(parts.similarity[place]),
        "shared": float(parts.shared[place]),
        "filter": float(parts.filtered[place]),
        "facts": facts,
        "people": people,
    }


def _fact(model: ExportedModel, column: int, but: tuple[int, int]) -> Answer:
    """A neighbour that two items share, and which others share it."""
    described = model.neighbour(column)
    rows = model.items_of_neighbour(column)
    rows = rows[~np.isin(rows, but)]
    names = [model.names[row] for row in rows[:_MOST_LOOKED_AT].tolist()]
    return {
        **described,
        "word": what_it_is(described["relation"], described["inverse"]),
        "other_items": {
            "count": len(rows),
            "best_known": next((name for name in names if name), ""),
        },
    }
