"""What the tests of the shims share."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]

# Beside these, the defaults of RecBole: its ml-100k comes with it.
OPTIONS: dict[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id"],
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    },
    "embedding_size": 8,
    "kg_embedding_size": 8,
    "epochs": 1,
    "train_batch_size": 20_000,
    # User x item cells: all 943 users of the 1,682 items in one batch.
    "eval_batch_size": 2_000_000,
    "show_progress": False,
    "state": "ERROR",
    "gpu_id": "",
}


@dataclass(frozen=True)
class Run:
    """What one run of a stock model left behind."""

    result: dict[str, Any]
    checkpoint: Path
    warned: list[warnings.WarningMessage]


def python(*code: str, folder: Path | None = None, path: Path | None = None) -> str:
    """What a new Python process prints, errors and warnings included.

    Args:
        code: its lines.
        folder: where it runs; None takes the current folder.
        path: where modules are looked for before all others.
    """
    places = [str(place) for place in (path, CHECKOUT) if place is not None]
    completed = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    assert completed.returncode == 0, completed.stdout
    return completed.stdout.strip()
