"""A tiny named data set that a person can check by hand, and ways to load it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser  # noqa: F401

# Before PyTorch is loaded, and for the processes that tests start: where something else
# is running, threads that spin while they wait make small operations many times slower.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

TINY_FOLDER = Path(__file__).parent / "tiny"

# What every run in the tests shares: quiet, small, in the tiny data set's split.
TINY_OPTIONS: dict[str, Any] = {
    "benchmark_filename": ["train", "valid", "test"],
    "embedding_size": 8,
    "train_batch_size": 16,
    "eval_batch_size": 1000,
    "epochs": 2,
    "metrics": ["Recall", "NDCG", "MRR", "Hit", "Precision"],
    "topk": [2, 3],
    "valid_metric": "NDCG@3",
    "show_progress": False,
    "state": "ERROR",
    "use_gpu": False,
    "gpu_id": "",
}


# As a comparison gives them to every model.
LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


@dataclass(frozen=True)
class Loaded:
    """A configuration and what RecBole made of it."""

    config: Any
    dataset: Any
    train_data: Any
    valid_data: Any
    test_data: Any


def copy_tiny(name: str, data_path: Path) -> Path:
    """Copy the tiny data set under another name, and return its folder."""
    folder = data_path / name
    shutil.copytree(TINY_FOLDER, folder)
    for path in folder.iterdir():
        path.rename(folder / path.name.replace("tiny", name))
    return folder


@pytest.fixture
def data_path(tmp_path: Path) -> Path:
    """A data_path that holds a copy of the tiny data set."""
    shutil.copytree(TINY_FOLDER, tmp_path / "dataset" / "tiny")
    return tmp_path / "dataset"


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """RecBole writes into the current folder and reads the command line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    return tmp_path


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to write to, with all that RecBole changes in the process put back."""
    folder = tmp_path_factory.mktemp("workplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["pytest"])
        patch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", ""))
        # Colorama, called by RecBole's logger, wraps both.
        patch.setattr(sys, "stdout", sys.stdout)
        patch.setattr(sys, "stderr", sys.stderr)
        yield folder


@pytest.fixture
def load_tiny(data_path: Path, in_tmp_path: Path) -> Callable[..., Loaded]:
    """Load the tiny data set for a model with some options."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import init_seed

    def load(model: Any = "KGIF", **options: Any) -> Loaded:
        config = Config(
            model=model,
            dataset="tiny",
            config_dict={
                "data_path": str(data_path),
                "checkpoint_dir": str(in_tmp_path / "saved"),
                **TINY_OPTIONS,
                **options,
            },
        )
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        return Loaded(config, dataset, *data_preparation(config, dataset))

    return load


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(data_path: Path, tmp_path: Path) -> Run:
    """Run a model on the tiny data set, or resume its run."""
    from recbole_kgif.training.run import run_experiment
    from tests.specs import spec_of

    def start(folder: str, model: str = "KGIF", **options: Any) -> dict[str, Any]:
        output = tmp_path / folder
        output.mkdir(exist_ok=True)
        options = {
            **TINY_OPTIONS,
            "data_path": str(data_path),
            "epochs": 5,
            "learning_rate": 0.05,
            **options,
        }
        spec = spec_of(model, "tiny", options, resumable=True)
        return run_experiment(spec, output)

    return start


@pytest.fixture
def load(data_path: Path, in_tmp_path: Path) -> Callable[..., Any]:
    """Load the tiny data set for a model, with its triples changed."""
    from recbole_kgif.training.configuration import make_config
    from recbole_kgif.training.loading import load_data
    from recbole_kgif.training.specs import DataSpec

    def load_changed(model: str, triples: Any = None, **options: Any) -> Any:
        config = make_config(
            model,
            "tiny",
            {
                **TINY_OPTIONS,
                "data_path": str(data_path),
                "checkpoint_dir": str(in_tmp_path),
                "load_col": LOADED_COLUMNS,
                **options,
            },
        )
        spec = DataSpec("tiny", data_path, 1, linked_items_only=True, triples=triples)
        return config, load_data(config, spec)

    return load_changed
