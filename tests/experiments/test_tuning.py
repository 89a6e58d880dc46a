"""The command itself, stopped in many ways; but for one test nothing is trained."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from filelock import FileLock

from recbole_kgif.cli import main
from recbole_kgif.experiments.planning import options_by_model
from tests.conftest import TINY_OPTIONS

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), "tune"]
TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
]
QUICK = str(Path(__file__).parent / "quick")

Start = Callable[..., "subprocess.Popen[str]"]
Tune = Callable[..., str]


@pytest.fixture(autouse=True)
def environment(
    data_path: Path, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny data set in the current folder, and trials that do not train."""
    monkeypatch.setenv("RECBOLE_KGIF_DATA", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", QUICK)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command in a process of its own; whatever is left is killed."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *TINY, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield popen
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def tune(capsys: pytest.CaptureFixture[str]) -> Tune:
    """Run the command in this process, which has loaded Optuna already."""

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["tune", *TINY, *arguments]) == code
        captured = capsys.readouterr()
        return captured.err if code == 2 else captured.out

    return run


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def kill_once(process: subprocess.Popen[str], there: Path) -> None:
    """Kill the command as soon as a file is there, and see that its trials end."""
    wait_for(there.exists)
    trials = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(trials, timeout=20)
    assert alive == []


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "trials.csv").read_text("utf-8").splitlines()))


