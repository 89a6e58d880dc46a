"""Training in two processes: what they share, and how they end together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.distributed import TCPStore

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.options import gpus
from recbole_kgif.training.distributed import launcher
from recbole_kgif.training.distributed.layout import Place
from recbole_kgif.training.restore import restore
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.training.distributed_steps import MODELS

CHECKOUT = Path(__file__).parents[2]
EPOCHS = 30
SETTINGS = {
    **TINY_OPTIONS,
    "epochs": EPOCHS,
    "stopping_step": 2 * EPOCHS,
    "data_path": str(TINY_FOLDER.parent),
}
COMMAND = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in SETTINGS.items()),
]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends them by signals")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a training in two processes with a folder for its files."""
    return subprocess.Popen(
        [
            *(sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), *COMMAND),
            *("--nproc=2", f"--output={folder}", *arguments),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A killed command leaves what it had there.
        env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(folder.parent)},
        start_new_session=True,
    )


def processes_of(command: subprocess.Popen[str]) -> list[psutil.Process]:
    """The two that it starts, once they are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and command.poll() is None:
        started = psutil.Process(command.pid).children()
        if len(started) == 2:
            return sorted(started, key=lambda process: process.pid)
        time.sleep(0.02)
    raise AssertionError(f"no two processes: {command.communicate()}")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def all_end(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=30)[1]


def epochs_in(folder: Path) -> list[dict[str, Any]]:
    """What is recorded of each epoch, but for the seconds."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [
        {key: value for key, value in json.loads(line).items() if "seconds" not in key}
        for line in lines
    ]


# --- one run ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished run."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    command = start(folder)
    _, errors = command.communicate(timeout=120)
    assert command.returncode == 0, errors
    # One process tells of each epoch.
    assert errors.count("epoch 1 training") == 0
    return folder


def test_the_run_has_the_files_of_one_process(whole: Path) -> None:
    names = {path.name for path in whole.iterdir() if path.name != ".lock"}
    assert names == {
        *("config.yaml", "log", "log_tensorboard", "metrics.jsonl", "model.pth"),
        "result.json",
    }
    assert len(epochs_in(whole)) == EPOCHS
    record = json.loads((whole / "result.json").read_text())
    assert record["processes"] == 2
    assert record["epochs"][0]["epoch"] == 0
    assert len(record["test_per_user"]["users"]) == 3
    assert sum(record["test_per_item"]["test_interactions"]) == 4


def test_the_curves_of_tensorboard_are_whole(whole: Path) -> None:
    # The processes end without Python's clearing up, which would write the rest.
    (folder,) = (whole / "log_tensorboard").iterdir()
    (events,) = (path for path in folder.iterdir() if path.is_file())
    curves = EventAccumulator(str(events))
    curves.Reload()
    # RecBole's spelling.
    scores = [event.value for event in curves.Scalars("Vaild_score")]
    valid_metric = json.loads((whole / "result.json").read_text())["configuration"][
        "valid_metric"
    ].lower()
    assert scores == pytest.approx(
        [epoch["valid"][valid_metric] for epoch in epochs_in(whole)]
    )


def test_the_result_is_that_of_the_checkpoint(whole: Path) -> None:
    # Three users for two processes: nobody is counted twice, or left out.
    restored = restore(whole / "model.pth", data_path=TINY_FOLDER.parent)
    test = restored.data.test._dataset.inter_feat
    train = restored.data.train._dataset.inter_feat
    valid = restored.data.valid._dataset.inter_feat
    fields = restored.config["USER_ID_FIELD"], restored.config["ITEM_ID_FIELD"]
    recall: dict[int, list[float]] = {2: [], 3: []}
    for user in test[fields[0]].unique():
        with torch.no_grad():
            scores = restored.model.full_sort_predict({fields[0]: user.view(1)})
        scores[0] = -torch.inf
        for seen in (train, valid):
            scores[seen[fields[1]][seen[fields[0]] == user]] = -torch.inf
        liked = set(test[fields[1]][test[fields[0]] == user].tolist())
        for k, values in recall.items():
            found = liked & set(scores.topk(k).indices.tolist())
            values.append(len(found) / len(liked))
    record = json.loads((whole / "result.json").read_text())
    for k, values in recall.items():
        assert record["test"][f"recall@{k}"] == pytest.approx(np.mean(values), abs=1e-4)


