"""The users of an export: their vectors, training items and what they have seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from recbole_kgif.serving.exported_scores import (
    Askers,
    Floats,
    Integers,
    ItemScores,
    ScoreForm,
    one_hot_rows,
)


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of items for each user.

    Attributes:
        pointer: where the list of each user begins, shape: [n_users + 1]
        item: the items, shape: [n_entries]
    """

    pointer: Integers
    item: Any

    def of(self, user: int) -> Any:
        """The items of a user."""
        return self.item[self.pointer[user] : self.pointer[user + 1]]

    def entries(self, user: int) -> slice:
        """Where the items of a user are."""
        return slice(int(self.pointer[user]), int(self.pointer[user + 1]))


@dataclass(frozen=True, eq=False)
class ExportedUsers:
    """All that belongs to the users.

    Attributes:
        vectors: z, shape: [n_users, d]
        history: training items.
        seen: items that are left out of lists.
        history_weight: weight of each training item in the vector of its user; None
            where the propagation is not linear, shape: [n_interactions]
        walk_factor: f; None where the model has no walks, shape: [n_users]
        own_neighbour: column of the walk matrix that a user is, -1 for none; None where
            the model has no walks, shape: [n_users]
    """

    vectors: Any
    history: Lists
    seen: Lists
    history_weight: Optional[Floats]
    walk_factor: Optional[Floats]
    own_neighbour: Optional[Integers]

    @classmethod
    def of(cls, tensors: Mapping[str, Any]) -> ExportedUsers:
        """Take the arrays of an export, see docs/export.md for their names."""
        return cls(
            vectors=tensors["user_vectors"],
            history=Lists(tensors["history_pointer"], tensors["history_item"]),
            seen=Lists(tensors["seen_pointer"], tensors["seen_item"]),
            history_weight=tensors.get("history_weight"),
            walk_factor=tensors.get("walk_factor"),
            own_neighbour=tensors.get("own_neighbour"),
        )

    def __len__(self) -> int:
        """How many there are."""
        return len(self.vectors)

    def askers(self, users: Integers, n_items: int) -> Askers:
        """Some users, for `ItemScores.scores`."""
        none = np.full(len(users), -1)
        factor, own = self.walk_factor, self.own_neighbour
        return Askers(
            vectors=self.vectors[users].astype(np.float64),
            history=one_hot_rows([self.history.of(user) for user in users], n_items),
            walk_factor=np.ones(len(users)) if factor is None else factor[users],
            own_neighbour=none if own is None else own[users],
        )

    def ranked_scores(self, items: ItemScores, users: Integers) -> Floats:
        """Scores of all items, minus infinity for what users have seen.

        Args:
            items: the items.
            users: numbers of the users, shape: [n_asked]

        Returns:
            Shape: [n_asked, n_items]
        """
        scores = items.scores(self.askers(users, len(items.bias)))
        for row, user in enumerate(users):
            scores[row, self.seen.of(user)] = -np.inf
        return scores


def visitor(
    tensors: Mapping[str, Any], form: ScoreForm, items: Integers, weights: Floats
) -> Askers:
    """Somebody without an account, as a user of the graph who has these items.

    The visitor's vector is that of a user without an embedding of its own. The graph
    itself stays as it is: no other score depends on who is asking.

    Args:
        tensors: the arrays of an export.
        form: the numbers of the formula.
        items: distinct rows of the items, shape: [n]
        weights: their `visitor_weights`, shape: [n]
    """
    history = one_hot_rows([items], len(tensors["item_bias"]))
    return Askers(
        vectors=(weights @ tensors["item_contribution"][items])[None],
        history=history,
        walk_factor=np.array([len(items) ** -form.walk_exponent]),
        own_neighbour=np.array([-1]),
    )


def visitor_weights(
    tensors: Mapping[str, Any], form: ScoreForm, items: Integers
) -> Floats:
    """Weight of each item of a visitor in the visitor's vector, shape: [n]."""
    weights = tensors["visitor_weight"][items]
    is_sum = form.visitor_normalisation == "sum"
    weighted: Floats = weights / (weights.sum() if is_sum else len(items) ** 0.5)
    return weighted
