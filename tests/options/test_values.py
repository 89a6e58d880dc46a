from __future__ import annotations

from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.options.values import check_hyperparameter, check_value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("topk", [1.5, 20], "topk must be whole numbers from 1 on"),
        ("topk", [20, "a"], "topk must be whole numbers from 1 on"),
        ("topk", True, "topk must be whole numbers from 1 on"),
        ("topk", 0, "topk must be whole numbers from 1 on"),
        ("topk", [], "topk must not be empty"),
        ("metrics", [], "metrics must not be empty"),
        ("metrics", {"a": 1}, "metrics must be a list of names"),
        ("metrics", ["NDCG", "AUC"], "AUC is a metric of single scores and does not"),
        ("encoding", "utf-16", "files are not read in this encoding; give utf-8"),
        ("encoding", "base64", "files are not read in this encoding; give utf-8"),
        ("encoding", "utf-77", "encoding is unknown to Python; give utf-8"),
        ("NEG_PREFIX", 5, "NEG_PREFIX must be a text"),
        ("USER_ID_FIELD", 5, "USER_ID_FIELD must be a text"),
        ("train_neg_sample_args", {"sample_num": 0}, "sample_num must be a whole num"),
        ("train_neg_sample_args", {"samples": 2}, "'samples' is unknown; known are"),
        ("train_neg_sample_args", {"alpha": -1}, "alpha must be a number from 0 on"),
        ("train_neg_sample_args", {"alpha": "much"}, "alpha must be a number from 0"),
        ("train_neg_sample_args", {"dynamic": 1}, "dynamic must be True or False"),
        ("train_neg_sample_args", {"dynamic": True}, "candidate_num: 10"),
        ("train_neg_sample_args", {"candidate_num": 3}, "needs both dynamic: True"),
        ("train_neg_sample_args", {"candidate_num": -1}, "candidate_num must be a"),
        ("train_neg_sample_args", {"distribution": "normal"}, "uniform or popularity"),
        *(
            ("eval_args", {"mode": mode}, "mode must be full, labeled, uniN or popN")
            for mode in ("uni0", "uni-5", "uni", "pop", 5, None, "Full", {"valid": 3})
        ),
        ("eval_args", {"mode": {"train": "full"}}, "the parts valid and test, not"),
        ("eval_args", {"mode": {}}, "mode must not be empty"),
        ("learner", "sparse_adam", "needs sparse gradients, which no model"),
        ("clip_grad_norm", 5, "clip_grad_norm must be of the form"),
        ("clip_grad_norm", {"foo": 5}, "clip_grad_norm must be of the form"),
        ("clip_grad_norm", {"norm_type": 2}, "clip_grad_norm must be of the form"),
        ("learner", "foo", "learner must be adam or adamw or sgd"),
        ("rm_dup_inter", "foo", "rm_dup_inter must be first or last"),
        ("eval_args", {"ordr": "RO"}, "'ordr' is unknown; known are split, order"),
        ("eval_args", {"order": "XX"}, "order must be RO or TO"),
        ("eval_args", {"group_by": ["a"]}, "group_by must be user or none"),
        ("eval_args", {"split": {"RS": [1, 0, 0]}}, "split must be RS with three"),
        ("load_col", ["a"], "load_col must name the columns of each file"),
        ("load_col", {"inter": None}, "load_col must name the columns of each file"),
        ("load_col", {"inter": "user_id"}, "load_col must name the columns of each"),
        ("user_inter_num_interval", "[2,inf", "must be an interval such as '[2,inf)'"),
        ("val_interval", 5, "val_interval must name columns with intervals"),
    ],
)
def test_a_value_that_fails_later_is_refused(
    name: str, value: Any, message: str
) -> None:
    with pytest.raises(UserError) as raised:
        check_value("here", name, value)
    assert str(raised.value).startswith("here: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("topk", [1, 20]), ("topk", 5)),
        *(("metrics", ["Recall", "GAUC"]), ("metrics", "NDCG"), ("metrics", ["AUC"])),
        *(("encoding", "utf-8"), ("encoding", "latin-1"), ("encoding", "utf-8-sig")),
        *(("TIME_FIELD", None), ("benchmark_filename", None)),
        ("train_neg_sample_args", {"distribution": "uniform", "sample_num": 3}),
        *(("clip_grad_norm", None), ("clip_grad_norm", {"max_norm": 5})),
        *(("learner", "Adam"), ("rm_dup_inter", None), ("rm_dup_inter", "first")),
        ("eval_args", {"order": "TO", "group_by": None, "mode": {"valid": "full"}}),
        ("eval_args", {"split": {"LS": "valid_and_test"}}),
        *(("eval_args", {"mode": mode}) for mode in ("full", "labeled", "uni100")),
        ("eval_args", {"mode": {"valid": "pop10", "test": "full"}}),
        ("train_neg_sample_args", {"dynamic": True, "candidate_num": 5}),
        *(("load_col", None), ("load_col", {"inter": ["user_id"]})),
        ("user_inter_num_interval", "[2,inf);(0,1]"),
        ("log_wandb", False),
    ],
)
def test_what_recbole_takes_is_taken(name: str, value: Any) -> None:
    check_value("here", name, value)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs the package wandb; run pip install"):
        check_value("here", "log_wandb", True)


@pytest.mark.parametrize(
    ("model", "name", "value", "allowed"),
    [
        ("EASE", "reg_weight", 0, "a number above 0"),
        ("EntityEASE", "reg_weight", -1.0, "a number above 0"),
        ("EntityEASE", "feature_weight", -0.5, "a number, 0 or above"),
        ("KernelRidge", "ridge", 0.0, "a number above 0"),
        ("PageRank", "restart", 1, "a number in (0, 1)"),
        ("PageRank", "n_iterations", 2.5, "an integer above 0"),
    ],
)
def test_options_of_solved_models_are_checked(
    model: str, name: str, value: float, allowed: str
) -> None:
    with pytest.raises(UserError) as raised:
        check_hyperparameter("--option", model, name, value)
    assert str(raised.value) == (
        f"--option: {name}={value!r} is not allowed; it must be {allowed}"
    )
    # Another model's option of this name is its own affair.
    check_hyperparameter("--option", "BPR", name, value)
