"""Splitting interactions into training, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import IntArray, NumberedDataset
from recbole_kgif.errors import UserError

PARTS = ("train", "valid", "test")

# Every tenth interaction of a user goes to the test, and every tenth to validation.
_SHARE = 10


def split(
    interactions: pd.DataFrame, method: str, seed: int
) -> dict[str, pd.DataFrame]:
    """Split every user's interactions.

    A tenth of a user's interactions, rounded down but at least one, is for validation
    and as many for the test, as far as one stays in training: a user with two has none
    for validation, a user with one none for the test either.

    Args:
        interactions: distinct ones, ordered by user and item, with an index of their
            row numbers; see `NumberedDataset.parts`.
        method: "as-given" keeps the test of the files and takes the validation from
            their training interactions at random; "random" chooses both at random;
            "time" tests the latest, and validates the latest before them.
        seed: seed of the random choice, from 0 on; for "time" of the order among
            simultaneous interactions.

    Returns:
        The interactions of each part of `PARTS`, in the order of the input.

    Raises:
        UserError: a part would be empty.
    """
    draw = np.random.default_rng(seed).random(len(interactions))
    drawn = interactions.assign(draw=draw)
    order = ["user", "time", "draw"] if method == "time" else ["user", "draw"]
    if method == "as-given":
        in_test = interactions["in_test"].to_numpy(dtype=np.bool_)
        from_last, total = _places_from_last(drawn[~in_test], order)
        in_valid = np.zeros(len(interactions), dtype=np.bool_)
        in_valid[~in_test] = from_last < _tenth(total, at_least=2)
    else:
        from_last, total = _places_from_last(drawn, order)
        test_count = _tenth(total, at_least=2)
        in_test = from_last < test_count
        in_valid = ~in_test & (from_last < test_count + _tenth(total, at_least=3))
    masks = (~in_test & ~in_valid, in_valid, in_test)
    parts = {name: interactions[mask] for name, mask in zip(PARTS, masks)}
    for name, part in parts.items():
        if len(part) == 0:
            raise UserError(
                f"no interaction is left for the part {name} of the split; users need "
                "three interactions or more: check the filters and the files"
            )
    return parts


def without_given_split(data: NumberedDataset) -> NumberedDataset:
    """The same data set as if its files did not split it."""
    interactions = data.interactions.drop(columns="in_test", errors="ignore")
    return data.with_interactions(interactions)


def _places_from_last(
    interactions: pd.DataFrame, order: list[str]
) -> tuple[IntArray, IntArray]:
    """Place of each interaction among its user's, the last being 0, and their number.

    Args:
        interactions: the interactions, [n].
        order: columns by which they are ordered, the user first.
    """
    ordered = interactions.sort_values(order)
    from_last = ordered.groupby("user").cumcount(ascending=False)
    total = interactions.groupby("user")["user"].transform("size")
    return from_last[interactions.index].to_numpy(), total.to_numpy()


def _tenth(total: IntArray, at_least: int) -> IntArray:
    """A tenth, rounded down but no less than one, of users with enough interactions."""
    return np.where(total >= at_least, np.maximum(total // _SHARE, 1), 0)


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
    users, items = (np.array(ids, dtype=object) for ids in (data.users, data.items))
    return hash_split(
        {
            name: zip(users[part["user"]], items[part["item"]])
            for name, part in data.parts.items()
        }
    )
