"""Two training steps on a tiny generated graph, to see that all parts work."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from recbole_kgif.doctor.findings import Finding, Level

_NAME = "doctor"
_USERS = 12
_ITEMS = 10
# Of each user, the items of each split, as offsets.
_SPLITS = {"train": range(0, 5), "valid": range(5, 6), "test": range(6, 7)}
# All training interactions in one batch, so that an epoch is a step.
_OPTIONS: dict[str, Any] = {
    "benchmark_filename": list(_SPLITS),
    "epochs": 2,
    "train_batch_size": 2 * _USERS * _ITEMS,
    "embedding_size": 8,
    "metrics": ["Recall"],
    "topk": [3],
    "valid_metric": "Recall@3",
    "show_progress": False,
    "state": "ERROR",
}
_WHAT = "two steps of KGIF"


def examine_training() -> Finding:
    """Train KGIF for two steps, validate, save, load and test it."""
    start = time.perf_counter()
    try:
        losses = _train()
    except Exception as error:
        # Any failure is the finding.
        return Finding(
            _WHAT,
            "failed",
            Level.PROBLEM,
            f"{type(error).__name__}: {' '.join(str(error).split())}.",
            "Compare the versions above with those that are needed.",
        )
    seconds = time.perf_counter() - start
    if all(map(math.isfinite, losses)):
        return Finding(
            _WHAT,
            f"{seconds:.1f} s",
            meaning="Training, validation, checkpoint and test work together.",
            number=seconds,
        )
    return Finding(
        _WHAT,
        f"loss {losses}",
        Level.PROBLEM,
        "The loss is not finite.",
        "Compare the versions above with those that are needed.",
    )


def _train() -> list[float]:
    """The losses of each step."""
    from recbole_kgif.training.run import run_experiment
    from recbole_kgif.training.specs import DataSpec, RunSpec

    with tempfile.TemporaryDirectory() as scratch:
        _write_dataset(Path(scratch, _NAME))
        output = Path(scratch, "run")
        output.mkdir()
        spec = RunSpec("KGIF", DataSpec(_NAME, Path(scratch)), _OPTIONS)
        record = run_experiment(spec, output)
    losses = [np.atleast_1d(epoch["loss"]) for epoch in record["epochs"]]
    return [float(part) for loss in losses for part in loss]


def _write_dataset(folder: Path) -> None:
    """Write a data set in RecBole's format, where similar users have common items."""
    contents = {
        f"{split}.inter": [
            "user_id:token\titem_id:token",
            *(f"u{u}\ti{(u + o) % _ITEMS}" for u in range(_USERS) for o in offsets),
        ]
        for split, offsets in _SPLITS.items()
    }
    contents["link"] = [
        "item_id:token\tentity_id:token",
        *(f"i{item}\te{item}" for item in range(_ITEMS)),
    ]
    contents["kg"] = [
        "head_id:token\trelation_id:token\ttail_id:token",
        *(f"e{item}\tkind\tk{item // 3}" for item in range(_ITEMS)),
        *(f"e{item}\tmaker\tm{item % 2}" for item in range(_ITEMS)),
    ]
    folder.mkdir()
    for name, lines in contents.items():
        text = "\n".join(lines) + "\n"
        (folder / f"{_NAME}.{name}").write_text(text, "utf-8")
