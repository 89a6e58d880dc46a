from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.report.run_records import read_comparison
from tests.report.records_by_hand import record, write_failure, write_record


def refused(*folders: Path) -> str:
    with pytest.raises(UserError) as raised:
        read_comparison(folders)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_runs_and_failures_are_read_in_order(tmp_path: Path) -> None:
    for model, seed in (("B", 2020), ("A", 2021), ("A", 2020)):
        write_record(tmp_path / "x", record(model, seed))
    write_failure(tmp_path / "x", "C", 2020, "out of memory")
    write_failure(tmp_path / "x", "C", 2021, None)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "result.json").write_text(json.dumps(record("D")), "utf-8")
    found = read_comparison([tmp_path / "x", alone])
    assert [run.name for run in found.runs] == ["A-2020", "A-2021", "B-2020", "D-2020"]
    assert [(f.label, f.seed, f.reason) for f in found.failures] == [
        ("C", 2020, "out of memory"),
        ("C", 2021, "not finished"),
    ]


def test_different_splits_are_never_put_together(tmp_path: Path) -> None:
    write_record(tmp_path / "x", record("A"))
    write_record(tmp_path / "y", record("B", split_hash="cd" * 32))
    message = refused(tmp_path / "x", tmp_path / "y")
    assert "different splits" in message
    assert "abababababab: A-2020" in message
    assert "cdcdcdcdcdcd: B-2020" in message


def changed_configuration(**changes: Any) -> dict[str, Any]:
    return {**record("A")["configuration"], **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"configuration": changed_configuration(learning_rate=0.5)},
            ["A was run with learning_rate=0.001 and 0.5"],
        ),
        (
            {"configuration": changed_configuration(eval_args={"mode": "uni100"})},
            ["different candidate items", "mode uni100"],
        ),
        (
            {"test_per_user": {"users": ["u1"], "metrics": {"recall@2": [1]}}},
            ["values per user"],
        ),
    ],
)
def test_runs_that_do_not_fit_together(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    write_record(tmp_path, record("A", 2020))
    write_record(tmp_path, record("A", 2021, **changes))
    message = refused(tmp_path)
    assert all(word in message for word in words), message


def test_one_run_given_twice(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        write_record(tmp_path / folder, record("A"))
    message = refused(tmp_path / "x", tmp_path / "y")
    assert "both runs of A with seed 2020" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "holds no JSON object"),
        ("{}", "'model' is missing"),
        (json.dumps({**record("A"), "test": {}}), "'test' is missing, empty or of"),
        (json.dumps({**record("A"), "test": 3}), "'test' is missing, empty or of"),
        (
            json.dumps({**record("A"), "test": {"recall@2": float("nan")}}),
            "'test' is missing, empty or of another form",
        ),
        *(
            (
                json.dumps({**record("A"), "configuration": configuration}),
                "'configuration' is missing, empty or of another form",
            )
            for configuration in (
                {"epochs": "x"},
                {"epochs": 3, "eval_step": 0},
                {"eval_args": {"mode": ["full"]}},
                {"eval_args": {"mode": {"valid": ["full"]}}},
            )
        ),
    ],
)
def test_a_damaged_record(tmp_path: Path, content: str, words: str) -> None:
    own = write_record(tmp_path, record("A"))
    (own / "result.json").write_text(content, "utf-8")
    message = refused(tmp_path)
    assert words in message
    assert str(own / "result.json") in message


def test_nothing_to_report(tmp_path: Path) -> None:
    assert "holds neither" in refused(tmp_path)
    write_failure(tmp_path, "A", 2020, "no luck")
    assert "no run has finished" in refused(tmp_path)
    assert "A-2020 no luck" in refused(tmp_path)
