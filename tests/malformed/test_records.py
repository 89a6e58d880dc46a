"""Damaged and hostile records of runs, for `report`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.report.figures import ACCURACY, COST, CURVES
from tests.malformed.helpers import OUTPUT, outcome
from tests.report.records_by_hand import record, write_record

REPORT = ["report", OUTPUT]

Change = Callable[[dict[str, Any]], None]


def put(path: str, value: Any) -> Change:
    """Put a value at a place such as ``data/users``."""

    def change(content: dict[str, Any]) -> None:
        *folders, name = path.split("/")
        for folder in folders:
            content = content[folder]
        content[name] = value

    return change


def remove(name: str) -> Change:
    return lambda content: content.pop(name)


NEEDED = (
    *("model", "dataset", "seed", "split_hash", "valid", "test", "best_epoch"),
    *("epochs", "training_seconds_per_epoch", "validation_seconds_per_epoch"),
    *("peak_memory_bytes", "parameters", "data", "device", "threads", "versions"),
    *("shims", "configuration"),
)

CHANGES: dict[str, Change] = {
    **{f"no {name}": remove(name) for name in NEEDED},
    **{f"{name} is null": put(name, None) for name in NEEDED},
    **{f"{name} is a list in a list": put(name, [[]]) for name in NEEDED},
    "a text as figure": put("test/recall@2", "0.5"),
    "null as figure": put("test/recall@2", None),
    "a list as figure": put("valid/ndcg@2", [1]),
    "no number": put("test/recall@2", float("nan")),
    "infinite": put("test/recall@2", float("inf")),
    "a huge figure": put("test/recall@2", 10**400),
    "a text as count": put("data/users", "many"),
    "null as count": put("data/users", None),
    "no users": put("data/users", 0),
    "a text as epoch": put("epochs", ["first"]),
    "an epoch without seconds": put("epochs", [{"epoch": 0}]),
    "an epoch with a text": put("epochs", [{"epoch": 0, "training_seconds": "x"}]),
    "a negative epoch": put("best_epoch", -3),
    "no users of the values": remove("test_per_user"),
    "too few users": put("test_per_user/users", ["u1"]),
    "users that are no list": put("test_per_user/users", 3),
    "values that are none": put("test_per_user/metrics", {"recall@2": ["a"] * 4}),
    "no values": put("test_per_user", {}),
    "a text as values": put("test_per_user", "x"),
    "a text as request": put("request", "x"),
    "a list as variant": put("request/variant", [1]),
    "an empty request": put("request", {}),
    "a text as configuration of the split": put("configuration/eval_args", "x"),
    "no configuration of the split": put("configuration/eval_args", None),
    "a user twice": put("test_per_user/users", ["u1", "u1", "u3", "u4"]),
    "a list as metric": put("configuration/valid_metric", [1]),
    "a text as protocol": put("protocol", "<script>alert(1)</script>"),
    "a list as protocol": put("protocol", [1]),
    "a hostile model": put("model", "<script>alert(1)</script>"),
    "a hostile path": put("model", "../../x"),
    "a hostile data set": put("dataset", "<img src=x onerror=alert(1)>"),
    "an escape sequence": put("dataset", "\x1b[31m"),
    "a hostile device": put("device", "</style><script>alert(1)</script>"),
    "hostile shims": put("shims", ["<script>", 3, None]),
    "a hostile setting": put("request/options", {"<script>": "<script>"}),
    "LaTeX": put("dataset", r"\input{/etc/passwd}"),
}

CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "half": json.dumps(record("KGIF")).encode()[:500],
    "text": b"x",
    "a list": b"[]",
    "null": b"null",
    "a number": b"3",
    "binary": bytes(range(256)),
    "UTF-16": json.dumps(record("KGIF")).encode("utf-16"),
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a huge number": b'{"seed": ' + b"9" * 10_000 + b"}",
    "an archive": b"PK\x03\x04",
}


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a second, and have tests with strange names of their own."""
    files = dict.fromkeys(("png", "svg"), b"<svg></svg>")
    figures = dict.fromkeys((ACCURACY, COST, CURVES), files)
    drawing = "recbole_kgif.report.report_files.draw_comparison"
    monkeypatch.setattr(drawing, lambda *_: figures)


@pytest.mark.parametrize("case", CHANGES)
def test_a_record_with_other_content(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    content = record("KGIF")
    CHANGES[case](content)
    folder = write_record(here / OUTPUT, record("KGIF"))
    (folder / "result.json").write_text(json.dumps(content), "utf-8")
    code, told = outcome(REPORT, here, capsys)
    if code == 2:
        assert "result.json" in told
    else:
        pages = [(here / OUTPUT / f"report.{kind}") for kind in ("html", "md")]
        text = "".join(page.read_text("utf-8") for page in pages)
        assert "<script>alert" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize("name", ["result.json", "request.json", "failure.json"])
@pytest.mark.parametrize("case", CONTENTS)
def test_a_file_that_is_no_record(
    here: Path, capsys: pytest.CaptureFixture[str], case: str, name: str
) -> None:
    write_record(here / OUTPUT, record("BPR"))
    folder = write_record(here / OUTPUT, record("KGIF"))
    if name != "result.json":
        (folder / "result.json").unlink()
    (folder / name).write_bytes(CONTENTS[case])
    code, told = outcome(REPORT, here, capsys)
    assert code == 2
    assert name in told
