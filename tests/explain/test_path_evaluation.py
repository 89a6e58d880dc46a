from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from recbole_kgif.explain.path_evaluation import (
    Comparison,
    Estimate,
    Evaluation,
    _ratio,
)
from recbole_kgif.explain.path_selection import BASELINES, BY_CONTRIBUTION, SELECTIONS
from recbole_kgif.explain.perturbation_effects import PerturbationEffect
from recbole_kgif.report.faithfulness_page import faithfulness_page

ONE = Estimate(1.0, 0.5, 1.5)
EVERY = {field.name: ONE for field in dataclasses.fields(PerturbationEffect)}
RATIOS = {"anywhere": None, "from the user": Estimate(500.0, 120.0, 900.0)}


def evaluation() -> Evaluation:
    groups = [("all", "strongest"), ("all", "varied"), ("few walks", "strongest")]
    groups.append(("few walks", "varied"))
    return Evaluation(
        model="KGIF",
        dataset="tiny",
        seed=1,
        n_paths=5,
        n_asked=4,
        n_users=3,
        score=2.0,
        largest_error=1e-6,
        outcomes={choice: EVERY for choice in SELECTIONS},
        random={c: {b: EVERY for b in BASELINES} for c in BY_CONTRIBUTION},
        comparisons=[
            Comparison(choice, "path_walks", users, 3, {**RATIOS, "attention": ONE})
            for users, choice in groups
        ],
        quality={"strongest": {"LIR": None, "SEP": 0.25}},
    )


def test_the_tables_show_what_was_measured() -> None:
    record = json.loads(json.dumps(dataclasses.asdict(evaluation())))
    lines = faithfulness_page(record, 10).splitlines()
    assert "with an error of at most 1e-06" in lines[0]
    rows = [line for line in lines if line.startswith("| ")]
    widths = [line.count("|") for line in rows]
    assert {label.split(" | ")[0] for label in rows} >= {"| strongest", "| varied"}
    names = f"| random {BASELINES[0]}, compared with varied | 1.0000 [0.5000, 1.5000] |"
    assert any(row.startswith(names) for row in rows)
    ratios = "\N{EN DASH} | over 100 | 1.00 [0.50, 1.50]"
    assert f"| 3: all | strongest | path_walks | {ratios} |" in rows
    # By the number of walks the strongest alone.
    assert [row.count("few walks") for row in rows].count(1) == 1
    assert "| strongest | no times | 0.250 |" in rows
    assert len(set(widths)) == 3


def test_a_ratio_to_what_may_be_nothing_is_none() -> None:
    samples = np.random.default_rng(0).integers(0, 40, (500, 40))
    values = np.full(40, 6.0)
    around_zero = np.tile([1.0, -1.0], 20)
    assert _ratio(values, around_zero, samples) is None
    assert _ratio(values, np.zeros(40), samples) is None
    # One of the resamples in 500 takes nothing but the first.
    rarely_nothing = np.array([0.0] + [3.0] * 39)
    samples[0] = 0
    with np.errstate(all="raise"):
        rare = _ratio(values, rarely_nothing, samples)
    assert rare is not None
    assert 2 < rare.high < 3
    found = _ratio(values, around_zero + 3, samples)
    assert found is not None
    assert found.value == pytest.approx(2)
    assert found.low < 2 < found.high
