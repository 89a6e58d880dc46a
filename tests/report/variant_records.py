"""Hand-made records of variants, with figures that a person can check."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.report.records_by_hand import record

DEGREES = [1, 1, 5, 9]  # training interactions of the four users


def variant_record(
    variant: str,
    ndcg: Sequence[float],
    *,
    seed: int = 2020,
    model: str = "KGIF",
    item_hits: Sequence[int] = (0, 1),
) -> dict[str, Any]:
    """A run's record: NDCG@2 of the four users, and hits of items tested twice."""
    values = {"recall@2": [1.0, 1.0, 0.0, 0.0], "ndcg@2": ndcg}
    content = record(model, seed, values)
    content["request"]["variant"] = variant
    content["test_per_user"]["training_interactions"] = DEGREES
    content["test_per_item"] = {
        "items": ["i1", "i2"],
        "training_interactions": [1, 7],
        "test_interactions": [2, 2],
        "hits": {"2": list(item_hits)},
    }
    return content


def write_variant(folder: Path, content: Mapping[str, Any]) -> Path:
    """Put a record where a study would."""
    request = content["request"]
    own = folder / "runs" / f"{request['variant']}-{request['seed']}"
    own.mkdir(parents=True)
    (own / "request.json").write_text(json.dumps(request), "utf-8")
    (own / "result.json").write_text(json.dumps(content), "utf-8")
    return own


def write_failed_variant(
    folder: Path, variant: str, reason: str, model: str = "KGIF"
) -> None:
    """Put a failed run there."""
    own = write_variant(folder, variant_record(variant, [0, 0, 0, 0], model=model))
    (own / "result.json").unlink()
    (own / "failure.json").write_text(json.dumps({"reason": reason}), "utf-8")
