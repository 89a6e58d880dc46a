"""What it costs to store vectors in a lower precision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_kgif.serving.exported_scores import ItemScores, ScoreForm, best
from recbole_kgif.serving.exported_users import ExportedUsers

# Users that are compared.
_MOST_USERS = 500
_N_RANKED = 20


@dataclass(frozen=True)
class Loss:
    """The scores of some users by lower precision, compared with double precision.

    Attributes:
        users: how many users were compared.
        top: length of the lists that were compared.
        same_lists: share of the users with the same list, order included.
        same_items: mean share of the items of a list that stay in it.
        largest_difference: the largest difference of a score.
        largest_score: the largest absolute value of a score.
    """

    users: int
    top: int
    same_lists: float
    same_items: float
    largest_difference: float
    largest_score: float


def measure_loss(
    form: ScoreForm,
    exact: Mapping[str, Any],
    stored: Mapping[str, Any],
    n_neighbours: int,
) -> Loss:
    """Compare the scores of users, evenly drawn, and their best new items.

    Args:
        form: the numbers of the formula.
        exact: the arrays in double precision.
        stored: the arrays as they are stored.
        n_neighbours: columns of the walk matrix.
    """
    n_users = len(exact["user_vectors"])
    rows = np.unique(np.linspace(0, n_users - 1, _MOST_USERS).astype(np.int64))
    sides = [
        (ItemScores.of(form, arrays, n_neighbours), ExportedUsers.of(arrays))
        for arrays in (exact, stored)
    ]
    same_lists, same_items, differences, largest = [], [], [], 0.0
    for row in rows:
        first, second = (
            users.ranked_scores(items, np.array([row]))[0] for items, users in sides
        )
        of_exact, of_stored = best(first, _N_RANKED), best(second, _N_RANKED)
        ranked = np.isfinite(first)
        if not ranked.any():
            continue
        same_lists.append(np.array_equal(of_exact, of_stored))
        same_items.append(np.isin(of_exact, of_stored).mean())
        differences.append(np.abs(first[ranked] - second[ranked]).max())
        largest = max(largest, float(np.abs(first[ranked]).max()))
    return Loss(
        users=len(same_lists),
        top=_N_RANKED,
        same_lists=float(np.mean(same_lists)),
        same_items=float(np.mean(same_items)),
        largest_difference=float(np.max(differences)),
        largest_score=largest,
    )
