"""What RecBole and MLflow log of a run, offline."""

from __future__ import annotations

import importlib.machinery
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_store import remove_work
from recbole_kgif.training import trackers
from tests.conftest import Run


class _Mlflow:
    """Keeps what it is told, as `mlflow` does in its store."""

    __spec__ = importlib.machinery.ModuleSpec("mlflow", None)

    class MlflowException(Exception):
        pass

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.parameters: dict[str, str] = {}
        self.metrics: dict[int, dict[str, float]] = {}
        self.status = self.name = ""

    def active_run(self) -> None:
        return None

    def start_run(self, run_name: str, nested: bool) -> None:
        if self.refuses:
            raise self.MlflowException("no such server\nlong story")
        self.name = run_name

    def log_params(self, parameters: dict[str, str]) -> None:
        self.parameters = parameters

    def log_metrics(self, metrics: dict[str, float], step: int = 0) -> None:
        assert not any("@" in name for name in metrics)
        self.metrics[step] = metrics

    def end_run(self, status: str) -> None:
        self.status = status


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> _Mlflow:
    fake = _Mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    return fake


def test_mlflow_gets_options_epochs_and_test(run: Run, mlflow: _Mlflow) -> None:
    record = run("run", log_mlflow=True, epochs=2)
    assert mlflow.name == "KGIF-tiny-2020"
    assert mlflow.parameters["n_layers"] == "3"
    assert "data_path" not in mlflow.parameters
    assert list(mlflow.metrics) == [1, 2, 0]
    for epoch in record["epochs"]:
        logged = mlflow.metrics[epoch["epoch"] + 1]
        assert logged["train/loss"] == pytest.approx(sum(epoch["loss"]))
        assert logged["valid/ndcg_3"] == epoch["valid"]["ndcg@3"]
    assert mlflow.metrics[0]["test/recall_2"] == record["test"]["recall@2"]
    assert mlflow.status == "FINISHED"


def test_a_run_that_fails_is_marked(
    run: Run, mlflow: _Mlflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("recbole_kgif.training.run_trainer.RunTrainer.test", fail)
    with pytest.raises(RuntimeError, match="on purpose"):
        run("run", log_mlflow=True, epochs=1)
    assert mlflow.status == "FAILED"


def test_a_store_that_refuses_is_reported_in_one_line(
    run: Run, mlflow: _Mlflow
) -> None:
    mlflow.refuses = True
    with pytest.raises(UserError, match=r"MLflow refuses \(no such server\); name a"):
        run("run", log_mlflow=True)


def test_weights_and_biases_gets_curves_offline(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    run("run", log_wandb=True, wandb_project="mine", epochs=1)
    assert wandb.run is None  # the next run is one of its own
    (file,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    content = file.read_bytes()
    for text in ("valid/ndcg@3", "train/train_loss", "mine", "KGIF-tiny-2020"):
        assert text.encode() in content, text


def test_a_run_of_a_sweep_is_used_and_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finished: list[int] = []
    active = SimpleNamespace(finish=lambda exit_code: finished.append(exit_code))
    fake = SimpleNamespace(run=None)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_NAME", raising=False)
    config = {"log_wandb": True, "model": "KGIF", "dataset": "tiny", "seed": 1}
    with trackers.named_wandb_run(config):
        fake.run = active  # by RecBole
    assert finished == [0]
    with trackers.named_wandb_run(config):
        pass
    assert finished == [0]
    fake.run = None
    with pytest.raises(ValueError), trackers.named_wandb_run(config):
        fake.run = active
        raise ValueError
    assert finished == [0, 1]


def test_a_study_keeps_the_curves_of_its_runs(tmp_path: Path) -> None:
    for name in ("log_tensorboard", "wandb", "log"):
        folder = tmp_path / "run" / "work" / name
        folder.mkdir(parents=True)
        (folder / "file").write_text(json.dumps(name))
    (tmp_path / "run" / "result.json").write_text("{}")
    remove_work(tmp_path / "run")
    remove_work(tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("log_tensorboard", "wandb", "result.json")
    }
