"""Runs interrupted at any moment and resumed end like uninterrupted ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.training import run_folder, run_trainer
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.run_folder import RESUMABLE_MODELS
from recbole_kgif.training.run_trainer import RunTrainer
from recbole_kgif.training.tensorfile import write_tensors
from tests.conftest import TINY_OPTIONS, Run
from tests.specs import spec_of

CHECKOUT = Path(__file__).parents[2]
TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
]


class Stopped(Exception):
    """Stands for a kill, in this process."""


def stop_after(
    name: str, calls: int, patch: pytest.MonkeyPatch, *, before: bool = False
) -> None:
    """Have a function of the trainer's stop the run after, or before, some call."""
    owner: Any = RunTrainer if name == "test" else run_trainer
    function = getattr(owner, name)
    left = [calls]

    def stopping(*arguments: Any) -> Any:
        left[0] -= 1
        if before and left[0] == 0:
            raise Stopped
        result = function(*arguments)
        if left[0] == 0:
            raise Stopped
        return result

    patch.setattr(owner, name, stopping)


def curve(record: dict[str, Any]) -> list[Any]:
    """All of a record's epochs but the seconds that they took."""
    return [
        {key: value for key, value in epoch.items() if "seconds" not in key}
        for epoch in json.loads(json.dumps(record["epochs"]))
    ]


def assert_alike(resumed: dict[str, Any], whole: dict[str, Any]) -> None:
    assert curve(resumed) == curve(whole)
    for name in ("valid", "test", "test_per_user", "best_epoch", "split_hash"):
        assert resumed[name] == whole[name]


