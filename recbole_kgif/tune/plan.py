"""The trials of a tuning: what one is made with, and whether it fits the others.

``DIR/trials/MODEL-NUMBER/`` holds the files of a trial, as `recbole_kgif.compare.store`
describes them. These files are what a tuning that was stopped goes on from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from recbole_kgif.compare.plan import RunRequest, may_differ, plan_runs
from recbole_kgif.compare.store import difference, refuse_disagreeing
from recbole_kgif.options.settings import default_options
from recbole_kgif.report import metric_names
from recbole_kgif.report.run_files import (
    all_run_folders,
    common_settings_of,
    read_request,
    settings_of,
)
from recbole_kgif.tune.spaces import (
    FIXED,
    Parameters,
    Space,
    space_of,
    starting_points,
)


@dataclass(frozen=True)
class TrialRequest(RunRequest):
    """All that determines one trial.

    Attributes:
        number: Number of the trial among those of its model, from 0 on.
        parameters: The tuned options with the values of this trial.
        space: What they were chosen from.
        evaluate_test: False: the test interactions have no say.
    """

    kind: ClassVar[str] = "trials"

    number: int
    parameters: Parameters
    space: Space
    evaluate_test: bool = False

    @property
    def name(self) -> str:
        """Name of the trial and of its folder."""
        return trial_name(self.model, self.number)


@dataclass(frozen=True)
class ModelPlan:
    """How one model is tuned.

    Attributes:
        request: What all its trials share.
        space: What the parameters of a trial are chosen from.
        starts: The parameters of the first trials.
        trials: How many trials there are.
        metric: The validation metric, as it stands in a record.
    """

    request: RunRequest
    space: Space
    starts: Sequence[Parameters]
    trials: int
    metric: str

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.request.model

    def trial(self, number: int, parameters: Parameters) -> TrialRequest:
        """The request for one trial."""
        shared = {f.name: getattr(self.request, f.name) for f in fields(RunRequest)}
        shared["options"] = {**self.request.options, **parameters}
        return TrialRequest(
            **shared, number=number, parameters=dict(parameters), space=self.space
        )

    def settings(self) -> dict[str, Any]:
        """What must be equal for all trials of the model."""
        return trial_settings_of(self.trial(0, self.starts[0]).to_json())


def trial_name(model: str, number: int) -> str:
    """Name of a trial and of its folder."""
    return f"{model}-{number:04d}"


def plan_models(
    models: Sequence[str],
    dataset: str,
    *,
    trials: int,
    seed: int,
    options_below: Mapping[str, Any],
    options_above: Mapping[str, Any],
    given: Mapping[str, Any],
    files: Mapping[str, str],
) -> list[ModelPlan]:
    """How each of some models is tuned.

    Args:
        models: names of the models.
        dataset: name of the data set.
        trials: how many trials each model has.
        seed: seed of every trial.
        options_below: options of the data set and of configuration files.
        options_above: options of the command line, which override those.
        given: options that the user asked for, which are not tuned.
        files: SHA-256 of each of the data set's files, by its name.

    Raises:
        UserError: a model has no search space, or the validation metric is none of the
            metrics.
    """
    spaces = {model: space_of(model, given) for model in models}
    requests = plan_runs(
        models,
        1,
        dataset,
        options_below={**FIXED, **options_below},
        options_of_models={model: {} for model in models},
        options_above=options_above,
        files=files,
    )
    return [
        ModelPlan(
            replace(request, seed=seed),
            spaces[request.model],
            starting_points(request.model, spaces[request.model]),
            trials,
            validation_metric(request),
        )
        for request in requests
    ]


def validation_metric(request: RunRequest) -> str:
    """The metric that trials are judged by, as it stands in a record.

    Raises:
        UserError: it is none of the metrics that are computed.
    """
    return metric_names.validation_metric({**request.defaults, **request.options})


def trial_settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal for two trials of a model.

    Args:
        request: a trial's request as JSON.

    Returns:
        All that a run depends on but for the tuned options, of which it is what they
        were chosen from.
    """
    settings = settings_of(request)
    for name in request["parameters"]:
        settings.pop(name, None)
    spaces = {f"space of {k}": json.dumps(v) for k, v in request["space"].items()}
    return {**settings, **spaces, "seed": request["seed"]}


def own_options(request: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a request that a model of a comparison may have for itself.

    What is alike for all models, as their size, is left out where a model has no such
    option.
    """
    known = default_options(request["model"])
    return {
        name: value
        for name, value in request["options"].items()
        if may_differ(name) and name in known
    }


def check_trials_agree(folder: Path, plans: Sequence[ModelPlan]) -> None:
    """Refuse to mix trials of other settings into a tuning.

    A trial of a model that is tuned must have been made with the settings asked for
    now; a trial of another model with the same data, evaluation, budget and seed.

    Args:
        folder: the tuning's folder.
        plans: what is asked for, not empty.

    Raises:
        UserError: a trial disagrees; it is named with the first setting that differs.
    """
    settings = {plan.model: plan.settings() for plan in plans}
    common = _common_settings_of(plans[0].request.to_json())
    disagreeing = []
    for own in all_run_folders(folder, TrialRequest.kind):
        request = read_request(own, TrialRequest)
        if request["model"] in settings:
            told = difference(trial_settings_of(request), settings[request["model"]])
        else:
            told = difference(_common_settings_of(request), common)
        if told:
            disagreeing.append(f"{own.name} was run with {told}")
    refuse_disagreeing(folder / TrialRequest.kind, disagreeing)


def _common_settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    return {**common_settings_of(request), "seed": request["seed"]}
