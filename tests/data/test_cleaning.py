"""Filters: what they keep of repetitions, and that RecBole can load the rest."""

from __future__ import annotations

import pandas as pd
import pytest

from recbole_kgif.data.cleaning import Step, clean, table
from recbole_kgif.data.numbered import (
    WHOLE,
    NumberedDataset,
)
from recbole_kgif.errors import UserError


def content(interactions: pd.DataFrame) -> NumberedDataset:
    """Items x, y and z, of which x and z are entities; y's entity has no triple."""
    return NumberedDataset(
        users=["10", "9"],
        items=["x", "y", "z"],
        entities=["b", "a", "lonely", "c"],
        relations=["r"],
        parts={WHOLE: interactions},
        triples=pd.DataFrame(
            {"head": [0, 0, 1], "relation": [0, 0, 0], "tail": [3, 3, 1]}
        ),
        links=pd.DataFrame({"item": [0, 1, 2], "entity": [0, 2, 1]}),
    )


def test_the_latest_then_highest_rating_is_kept() -> None:
    interactions = pd.DataFrame(
        {
            "user": [0, 0, 0, 0],
            "item": [0, 0, 0, 2],
            "rating": [5.0, 2.0, 3.0, 1.0],
            "time": [1.0, 2.0, 2.0, 0.0],
        }
    )
    cleaned, _ = clean(content(interactions), None)
    assert cleaned.interactions["rating"].tolist() == [3.0, 1.0]


def test_what_remains_hangs_together() -> None:
    interactions = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 0]})
    cleaned, steps = clean(content(interactions), None)
    # Short ids come first, so that numbers rise.
    assert list(cleaned.users) == ["9", "10"]
    assert [cleaned.users[user] for user in cleaned.interactions["user"]] == ["9", "10"]
    assert [cleaned.items[item] for item in cleaned.interactions["item"]] == ["x", "x"]
    # The item z has a triple and no interaction: it stays.
    assert [cleaned.items[item] for item in cleaned.links["item"]] == ["x", "z"]
    assert [cleaned.entities[e] for e in cleaned.links["entity"]] == ["b", "a"]
    assert len(cleaned.triples) == 2
    assert steps == [
        Step("triples: repeated", 3, 2),
        Step("interactions: repeated", 3, 3),
        Step("interactions: item without a triple", 3, 2),
        Step("links: entity without a triple", 3, 2),
    ]


def test_the_test_keeps_what_training_has_too() -> None:
    interactions = pd.DataFrame(
        {
            "user": [0, 0, 0, 1],
            "item": [0, 0, 2, 2],
            "in_test": [True, False, False, True],
        }
    )
    cleaned, _ = clean(content(interactions), None)
    kept = cleaned.interactions
    assert [
        (cleaned.users[user], cleaned.items[item], bool(test))
        for user, item, test in zip(kept["user"], kept["item"], kept["in_test"])
    ] == [("9", "z", True), ("10", "x", True), ("10", "z", False)]


def test_the_validation_keeps_what_training_has_and_the_test_all() -> None:
    interactions = pd.DataFrame(
        {
            "user": [0, 0, 1, 1],
            "item": [0, 0, 2, 2],
            "in_test": [False, False, False, True],
            "in_valid": [True, False, True, False],
        }
    )
    kept = clean(content(interactions), None)[0].interactions
    # User "10" is after user "9".
    assert kept[["in_test", "in_valid"]].to_numpy().tolist() == [
        [True, False],
        [False, True],
    ]


def test_nothing_left_is_refused() -> None:
    with pytest.raises(UserError, match="check that all files use the same ids"):
        clean(content(pd.DataFrame({"user": [0], "item": [1]})), None)


def test_the_table_tells_what_was_left_out() -> None:
    lines = table([Step("triples: repeated", 1200, 1000)]).splitlines()
    assert lines[0].split() == ["before", "left", "out", "after"]
    assert lines[1].split() == ["triples:", "repeated", "1,200", "200", "1,000"]
    assert len(lines[0]) == len(lines[1])
