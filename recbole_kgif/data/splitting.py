"""Splitting interactions into training, validation and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import BoolArray, IntArray, NumberedDataset
from recbole_kgif.errors import UserError

PARTS = ("train", "valid", "test")
NEW_ITEMS = "new-items"

# Every tenth interaction of a user goes to the test, and every tenth to validation.
_SHARE = 10
# Of new items, every fifth is held out for the test, and every tenth for validation.
_TEST_ITEMS, _VALIDATION_ITEMS = 5, 10


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
        method: "as-given" keeps the test of the files and their validation; where they
            have none, it is taken from their training interactions at random, a tenth
            of the items with all of theirs where the test is of new items; "random"
            chooses both at random; "time" tests the latest, and validates the latest
            before them; "new-items" holds out whole items, see `_new_item_masks`.
        seed: seed of the random choice, from 0 on; for "time" of the order among
            simultaneous interactions.

    Returns:
        The interactions of each part of `PARTS`, in the order of the input. With
        "new-items" those of users without any in training are in none, and likewise
        of a validation of whole items with "as-given".

    Raises:
        UserError: a part would be empty.
    """
    generator = np.random.default_rng(seed)
    drawn = interactions.assign(draw=generator.random(len(interactions)))
    order = ["user", "time", "draw"] if method == "time" else ["user", "draw"]
    tests_new_items = method == "as-given" and validates_new_items(interactions)
    if method == "as-given":
        in_valid, in_test = _given_masks(drawn, generator, tests_new_items)
    elif method == NEW_ITEMS:
        in_valid, in_test = _new_item_masks(drawn, generator)
    else:
        from_last, total = _places_from_last(drawn, order)
        test_count = _tenth(total, at_least=2)
        in_test = from_last < test_count
        in_valid = ~in_test & (from_last < test_count + _tenth(total, at_least=3))
    in_train = ~in_test & ~in_valid
    if method == NEW_ITEMS or tests_new_items:
        # Of users without a history no model knows what they like.
        has_history = interactions["user"].isin(interactions["user"][in_train])
        in_valid = in_valid & has_history
        if not tests_new_items:  # a given test stays
            in_test = in_test & has_history
    masks = (in_train, in_valid, in_test)
    parts = {name: interactions[mask] for name, mask in zip(PARTS, masks)}
    for name, part in parts.items():
        if len(part) == 0:
            raise UserError(
                f"no interaction is left for the part {name} of the split; users need "
                "three interactions or more: check the filters and the files"
            )
    return parts


def validates_new_items(interactions: pd.DataFrame) -> bool:
    """Whether files give a test of new items, and no validation.

    Args:
        interactions: where files split them, with a column "in_test".

    Returns:
        Whether most interactions of the test are with items without any other.
    """
    if "in_test" not in interactions or "in_valid" in interactions:
        return False
    in_test = interactions["in_test"].astype(bool)
    known = interactions["item"][~in_test]
    return float((~interactions["item"][in_test].isin(known)).mean()) > 0.5


def _given_masks(
    drawn: pd.DataFrame, generator: np.random.Generator, whole_items: bool
) -> tuple[BoolArray, BoolArray]:
    """Which interactions are for validation, and which for the test of the files.

    Args:
        drawn: the interactions, see `split`, with a random number `draw` each, [n].
        generator: see `_drawn_validation`.
        whole_items: see there.
    """
    in_test = drawn["in_test"].to_numpy(dtype=np.bool_)
    if "in_valid" in drawn:
        return drawn["in_valid"].to_numpy(dtype=np.bool_) & ~in_test, in_test
    in_valid = np.zeros(len(drawn), dtype=np.bool_)
    rest = drawn[~in_test]
    in_valid[~in_test] = _drawn_validation(rest, generator, whole_items)
    return in_valid, in_test


def _drawn_validation(
    drawn: pd.DataFrame, generator: np.random.Generator, whole_items: bool
) -> BoolArray:
    """Which interactions are for validation, where the files name those of the test.

    Args:
        drawn: the other interactions with a random number `draw` each, [n].
        generator: draws the items.
        whole_items: whether a tenth of the items is held out with all interactions, in
            place of a tenth of each user's.
    """
    if whole_items:
        items = generator.permutation(np.unique(drawn["item"]))
        held_out = items[: max(1, len(items) // _VALIDATION_ITEMS)]
        return drawn["item"].isin(held_out).to_numpy()
    from_last, total = _places_from_last(drawn, ["user", "draw"])
    return from_last < _tenth(total, at_least=2)


def _new_item_masks(
    drawn: pd.DataFrame, generator: np.random.Generator
) -> tuple[BoolArray, BoolArray]:
    """Which interactions are for validation, and which for the test of new items.

    A fifth of the items is held out for the test with all interactions, a tenth for
    validation. Of the other items' interactions the usual tenths of each user are held
    out, too, so that both sets have old items beside new ones. One interaction of each
    of these items, drawn at random, stays in training: no item is new by accident.

    Args:
        drawn: the interactions with a random number `draw` each, [n].
        generator: draws the items.

    Raises:
        UserError: there are too few items.
    """
    items = generator.permutation(np.unique(drawn["item"]))
    n_test, n_valid = len(items) // _TEST_ITEMS, len(items) // _VALIDATION_ITEMS
    if n_valid == 0:
        raise UserError(
            f"--split {NEW_ITEMS}: a tenth of the items is held out, and only "
            f"{len(items)} have an interaction; give more data, or another split"
        )
    in_test = drawn["item"].isin(items[:n_test]).to_numpy()
    in_valid = drawn["item"].isin(items[n_test : n_test + n_valid]).to_numpy()
    is_old = ~in_test & ~in_valid
    old = drawn[is_old]
    may_leave = old["draw"] > old.groupby("item")["draw"].transform("min")
    from_last, total = _places_from_last(
        old.assign(may_leave=may_leave), ["user", "may_leave", "draw"]
    )
    test_count = _tenth(total, at_least=2)
    leaves = may_leave.to_numpy() & (from_last < test_count + _tenth(total, at_least=3))
    in_test[is_old] = leaves & (from_last < test_count)
    in_valid[is_old] = leaves & (from_last >= test_count)
    return in_valid, in_test


def without_given_split(data: NumberedDataset) -> NumberedDataset:
    """The same data set as if its files did not split it."""
    given = ["in_test", "in_valid"]
    interactions = data.interactions.drop(columns=given, errors="ignore")
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