def test_a_killed_process_ends_the_run_which_can_be_resumed(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    command = start(folder)
    processes = processes_of(command)
    wait_for(lambda: len(epochs_in(folder)) >= 2)
    processes[1].kill()
    _, written = command.communicate(timeout=60)
    lines = written.splitlines(keepends=True)
    errors = "".join(line for line in lines if not line.startswith("epoch "))
    assert command.returncode == 1
    assert errors == (
        "error: process 1 of 2 was ended by SIGKILL, as where memory is short; the "
        "others ended too\n"
    )
    assert all_end(processes)
    assert not (folder / "result.json").exists()

    arguments = [*COMMAND, "--nproc=2", f"--output={folder}", "--resume"]
    assert main(["--nproc=3" if a == "--nproc=2" else a for a in arguments]) == 2
    assert "world_size: '2', and now it is '3'" in capsys.readouterr().err
    assert main(arguments) == 0, capsys.readouterr().err
    record = json.loads((folder / "result.json").read_text())
    assert 1 <= record["resumed_after_epochs"] < EPOCHS
    assert epochs_in(folder) == epochs_in(whole)
    assert record["test"] == json.loads((whole / "result.json").read_text())["test"]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_outlives_the_command(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    command = start(tmp_path / "run")
    processes = processes_of(command)
    command.send_signal(number)
    _, written = command.communicate(timeout=60)
    lines = written.splitlines(keepends=True)
    errors = "".join(line for line in lines if not line.startswith("epoch "))
    assert command.returncode == code
    assert errors == ("interrupted\n" if number == signal.SIGINT else "")
    assert all_end(processes)


@pytest.mark.parametrize("is_user_error", [False, True])
def test_the_first_failure_is_told(is_user_error: bool, tmp_path: Path) -> None:
    processes = []
    for rank, (message, seconds) in enumerate([("connection lost", 2), ("no disk", 1)]):
        report = {"message": message, "time": seconds, "is_user_error": is_user_error}
        path = tmp_path / f"{rank}.json"
        path.write_text(json.dumps({**report, "traceback": f"of {message}"}))
        place = Place(rank, rank, 2, 2, "localhost", 1)
        processes.append(SimpleNamespace(place=place, report=path))
    expected = "^no disk$" if is_user_error else "^process 1 of 2 failed: no disk"
    error = UserError if is_user_error else launcher.ProcessFailed
    with pytest.raises(error, match=expected):
        launcher.raise_first_failure(processes, [1, 1], tmp_path)  # type: ignore[arg-type]
    # A mistake of the user's needs none.
    assert (tmp_path / "failure.log").exists() != is_user_error


# --- two processes side by side -----------------------------------------------------


@pytest.fixture(scope="module")
def side_by_side(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[list[dict[str, Any]]]:
    """What each of two processes has found, see `distributed_steps`."""
    folder = tmp_path_factory.mktemp("side_by_side")
    stores = [
        TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        for _ in (*MODELS, "step")
    ]
    ports = ",".join(str(store.port) for store in stores)
    processes = []
    for rank in range(2):
        (folder / str(rank)).mkdir()
        command = [
            sys.executable,
            "-m",
            "tests.training.distributed_steps",
            str(rank),
            ports,
        ]
        processes.append(
            subprocess.Popen(
                [*command, str(TINY_FOLDER.parent), str(folder / str(rank))],
                cwd=CHECKOUT,
                stdout=subprocess.PIPE,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        )
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    yield [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.mark.parametrize("model", [name for name in MODELS if name != "Pop"])
def test_all_processes_end_with_the_same_model(
    model: str, side_by_side: list[dict[str, Any]]
) -> None:
    first, second = (found[model] for found in side_by_side)
    assert first["parameters"] == second["parameters"]
    assert first["losses"] == second["losses"]
    assert first["test"] == second["test"]
    assert "model.pth" in first["files"]
    assert "model.pth" not in second["files"]


def test_a_model_that_learns_by_no_gradients_is_refused(
    side_by_side: list[dict[str, Any]],
) -> None:
    # Past the command, which refuses it by name.
    for found in side_by_side:
        assert "Pop cannot be trained in several processes" in found["Pop"]


def test_a_step_follows_the_mean_gradient_of_all_processes(
    side_by_side: list[dict[str, Any]],
) -> None:
    for found in side_by_side:
        assert len(found["step"]["farthest"]) > 5
        assert max(found["step"]["farthest"].values()) < 1e-6


def test_a_step_shares_all_interactions_out(
    side_by_side: list[dict[str, Any]],
) -> None:
    first, second = (found["step"]["pairs"] for found in side_by_side)
    lines = (TINY_FOLDER / "tiny.train.inter").read_text().splitlines()[1:]
    assert len(first) == len(second) == (len(lines) + 1) // 2
    # With an odd number, one is taken twice.
    assert len({tuple(pair) for pair in first + second}) == len(lines)


# --- what is refused ----------------------------------------------------------------


def error_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*COMMAND, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nproc=0"], "--nproc: 0 is not a whole number from 1 on"),
        (["--nproc=2", "--port=0"], "--port: 0 is not a whole number from 1 to 65535"),
        (["--nproc=2", "--world_size=1"], "give --world_size 2"),
        (["--nproc=2", "--group_offset=2"], "--group_offset 2: give --world_size too"),
        (["--nproc=2", "--world_size=4"], "--world_size 4: give --ip"),
        (["--nproc=2", "--model=Pop"], "Pop learns by no gradients"),
        (["--nproc=2", "--save_dataset=True"], "save_dataset=True is for one process"),
        (["--nproc=2", "--resume"], "name the unfinished run's folder"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    in_tmp_path: Path,
) -> None:
    assert message in error_of(capsys, *arguments)
    assert not list(in_tmp_path.iterdir())


@pytest.mark.parametrize("given", [["--nproc=2"], ["--nproc", "2"], ["--ip=a"]])
@pytest.mark.parametrize(
    "command",
    [["compare", "--models", "BPR"], ["tune", "--models", "BPR"], ["ablate"]],
)
def test_commands_of_many_runs_point_to_jobs(
    command: list[str],
    given: list[str],
    capsys: pytest.CaptureFixture[str],
    in_tmp_path: Path,
) -> None:
    assert main([*command, *given]) == 2
    assert "--jobs does several at a time" in capsys.readouterr().err


def test_a_port_in_use_is_refused(
    capsys: pytest.CaptureFixture[str], in_tmp_path: Path
) -> None:
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        error = error_of(capsys, "--nproc=2", f"--port={port}")
    assert f"--port {port}: cannot be opened, as it is in use" in error


def test_an_address_of_another_machine_is_refused(
    capsys: pytest.CaptureFixture[str], in_tmp_path: Path
) -> None:
    # Of a range for documentation, which no machine has.
    error = error_of(capsys, "--nproc=2", "--ip=192.0.2.1", "--port=5678")
    assert "--ip 192.0.2.1: no address of this machine" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "each process takes a GPU, and this machine has 1; give --nproc 1"),
        ({"gpu_id": "3"}, "each process takes a GPU, and gpu_id=3 names 1"),
    ],
)
def test_more_processes_than_gpus_are_refused(
    options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "_has_gpus", lambda: True)
    monkeypatch.setattr(gpus, "_VISIBLE", "7")
    with pytest.raises(UserError, match=message):
        launcher.gpus_for(2, options)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "_has_gpus", lambda: True)
    monkeypatch.setattr(gpus, "_VISIBLE", "5,6,7")
    assert launcher.gpus_for(2, {}) == "5,6"
    assert launcher.gpus_for(2, {"gpu_id": "1,0"}) == "1,0"
    assert launcher.gpus_for(2, {"gpu_id": ""}) is None
    assert launcher.gpus_for(2, {"use_gpu": False}) is None
    monkeypatch.setattr(launcher, "_has_gpus", lambda: False)
    assert launcher.gpus_for(2, {}) is None