def state_of(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


# --- ending alike -------------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(RESUMABLE_MODELS))
def test_a_stopped_run_ends_as_one_that_was_not(
    model: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("whole", model)
    with monkeypatch.context() as patch:
        stop_after("save_state", 2, patch)
        with pytest.raises(Stopped):
            run("stopped", model)
    resumed = run("stopped", model)
    assert resumed["resumed_after_epochs"] == 2
    assert_alike(resumed, whole)
    ours, theirs = (state_of(tmp_path / n / "model.pth") for n in ("stopped", "whole"))
    for name, tensor in theirs["state_dict"].items():
        assert torch.equal(ours["state_dict"][name], tensor)


@pytest.mark.parametrize(
    ("name", "calls", "before", "epochs"),
    [
        ("save_state", 1, True, 0),
        ("save_state", 3, True, 2),
        ("save_state", 5, False, 5),
        ("test", 1, True, 5),
        ("test", 1, False, 5),
    ],
)
def test_a_run_can_be_stopped_between_any_two_writes(
    name: str,
    calls: int,
    before: bool,
    epochs: int,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = run("whole")
    with monkeypatch.context() as patch:
        stop_after(name, calls, patch, before=before)
        with pytest.raises(Stopped):
            run("stopped")
    resumed = run("stopped")
    assert resumed["resumed_after_epochs"] == epochs
    assert_alike(resumed, whole)


@pytest.mark.parametrize("model", ["KGIN", "MCCLK"])
def test_what_a_model_ranks_by_after_its_training_is_kept(
    model: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These are tested by what their last validation propagated: it has to be there.
    found = []
    test = RunTrainer.test

    def looked_at(trainer: Any, *arguments: Any) -> Any:
        found.append(trainer.model.restore_user_e)
        return test(trainer, *arguments)

    monkeypatch.setattr(RunTrainer, "test", looked_at)
    with monkeypatch.context() as patch:
        stop_after("test", 1, patch)
        with pytest.raises(Stopped):
            run("stopped", model)
    run("stopped", model)
    whole, resumed = found
    assert torch.equal(whole, resumed)


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 40, "stopping_step": 1, "learning_rate": 0.5},
        {"eval_step": 2},
        {"dropout": 0.5, "attention_update": "epoch", "learner": "adagrad"},
        {"loss": "bpr", "train_neg_sample_args": {"distribution": "popularity"}},
        {
            "eval_args": {"mode": "uni2"},
            "metrics": ["Recall"],
            "valid_metric": "Recall@2",
        },
    ],
)
def test_other_options_end_alike_too(
    options: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("whole", **options)
    n_epochs = len(whole["epochs"])
    for stop in (1, n_epochs):
        with monkeypatch.context() as patch:
            stop_after("save_state", stop, patch)
            with pytest.raises(Stopped):
                run(f"stopped-{stop}", **options)
        resumed = run(f"stopped-{stop}", **options)
        assert resumed["resumed_after_epochs"] == stop
        assert_alike(resumed, whole)


def test_early_stopping_is_among_the_tested_options(run: Run) -> None:
    record = run("whole", epochs=40, stopping_step=1, learning_rate=0.5)
    assert len(record["epochs"]) < 40
    assert record["best_epoch"] == len(record["epochs"]) - 3


# --- the folder ---------------------------------------------------------------------


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_line_an_epoch_is_written_and_cut_to_what_is_resumed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stopped/metrics.jsonl"
    with monkeypatch.context() as patch:
        stop_after("save_state", 3, patch, before=True)
        with pytest.raises(Stopped):
            run("stopped")
    # The third epoch has ended, and its state was not written any more.
    assert [line["epoch"] for line in lines_of(path)] == [0, 1, 2]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"epoch": 3, "lo')
    record = run("stopped")
    assert lines_of(path) == json.loads(json.dumps(record["epochs"]))


def test_the_state_is_there_while_it_is_needed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after("test", 1, patch)
        with pytest.raises(Stopped):
            run("run")
    assert (tmp_path / "run/last.pth").exists()
    (tmp_path / "run/.last.pth.123").write_bytes(b"half")
    run("run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("result.json", "model.pth", "metrics.jsonl"),
        *("log", "log_tensorboard"),
    }


def test_no_state_is_written_that_nobody_asked_for(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    stop_after("save_state", 1, monkeypatch, before=True)
    options = {**TINY_OPTIONS, "data_path": str(data_path)}
    assert run_experiment(spec_of("KGIF", "tiny", options), tmp_path / "run")["test"]


# --- what is refused ----------------------------------------------------------------


@pytest.fixture
def stopped(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a run of KGIF that stopped after its first epoch."""
    with monkeypatch.context() as patch:
        stop_after("save_state", 1, patch)
        with pytest.raises(Stopped):
            run("run")
    return tmp_path / "run/last.pth"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "recbole_kgif checkpoint"}, "not a recbole_kgif training state"),
        ({"format_version": 0}, "of version 0"),
        ({"model": "CKE"}, "of a run of CKE, not of KGIF"),
        ({"options": {"epochs": 5}}, "began with option "),
        ({"environment": {"threads": 64}}, "began with environment "),
        ({"state_dict": {}}, "its parameters are not those of this KGIF"),
    ],
)
def test_a_state_of_another_run_is_refused(
    changes: dict[str, Any], message: str, stopped: Path, run: Run
) -> None:
    write_tensors(stopped, {**state_of(stopped), **changes})
    with pytest.raises(UserError, match=message) as raised:
        run("run")
    assert "\n" not in str(raised.value)


def test_other_options_and_data_are_refused(
    stopped: Path, run: Run, data_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"option temperature='0.2', and now it is '0.3'"
    ):
        run("run", temperature=0.3)
    triples = data_path / "tiny/tiny.kg"
    triples.write_text(triples.read_text("utf-8").replace("scott", "scoot"), "utf-8")
    with pytest.raises(UserError, match="other entities than the data has"):
        run("run")


# --- the command --------------------------------------------------------------------


@pytest.fixture
def in_data(
    data_path: Path, in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    return in_tmp_path


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main([*TINY, *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def leave_unfinished(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    with monkeypatch.context() as patch:
        stop_after("save_state", 1, patch)
        with pytest.raises(Stopped):
            main([*TINY, "--output=out", *arguments])


def test_the_command_goes_on_and_refuses_what_would_not_end_alike(
    in_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_unfinished(monkeypatch)
    assert "holds an unfinished run; add --resume" in error_of(["--output=out"], capsys)
    resume = ["--output=out", "--resume"]
    assert "has epochs: '2', and now it is '3'" in error_of(
        [*resume, "--epochs=3"], capsys
    )
    assert "has model: 'KGIF', and now it is 'BPR'" in error_of(
        [*resume, "--model=BPR", "--embedding_size=8"], capsys
    )
    with FileLock(in_data / "out/.lock"):
        assert "is in use by another run" in error_of(resume, capsys)
    assert not Path("out/result.json").exists()

    # What is shown, and where the data lie, may change.
    Path("dataset").rename("elsewhere")
    assert main([*TINY, *resume, "--data_path=elsewhere", "--state=WARNING"]) == 0
    assert "the run in out is finished" in error_of(
        [*resume, "--data_path=elsewhere"], capsys
    )
    record = json.loads(Path("out/result.json").read_text("utf-8"))
    assert record["resumed_after_epochs"] == 1


def test_what_cannot_be_resumed_is_told(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "name the unfinished run's folder by --output" in error_of(
        ["--resume"], capsys
    )
    assert "no unfinished run in none" in error_of(
        ["--resume", "--output=none"], capsys
    )
    assert not Path("none").exists()
    error = error_of(["--resume", "--output=out", "--model=NGCF"], capsys)
    assert "NGCF may keep what no file holds" in error
    Path("out").mkdir()
    Path("out/config.yaml").write_text("model: [", "utf-8")
    assert "out/config.yaml: cannot be read" in error_of(
        ["--resume", "--output=out"], capsys
    )


def test_a_refused_run_leaves_its_folder_free(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "topk=[100]" in error_of(
        ["--output=out", "--topk=[100]", "--valid_metric=NDCG@100"], capsys
    )
    assert main([*TINY, "--output=out"]) == 0


def test_the_configuration_is_one_that_recbole_takes(
    in_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole.config import Config

    leave_unfinished(monkeypatch, "--temperature=0.5")
    config = Config(config_file_list=["out/config.yaml"])
    assert (config["model"], config["dataset"]) == ("KGIF", "tiny")
    assert config["temperature"] == 0.5
    assert config["benchmark_filename"] == ["train", "valid", "test"]
    assert str(in_data) not in Path("out/config.yaml").read_text("utf-8")


# Loads everything once, and measures how long a run takes. Then each run is a child of
# its own, killed at a random moment and begun again until it has ended.
KILLED_AT_RANDOM = """
import os, random, signal, sys, time
import recbole_kgif.training.run
from recbole_kgif.cli import main

def start(folder, *more):
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        os._exit(main([*sys.argv[2:], f"--output={folder}", *more]))
    return child

assert main([*sys.argv[2:], "--output=first", "--epochs=1"]) == 0
begin = time.monotonic()
assert main([*sys.argv[2:], "--output=whole"]) == 0
seconds = time.monotonic() - begin
generator = random.Random(int(sys.argv[1]))
kills = 0
for number in range(3):
    folder = f"killed-{number}"
    while True:
        more = ["--resume"] if os.path.exists(f"{folder}/config.yaml") else []
        child = start(folder, *more)
        time.sleep(generator.uniform(0.1, 1) * seconds)
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.path.exists(f"{folder}/result.json"):
            break
        assert os.WIFSIGNALED(status), (folder, os.WEXITSTATUS(status))
        kills += 1
print("kills", kills)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_run_killed_at_random_moments_ends_alike(in_data: Path) -> None:
    process = subprocess.run(
        [
            *(sys.executable, "-W", "ignore", "-c", KILLED_AT_RANDOM, "7", *TINY),
            *("--epochs=8", "--learning_rate=0.05"),
        ],
        cwd=in_data,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert int(process.stdout.split("kills ")[1]) > 0
    whole = json.loads((in_data / "whole/result.json").read_text("utf-8"))
    for number in range(3):
        path = in_data / f"killed-{number}" / run_folder.RESULT_FILE
        assert_alike(json.loads(path.read_text("utf-8")), whole)
