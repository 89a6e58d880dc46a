"""The outcomes of trials, read from the files of a tuning's folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.common.files import read_object
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.search_spaces import Parameters
from recbole_kgif.experiments.trial_requests import TrialRequest, trial_name
from recbole_kgif.report.run_files import (
    FAILURE_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    all_run_folders,
    read_request,
)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial.

    Attributes:
        value: The validation metric of the best epoch; None where the trial failed.
        best_epoch: The best epoch, counted from 1; None where the trial failed.
        seconds: How long it trained and validated, or ran until it failed.
        reason: Why it failed, in one line; empty where it did not.
    """

    value: Optional[float]
    best_epoch: Optional[int]
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial that was begun.

    Attributes:
        model: Name of the model.
        number: Number of the trial among those of its model.
        parameters: The tuned options with their values.
        outcome: Its outcome; None while it is not known.
    """

    model: str
    number: int
    parameters: Parameters
    outcome: Optional[Outcome]

    @property
    def name(self) -> str:
        """Name of the trial and of its folder."""
        return trial_name(self.model, self.number)


def trials_of_folder(folder: Path, model: str, metric: str) -> list[Trial]:
    """The trials of a model that were begun in a folder, by number.

    Args:
        folder: the tuning's folder.
        model: name of the model.
        metric: the validation metric, as a record names it.

    Raises:
        UserError: a file is damaged.
    """
    trials = []
    for own in all_run_folders(folder, TrialRequest.kind):
        request = read_request(own, TrialRequest)
        if request["model"] == model:
            number, parameters = request["number"], request["parameters"]
            if own.name != trial_name(model, number):
                raise UserError(
                    f"{own / REQUEST_FILE}: is that of trial {number}; remove its "
                    "folder"
                )
            trials.append(Trial(model, number, parameters, outcome_of(own, metric)))
    return sorted(trials, key=lambda trial: trial.number)


def outcome_of(own: Path, metric: str) -> Optional[Outcome]:
    """The outcome of the trial of a folder; None where it has not ended.

    Raises:
        UserError: a file is damaged.
    """
    for name, read in (
        (RESULT_FILE, partial(_outcome_of_record, metric)),
        (FAILURE_FILE, _outcome_of_failure),
    ):
        if (own / name).exists():
            try:
                return read(read_object(own / name))
            except (KeyError, TypeError) as error:
                raise UserError(
                    f"{own / name}: is not a record of a trial ({error}); remove its "
                    "folder to run it again"
                ) from None
    return None


def _outcome_of_failure(failure: Mapping[str, Any]) -> Outcome:
    return Outcome(None, None, failure["seconds"], failure["reason"])


def _outcome_of_record(metric: str, record: Mapping[str, Any]) -> Outcome:
    seconds = sum(
        epoch["training_seconds"] + epoch.get("validation_seconds", 0.0)
        for epoch in record["epochs"]
    )
    value = record["valid"][metric]
    if not math.isfinite(value):
        return Outcome(None, None, seconds, f"{metric} is {value}")
    return Outcome(value, record["best_epoch"] + 1, seconds)
