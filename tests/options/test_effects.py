from __future__ import annotations

from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.options.effects import Situation, check_consistency, check_effects
from recbole_kgif.options.settings import default_options

PARTS = {"benchmark_filename": ["train", "valid", "test"]}


def situation(model: str = "KGIF", aware: bool = True, **options: Any) -> Situation:
    return Situation(model, {**default_options(model), **options}, aware)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_inter_num_interval", "[5,inf)"),
        ("item_inter_num_interval", "[0,9]"),
        ("val_interval", {"rating": "[3,inf)"}),
        ("rm_dup_inter", "last"),
        ("eval_args", {"split": {"RS": [0.8, 0.1, 0.1]}}),
        ("eval_args", {"order": "TO", "mode": "full"}),
        ("unlinked_items", "drop"),
    ],
)
def test_what_pre_split_data_ignore_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"{name}=.*: has no effect, as .*pre-split"):
        check_effects({name: value}, [situation(**PARTS)])
    assert check_effects({name: value}, [situation()]) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_inter_num_interval", "[0,inf)"),
        ("eval_args", {"mode": "uni100"}),
        ("unlinked_items", "error"),
        ("entity_kg_num_interval", "[2,inf)"),
    ],
)
def test_what_acts_on_pre_split_data_is_taken(name: str, value: Any) -> None:
    assert check_effects({name: value}, [situation(**PARTS)]) == []


def test_a_warning_needs_that_no_model_is_affected() -> None:
    given = {"train_kg_step": 3}
    (warning,) = check_effects(given, [situation("KGIF"), situation("BPR", False)])
    assert warning.startswith("train_kg_step=3: has no effect, as KGIF does not")
    assert check_effects(given, [situation("KGIF"), situation("KTUP")]) == []


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("KGIF", {"eval_args": {"mode": "labeled"}}, "mode labeled evaluates labels"),
        ("KGIF", {"metrics": ["AUC"]}, "AUC is a metric of labels"),
        ("FM", {}, "FM: learns from labels, and the data set has none"),
        ("BPR", {"train_neg_sample_args": None}, "BPR learns from sampled negatives"),
        ("KGAT", {"train_neg_sample_args": None}, "KGAT learns from sampled negatives"),
    ],
)
def test_options_that_contradict_each_other(
    model: str, options: dict[str, Any], message: str
) -> None:
    columns = {"load_col": {"inter": ["user_id", "item_id"]}}
    with pytest.raises(UserError, match=message):
        check_consistency(situation(model, **columns, **options))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("KGIF", {}),
        ("MultiVAE", {"train_neg_sample_args": None}),
        ("EASE", {"train_neg_sample_args": None}),
        ("FM", {"threshold": {"rating": 3}}),
        ("FM", {"train_neg_sample_args": {"distribution": "uniform"}}),
        ("SASRec", {"train_neg_sample_args": None}),
        ("KGIF", {"metrics": ["AUC"], "eval_args": {"mode": "uni10"}}),
    ],
)
def test_options_that_fit_are_taken(model: str, options: dict[str, Any]) -> None:
    columns = {"load_col": {"inter": ["user_id", "item_id"]}}
    if model == "FM":
        options = {"eval_args": {"mode": "labeled"}, "metrics": ["AUC"], **options}
    check_consistency(situation(model, **columns, **options))
