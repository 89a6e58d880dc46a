"""Plans for the tiny data set, and trials with results that a person can check."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.experiments.optuna_search import ModelSearch
from recbole_kgif.experiments.planning import GivenOptions
from recbole_kgif.experiments.run_store import note_failure, reset_run
from recbole_kgif.experiments.study_storage import open_storage
from recbole_kgif.experiments.trial_outcomes import outcome_of
from recbole_kgif.experiments.trial_requests import ModelPlan, TrialRequest, plan_models
from tests.experiments.planned import planned

Judge = Callable[[TrialRequest], Optional[float]]


def plan(model: str = "KGIF", trials: int = 3, **options: Any) -> ModelPlan:
    """How a model is tuned, with some options given."""
    seed = options.pop("seed", 2020)
    dataset = planned(metrics=["NDCG"], topk=[3], valid_metric="NDCG@3")
    given = GivenOptions(in_arguments=options)
    (of_model,) = plan_models([model], dataset, given, trials=trials, seed=seed)
    return of_model


def search(
    folder: Path, model: str = "KGIF", trials: int = 3, storage: Any = None, **o: Any
) -> ModelSearch:
    """A search as the command begins or resumes it."""
    return ModelSearch(plan(model, trials, **o), folder, open_storage(storage))


def judge(request: TrialRequest) -> float:
    """A value that depends on the learning rate alone and is best at 0.002."""
    return round(1 - abs(math.log10(request.parameters["learning_rate"] / 2e-3)), 4)


def record(value: float, metric: str = "ndcg@3") -> dict[str, Any]:
    """The parts of a trial's record that the tuning reads."""
    epoch = {"training_seconds": 0.5, "validation_seconds": 0.25, "valid": {}}
    return {
        "valid": {metric: value},
        "best_epoch": 1,
        "epochs": [epoch, epoch, {"training_seconds": 0.5}],
    }


def write_result(own: Path, content: Mapping[str, Any]) -> None:
    """End a trial as its process does."""
    (own / "result.json").write_text(json.dumps(content), "utf-8")


def run_trial(going: ModelSearch, folder: Path, judged: Judge = judge) -> bool:
    """Do the next trial as `tuning` does; None is judged as a failure.

    Returns:
        Whether there was one.
    """
    request = next(iter(going.unfinished()), None) or going.next()
    if request is None:
        return False
    own = reset_run(folder, request)
    value = judged(request)
    if value is None:
        note_failure(own, "out of memory", 1.5)
    else:
        write_result(own, record(value))
    outcome = outcome_of(own, going.plan.metric)
    assert outcome is not None
    going.learn(request.number, outcome)
    return True
