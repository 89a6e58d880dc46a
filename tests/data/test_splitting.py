"""Splits: sizes for every user, nothing twice, time respected, seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recbole_kgif.data.splitting import PARTS, split, validates_new_items
from recbole_kgif.errors import UserError


def interactions_of(
    counts: list[int], times: bool = False, test: int = 0
) -> pd.DataFrame:
    """Users with so many interactions each, of which the last few are a given test."""
    users = np.repeat(np.arange(len(counts)), counts)
    items = np.concatenate([np.arange(count) for count in counts])
    total = np.repeat(counts, counts)
    interactions = pd.DataFrame({"user": users, "item": items})
    if times:
        interactions["time"] = (-items).astype(np.float64)
    if test:
        interactions["in_test"] = items >= total - test
    return interactions


def sizes(parts: dict[str, pd.DataFrame], user: int) -> tuple[int, ...]:
    return tuple(int((parts[name]["user"] == user).sum()) for name in PARTS)


@pytest.mark.parametrize("method", ["random", "time"])
def test_shares_of_every_user(method: str) -> None:
    counts = [1, 2, 3, 9, 10, 19, 20, 100]
    parts = split(interactions_of(counts, times=True), method, seed=0)
    assert [sizes(parts, user) for user in range(len(counts))] == [
        *((1, 0, 0), (1, 0, 1), (1, 1, 1), (7, 1, 1), (8, 1, 1), (17, 1, 1)),
        *((16, 2, 2), (80, 10, 10)),
    ]
    everything = [
        pair
        for part in parts.values()
        for pair in zip(part["user"].tolist(), part["item"].tolist())
    ]
    assert len(everything) == len(set(everything)) == sum(counts)


def test_time_puts_the_latest_last() -> None:
    # The time falls from item to item.
    parts = split(interactions_of([20, 4], times=True), "time", seed=0)
    assert sorted(parts["test"]["item"][parts["test"]["user"] == 0]) == [0, 1]
    assert sorted(parts["valid"]["item"][parts["valid"]["user"] == 0]) == [2, 3]
    assert parts["test"]["item"][parts["test"]["user"] == 1].tolist() == [0]


def test_simultaneous_interactions_are_drawn() -> None:
    same = pd.DataFrame({"user": [0] * 50, "item": range(50), "time": [0.0] * 50})
    tests = {tuple(split(same, "time", seed)["test"]["item"]) for seed in (1, 1, 2, 3)}
    assert len(tests) == 3


def test_a_given_test_stays() -> None:
    parts = split(interactions_of([1, 4, 23], test=1), "as-given", seed=0)
    assert [sizes(parts, user) for user in range(3)] == [
        (0, 0, 1),
        (2, 1, 1),
        (20, 2, 1),
    ]
    assert parts["test"]["item"].tolist() == [0, 3, 22]
    again = split(interactions_of([1, 4, 23], test=1), "as-given", seed=0)
    assert again["valid"]["item"].tolist() == parts["valid"]["item"].tolist()


def test_a_given_validation_stays() -> None:
    interactions = interactions_of([3, 4, 23], test=1)
    interactions["in_valid"] = interactions["item"] == 1
    parts = split(interactions, "as-given", seed=0)
    assert parts["valid"]["item"].tolist() == [1, 1, 1]
    assert parts["test"].equals(interactions[interactions["in_test"]])
    of_new_items = interactions.assign(in_test=interactions["item"] % 5 == 0)
    given = split(of_new_items, "as-given", seed=0)["valid"]
    assert given.equals(of_new_items[of_new_items["in_valid"]])


def test_a_given_test_of_new_items_is_validated_on_others() -> None:
    interactions = many_interactions(3)
    interactions["in_test"] = interactions["item"] % 5 == 0
    lonely = {"user": [77, 77], "item": [48, 45], "in_test": [False, True]}
    interactions = pd.concat([interactions, pd.DataFrame(lonely)], ignore_index=True)
    validated = set()
    for seed in range(12):
        parts = split(interactions, "as-given", seed)
        items = {name: set(part["item"]) for name, part in parts.items()}
        assert parts["test"].equals(interactions[interactions["in_test"]])
        n_known = interactions["item"][~interactions["in_test"]].nunique()
        # The only user of item 48 has no other item left.
        assert len(items["valid"] | {48}) - 1 in (n_known // 10, n_known // 10 - 1)
        assert not items["valid"] & (items["train"] | items["test"])
        assert set(parts["valid"]["user"]) <= set(parts["train"]["user"])
        validated |= items["valid"]
    # A user whose only item is held out is in no validation.
    assert 48 in validated
    assert len(validated) > 20


def test_a_given_test_with_some_new_items_is_validated_as_usual() -> None:
    interactions = many_interactions(3)
    interactions["in_test"] = interactions["item"] % 5 == 0
    also = interactions["user"] % 2 == 0
    interactions.loc[also & (interactions["item"] % 5 > 0), "in_test"] = True
    assert not validates_new_items(interactions)
    parts = split(interactions, "as-given", 0)
    assert set(parts["valid"]["item"]) & set(parts["train"]["item"])


def test_random_choices_are_even() -> None:
    drawn = np.zeros(10)
    counts = [10] * 4000
    parts = split(interactions_of(counts), "random", seed=3)
    np.add.at(drawn, parts["test"]["item"], 1)
    # 400 are expected of each place; the deviation is 19.
    assert np.all(np.abs(drawn - 400) < 100)


def test_a_part_without_interactions_is_refused() -> None:
    with pytest.raises(UserError, match="for the part valid"):
        split(interactions_of([2, 2]), "random", seed=0)


def many_interactions(seed: int) -> pd.DataFrame:
    """60 users and 50 items, of which the first are the most popular."""
    generator = np.random.default_rng(seed)
    wanted = generator.random((60, 50)) < np.linspace(0.5, 0.02, 50)
    users, items = np.nonzero(wanted)
    return pd.DataFrame({"user": users, "item": items})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_new_items_are_held_out_whole(seed: int) -> None:
    interactions = many_interactions(seed)
    parts = split(interactions, "new-items", seed)
    items = {name: set(part["item"]) for name, part in parts.items()}
    users = {name: set(part["user"]) for name, part in parts.items()}
    n_items = interactions["item"].nunique()
    new_of_test = items["test"] - items["train"]
    new_of_valid = items["valid"] - items["train"]
    assert len(new_of_test) == n_items // 5
    assert len(new_of_valid) == n_items // 10
    assert not new_of_test & new_of_valid
    # All interactions of these items, and some of the others, are in the sets.
    of_new = interactions["item"].isin(new_of_test)
    assert int(parts["test"]["item"].isin(new_of_test).sum()) == int(of_new.sum())
    assert items["test"] & items["train"] and items["valid"] & items["train"]
    assert users["test"] | users["valid"] <= users["train"]
    pairs = pd.concat(parts.values())
    assert not pairs.duplicated(["user", "item"]).any()
    assert len(pairs) == len(interactions)


def test_a_user_without_a_history_is_in_no_part() -> None:
    interactions = many_interactions(0)
    parts = split(interactions, "new-items", 0)
    item = int(min(set(parts["test"]["item"]) - set(parts["train"]["item"])))
    more = pd.concat([interactions, pd.DataFrame({"user": [60], "item": [item]})])
    more = more.reset_index(drop=True)
    # Whatever is drawn now: with one interaction, 60 is in training or nowhere.
    for seed in range(6):
        again = split(more, "new-items", seed)
        held_out = pd.concat([again["valid"], again["test"]])
        assert 60 not in set(held_out["user"])


def test_new_items_of_a_seed() -> None:
    interactions = many_interactions(3)
    chosen = {
        tuple(split(interactions, "new-items", s)["test"].index) for s in (1, 1, 2)
    }
    assert len(chosen) == 2


def test_too_few_items_to_hold_some_out() -> None:
    with pytest.raises(UserError, match="only 9 have an interaction"):
        split(interactions_of([9, 9]), "new-items", seed=0)
