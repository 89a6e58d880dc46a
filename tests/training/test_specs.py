from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.training.corruption import TripleChange
from recbole_kgif.training.specs import DataSpec, RunSpec

DATA = DataSpec("tiny", Path("a"), 7, True, TripleChange(0.5, 0.25, 3))


def test_a_spec_survives_its_way_to_another_process() -> None:
    spec = RunSpec("KGIF", DATA, {"topk": [2], "seed": 1}, False, True)
    assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    plain = RunSpec("BPR", DataSpec("tiny"), {})
    assert RunSpec.from_json(json.loads(json.dumps(plain.to_json()))) == plain
    assert DATA.folder == Path("a/tiny")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "epoch=3: unknown option epoch; did you mean"),
        ({"epochs": 0}, "epochs=0: epochs must be at least 1"),
        ({"learning_rate": "fast"}, "learning_rate must be a number"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        RunSpec("KGIF", DATA, options)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    with pytest.raises(UserError, match=f"split_seed={seed}: is not from 0"):
        DataSpec("tiny", split_seed=seed)
