"""Training of several models in one process, epoch by epoch in turn."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

from cpu_or_gpu import Device
from measurement import (
    LOADED_COLUMNS,
    ProcessKilled,
    run_in_fresh_process,
    temporary_working_directory,
)
from tqdm import tqdm

from recbole_kgif.common.process import prepare_process
from recbole_kgif.data.locate import DatasetLocation

BATCH_SIZE = 2048
SEED = 2020


class BenchmarkModel(NamedTuple):
    """A model of the benchmark, with the options for equal sizes."""

    name: str
    options: Mapping[str, Any]


# Three layers of 64 each if a model has layers, and RecBole's defaults.
MODELS: Mapping[str, BenchmarkModel] = {
    "KGIF": BenchmarkModel("KGIF", {"n_layers": 3}),
    "KGIF, attention once an epoch": BenchmarkModel(
        "KGIF", {"n_layers": 3, "attention_update": "epoch"}
    ),
    "KGAT": BenchmarkModel("KGAT", {"kg_embedding_size": 64, "layers": [64, 64, 64]}),
    "KGIN": BenchmarkModel("KGIN", {"context_hops": 3}),
    "CKE": BenchmarkModel("CKE", {"kg_embedding_size": 64}),
    "LightGCN": BenchmarkModel("LightGCN", {"n_layers": 3}),
}


def train_interleaved(
    location: DatasetLocation, options: Mapping[str, Any], rounds: int, device: Device
) -> dict[str, Any]:
    """Train all models, epoch by epoch in turn, until each stops early.

    Args:
        location: the data set.
        options: its options.
        rounds: maximum number of epochs of each model.
        device: the device.

    Returns:
        The environment, the validation metric, and per model its epochs (seconds of
        training and validation, and the score) and whether it stopped early.
    """
    prepare_process()
    with temporary_working_directory():
        runs = {
            name: _Run(location, options, model, device)
            for name, model in MODELS.items()
        }
        for _ in tqdm(range(rounds), desc="interleaved training", unit="round"):
            for run in runs.values():
                if not run.has_stopped:
                    run.train_epoch()
    any_run = next(iter(runs.values()))
    return {
        "environment": device.environment(),
        "metric": any_run.config["valid_metric"],
        "data": any_run.sizes,
        "models": {
            name: {
                "epochs": run.epochs,
                "stopped_early": run.has_stopped,
                "parameters": sum(p.numel() for p in run.trainer.model.parameters()),
            }
            for name, run in runs.items()
        },
    }


class _Run:
    """A model in training, with RecBole's epochs and early stopping."""

    def __init__(
        self,
        location: DatasetLocation,
        options: Mapping[str, Any],
        model: BenchmarkModel,
        device: Device,
    ) -> None:
        from recbole.utils import get_trainer

        from recbole_kgif.training.configuration import make_config
        from recbole_kgif.training.loading import load_data, make_model
        from recbole_kgif.training.specs import DataSpec

        self.device = device
        self.config = make_config(
            model.name, location.name, _options(location, options, model, device)
        )
        spec = DataSpec(location.name, location.data_path, SEED, linked_items_only=True)
        data = load_data(self.config, spec, size_evaluation_batches=True)
        self.train, self.valid = data.train, data.valid
        self.sizes = {
            "users": data.dataset.user_num - 1,
            "items": data.dataset.item_num - 1,
            "training_interactions": len(data.train._dataset),
        }
        self.memory_before = device.current_memory()
        network = make_model(self.config, data)
        self.trainer = get_trainer(self.config["MODEL_TYPE"], model.name)(
            self.config, network
        )
        self.trainer.eval_collector.data_collect(data.train)
        self.epochs: list[dict[str, float]] = []

    def train_epoch(self) -> None:
        """Train and validate one epoch."""
        start, cpu_start = time.perf_counter(), time.process_time()
        self.trainer._train_epoch(self.train, len(self.epochs))
        self.device.synchronize()
        trained, cpu_trained = time.perf_counter(), time.process_time()
        score, _ = self.trainer._valid_epoch(self.valid)
        self.epochs.append(
            {
                "training_seconds": trained - start,
                "training_processor_seconds": cpu_trained - cpu_start,
                "validation_seconds": time.perf_counter() - trained,
                "score": float(score),
            }
        )

    @property
    def has_stopped(self) -> bool:
        """Whether early stopping ended the training."""
        scores = [epoch["score"] for epoch in self.epochs]
        patience = self.config["stopping_step"]
        return bool(scores) and len(scores) - 1 - _best(scores) > patience


def _best(scores: Sequence[float]) -> int:
    """Index of the last of the best scores, as in RecBole's early stopping."""
    return max(range(len(scores)), key=lambda place: (scores[place], place))


def _options(
    location: DatasetLocation,
    options: Mapping[str, Any],
    model: BenchmarkModel,
    device: Device,
) -> dict[str, Any]:
    return {
        "load_col": LOADED_COLUMNS,
        **options,
        "data_path": str(location.data_path),
        "embedding_size": 64,
        "train_batch_size": BATCH_SIZE,
        "seed": SEED,
        "show_progress": False,
        "state": "ERROR",
        **device.options,
        **model.options,
    }


def memory_of(
    location: DatasetLocation,
    options: Mapping[str, Any],
    model: BenchmarkModel,
    device: Device,
) -> dict[str, int]:
    """Memory of a process that trains and validates one model for two epochs.

    Returns:
        Bytes before the construction of the model, and the peak.
    """
    prepare_process()
    with temporary_working_directory():
        run = _Run(location, options, model, device)
        for _ in range(2):
            run.train_epoch()
    return {"before": run.memory_before, "peak": device.peak_memory()}


def memory_or_none(*arguments: Any) -> Optional[dict[str, int]]:
    """`memory_of` in a fresh process; None if the process was killed."""
    try:
        memory: dict[str, int] = run_in_fresh_process(memory_of, *arguments)
    except ProcessKilled:
        return None
    return memory
