"""Filters: what they keep of repetitions, and that RecBole can load the rest."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_kgif.data.cleaning import Step, clean, table
from recbole_kgif.data.numbered import (
    WHOLE,
    Interactions,
    Links,
    NumberedDataset,
    Triples,
)
from recbole_kgif.errors import UserError


def content(interactions: Interactions) -> NumberedDataset:
    """Items x, y and z, of which x and z are entities; y's entity has no triple."""
    return NumberedDataset(
        users=["10", "9"],
        items=["x", "y", "z"],
        entities=["b", "a", "lonely", "c"],
        relations=["r"],
        parts={WHOLE: interactions},
        triples=Triples(np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([3, 3, 1])),
        links=Links(np.array([0, 1, 2]), np.array([0, 2, 1])),
    )


def test_the_latest_then_highest_rating_is_kept() -> None:
    interactions = Interactions(
        users=np.array([0, 0, 0, 0]),
        items=np.array([0, 0, 0, 2]),
        ratings=np.array([5.0, 2.0, 3.0, 1.0]),
        times=np.array([1.0, 2.0, 2.0, 0.0]),
    )
    cleaned, _ = clean(content(interactions), None)
    assert cleaned.interactions.ratings is not None
    assert cleaned.interactions.ratings.tolist() == [3.0, 1.0]


def test_what_remains_hangs_together() -> None:
    interactions = Interactions(np.array([0, 0, 1]), np.array([0, 1, 0]))
    cleaned, steps = clean(content(interactions), None)
    # Short ids come first, so that numbers rise.
    assert list(cleaned.users) == ["9", "10"]
    assert [cleaned.users[user] for user in cleaned.interactions.users] == ["9", "10"]
    assert [cleaned.items[item] for item in cleaned.interactions.items] == ["x", "x"]
    assert [cleaned.items[item] for item in cleaned.links.items] == ["x"]
    assert [cleaned.entities[entity] for entity in cleaned.links.entities] == ["b"]
    assert len(cleaned.triples) == 2
    assert steps == [
        Step("triples: repeated", 3, 2),
        Step("interactions: repeated", 3, 3),
        Step("interactions: item without a triple", 3, 2),
        Step("links: entity without a triple", 3, 2),
        Step("links: item without an interaction", 2, 1),
    ]


def test_the_test_keeps_what_training_has_too() -> None:
    interactions = Interactions(
        np.array([0, 0, 0, 1]),
        np.array([0, 0, 2, 2]),
        in_test=np.array([True, False, False, True]),
    )
    cleaned, _ = clean(content(interactions), None)
    kept = cleaned.interactions
    assert kept.in_test is not None
    assert [
        (cleaned.users[user], cleaned.items[item], bool(test))
        for user, item, test in zip(kept.users, kept.items, kept.in_test)
    ] == [("9", "z", True), ("10", "x", True), ("10", "z", False)]


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UserError, match="check that all files use the same ids"):
        clean(content(Interactions(np.array([0]), np.array([1]))), None)


def test_the_table_tells_what_was_left_out() -> None:
    lines = table([Step("triples: repeated", 1200, 1000)]).splitlines()
    assert lines[0].split() == ["before", "left", "out", "after"]
    assert lines[1].split() == ["triples:", "repeated", "1,200", "200", "1,000"]
    assert len(lines[0]) == len(lines[1])