def without_seconds(folder: Path) -> list[dict[str, str]]:
    return [{**row, "seconds": ""} for row in rows(folder)]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_killed_at_any_moment_it_ends_with_the_trials_of_one_that_was_not(
    start: Start, tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = in_tmp_path / "whole", in_tmp_path / "killed"
    arguments = ("--models=BPR,KGAT", "--trials=3")
    tune(*arguments, "--output=whole")
    trials = killed / "trials"

    # In the first trial, just after the end of the third, and in the fourth.
    monkeypatch.setenv("HANGS", "BPR-0000")
    kill_once(start(*arguments, "--output=killed"), trials / "BPR-0000/request.json")
    assert not (trials / "BPR-0000/result.json").exists()
    monkeypatch.setenv("HANGS", "KGAT-0001")
    kill_once(start(*arguments, "--output=killed"), trials / "BPR-0001/result.json")
    kept = (trials / "BPR-0000/result.json").stat().st_mtime_ns
    kill_once(start(*arguments, "--output=killed"), trials / "KGAT-0001/request.json")
    assert sorted(path.parent.name for path in trials.glob("*/result.json")) == [
        *("BPR-0000", "BPR-0001", "KGAT-0000"),
    ]
    assert not list(killed.glob("*.yaml"))
    monkeypatch.delenv("HANGS")

    out = tune(*arguments, "--output=killed")
    assert "3 of 6 trials have ended already" in out
    assert (trials / "BPR-0000/result.json").stat().st_mtime_ns == kept
    assert without_seconds(killed) == without_seconds(whole)
    assert [row["state"] for row in rows(killed)] == ["finished"] * 6
    for name in ("BPR.yaml", "KGAT.yaml"):
        assert (killed / name).read_text() == (whole / name).read_text()
    for own in trials.iterdir():
        assert {path.name for path in own.iterdir()} == {
            *("request.json", "result.json", "log.txt"),
        }
        asked = read(own / "request.json")
        assert asked == read(whole / "trials" / own.name / "request.json")
    assert str(in_tmp_path) not in (trials / "BPR-0000/result.json").read_text("utf-8")

    # All is there already: nothing is run, and other settings are refused.
    out = tune(*arguments, "--output=killed")
    assert "6 of 6 trials have ended already" in out
    err = tune(*arguments, "--output=killed", "--stopping_step=3", code=2)
    assert err.count("\n") == 1
    assert "BPR-0000 was run with stopping_step=10, not with 3 (and 5 more)" in err


def test_trials_that_fail_count_and_stop_nothing(
    tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--model=BPR", "--trials=3", "--jobs=3")
    monkeypatch.setenv("CRASHES", "BPR-0000")
    monkeypatch.setenv("IS_KILLED", "BPR-0001")
    out = tune(*arguments, "--output=out")
    reasons = {
        "BPR-0000": "MemoryError: not enough of it",
        "BPR-0001": "killed by signal 9 (SIGKILL), as where memory is short",
    }
    for name, reason in reasons.items():
        assert f"{name} failed: {reason}" in out
        own = in_tmp_path / "out/trials" / name
        assert read(own / "failure.json")["reason"] == reason
        assert not (own / "work").exists()
    table = rows(in_tmp_path / "out")
    assert [row["state"] for row in table] == ["failed", "failed", "finished"]
    assert [row["reason"] for row in table] == [*reasons.values(), ""]
    text = (in_tmp_path / "out/BPR.yaml").read_text("utf-8")
    assert "# trials: 3, 2 of them failed; this is number 2" in text

    # They are not tried again: what was out of memory would be so again.
    out = tune(*arguments, "--output=out")
    assert "3 of 3 trials have ended already" in out


def test_a_model_without_a_finished_trial_has_no_options(
    tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGS", "BPR-0000")
    arguments = ("--models=BPR", "--trials=1", "--output=out", "--time-limit=0.5")
    out = tune(*arguments, code=1)
    assert "BPR: no trial has finished, so there are no best options" in out
    (row,) = rows(in_tmp_path / "out")
    assert row["state"] == "failed"
    assert row["reason"] == "exceeded the time limit of 0.5 s"
    assert not (in_tmp_path / "out/BPR.yaml").exists()


def test_two_machines_share_a_storage(
    start: Start, tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGS", "BPR-0001")
    arguments = ("--models=BPR", "--trials=4", "--storage=sqlite:///study.db")
    kill_once(
        start(*arguments, "--output=one"),
        in_tmp_path / "one/trials/BPR-0001/request.json",
    )
    monkeypatch.delenv("HANGS")
    # Its second trial is not run by another machine, nor counted as ended.
    out = tune(*arguments, "--output=two", code=1)
    assert "BPR: BPR-0001 run elsewhere" in out
    assert not (in_tmp_path / "two/BPR.yaml").exists()
    assert [row["state"] for row in rows(in_tmp_path / "two")] == [
        *("finished", "running", "finished", "finished"),
    ]
    tune(*arguments, "--output=one")
    tune(*arguments, "--output=two")
    assert rows(in_tmp_path / "one") == rows(in_tmp_path / "two")
    best = [
        (in_tmp_path / f"{folder}/BPR.yaml").read_text() for folder in ("one", "two")
    ]
    assert best[0] == best[1]
    run = [
        sorted(path.name for path in (in_tmp_path / folder / "trials").iterdir())
        for folder in ("one", "two")
    ]
    assert run == [["BPR-0000", "BPR-0001"], ["BPR-0002", "BPR-0003"]]


def test_a_real_trial_does_not_test(
    tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    out = tune("--models=KGIF", "--trials=1", "--output=out")
    record = read(in_tmp_path / "out/trials/KGIF-0000/result.json")
    assert record["valid"]
    assert {"test", "test_per_user"}.isdisjoint(record)
    assert record["split_seed"] == 2020
    assert record["linked_items_only"] is True
    value = record["valid"]["ndcg@3"]
    assert f"KGIF-0000 NDCG@3 {value:.4f}, best {value:.4f} of KGIF-0000" in out
    options = options_by_model(["KGIF"], in_tmp_path / "out")["KGIF"]
    configuration = record["configuration"]
    assert options.items() <= configuration.items()
    assert options["embedding_size"] == TINY_OPTIONS["embedding_size"]


def test_stopped_by_hand_it_goes_on_with_the_trial(
    start: Start, tune: Tune, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("--models=BPR", "--trials=1", "--output=out")
    monkeypatch.setenv("HANGS", "BPR-0000")
    process = start(*arguments)
    wait_for((in_tmp_path / "out/trials/BPR-0000/work/model.pth").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    own = in_tmp_path / "out/trials/BPR-0000"
    assert {path.name for path in own.iterdir()} == {"request.json", "log.txt"}
    monkeypatch.delenv("HANGS")
    tune(*arguments)


def test_two_tunings_do_not_share_a_folder(tune: Tune) -> None:
    Path("out").mkdir()
    with FileLock("out/.lock"):
        err = tune("--models=BPR", "--output=out", code=2)
    assert "is in use by another tuning" in err
    assert not Path("out/trials").exists()
