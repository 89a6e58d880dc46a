from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path as FilePath

import pytest

import recbole_kgif.explain
from recbole_kgif.errors import UserError
from recbole_kgif.explain.explanation_json import from_json, to_json
from recbole_kgif.explain.explanation_records import Explanation
from tests.explain.sample_explanations import (
    by_attention,
    compared,
    explanation,
    summary,
    unreached,
)

SCHEMA = FilePath(recbole_kgif.explain.__path__[0]) / "schema.json"
SAMPLES = [explanation, compared, by_attention, unreached]
NODE = {"kind": "item", "id": "4", "name": None}
# As version 3 wrote it; version 2 had other names.
FORMER = {
    **{"exact": True, "model": "KGIF", "dataset": "tiny", "score": 2.1, "rank": 3},
    **{"n_candidates": 9, "seen_in": None, "user": {**NODE, "kind": "user"}},
    "item": NODE,
    "paths": [
        {
            "hops": [
                {
                    **{"source": {**NODE, "kind": "user"}, "target": NODE},
                    **{"relation": "interaction", "inverse": False},
                    **{"attention": 0.5, "contribution": 0.41},
                }
            ],
            **{"attention": 0.5, "contribution": 0.41},
            "parts": [{"met_after": 1, "value": 0.41}],
        }
    ],
    "decomposition": {
        **{"bias": 0.05, "direct_walks": 0.4, "longer_walks": -0.1},
        **{"connected": [0.0, 0.35], "different_endpoints": 1.4},
    },
    "evidence": [{"item": {**NODE, "id": "5"}, "contribution": 0.5}],
}


def document_of(version: int, entry: dict) -> str:
    return json.dumps(
        {
            **{"format": "recbole_kgif explanations", "format_version": version},
            "explanations": [entry],
        }
    )


@pytest.mark.parametrize("sample", SAMPLES)
def test_json_gives_back_the_same_records(sample: Callable[[], Explanation]) -> None:
    record = sample()
    assert from_json(to_json([record, record], summary())) == [record, record]


@pytest.mark.parametrize("version", [2, 3])
def test_json_of_earlier_versions_is_read(version: int) -> None:
    entry = dict(FORMER)
    if version == 2:
        entry["met_in"] = entry.pop("seen_in")
        entry["shares"] = entry.pop("decomposition")
    (record,) = from_json(document_of(version, entry))
    assert (record.score, record.rank, record.is_exact) == (2.1, 3, True)
    assert [(reason.item.id, reason.value) for reason in record.reasons] == [("5", 0.5)]
    assert record.others == pytest.approx(0.4 - 0.1 + 0.35 - 0.5)
    shares = {share.kind: share.value for share in record.shares}
    assert shares == {"endpoints": 1.4, "popularity": 0.05}
    assert record.paths[0].contribution == 0.41
    assert "all other walks of the graph" in str(record)
    (by_attention,) = from_json(
        document_of(3, {**FORMER, "paths": [], "decomposition": None, "evidence": []})
    )
    assert not by_attention.is_exact


@pytest.mark.parametrize("sample", SAMPLES)
def test_json_has_the_form_of_the_schema(sample: Callable[[], Explanation]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for shown in (None, summary()):
        document = json.loads(to_json([sample()], shown))
        validator.validate(document)
    del document["explanations"][0]["reasons"]
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"format": "x", "format_version": 1, "explanations": []}',
        document_of(1, FORMER),
        document_of(3, {}),
        document_of(4, FORMER),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="no explanations"):
        from_json(text)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("reasons", 0, "value"), "a reason is 1.1"),
        (("reasons", 0, "parts", 1, "value"), "a part is 0.51"),
        (("shares", 0, "value"), "the score is 2, and its parts"),
        (("others",), "the score is 2, and its parts"),
    ],
)
def test_json_that_does_not_add_up_is_refused(
    place: tuple[str | int, ...], message: str
) -> None:
    document = json.loads(to_json([explanation()]))
    found = document["explanations"][0]
    for key in place[:-1]:
        found = found[key]
    found[place[-1]] += 0.1
    with pytest.raises(UserError, match=message):
        from_json(json.dumps(document))


def test_json_without_a_contribution_of_a_hop_is_refused() -> None:
    document = json.loads(to_json([explanation()]))
    document["explanations"][0]["paths"][0]["hops"][0]["contribution"] = None
    with pytest.raises(UserError, match="a hop of a known path has no contribution"):
        from_json(json.dumps(document))
