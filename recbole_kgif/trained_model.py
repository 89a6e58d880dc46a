"""Which items are ranked for a user: those of RecBole's evaluation of the test."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

TRAINING, VALIDATION = "training", "validation"


class Candidates:
    """The items that RecBole's evaluation ranks for the test.

    For each user these are all items but those of the training and validation parts:
    its loader of the test part masks exactly them, beside the padding. An item that
    stands in the test part too stays a candidate.

    Args:
        data: the data set, split as for the training (`loading.LoadedData`).
    """

    def __init__(self, data: Any):
        self._met = {
            TRAINING: _interactions(data.dataset, data.train._dataset),
            VALIDATION: _interactions(data.dataset, data.valid._dataset),
        }
        self._test = _interactions(data.dataset, data.test._dataset)
        self._training = data.train._dataset

    def history(self, user: int) -> Integers:
        """Training items of a user."""
        return self._met[TRAINING][user].indices.astype(np.int64)

    def users_with_history(self) -> Integers:
        """Users with at least one training item."""
        return np.flatnonzero(np.diff(self._met[TRAINING].indptr))

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

    def of(self, user: int) -> Flags:
        """Whether each item is ranked for a user, shape: [n_items]."""
        ranked = np.ones(self._test.shape[1], dtype=bool)
        ranked[0] = False
        for part in self._met.values():
            ranked[part[user].indices] = False
        ranked[self._test[user].indices] = True
        return ranked

    def met_in(self, user: int, item: int) -> Optional[str]:
        """The part for whose sake an item is no candidate; None for a candidate."""
        if self.of(user)[item]:
            return None
        is_in_training = bool(self._met[TRAINING][user, item])
        return TRAINING if is_in_training else VALIDATION


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
    """Place of an item among those that are ranked, from 1 on."""
    return 1 + int((scores[ranked] > scores[item]).sum())


def _interactions(dataset: Any, part: Any) -> csr_matrix:
    users, items = (
        part.inter_feat[field].numpy()
        for field in (dataset.uid_field, dataset.iid_field)
    )
    return csr_matrix(
        (np.ones(len(users), dtype=bool), (users, items)),
        shape=(dataset.user_num, dataset.item_num),
    )
