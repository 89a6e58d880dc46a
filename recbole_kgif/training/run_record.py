"""The record of a run, ``result.json``: metrics, costs and origin."""

from __future__ import annotations

import enum
import json
import platform
import statistics
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from recbole_kgif.common.files import write_atomic
from recbole_kgif.common.version import __version__
from recbole_kgif.compat import active_shims
from recbole_kgif.options.effects import IGNORED_ON_SPLIT_DATA
from recbole_kgif.options.settings import CANDIDATES
from recbole_kgif.training.distributed import group
from recbole_kgif.training.loading import LoadedData


def record_of(
    trainer: Any, valid_result: Mapping[str, Any], tested: Mapping[str, Any]
) -> dict[str, Any]:
    """The record of a finished training.

    Args:
        trainer: the `run_trainer.RunTrainer` that trained.
        valid_result: validation result of the best epoch.
        tested: what `RunTrainer.test` returned; empty without a test.
    """
    config, epochs = trainer.config, trainer.history
    validated = [epoch for epoch in epochs if "valid" in epoch]
    return {
        "model": config["model"],
        "dataset": config["dataset"],
        "seed": config["seed"],
        "processes": group.n_processes(),
        "split_hash": trainer.data.fingerprint["split"],
        "candidates": {
            "choice": config[CANDIDATES],
            "count": trainer.data.fingerprint["counts"]["items"],
            "without_an_interaction": _n_without_interaction(trainer.data.dataset),
            "hash": trainer.data.fingerprint["candidates"],
        },
        "valid": floats(valid_result),
        **tested,
        "best_epoch": _best_epoch(validated, valid_result),
        "epochs": epochs,
        "resumed_after_epochs": trainer.n_resumed,
        "training_seconds_per_epoch": statistics.median(
            epoch["training_seconds"] for epoch in epochs
        ),
        "validation_seconds_per_epoch": statistics.median(
            epoch["validation_seconds"] for epoch in validated
        ),
        "peak_memory_bytes": _peak_memory_bytes(config["device"]),
        "parameters": sum(
            p.numel() for p in trainer.model.parameters() if p.requires_grad
        ),
        "data": _data_counts(trainer.data),
        **environment(config["device"]),
        "shims": list(active_shims()),
        "configuration": _json_value(_applied(config.final_config_dict)),
    }


def floats(result: Mapping[str, Any]) -> dict[str, float]:
    """A result as JSON values: some metrics of RecBole's are NumPy's float32."""
    return {name: float(value) for name, value in result.items()}


def _best_epoch(validated: list[dict[str, Any]], valid_result: Any) -> int:
    """The last epoch with the best validation result: RecBole keeps that one."""
    # As texts: a metric may be NaN, which equals nothing.
    best = json.dumps(floats(valid_result), sort_keys=True)
    return max(
        epoch["epoch"]
        for epoch in validated
        if json.dumps(epoch["valid"], sort_keys=True) == best
    )


def _n_without_interaction(dataset: Any) -> int:
    """Number of candidates that no set has an interaction with."""
    return int(
        dataset.item_num - 1 - len(dataset.inter_feat[dataset.iid_field].unique())
    )


def _data_counts(data: LoadedData) -> dict[str, int]:
    """Sizes as the model sees them, without padding."""
    dataset = data.dataset
    counts = {
        "users": dataset.user_num - 1,
        "items": dataset.item_num - 1,
        "training_interactions": len(data.train._dataset),
        "validation_interactions": len(data.valid._dataset),
        "test_interactions": len(data.test._dataset),
    }
    if hasattr(dataset, "kg_feat"):
        counts["entities"] = dataset.entity_num - 1
        counts["triples"] = len(dataset.kg_feat)
        # RecBole counts its own interaction relation, and padding, among them.
        counts["relations"] = dataset.relation_num - 2
    return counts


def _peak_memory_bytes(device: torch.device) -> int:
    """Largest memory of the process so far; on a GPU that of its tensors."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def environment(device: torch.device) -> dict[str, Any]:
    """What the last digits of a result depend on: device, threads and versions."""
    return {
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.processor() or platform.machine()})"


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that compute."""
    packages = ("recbole", "torch", "numpy", "scipy", "pandas")
    found = {package: version(package) for package in packages}
    return {"recbole_kgif": __version__, **found, "python": platform.python_version()}


def _applied(options: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what RecBole ignores on pre-split data."""
    applied = dict(options)
    if applied.get("benchmark_filename"):
        applied["eval_args"] = {"mode": applied["eval_args"]["mode"]}
        for name in IGNORED_ON_SPLIT_DATA:
            applied.pop(name, None)
    return applied


def _json_value(value: Any) -> Any:
    """A configuration value as a JSON value."""
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_json_value(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically."""
    write_atomic(path, _formatted(value) + "\n")


def _formatted(value: Any, indent: str = "") -> str:
    """JSON with a line for each entry of an object, and for each object of a list.

    Thousands of values, one a user, would otherwise take a line each.
    """
    inner = indent + "  "
    if isinstance(value, dict) and value:
        entries = (
            f"{json.dumps(str(k))}: {_formatted(v, inner)}" for k, v in value.items()
        )
        opening, closing = "{", "}"
    elif isinstance(value, (list, tuple)) and any(isinstance(v, dict) for v in value):
        entries = (json.dumps(item) for item in value)
        opening, closing = "[", "]"
    else:
        return json.dumps(value)
    lines = f",\n{inner}".join(entries)
    return f"{opening}\n{inner}{lines}\n{indent}{closing}"
