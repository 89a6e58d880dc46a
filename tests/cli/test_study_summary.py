"""The table and the sentence that a comparison ends with, from hand-made records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from recbole_kgif.cli.study_summary import (
    ablation_summary,
    comparison_summary,
    robustness_summary,
)
from recbole_kgif.cli.tuning_summary import tuning_summary
from recbole_kgif.experiments.trial_outcomes import Outcome, Trial
from recbole_kgif.experiments.tuning import TuningResult
from recbole_kgif.report.run_table import Failure
from tests.report.records_by_hand import comparison, record
from tests.report.variant_records import variant_record


def of_users(model: str, ndcg: Sequence[float], seed: int = 2020) -> dict[str, object]:
    return record(model, seed, {"recall@2": [1, 1, 0, 0], "ndcg@2": ndcg})


def test_a_significant_lead_is_named_with_its_size() -> None:
    text = comparison_summary(
        comparison(of_users("BPR", [0.25] * 4), of_users("KGIF", [0.5] * 4))
    )
    table, sentence = text.split("\n\n")
    assert sentence == (
        "KGIF leads: +100.0% NDCG@2 on the next (BPR), p < 0.001 over 4 users"
    )
    assert [line.split() for line in table.splitlines()] == [
        ["Model", "Seeds", "NDCG@2", "Recall@2", "to", "the", "first", "p", "(Holm)"],
        ["KGIF", "1", "0.5000", "0.5000", "-", "-"],
        ["BPR", "1", "0.2500", "0.5000", "-50.0%", "<", "0.001"],
    ]


def test_a_lead_that_may_be_chance_is_none() -> None:
    text = comparison_summary(
        comparison(
            of_users("KGIF", [1, 0, 0.5, 0.6]), of_users("BPR", [0, 1, 0.5, 0.5])
        )
    )
    sentence = text.splitlines()[-1]
    assert sentence.startswith(
        "No winner: KGIF is first, +5.0% NDCG@2 on the next (BPR"
    )
    assert "not significant (p = 0." in sentence


def test_one_model_has_nobody_to_be_compared_with() -> None:
    failed = Failure({"model": "BPR", "seed": 2020}, "killed")
    text = comparison_summary(
        comparison(of_users("KGIF", [0.5] * 4), failures=[failed])
    )
    assert text.endswith("KGIF has NDCG@2 0.5000; there is no other to compare with")
    assert "BPR    0 of 1  failed    failed" in text


def test_without_values_of_users_nobody_is_named() -> None:
    records = [of_users(model, [0.5] * 4) for model in ("KGIF", "BPR")]
    for content in records:
        content["test_per_user"] = None
    assert "No winner can be named" in comparison_summary(comparison(*records))


def test_an_ablation_names_what_matters() -> None:
    text = ablation_summary(
        comparison(
            variant_record("full", [0.5] * 4),
            variant_record("without-walks", [0.4] * 4),
            variant_record("without-fusion", [0.6, 0.4, 0.5, 0.5]),
            variant_record("bpr", [0.55] * 4, model="KGIF"),
        )
    )
    assert text.splitlines()[-1] == (
        "By NDCG@2 worse than full is without-walks (-20.0%); better is bpr (+10.0%); "
        "no significant difference without-fusion (p < 0.05 after Holm's correction, "
        "4 users)"
    )
    assert "without-walks       1  0.4000   -20.0%   < 0.001" in text


def test_a_robustness_study_names_what_the_hardest_condition_leaves() -> None:
    text = robustness_summary(
        comparison(
            variant_record("KGIF-full", [0.8, 0.8, 0.4, 0.4]),
            variant_record("KGIF-removed-50", [0.6, 0.6, 0.2, 0.21]),
            variant_record("CKE-full", [0.2, 0, 0, 0], model="CKE"),
            failures=[],
        )
    )
    assert text.splitlines()[0] == "NDCG@2"
    assert text.splitlines()[-1] == (
        "With 50% of the triples removed CKE has no result, KGIF has 67.1% of its "
        "NDCG@2 (p < 0.001), over 4 users"
    )


@pytest.mark.parametrize("has_result", [True, False])
def test_a_tuning_names_the_best_model(has_result: bool) -> None:
    def trial(model: str, number: int, value: float) -> Trial:
        outcome = Outcome(value if has_result else None, 3, 1.0, "")
        return Trial(model, number, {}, outcome)

    kgif = [trial("KGIF", 0, 0.2), trial("KGIF", 1, 0.25)]
    bpr = [trial("BPR", 0, 0.1)]
    tuned = [
        TuningResult("BPR", None, [], [], "ndcg@2", bpr, bpr[0]),
        TuningResult("KGIF", None, [], [], "ndcg@2", kgif, kgif[1]),
    ]
    text = tuning_summary(tuned, Path("runs/tune/x"))
    if not has_result:
        assert text.endswith("No trial has a result")
        return
    assert text.splitlines()[0] == "NDCG@2 in validation"
    assert text.splitlines()[-1] == (
        "KGIF is best in validation: NDCG@2 0.2500, +25.0% on its defaults; the test "
        "is for compare --options-from runs/tune/x"
    )
    assert "KGIF        2       0    0.2000  0.2500  +25.0%   KGIF-0001" in text
