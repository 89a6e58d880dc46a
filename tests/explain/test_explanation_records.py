from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from recbole_kgif.explain.explanation_records import Explanation, Part, ScoreShare
from recbole_kgif.explain.path_records import Hop, Node, Path
from tests.explain.sample_explanations import (
    ANN,
    BY_ALIEN,
    BY_BRAZIL,
    DUNE,
    LIKES_ALIEN,
    SHARED,
    explanation,
    summary,
)

replace = dataclasses.replace


def test_user_26_is_not_item_26() -> None:
    assert Node("user", "26") != Node("item", "26")
    with pytest.raises(ValueError, match="kind 'film'"):
        Node("film", "26")


def test_a_description_stands_in_for_a_name_and_changes_no_node() -> None:
    described = Node("entity", "9", None, "the genre of Alien")
    assert described == Node("entity", "9")
    assert described.label == "the genre of Alien"
    assert Node("entity", "9").label == "entity 9"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Path((), 1.0), "at least one hop"),
        (lambda: replace(SHARED, hops=SHARED.hops[::2]), "followed by one from"),
        (lambda: replace(SHARED, attention=0.5), "attention of a path"),
        (
            lambda: Path(
                (LIKES_ALIEN, Hop(LIKES_ALIEN.target, "x", True, ANN, 1.0)), 0.5
            ),
            "no node twice",
        ),
        (lambda: Part("luck", 1.0), "part 'luck' is none of fact"),
        (lambda: replace(BY_ALIEN.parts[1], value=0.5), "a part is 0.5, and its"),
        (lambda: replace(BY_ALIEN, value=1.1), "a reason is 1.1, and its parts add"),
        (lambda: ScoreShare("luck", 1.0), "share 'luck' is none of"),
        (lambda: replace(summary(), others=5.1), "all interactions is 14.1, and its"),
        (lambda: replace(summary(), score=19.0), "the scores is 19, and its parts"),
    ],
)
def test_a_record_checks_itself(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def changed_hop(record: Explanation) -> tuple[Path, ...]:
    first, *others = record.paths
    hops = (replace(first.hops[0], contribution=9.0), *first.hops[1:])
    return (replace(first, hops=hops), *others)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rank": None}, "either a rank"),
        ({"seen_in": "training"}, "either a rank"),
        ({"user": DUNE}, "from another user"),
        ({"item": ANN}, "to another item"),
        ({"shares": ()}, "for all or for none"),
        ({"shares": (), "paths": ()}, "nothing else has any"),
        ({"score": 2.2}, "the score is 2.2, and its parts add up to 2"),
        ({"others": 0.7}, "the score is 2, and its parts add up to 2.1"),
        ({"reasons": (BY_BRAZIL, BY_ALIEN)}, "reason is not the first"),
        ({"paths": explanation().paths[::-1]}, "strongest path or reason is not"),
        ({"paths": changed_hop(explanation())}, "contribution of a hop"),
    ],
)
def test_an_explanation_checks_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(explanation(), **changes)


def test_the_contribution_of_a_hop_is_that_of_its_paths() -> None:
    record = explanation()
    assert record.paths[0].hops[0].contribution == pytest.approx(0.41 - 0.2)
    assert record.paths_of(BY_ALIEN) == list(record.paths)
    assert record.paths_of(BY_BRAZIL) == []
