from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import GivenOptions
from recbole_kgif.experiments.run_requests import SPLIT_SEED, plan_runs
from recbole_kgif.experiments.run_store import reset_run
from recbole_kgif.experiments.trial_requests import (
    ModelPlan,
    check_trials_agree,
    own_options,
    plan_models,
)
from recbole_kgif.report.run_files import settings_of
from tests.experiments.planned import planned
from tests.experiments.tuning_helpers import plan


def changed(planned: ModelPlan, **changes: Any) -> ModelPlan:
    """The plan with another request for all trials."""
    request = dataclasses.replace(planned.request, **changes)
    return dataclasses.replace(planned, request=request)


def test_a_trial_asks_for_its_parameters_and_for_no_test() -> None:
    of_model = plan("KGAT", seed=7)
    request = of_model.trial(3, of_model.starts[1])
    written = request.to_json()
    assert json.loads(json.dumps(written)) == written
    assert request.name == "KGAT-0003"
    assert written["evaluate_test"] is False
    assert written["seed"] == 7
    assert written["split_seed"] == SPLIT_SEED
    assert written["parameters"]["layers"] == [128, 64, 32]
    assert written["options"].items() >= written["parameters"].items()
    assert written["options"]["embedding_size"] == 64
    assert written["options"]["train_batch_size"] == 2048
    assert written["space"]["learning_rate"] == {"low": 1e-4, "high": 1e-2}
    assert [64, 32, 16] in written["space"]["layers"]["values"]


def test_what_is_given_holds_for_all_trials() -> None:
    dataset = planned(metrics=["NDCG"], topk=[3], valid_metric="NDCG@3")
    in_files = {"embedding_size": 16, "reg_weight": 0.5}
    given = GivenOptions(in_files, {"train_batch_size": 8})
    (of_kgat,) = plan_models(["KGAT"], dataset, given, trials=1, seed=1)
    options = of_kgat.trial(0, of_kgat.starts[0]).options
    assert options["embedding_size"] == 16
    assert options["train_batch_size"] == 8
    assert options["reg_weight"] == 0.5
    assert "reg_weight" not in of_kgat.space


def test_the_options_of_a_trial_hold_none_that_its_model_does_not_know() -> None:
    of_model = plan("EASE")
    own = own_options(of_model.trial(0, of_model.starts[0]).to_json())
    assert own == {"reg_weight": 250.0, "train_batch_size": 2048}


def test_a_comparison_with_the_options_of_a_trial_is_that_run() -> None:
    of_model = plan("KGAT", mess_dropout=0.25)
    trial = of_model.trial(2, of_model.starts[1]).to_json()
    own = own_options(trial)
    assert own["mess_dropout"] == 0.25
    assert own["embedding_size"] == 64
    assert own["layers"] == [128, 64, 32]
    assert {"topk", "valid_metric", "load_col", "seed"}.isdisjoint(own)
    dataset = planned(metrics=["NDCG"], topk=[3], valid_metric="NDCG@3")
    (run,) = plan_runs(["KGAT"], 1, dataset, GivenOptions(of_models={"KGAT": own}))
    assert settings_of(run.to_json()) == settings_of(trial)
    assert run.seed == trial["seed"]


@pytest.mark.parametrize(
    ("options", "metric"),
    [
        ({"valid_metric": "NDCG@3"}, "ndcg@3"),
        ({"valid_metric": "recall@3", "metrics": "Recall", "topk": 3}, "recall@3"),
        ({"valid_metric": "GAUC", "metrics": ["GAUC"]}, "gauc"),
    ],
)
def test_the_validation_metric_is_one_that_is_computed(
    options: dict[str, Any], metric: str
) -> None:
    assert plan("BPR", **options).metric == metric


@pytest.mark.parametrize("metric", ["NDCG@5", "Recall@3"])
def test_a_metric_that_is_not_computed(metric: str) -> None:
    with pytest.raises(UserError, match=f"valid_metric={metric}: is not computed"):
        plan("BPR", valid_metric=metric)


def test_trials_of_equal_settings_agree_whatever_their_parameters(
    tmp_path: Path,
) -> None:
    of_model = plan("KGAT")
    for number, start in enumerate(of_model.starts):
        reset_run(tmp_path, of_model.trial(number, start))
    check_trials_agree(tmp_path, [of_model, plan("BPR")])
    check_trials_agree(tmp_path, [plan("KGAT", trials=99)])
    check_trials_agree(tmp_path, [plan("BPR")])


@pytest.mark.parametrize(
    ("options", "changes", "told"),
    [
        ({"epochs": 7}, {}, "epochs=300, not with 7"),
        ({"valid_metric": "ndcg@3"}, {}, "valid_metric='NDCG@3', not with 'ndcg@3'"),
        ({"seed": 1}, {}, "seed=2020, not with 1"),
        ({}, {"files": {"tiny.kg": "2"}}, "another content of tiny.kg"),
        ({}, {"dataset": "other"}, "dataset='tiny', not with 'other'"),
        ({"embedding_size": 8}, {}, "embedding_size=64, not with 8"),
        ({"layers": [64]}, {}, "layers=None, not with [64]"),
    ],
)
def test_trials_of_other_settings_are_not_mixed(
    tmp_path: Path, options: dict[str, Any], changes: dict[str, Any], told: str
) -> None:
    before = plan("KGAT")
    reset_run(tmp_path, before.trial(0, before.starts[0]))
    reset_run(tmp_path, before.trial(1, before.starts[1]))
    with pytest.raises(UserError) as raised:
        check_trials_agree(tmp_path, [changed(plan("KGAT", **options), **changes)])
    message = str(raised.value)
    assert f"KGAT-0000 was run with {told} (and 1 more)" in message
    assert "\n" not in message
    # What must be alike for all models is so for another one too.
    other = changed(plan("BPR", **{k: v for k, v in options.items() if k != "layers"}))
    if "embedding_size" in options or "layers" in options:
        check_trials_agree(tmp_path, [other])
    else:
        with pytest.raises(UserError, match="KGAT-0000 was run with"):
            check_trials_agree(tmp_path, [changed(other, **changes)])


def test_another_search_space_is_another_search(tmp_path: Path) -> None:
    before = plan("BPR")
    reset_run(tmp_path, before.trial(0, before.starts[0]))
    wider = dataclasses.replace(
        before, space={**before.space, "learning_rate": plan("KGIF").space["n_layers"]}
    )
    with pytest.raises(UserError, match="run with space of learning_rate="):
        check_trials_agree(tmp_path, [wider])


def test_a_damaged_request_is_named(tmp_path: Path) -> None:
    of_model = plan("BPR")
    own = reset_run(tmp_path, of_model.trial(0, of_model.starts[0]))
    request = json.loads((own / "request.json").read_text("utf-8"))
    del request["space"]
    (own / "request.json").write_text(json.dumps(request), "utf-8")
    with pytest.raises(UserError, match=r"request\.json: lacks space"):
        check_trials_agree(tmp_path, [of_model])
