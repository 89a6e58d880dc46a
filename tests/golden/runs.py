"""Runs of some models, and what is kept of them.

    python -m tests.golden.runs

measures them anew and writes `runs.json` and the checkpoint beside it. Do that only
where the numbers are meant to change, and say so in the changelog.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Runs the command with arguments in a folder.
Runner = Callable[..., None]

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
KEPT = HERE / "runs.json"
CHECKPOINT = HERE / "kgif-0.1.0.pth"
RECOMMENDATIONS = HERE / "kgif-0.1.0.csv"
TINY = CHECKOUT / "tests" / "tiny"

MODELS = ("KGIF", "KGAT", "KGIN", "CKE", "LightGCN", "BPR")
_OPTIONS = (
    "--embedding_size=16",
    "--epochs=3",
    "--train_batch_size=20000",
    "--learning_rate=0.01",
    "--use_gpu=False",
    "--show_progress=False",
)
_TINY = (
    "--benchmark_filename=['train', 'valid', 'test']",
    "--embedding_size=8",
    "--epochs=3",
    "--train_batch_size=16",
    "--topk=[2, 3]",
    "--valid_metric=NDCG@3",
    "--use_gpu=False",
    "--show_progress=False",
)


def environment() -> dict[str, str]:
    """What the last digit of a number depends on."""
    import numpy
    import torch

    return {
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "processor": torch.backends.cpu.get_cpu_capability(),
    }


def measure(
    model: str, dataset: str, folder: Path, run: Runner | None = None
) -> dict[str, Any]:
    """Train a model by the command.

    Args:
        model: its name.
        dataset: ``"ml-100k"`` or ``"tiny"``.
        folder: an empty folder, which gets the run in ``run``.
        run: runs the command with arguments in a folder; None takes `command`.

    Returns:
        The numbers that are kept of the run.
    """
    options = _OPTIONS if dataset == "ml-100k" else _TINY
    if dataset == "tiny":
        shutil.copytree(TINY, folder / "dataset" / "tiny")
    if dataset == "ml-100k" and model in ("KGAT", "CKE"):
        options = (*options, "--kg_embedding_size=16")
    named = f"--model={model}", f"--dataset={dataset}", "--output=run"
    (run or command)(folder, *named, *options)
    record = json.loads((folder / "run" / "result.json").read_text("utf-8"))
    return {
        "split_hash": record["split_hash"],
        "losses": [epoch["loss"] for epoch in record["epochs"]],
        "valid": record["valid"],
        "test": record["test"],
    }


def recommend(folder: Path, run: Runner | None = None) -> str:
    """What the kept checkpoint recommends, with scores, as CSV.

    Args:
        folder: a folder that gets the recommendations, with `dataset/tiny` in it.
        run: as for `measure`.
    """
    shutil.copy(CHECKPOINT, folder / "model.pth")
    (run or command)(
        folder,
        *("recommend", "--checkpoint=model.pth", "--users=all", "--k=3"),
        "--output=recommendations.csv",
    )
    return (folder / "recommendations.csv").read_text("utf-8")


def command(folder: Path, *arguments: str) -> None:
    """Run the command in a folder.

    Raises:
        AssertionError: it failed.
    """
    completed = subprocess.run(
        [sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), *arguments],
        cwd=folder,
        # With several threads, some models' sums differ from run to run.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr


def _keep() -> None:
    runs: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for dataset in ("ml-100k", "tiny"):
            for model in MODELS if dataset == "ml-100k" else ("KGIF",):
                folder = Path(name, f"{model}-{dataset}")
                folder.mkdir()
                runs[f"{model} on {dataset}"] = measure(model, dataset, folder)
        # The last one is KGIF on the tiny data set.
        shutil.copy(folder / "run" / "model.pth", CHECKPOINT)
        RECOMMENDATIONS.write_text(recommend(folder), "utf-8")
    kept = {"environment": environment(), "runs": runs}
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    _keep()
