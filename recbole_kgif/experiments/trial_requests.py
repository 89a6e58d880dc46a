"""The trials of a tuning: what determines one, and whether it fits the others.

``DIR/trials/MODEL-NUMBER/`` holds the files of a trial, see `report.run_files`. An
interrupted tuning is resumed from these files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

from recbole_kgif.experiments.planning import (
    GivenOptions,
    PlannedDataset,
    may_differ,
)
from recbole_kgif.experiments.run_requests import RunRequest, plan_runs
from recbole_kgif.experiments.run_store import difference, refuse_disagreeing
from recbole_kgif.experiments.search_spaces import (
    FIXED,
    Parameters,
    Space,
    space_of,
    starting_points,
)
from recbole_kgif.options.settings import default_options
from recbole_kgif.report.metric_names import validation_metric
from recbole_kgif.report.run_files import (
    all_run_folders,
    common_settings_of,
    read_request,
    settings_of,
)


@dataclass(frozen=True)
class TrialRequest(RunRequest):
    """All that determines one trial.

    Attributes:
        number: Number of the trial among those of its model, from 0 on.
        parameters: The tuned options with the values of this trial.
        space: What they were chosen from.
        evaluate_test: False: the test interactions must have no influence.
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
        metric: The validation metric, as a record names it.
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
    dataset: PlannedDataset,
    given: GivenOptions,
    *,
    trials: int,
    seed: int,
) -> list[ModelPlan]:
    """How each of some models is tuned.

    Args:
        models: names of the models.
        dataset: the data set.
        given: the options that the user gives, which are not tuned.
        trials: number of trials of each model.
        seed: seed of every trial.

    Raises:
        UserError: a model has no search space, or the validation metric is none of the
            metrics.
    """
    dataset = replace(dataset, options={**FIXED, **dataset.options})
    plans = []
    for request in plan_runs(models, 1, dataset, given):
        space = space_of(request.model, given.common)
        plans.append(
            ModelPlan(
                request=replace(request, seed=seed),
                space=space,
                starts=starting_points(request.model, space),
                trials=trials,
                metric=validation_metric({**request.defaults, **request.options}),
            )
        )
    return plans


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
    """Those options of a request that may differ between models of a comparison.

    An option that all models share, such as their size, is left out where a model has
    no such option.
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
            before, now = trial_settings_of(request), settings[request["model"]]
        else:
            before, now = _common_settings_of(request), common
        if before != now:
            disagreeing.append(f"{own.name} was run with {difference(before, now)}")
    refuse_disagreeing(folder / TrialRequest.kind, disagreeing)


def _common_settings_of(request: Mapping[str, Any]) -> dict[str, Any]:
    return {**common_settings_of(request), "seed": request["seed"]}
