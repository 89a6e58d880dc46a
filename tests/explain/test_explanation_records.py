from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import pytest

import recbole_kgif.explain
from recbole_kgif.errors import UserError
from recbole_kgif.explain.explanation_records import (
    Decomposition,
    Explanation,
    Hop,
    Node,
    Part,
    Path,
    from_json,
    to_json,
)
from tests.explain.sample_explanations import (
    ANN,
    DUNE,
    LIKES_ALIEN,
    SHARED,
    by_attention,
    explanation,
    unreached,
)

replace = dataclasses.replace
SCHEMA = FilePath(recbole_kgif.explain.__path__[0]) / "schema.json"
SAMPLES = [explanation, by_attention, unreached]


@pytest.mark.parametrize("sample", SAMPLES)
def test_json_gives_back_the_same_records(sample: Callable[[], Explanation]) -> None:
    record = sample()
    assert from_json(to_json([record, record])) == [record, record]


def test_json_of_version_0_1_0_is_read() -> None:
    records = [explanation(), by_attention()]
    document = json.loads(to_json(records))
    document["format_version"] = 2
    for entry in document["explanations"]:
        entry["met_in"] = entry.pop("seen_in")
        entry["shares"] = entry.pop("decomposition")
    assert from_json(json.dumps(document)) == records


@pytest.mark.parametrize("sample", SAMPLES)
def test_json_has_the_form_of_the_schema(sample: Callable[[], Explanation]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    document = json.loads(to_json([sample()]))
    validator.validate(document)
    del document["explanations"][0]["paths"]
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"format": "x", "format_version": 1, "explanations": []}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no explanations"):
        from_json(text)


def test_json_that_does_not_add_up_is_refused() -> None:
    document = json.loads(to_json([explanation()]))
    document["explanations"][0]["paths"][0]["contribution"] += 0.1
    with pytest.raises(UserError, match=r"contribution of a path is 0\.51"):
        from_json(json.dumps(document))


def test_json_without_a_contribution_of_a_hop_is_refused() -> None:
    document = json.loads(to_json([explanation()]))
    document["explanations"][0]["paths"][0]["hops"][0]["contribution"] = None
    with pytest.raises(UserError, match="a hop of a known path has no contribution"):
        from_json(json.dumps(document))


def test_user_26_is_not_item_26() -> None:
    assert Node("user", "26") != Node("item", "26")
    with pytest.raises(ValueError, match="kind 'film'"):
        Node("film", "26")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Path((), 1.0), "at least one hop"),
        (lambda: replace(SHARED, hops=SHARED.hops[::2]), "followed by one from"),
        (lambda: replace(SHARED, attention=0.5), "attention of a path"),
        (lambda: replace(SHARED, contribution=0.4), "contribution of a path"),
        (lambda: replace(SHARED, contribution=None), "has no parts"),
        (
            lambda: Path(
                (LIKES_ALIEN, Hop(LIKES_ALIEN.target, "x", True, ANN, 1.0)), 0.5
            ),
            "no node twice",
        ),
    ],
)
def test_a_path_checks_itself(make: Callable[[], Any], message: str) -> None:
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
        ({"decomposition": None}, "for all or for none"),
        ({"score": 2.2}, "the parts add up to 2.1, the score is 2.2"),
        (
            {"decomposition": Decomposition(0.0, 0.4, -0.1, (0.35,), 1.4)},
            "the parts add up to 2.05",
        ),
        ({"paths": explanation().paths[::-1]}, "strongest path is not the first"),
        ({"paths": changed_hop(explanation())}, "contribution of a hop"),
    ],
)
def test_an_explanation_checks_itself(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(explanation(), **changes)


def test_other_walks_are_what_the_paths_leave() -> None:
    record = explanation()
    assert record.shown == pytest.approx(0.31)
    assert record.other_walks == pytest.approx(0.75 - 0.31)
    assert record.paths[0].hops[0].contribution == pytest.approx(0.41 - 0.2)


def test_parts_have_the_meeting_point() -> None:
    assert SHARED.parts[0].met_after == 1
    assert SHARED.parts[1] == Part(None, 0.3)
