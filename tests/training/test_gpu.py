"""Runs on a GPU from the command line: training, checkpoints, explanations."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_kgif.cli import main
from recbole_kgif.model.cuda_graphs import capture_training_step
from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.training.preflight import estimate, sizes_of
from tests.conftest import Loaded, Run
from tests.gpu import ON_GPU, needs_gpu
from tests.training.test_preflight import LargerData, model_on
from tests.training.test_training_state import Stopped, stop_after

pytestmark = needs_gpu


@pytest.fixture
def run_on_gpu(run: Run) -> Run:
    """Run KGIF on the tiny data set, alike in each run."""
    # A dropout draws from the generator of its device.
    return lambda folder, **options: run(
        folder, **{**ON_GPU, "dropout": 0.0, **options}
    )


def test_a_record_names_the_gpu_and_its_memory(run_on_gpu: Run) -> None:
    record = run_on_gpu("run")
    assert record["device"] == torch.cuda.get_device_name(0)
    assert 0 < record["peak_memory_bytes"] <= torch.cuda.max_memory_allocated()


def test_a_training_learns_what_it_learns_on_a_cpu(run_on_gpu: Run) -> None:
    on_gpu = run_on_gpu("gpu", epochs=1)
    on_cpu = run_on_gpu("cpu", epochs=1, use_gpu=False, gpu_id="")
    assert on_cpu["device"] != on_gpu["device"]
    of_gpu, of_cpu = (record["epochs"][0]["loss"] for record in (on_gpu, on_cpu))
    # They start alike and see the same batches.
    assert of_gpu == pytest.approx(of_cpu, rel=1e-3)


def test_a_training_in_mixed_precision_goes_well(run_on_gpu: Run) -> None:
    record = run_on_gpu("run", enable_amp=True, enable_scaler=True)
    expected = run_on_gpu("expected")
    for mixed, full in zip(record["epochs"], expected["epochs"]):
        assert mixed["loss"] == pytest.approx(full["loss"], rel=0.05, abs=0.05)


def test_a_stopped_training_goes_on(
    run_on_gpu: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_on_gpu("whole")
    with monkeypatch.context() as patch:
        stop_after("save_state", 2, patch)
        with pytest.raises(Stopped):
            run_on_gpu("stopped")
    resumed = run_on_gpu("stopped")
    assert resumed["resumed_after_epochs"] == 2
    for ours, theirs in zip(resumed["epochs"], whole["epochs"]):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("command", "user"), [("recommend", "--users"), ("explain", "--user")]
)
def test_a_checkpoint_serves_with_and_without_a_gpu(
    run_on_gpu: Run,
    data_path: Path,
    command: str,
    user: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_on_gpu("run")
    arguments = [
        *(command, "--checkpoint", str(tmp_path / "run" / "model.pth")),
        *("--dataset-path", str(data_path), user, "ann", "--output"),
    ]
    found = {}
    for place in ("gpu", "cpu"):
        if place == "cpu":
            monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        path = tmp_path / f"{place}.json"
        assert main([*arguments, str(path)]) == 0, capsys.readouterr()
        found[place] = json.loads(path.read_text("utf-8"))
    assert_near(found["cpu"], found["gpu"])


def assert_near(left: Any, right: Any) -> None:
    """The same but for the last digits of numbers."""
    if isinstance(left, float) and isinstance(right, float):
        assert left == pytest.approx(right, rel=1e-3, abs=1e-5)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_near(left[key], right[key])
    elif isinstance(left, list):
        assert len(left) == len(right)
        for pair in zip(left, right):
            assert_near(*pair)
    else:
        assert left == right


def test_the_estimate_of_memory_is_near_what_the_tensors_take(
    load_tiny: Callable[..., Loaded],
) -> None:
    data = LargerData(n_users=15_000, n_items=8000, n_entities=30_000)
    loaded = load_tiny(**ON_GPU, embedding_size=64, train_batch_size=2048)
    # PyTorch's libraries keep some memory from their first call on.
    _train_steps(model_on(data, loaded).to("cuda"), loaded, data)
    gc.collect()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    model = model_on(data, loaded).to("cuda")
    estimated = estimate(sizes_of(model, 2048, is_recorded=True)).total
    _train_steps(model, loaded, data)
    peak = torch.cuda.max_memory_allocated() - before
    assert peak == pytest.approx(estimated, rel=0.3)


def _train_steps(model: KGIF, loaded: Loaded, data: LargerData) -> None:
    capture_training_step(model.train(), loaded.config, 2048, 2048)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    batch = {name: ids.to("cuda") for name, ids in data.batch(2048).items()}
    for _ in range(2):
        optimizer.zero_grad()
        torch.stack(model.calculate_loss(batch)).sum().backward()
        optimizer.step()
