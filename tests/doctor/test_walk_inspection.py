from __future__ import annotations

import numpy as np
import pytest

from recbole_kgif.doctor.findings import Level
from recbole_kgif.doctor.model_arrays import ScoreArrays, WalkArrays
from recbole_kgif.doctor.walk_inspection import (
    deviations,
    inspect_scores,
    weights_by_relation,
)
from tests.doctor.helpers import findings_by_name


def test_relations_without_walks_are_left_out() -> None:
    share = np.array([0.0, 0.2, 0.8])
    walks = WalkArrays(np.array([1.0, 2.0, 3.0]), share, 0.5, *(np.zeros(0),) * 3)
    frame = weights_by_relation(walks, ["a", "b", "c"])
    assert frame["relation"].tolist() == ["c", "b"]
    assert frame["weight"].tolist() == [3, 2]


def test_parts_of_scores_by_their_deviation_over_items() -> None:
    random = np.random.default_rng(0)
    walks, bias = random.normal(size=(2, 3, 50))
    scores = ScoreArrays((1.0, 1.0), {"walks": walks, "item bias": 1e-3 * bias})
    expected = [np.mean([np.std(row) for row in part]) for part in (walks, 1e-3 * bias)]
    assert deviations(scores) == pytest.approx(expected)
    findings = findings_by_name(inspect_scores(scores).findings)
    assert findings["walks"].level is Level.OK
    assert findings["item bias"].level is Level.NOTE
    assert "item_bias=False" in findings["item bias"].advice
