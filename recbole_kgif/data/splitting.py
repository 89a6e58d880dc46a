"""Splitting interactions into training, validation and test."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from recbole_kgif.data.numbered import IntArray, Interactions, NumberedDataset
from recbole_kgif.errors import UserError

PARTS = ("train", "valid", "test")

# Every tenth interaction of a user goes to the test, and every tenth to validation.
_SHARE = 10


def split(
    interactions: Interactions, method: str, seed: int
) -> dict[str, Interactions]:
    """Split every user's interactions.

    A tenth of a user's interactions, rounded down but at least one, is for validation
    and as many for the test, as far as one stays in training: a user with two has none
    for validation, a user with one none for the test either.

    Args:
        interactions: distinct ones, ordered by user and item.
        method: "as-given" keeps the test of the files and takes the validation from
            their training interactions at random; "random" chooses both at random;
            "time" tests the latest, and validates the latest before them.
        seed: seed of the random choice, from 0 on; for "time" of the order among
            simultaneous interactions.

    Returns:
        The interactions of each part of `PARTS`, in the order in which they came.

    Raises:
        UserError: a part would be empty.
    """
    draw = np.random.default_rng(seed).random(len(interactions))
    in_test = interactions.in_test
    if method == "as-given":
        if in_test is None:
            raise ValueError("these interactions are not split")
        in_valid = np.zeros(len(interactions), dtype=np.bool_)
        training = np.flatnonzero(~in_test)
        from_last, total = _places_from_last(
            interactions.users[training], draw[training], None
        )
        in_valid[training] = from_last < _tenth(total, at_least=2)
    else:
        times = interactions.times if method == "time" else None
        from_last, total = _places_from_last(interactions.users, draw, times)
        test_count = _tenth(total, at_least=2)
        in_test = from_last < test_count
        in_valid = ~in_test & (from_last < test_count + _tenth(total, at_least=3))
    parts = {
        "train": interactions.at(~in_test & ~in_valid),
        "valid": interactions.at(in_valid),
        "test": interactions.at(in_test),
    }
    _refuse_empty(parts)
    return parts


def without_given_split(data: NumberedDataset) -> NumberedDataset:
    """The same data set as if its files did not split it."""
    interactions = dataclasses.replace(data.interactions, in_test=None)
    return data.with_interactions(interactions)


def _places_from_last(
    users: IntArray,
    draw: npt.NDArray[Any],
    times: Optional[npt.NDArray[Any]],
) -> tuple[IntArray, IntArray]:
    """Place of each interaction among its user's, the last being 0, and their number.

    Args:
        users: user of each interaction, [n].
        draw: random order, [n].
        times: times, [n], which go before the random order; None for that alone.
    """
    keys = (draw, users) if times is None else (draw, times, users)
    order = np.lexsort(keys)
    _, starts, counts = np.unique(users[order], return_index=True, return_counts=True)
    from_last = np.empty(len(users), dtype=np.int64)
    from_last[order] = np.repeat(starts + counts, counts) - np.arange(len(users)) - 1
    total = np.empty(len(users), dtype=np.int64)
    total[order] = np.repeat(counts, counts)
    return from_last, total


def _tenth(total: IntArray, at_least: int) -> IntArray:
    """A tenth, rounded down but no less than one, of users with enough interactions."""
    return np.where(total >= at_least, np.maximum(total // _SHARE, 1), 0)


def _refuse_empty(parts: Mapping[str, Interactions]) -> None:
    for name, part in parts.items():
        if len(part) == 0:
            raise UserError(
                f"no interaction is left for the part {name} of the split; users need "
                "three interactions or more: check the filters and the files"
            )


def hash_split(parts: Mapping[str, Iterable[tuple[str, str]]]) -> str:
    """Fingerprint of a split: equal for equal sets of interactions in each part.

    Args:
        parts: ids of user and item of each interaction, by the part's name, in the
            order of `PARTS`.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for name, pairs in parts.items():
        lines = sorted(f"{user}\t{item}\n" for user, item in pairs)
        digest.update(f"{name} {len(lines)}\n".encode())
        digest.update("".join(lines).encode())
    return digest.hexdigest()


def hash_parts(data: NumberedDataset) -> str:
    """Fingerprint of a data set's parts, the same that the record of a run holds."""
    return hash_split(
        {
            name: (
                (data.users[user], data.items[item])
                for user, item in zip(part.users.tolist(), part.items.tolist())
            )
            for name, part in data.parts.items()
        }
    )
