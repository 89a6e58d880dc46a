"""Which items users have interacted with, and which are ranked for them."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TRAINING, VALIDATION, TEST = "training", "validation", "test"


class Interactions:
    """The interactions of a data set's training, validation and test set.

    Args:
        data: the data set, split as for the training (`loading.LoadedData`).

    Attributes:
        of_set: whether each user interacted with each item, by name of the set, each of
            shape: [n_users, n_items]
    """

    def __init__(self, data: Any):
        loaders = {TRAINING: data.train, VALIDATION: data.valid, TEST: data.test}
        shape = (data.dataset.user_num, data.dataset.item_num)
        self.of_set = {
            name: _matrix(loader._dataset, shape) for name, loader in loaders.items()
        }
        self._training = data.train._dataset

    @property
    def of_any_set(self) -> csr_matrix:
        """Whether each user interacted with each item, shape: [n_users, n_items]."""
        return sum(self.of_set.values())

    def history(self, user: int) -> Integers:
        """Training items of a user."""
        return self.of_set[TRAINING][user].indices.astype(np.int64)

    def users_with_history(self) -> Integers:
        """Users with at least one training item."""
        return np.flatnonzero(np.diff(self.of_set[TRAINING].indptr))

    def times(self) -> Optional[dict[int, dict[int, float]]]:
        """Times of the training items by user; None where the run loaded none."""
        part = self._training
        if part.time_field not in part.inter_feat:
            return None
        times: dict[int, dict[int, float]] = {}
        fields = (part.uid_field, part.iid_field, part.time_field)
        columns = (part.inter_feat[field].tolist() for field in fields)
        for user, item, time in zip(*columns):
            times.setdefault(user, {})[item] = time
        return times

    def candidates(self, user: int) -> Flags:
        """Whether RecBole's evaluation ranks each item in the test, shape: [n_items].

        Its loader of the test set masks the training and validation items and the
        padding. An item that is in the test set too stays a candidate.
        """
        ranked = np.ones(self.of_set[TEST].shape[1], dtype=bool)
        ranked[0] = False
        for name in (TRAINING, VALIDATION):
            ranked[self.of_set[name][user].indices] = False
        ranked[self.of_set[TEST][user].indices] = True
        return ranked

    def seen_in(self, user: int, item: int) -> Optional[str]:
        """The set because of which an item is no candidate; None for a candidate."""
        if self.candidates(user)[item]:
            return None
        return TRAINING if self.of_set[TRAINING][user, item] else VALIDATION


def best_items(scores: Floats, ranked: Flags, count: int) -> list[int]:
    """The ranked items of the largest scores, best first, ties by their numbers.

    Args:
        scores: shape: [n_items]
        ranked: shape: [n_items]
        count: how many.
    """
    numbers = np.flatnonzero(ranked)
    order = np.argsort(-scores[numbers], kind="stable")
    return [int(item) for item in numbers[order[:count]]]


def rank(scores: Floats, ranked: Flags, item: int) -> int:
    """Rank of an item among those that are ranked, from 1 on."""
    return 1 + int((scores[ranked] > scores[item]).sum())


def _matrix(part: Any, shape: tuple[int, int]) -> csr_matrix:
    users, items = (
        part.inter_feat[field].numpy() for field in (part.uid_field, part.iid_field)
    )
    return csr_matrix((np.ones(len(users), dtype=bool), (users, items)), shape=shape)
