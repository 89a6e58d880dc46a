"""Hand-made records of runs, with figures that a person can check."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.report.comparison_page import comparison_context, leads_of
from recbole_kgif.report.rendering import render
from recbole_kgif.report.run_table import Comparison, Failure, Run

USERS = ["u1", "u2", "u3", "u4"]


def record(
    model: str,
    seed: int = 2020,
    values: Optional[Mapping[str, Sequence[float]]] = None,
    **changes: Any,
) -> dict[str, Any]:
    """A run's record; `values` are the test metrics of the four users."""
    if values is None:
        values = {"recall@2": [0, 0, 1, 1], "ndcg@2": [0, 0, 0.5, 0.5]}
    means = {metric: round(sum(v) / len(v), 4) for metric, v in values.items()}
    epochs = [
        {"epoch": e, "training_seconds": 0.5, "loss": 1.0, "valid": {"ndcg@2": 0.1 * e}}
        for e in range(3)
    ]
    defaults = {"learning_rate": 0.001, "epochs": 300, "topk": [10], "layers": 1}
    options = {"epochs": 3, "topk": [2]}
    return {
        "model": model,
        "dataset": "toy",
        "seed": seed,
        "split_seed": 2020,
        "split_hash": "ab" * 32,
        "linked_items_only": True,
        "valid": {"ndcg@2": 0.2},
        "test": means,
        "test_per_user": {"users": USERS, "metrics": dict(values)},
        "best_epoch": 1,
        "epochs": epochs,
        "training_seconds_per_epoch": 0.5,
        "validation_seconds_per_epoch": 0.25,
        "peak_memory_bytes": 100 * 2**20,
        "parameters": 12345,
        "data": {
            "users": 4,
            "items": 5,
            "training_interactions": 6,
            "validation_interactions": 2,
            "test_interactions": 4,
        },
        "device": "CPU (test)",
        "threads": 1,
        "jobs": 1,
        "versions": {"recbole": "1.2.1", "torch": "2.0"},
        "shims": ["scipy-dok-update"],
        "started": "2025-01-01T00:00:00+00:00",
        "configuration": {
            **defaults,
            **options,
            "seed": seed,
            "valid_metric": "NDCG@2",
            "stopping_step": 10,
            "eval_step": 1,
            "eval_args": {
                "split": {"RS": [0.8, 0.1, 0.1]},
                "group_by": "user",
                "order": "RO",
                "mode": {"valid": "full", "test": "full"},
            },
        },
        "request": {
            "model": model,
            "dataset": "toy",
            "seed": seed,
            "split_seed": 2020,
            "options": options,
            "defaults": defaults,
            "model_options": ["layers"],
            "files": {"toy.inter": "00"},
        },
        **changes,
    }


def write_record(folder: Path, content: Mapping[str, Any]) -> Path:
    """Put a record where `compare` would."""
    own = folder / "runs" / f"{content['model']}-{content['seed']}"
    own.mkdir(parents=True)
    (own / "request.json").write_text(json.dumps(content.get("request", {})), "utf-8")
    (own / "result.json").write_text(json.dumps(content), "utf-8")
    return own


def write_failure(folder: Path, model: str, seed: int, reason: Optional[str]) -> Path:
    """Put a failed run there; without a reason one that was never ended."""
    own = folder / "runs" / f"{model}-{seed}"
    own.mkdir(parents=True)
    request = record(model, seed)["request"]
    (own / "request.json").write_text(json.dumps(request), "utf-8")
    if reason is not None:
        (own / "failure.json").write_text(json.dumps({"reason": reason}), "utf-8")
    return own


def comparison(
    *records: Mapping[str, Any], failures: Sequence[Failure] = ()
) -> Comparison:
    """The records as they are read from a folder."""
    return Comparison([Run(Path("x"), r) for r in records], list(failures))


def page(*records: Mapping[str, Any]) -> str:
    """The page on some records, as Markdown in one line."""
    runs = comparison(*records)
    text = render("comparison.j2", "md", **comparison_context(runs, leads_of(runs)))
    return " ".join(text.split())
