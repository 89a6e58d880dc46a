"""The results of a tuning as files: the best options of each model, and all trials."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from recbole_kgif.common.files import write_atomic
from recbole_kgif.experiments.optuna_search import ModelSearch
from recbole_kgif.experiments.trial_outcomes import Trial, trials_of_folder
from recbole_kgif.experiments.trial_requests import ModelPlan, TrialRequest, own_options
from recbole_kgif.report.metric_names import title
from recbole_kgif.report.run_files import all_run_folders, read_request

TRIALS_FILE = "trials.csv"

_COLUMNS = (
    *("model", "number", "state", "metric", "value", "best_epoch", "seconds"),
    *("parameters", "reason"),
)


def write_trials(folder: Path, searches: Sequence[ModelSearch]) -> Path:
    """Write every trial of a tuning's folder and of its studies as CSV.

    Args:
        folder: the tuning's folder.
        searches: those of the models that are being tuned. Other models that were
            tuned in the folder stay in the table.

    Returns:
        The file.
    """
    metric = searches[0].plan.metric
    trials = {search.plan.model: search.trials() for search in searches}
    for model in _models_in(folder) - set(trials):
        trials[model] = trials_of_folder(folder, model, metric)
    everything = (trial for model in sorted(trials) for trial in trials[model])
    path = folder / TRIALS_FILE
    write_atomic(path, _csv(everything, metric))
    return path


def _models_in(folder: Path) -> set[str]:
    return {
        str(read_request(own, TrialRequest)["model"])
        for own in all_run_folders(folder, TrialRequest.kind)
    }


def _csv(trials: Iterable[Trial], metric: str) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for trial in trials:
        row: dict[str, Any] = {
            "model": trial.model,
            "number": trial.number,
            "state": state_of(trial),
            "metric": metric,
            "parameters": json.dumps(trial.parameters, sort_keys=True),
        }
        if trial.outcome is not None:
            row["value"] = trial.outcome.value
            row["best_epoch"] = trial.outcome.best_epoch
            row["seconds"] = round(trial.outcome.seconds, 1)
            row["reason"] = trial.outcome.reason
        writer.writerow(row)
    return text.getvalue()


def state_of(trial: Trial) -> str:
    """The state of a trial in the table: finished, failed or running."""
    if trial.outcome is None:
        return "running"
    return "failed" if trial.outcome.value is None else "finished"


def write_best(folder: Path, plan: ModelPlan, best: Trial, failed: int) -> Path:
    """Write a model's best options, in the form that ``compare --options-from`` takes.

    Args:
        folder: the tuning's folder.
        plan: how the model was tuned.
        best: its best trial.
        failed: how many of its trials failed.

    Returns:
        The file, ``MODEL.yaml``.
    """
    request = plan.trial(best.number, best.parameters).to_json()
    options = yaml.safe_dump(own_options(request))
    path = folder / f"{plan.model}.yaml"
    write_atomic(path, _heading(plan, best, failed) + options)
    return path


def _heading(plan: ModelPlan, best: Trial, failed: int) -> str:
    outcome = best.outcome
    assert outcome is not None
    epochs = {**plan.request.defaults, **plan.request.options}["epochs"]
    failures = f", {failed} of them failed" if failed else ""
    lines = [
        f"Options of {plan.model} that did best in validation; see {TRIALS_FILE}.",
        f"data set: {plan.request.dataset}",
        f"{title(plan.metric)} in validation: {outcome.value}",
        f"best epoch: {outcome.best_epoch} of at most {epochs}",
        f"trials: {plan.trials}{failures}; this is number {best.number}",
        f"seed: {plan.request.seed}",
    ]
    return "".join(f"# {line}\n" for line in lines)
