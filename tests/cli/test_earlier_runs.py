from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from recbole_kgif.cli.earlier_runs import duration, time_in_words

TASKS = [("KGIF", "tiny"), ("BPR", "tiny")]


def _record(folder: str, model: str, seconds: float, age: int) -> None:
    path = Path(folder, "result.json")
    path.parent.mkdir(parents=True)
    epochs = [{"training_seconds": seconds, "validation_seconds": 1.0}] * 10
    path.write_text(json.dumps({"model": model, "dataset": "tiny", "epochs": epochs}))
    os.utime(path, (10_000 - age, 10_000 - age))


def test_the_newest_run_of_the_model_tells(in_tmp_path: Path) -> None:
    assert time_in_words(TASKS[:1]) == ("not known: no earlier run of KGIF is in runs/")
    _record("runs/old", "KGIF", 100.0, age=2)
    _record("runs/tune/tiny/trials/KGIF-0000", "KGIF", 4.0, age=1)
    expected = "about 50 s, as runs/tune/tiny/trials/KGIF-0000 took: 10 epochs of 5.0 s"
    assert time_in_words(TASKS[:1]) == expected


def test_times_of_several_runs_add_up(in_tmp_path: Path) -> None:
    _record("runs/one", "KGIF", 99.0, age=1)
    runs = [*TASKS[:1] * 4]
    assert time_in_words(runs, jobs=2).startswith("about 33 min, if each")
    assert time_in_words(TASKS).endswith("; without BPR, not known")
    _record("mine/runs/BPR-2020", "BPR", 9.0, age=1)
    assert "not known" not in time_in_words(TASKS, folder=Path("mine"))
    assert time_in_words([]) == "none: all are finished"


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"epochs": [1]}'])
def test_what_is_no_record_is_passed_by(in_tmp_path: Path, content: str) -> None:
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/result.json").write_text(content)
    assert time_in_words(TASKS[:1]).startswith("not known")


def test_durations() -> None:
    assert [duration(s) for s in (3.2, 119, 200, 9000)] == [
        *("3 s", "119 s", "3 min", "2.5 h")
    ]
