from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Callable, Optional

import growth
import interleaved_training
import limit
import paper_size
import peers
import pytest
from cpu_or_gpu import Device
from measurement import ProcessKilled
from peers import time_to_score
from propagation_work import Machine, Work, backward_work, forward_work, limits
from step_clock import StepClock

from recbole_kgif.errors import UserError
from recbole_kgif.experiments import planning
from tests.conftest import TINY_FOLDER

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run_here(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Run a benchmark in this process, and return its values."""

    def run(module: ModuleType, *arguments: str, name: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["script", *arguments, "--output", "out"])
        for each in (module, interleaved_training):
            monkeypatch.setattr(each, "run_in_fresh_process", lambda f, *args: f(*args))
        module.run()
        files = {path.suffix for path in (workplace / "out").glob(f"{name}.*")}
        assert files == {".md", ".json", ".png", ".svg"}
        # No logs or checkpoints of RecBole.
        assert {path.name for path in workplace.iterdir()} <= {"out", "data", "killed"}
        values: dict[str, Any] = json.loads(
            (workplace / "out" / f"{name}.json").read_text("utf-8")
        )
        return values

    return run


# --- peers --------------------------------------------------------------------------


def test_peers_train_in_turn_on_the_same_data(
    run_here: Callable[..., dict[str, Any]],
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(TINY_FOLDER, workplace / "data" / "tiny")
    tiny = {"topk": [2, 3], "valid_metric": "NDCG@3"}
    options = planning.dataset_options
    monkeypatch.setattr(
        planning, "dataset_options", lambda *where: {**options(*where), **tiny}
    )
    values = run_here(
        peers,
        *("--dataset", "tiny", "--data-path", "data", "--rounds", "2"),
        name="peers-tiny",
    )
    assert set(values["models"]) == set(peers.MODELS)
    for model in values["models"].values():
        assert len(model["epochs"]) == 2
        assert all(epoch["training_seconds"] > 0 for epoch in model["epochs"])
        assert model["memory_bytes"]["peak"] > model["memory_bytes"]["before"] > 0
    table = (workplace / "out/peers-tiny.md").read_text("utf-8")
    assert all(f"\n| {model} | " in table for model in peers.MODELS)


def test_the_time_to_a_score_counts_training_and_validation() -> None:
    epochs = [
        {"training_seconds": 2.0, "validation_seconds": 1.0, "score": score}
        for score in (0.1, 0.3, 0.2)
    ]
    assert time_to_score(epochs, 0.1) == (1, 3.0)
    assert time_to_score(epochs, 0.2) == (2, 6.0)
    assert time_to_score(epochs, 0.4) is None


# --- growth -------------------------------------------------------------------------


def test_growth_measures_each_size(
    run_here: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "SIZES", [4000, 8000])
    monkeypatch.setattr(growth, "REPETITIONS", 1)
    values = run_here(growth, "--largest", "8000", name="growth")
    assert [row["edges"] for row in values["sizes"]] == pytest.approx(
        [4000, 8000], rel=0.02
    )
    assert all(row["step_seconds"] > 0 for row in values["sizes"])


def test_a_killed_size_ends_the_growth_and_is_reported(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_or_killed(
        _function: object, size: int, _device: object
    ) -> dict[str, Any]:
        if size > 30_000:
            raise ProcessKilled
        names = ("edges", "nodes", "pairs", *growth.TIMES, *growth.MEMORY)
        return {**dict.fromkeys(names, size), "environment": {}}

    monkeypatch.setattr(sys, "argv", ["script", "--output", "killed"])
    monkeypatch.setattr(growth, "run_in_fresh_process", measure_or_killed)
    growth.run()
    values = json.loads((workplace / "killed/growth.json").read_text("utf-8"))
    assert [row["edges"] for row in values["sizes"]] == [10_000, 30_000]
    assert "with 100,000 edges was killed" in (
        (workplace / "killed/growth.md").read_text("utf-8")
    )


@pytest.mark.parametrize("power", [1.0, 1.5])
def test_the_exponent_is_that_of_the_large_sizes(power: float) -> None:
    edges = [10**4, 10**5, 10**6, 10**7]
    values = [9e9, *(size**power for size in edges[1:])]
    assert growth.exponent(edges, values) == pytest.approx(power)
    assert growth.exponent(edges[:2], values[:2]) is None


# --- limit --------------------------------------------------------------------------


def test_limit_measures_machine_and_propagation(
    run_here: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("SIZES", [4000]),
        ("REPETITIONS", 1),
        ("_STREAM_FLOATS", 2**16),
        ("_MATRIX_SIZE", 64),
        ("_GATHERED_ROWS", 2**8),
    ):
        monkeypatch.setattr(limit, name, value)
    values = run_here(limit, "--largest", "4000", name="limit")
    assert all(speed > 0 for speed in values["machine"].values())
    (row,) = values["sizes"]
    assert row["backward"]["seconds"] > 0
    assert row["backward"]["work"]["operations"] == 3 * 4 * row["edges"] * 64


def test_the_work_is_that_counted_by_hand() -> None:
    # Two edges, three nodes, four floats, one layer.
    forward = forward_work(2, 3, 4, 1)
    assert forward.operations == 2 * 2 * 4
    assert forward.fetched == 2 * 4 * 4
    assert forward.table == 3 * 4 * 4
    assert forward.streamed == 2 * 12 + 3 * 8 + 4 * 48 + 2 * 48
    backward = backward_work(2, 3, 4, 1)
    assert backward.operations == 2 * forward.operations
    assert backward.fetched == 2 * forward.fetched


def test_limits_are_work_divided_by_speed() -> None:
    found = limits(
        Work(streamed=100, fetched=60, table=20, operations=8),
        Machine(copy=5.0, triad=10.0, multiplication=2.0),
        gather=30.0,
    )
    assert found == {"fetching": 12.0, "streaming": 12.0, "arithmetic": 4.0}


# --- paper size ---------------------------------------------------------------------


def test_synthetic_data_is_loaded_by_recbole_and_trained_on(
    run_here: Callable[..., dict[str, Any]],
) -> None:
    values = run_here(
        paper_size,
        *("--datasets", "amazon-book", "--scale", "0.02", "--steps", "1"),
        name="paper-size",
    )
    row = values["datasets"]["amazon-book"]
    assert row["timed_steps"] == 1
    assert row["steps_an_epoch"] == -(-round(0.72 * 16953) // 2048) == 6
    # Every fact is two edges; some interactions are not in the training set.
    counts = row["counts"]
    assert row["edges"] <= 2 * (counts["triples"] + counts["interactions"])
    assert row["edges"] > 1.6 * (counts["triples"] + 0.7 * counts["interactions"])
    assert row["peak_bytes"] > row["before_bytes"]
    assert 0 < row["ranked_users"] == row["validation_users"] <= counts["users"]
    assert row["validation_seconds"] > 0


class ThreeBatches:
    """A fake trainer whose epoch has three batches."""

    def __init__(self) -> None:
        self.trained: list[str] = []

    def _train_epoch(
        self, loader: str, _epoch: int, loss_func: Callable[[str], None]
    ) -> None:
        for batch in loader:
            loss_func(batch)
            self.trained.append(batch)


@pytest.mark.parametrize(("n_steps", "n_taken"), [(None, 3), (1, 1), (3, 3), (5, 3)])
def test_a_clock_ends_an_epoch_after_some_steps(
    n_steps: Optional[int], n_taken: int
) -> None:
    trainer, losses = ThreeBatches(), []
    clock = StepClock(losses.append, n_steps, Device(is_gpu=False))
    clock.train(trainer, "abc")
    assert trainer.trained == losses == list("abc"[:n_taken])
    assert len(clock.times) == n_taken + 1
    clock.times = [0.0, 5.0, 6.0, 8.0]
    assert clock.seconds_per_step(1) == 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--datasets", "lastfm"), "--datasets lastfm: unknown; choose from last-fm"),
        (("--scale", "0.0001"), "--scale 0.0001: last-fm would have too many"),
        (("--scale", "0"), "argument --scale: 0 is not a number above 0"),
    ],
)
def test_mistakes_are_reported_before_anything_is_done(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(UserError, match=message):
        paper_size.run()


@pytest.mark.parametrize("module", [growth, limit])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--largest", "0"), "argument --largest: 0 is not from 1 to 1,000,000,000"),
        (("--largest", "1e6"), "argument --largest: 1e6 is not a whole number"),
        (("--gpu",), "--gpu: PyTorch sees no GPU here; leave it out"),
    ],
)
def test_an_impossible_graph_or_device_is_reported(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["script", *arguments])
    with pytest.raises(UserError, match=message):
        module.run()


@pytest.mark.parametrize("module", [growth, limit])
def test_the_largest_graph_that_is_measured_may_be_named(module: ModuleType) -> None:
    largest = module.SIZES[-1]
    assert module._parser().parse_args(["--largest", f"{largest}"]).largest == largest


# --- as scripts ---------------------------------------------------------------------


def test_a_script_answers_a_mistake_with_one_line_and_code_2(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, str(BENCHMARKS / "limit.py"), "--largest", "few"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(BENCHMARKS.parent)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 2
    assert process.stderr.count("\n") == 1
    assert process.stderr.startswith("error: argument --largest: few is not")
    assert not list(tmp_path.iterdir())
