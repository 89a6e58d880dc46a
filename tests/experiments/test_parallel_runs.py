"""Real runs of the tiny data set, each in its own process, stopped in many ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from recbole_kgif.cli import main
from recbole_kgif.experiments.parallel_runs import COLOUR, last_line
from recbole_kgif.report.run_files import LOG_FILE
from tests.conftest import TINY_OPTIONS

CHECKOUT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), "compare"]
TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
    "--output=out",
]
ENVIRONMENT = {**os.environ, "RECBOLE_KGIF_DATA": "", "OMP_NUM_THREADS": "1"}

# Stops the worker for good between writing a result and giving it its name.
KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from recbole_kgif.experiments.run_worker import main
replace = Path.replace
def killed(self, target):
    if Path(target).parent.name.startswith("BPR") and target.name == "result.json":
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = killed
main(Path(sys.argv[1]), sys.argv[2], 1)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(data_path: Path, in_tmp_path: Path) -> Iterator[Start]:
    """Start the command beside the tiny data set; whatever is left is killed."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *TINY, *arguments],
            cwd=in_tmp_path,
            env=ENVIRONMENT,
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


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The runs that it has started, without helpers of Python's own."""
    return [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if is_run(child)
    ]


def is_run(process: psutil.Process) -> bool:
    try:
        return "recbole_kgif.experiments.run_worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it has just ended
        return False


def stop(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Stop the command alone, and see that its runs end by themselves."""
    runs = children(process)
    assert runs
    process.send_signal(how)
    process.wait(timeout=20)
    _, alive = psutil.wait_procs(runs, timeout=20)
    assert alive == []


def test_killed_at_any_moment_it_goes_on_where_it_was(
    start: Start, in_tmp_path: Path
) -> None:
    arguments = ("--models=BPR,CKE", "--seeds=2")
    runs = in_tmp_path / "out/runs"
    bpr, cke = runs / "BPR-2020", runs / "CKE-2020"

    # As soon as the first run is there, long before it has done anything.
    process = start(*arguments)
    wait_for((bpr / "request.json").exists)
    wait_for(lambda: children(process))
    stop(process, signal.SIGKILL)
    assert not (bpr / "result.json").exists()

    # A run itself, in the middle of writing its result.
    data_path = str(in_tmp_path / "dataset")
    worker = [sys.executable, "-c", KILLED_WHILE_WRITING, str(bpr), data_path]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(CHECKOUT)}
    killed = subprocess.run(worker, env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(bpr.glob(".result.json.*"))
    assert not (bpr / "result.json").exists()

    # Between the first run and the end of the second.
    process = start(*arguments)
    wait_for((cke / "request.json").exists)
    wait_for(lambda: children(process))
    stop(process, signal.SIGKILL)
    before = (bpr / "result.json").read_bytes(), (bpr / "result.json").stat().st_mtime
    assert not (cke / "result.json").exists()

    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "1 runs are finished already" in out
    assert before == (
        (bpr / "result.json").read_bytes(),
        (bpr / "result.json").stat().st_mtime,
    )
    for name in ("BPR-2020", "CKE-2020", "BPR-2021", "CKE-2021"):
        files = {path.name for path in (runs / name).iterdir()}
        kept = {"request.json", "result.json", "log.txt", "log_tensorboard"}
        assert files == kept
        record = json.loads((runs / name / "result.json").read_text("utf-8"))
        assert f"{record['model']}-{record['seed']}" == name
        assert str(in_tmp_path) not in (runs / name / "result.json").read_text("utf-8")
    report = (in_tmp_path / "out/report.md").read_text("utf-8")
    assert "| BPR | 2 |" in report
    assert "| CKE | 2 |" in report

    # All is there already: nothing runs, and the same settings are asked for.
    process = start(*arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "4 runs are finished already" in out
    process = start(*arguments, "--learning_rate=0.5")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert "was run with learning_rate=0.001, not with 0.5 (and 3 more)" in err


def test_a_failing_run_does_not_stop_the_rest_and_is_tried_again(
    start: Start, in_tmp_path: Path
) -> None:
    own = in_tmp_path / "own"
    own.mkdir()
    (own / "KGAT.yaml").write_text("mess_dropout: 7", "utf-8")
    common = ("--models=KGAT,BPR", "--seeds=1", "--jobs=2", "--state=INFO")
    process = start(*common, "--options-from=own")
    wait_for(lambda: len(children(process)) == 2)  # both at a time
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    failed = in_tmp_path / "out/runs/KGAT-2020"
    reason = json.loads((failed / "failure.json").read_text("utf-8"))["reason"]
    assert reason.startswith("ValueError: dropout probability has to be between")
    assert f"KGAT-2020 failed: {reason}" in out
    assert not (failed / "work").exists()
    record = json.loads((in_tmp_path / "out/runs/BPR-2020/result.json").read_text())
    assert record["jobs"] == 2
    report = (in_tmp_path / "out/report.md").read_text("utf-8")
    assert "| KGAT | 0 of 1 | failed |" in report
    assert "| KGAT | 2020 | ValueError: dropout probability" in report

    process = start(*common, "-v")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "1 runs are finished already" in out
    # Of the run that is done, its whole log.
    log = (in_tmp_path / "out/runs/KGAT-2020" / LOG_FILE).read_text("utf-8")
    logged = [line.rstrip() for line in COLOUR.sub("", log).splitlines()]
    shown = [
        line.rstrip() for line in out.splitlines() if line.startswith("KGAT-2020  ")
    ]
    assert len(logged) > 10
    assert shown == [f"KGAT-2020  {line}".rstrip() for line in logged]
    assert "failed" not in (in_tmp_path / "out/report.md").read_text("utf-8")


def test_a_run_beyond_the_time_limit_is_ended(start: Start, in_tmp_path: Path) -> None:
    process = start("--models=BPR", "--seeds=1", "--time-limit=0.3")
    wait_for(lambda: children(process))
    (run,) = children(process)
    _, err = process.communicate(timeout=60)
    assert not run.is_running()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(
        "error: no run has finished, so there is nothing to report: BPR-2020 exceeded "
        "the time limit of 0.3 s"
    )
    failure = json.loads(
        (in_tmp_path / "out/runs/BPR-2020/failure.json").read_text("utf-8")
    )
    assert failure["reason"] == "exceeded the time limit of 0.3 s"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_hand_it_leaves_no_process(
    start: Start, in_tmp_path: Path, how: signal.Signals
) -> None:
    process = start("--models=BPR,CKE", "--seeds=1", "--jobs=2")
    wait_for(lambda: len(children(process)) == 2)
    stop(process, how)
    # They were ended: a run left alone would have come to its result.
    assert not list((in_tmp_path / "out").rglob("result.json"))
    if how == signal.SIGINT:
        assert process.returncode == 130
        _, err = process.communicate()
        assert err.splitlines()[-1] == "interrupted"


def test_two_comparisons_do_not_share_a_folder(
    data_path: Path, in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("out").mkdir()
    with FileLock("out/.lock"):
        assert main(["compare", *TINY, "--models=BPR"]) == 2
    assert "is in use by another comparison" in capsys.readouterr().err
    assert not Path("out/runs").exists()


def test_the_last_line_that_says_anything(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\n\x1b[1;35mlast\x1b[0m line\n \n", "utf-8")
    assert last_line(path) == "last line"
    path.write_text("x" * 1000, "utf-8")
    assert last_line(path) == "x" * 300
    path.write_text("", "utf-8")
    assert last_line(path) == ""
