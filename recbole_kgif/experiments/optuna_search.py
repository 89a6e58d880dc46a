"""One model's search: an Optuna study that follows the trials' files.

A study without a storage is kept in memory and is rebuilt from the files each time; one
in a storage is shared by several machines, each with a folder of its own. Either way
the files of this folder decide about the trials that ran here: what the study lacks of
them is added, however the last process ended.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Optional

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_store import difference
from recbole_kgif.experiments.search_spaces import Choices, Domain, Parameters
from recbole_kgif.experiments.trial_outcomes import (
    Outcome,
    Trial,
    trials_of_folder,
)
from recbole_kgif.experiments.trial_requests import ModelPlan, TrialRequest
from recbole_kgif.report.metric_names import larger_is_better
from recbole_kgif.report.run_files import REQUEST_FILE

# Marks a trial that came too late: another machine has begun the last one meanwhile.
_WITHDRAWN = "withdrawn"
_SETTINGS = "settings"


class ModelSearch:
    """The trials of one model: chooses their parameters and learns their outcomes.

    Args:
        plan: how the model is tuned.
        folder: the tuning's folder, whose trials agree with the plan.
        storage: where the study is kept, as `open_storage` returns it.

    Raises:
        UserError: the study was begun with other settings, or its trials are not those
            of the folder.
    """

    def __init__(self, plan: ModelPlan, folder: Path, storage: BaseStorage):
        self.plan = plan
        self._distributions = {n: _distribution(d) for n, d in plan.space.items()}
        request = plan.request
        maximise = larger_is_better(plan.metric)
        self.study: Study = optuna.create_study(
            study_name=f"{request.dataset}-{request.model}",
            direction="maximize" if maximise else "minimize",
            storage=storage,
            sampler=_SampleByNumber(request.seed),
            load_if_exists=True,
        )
        self._check_settings()
        self._follow(trials_of_folder(folder, plan.model, plan.metric))

    def unfinished(self) -> list[TrialRequest]:
        """Requests for the trials of this folder that were begun and not ended."""
        return [
            self.plan.trial(number, self._parameters(self._trials()[number]))
            for number in self._begun_here
            if number in {trial.number for trial in self._counted()}
            and self._trials()[number].state == TrialState.RUNNING
        ]

    def next(self) -> Optional[TrialRequest]:
        """Choose the parameters of the next trial; None where all were begun."""
        if not self.is_open():
            return None
        trial = self.study.ask(self._distributions)
        if trial.number not in {counted.number for counted in self._counted()}:
            trial.set_user_attr(_WITHDRAWN, True)
            self.study.tell(trial.number, state=TrialState.FAIL)
            return None
        return self.plan.trial(trial.number, self._parameters(trial))

    def is_open(self) -> bool:
        """Whether there are trials that nobody has begun."""
        counted = self._counted()
        waiting = any(trial.state == TrialState.WAITING for trial in counted)
        return waiting or len(counted) < self.plan.trials

    def learn(self, number: int, outcome: Outcome) -> None:
        """Note the outcome of a trial, unless it is known already."""
        if self._trials()[number].state != TrialState.RUNNING:
            return
        # Of the study: an attribute of a trial can be set by what `ask` returned alone,
        # and that is lost with the process.
        self.study.set_user_attr(_attribute(number), asdict(outcome))
        if outcome.value is None:
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, outcome.value)

    def trials(self) -> list[Trial]:
        """The trials that count and were begun, by number."""
        outcomes = self.study.user_attrs
        return [
            Trial(
                self.plan.model,
                trial.number,
                self._parameters(trial),
                _outcome_in_study(trial, outcomes.get(_attribute(trial.number))),
            )
            for trial in self._counted()
            if trial.state != TrialState.WAITING
        ]

    def best(self) -> Optional[Trial]:
        """The trial with the best value, the first of equals; None without a value."""
        sign = -1 if larger_is_better(self.plan.metric) else 1
        judged = [
            (sign * trial.outcome.value, trial.number, trial)
            for trial in self.trials()
            if trial.outcome is not None and trial.outcome.value is not None
        ]
        return min(judged)[2] if judged else None

    def _trials(self) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _counted(self) -> list[FrozenTrial]:
        """The first trials, as many as are asked for, those waiting included."""
        staying = [t for t in self._trials() if not t.user_attrs.get(_WITHDRAWN)]
        return staying[: self.plan.trials]

    def _parameters(self, trial: Any) -> dict[str, Any]:
        return {
            name: _from_optuna(self.plan.space[name], value)
            for name, value in trial.params.items()
        }

    def _check_settings(self) -> None:
        settings = self.plan.settings()
        known = self.study.user_attrs.get(_SETTINGS)
        if known is None:
            self.study.set_user_attr(_SETTINGS, settings)
        elif differing := difference(known, settings):
            raise UserError(
                f"--storage: its study {self.study.study_name} was begun with "
                f"{differing}; give another storage"
            )

    def _follow(self, here: Sequence[Trial]) -> None:
        """Bring the study up to date with the trials of the folder."""
        by_number = {trial.number: trial for trial in here}
        self._begun_here = sorted(by_number)
        starts = self.plan.starts
        for number in range(max([len(starts), *(n + 1 for n in by_number)])):
            trial = by_number.get(number)
            if number >= len(self._trials()):
                self._add(trial, starts[number] if number < len(starts) else {})
            if trial is None:
                continue
            known = self._trials()[number]
            if self._parameters(known) != trial.parameters:
                raise UserError(
                    f"--storage: trial {number} of its study {self.study.study_name} "
                    f"is another one than {trial.name} of --output; give another of "
                    "the two"
                )
            if trial.outcome is not None:
                self.learn(number, trial.outcome)

    def _add(self, begun: Optional[Trial], start: Parameters) -> None:
        """Add a trial as it was begun, or else let one wait with what it starts from.

        One without a start, for a folder that somebody removed, is sampled as others.
        """
        if begun is None:
            self.study.enqueue_trial(self._to_optuna(start))
            return
        try:
            trial = optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=self._to_optuna(begun.parameters),
                distributions=self._distributions,
            )
        except (KeyError, TypeError, ValueError):
            raise UserError(
                f"{begun.name}: its {REQUEST_FILE} has parameters that it cannot have "
                "been tried with; remove its folder"
            ) from None
        self.study.add_trial(trial)

    def _to_optuna(self, parameters: Parameters) -> dict[str, Any]:
        return {n: _to_optuna(self.plan.space[n], v) for n, v in parameters.items()}


def _outcome_in_study(
    trial: FrozenTrial, known: Optional[Mapping[str, Any]]
) -> Optional[Outcome]:
    if not trial.state.is_finished():
        return None
    if known is None:
        return Outcome(None, None, 0.0, "ended in the storage by other means")
    return Outcome(**known)


def _attribute(number: int) -> str:
    return f"outcome of trial {number}"


def _distribution(domain: Domain) -> BaseDistribution:
    """A domain as Optuna has it: choices are texts, because it takes no lists."""
    if isinstance(domain, Choices):
        return CategoricalDistribution([json.dumps(value) for value in domain.values])
    return FloatDistribution(domain.low, domain.high, log=True)


def _to_optuna(domain: Domain, value: Any) -> Any:
    if isinstance(domain, Choices):
        return json.dumps(domain.values[domain.values.index(value)])
    return value


def _from_optuna(domain: Domain, value: Any) -> Any:
    return json.loads(value) if isinstance(domain, Choices) else value


class _SampleByNumber(BaseSampler):
    """Tree-structured Parzen estimators, with a seed of its own for every trial.

    So the parameters of a trial depend on its number and on the trials before it, not
    on how often the process was stopped. Trials that others have begun count as
    bad ones until they end, so that nobody tries the same.
    """

    def __init__(self, seed: int):
        self._seed = seed
        self._sampler = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        text = f"{self._seed} {study.study_name} {trial.number}"
        digest = hashlib.sha256(text.encode()).digest()
        with warnings.catch_warnings():
            # Optuna 4 calls constant_liar experimental.
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._sampler = TPESampler(
                seed=int.from_bytes(digest[:4], "big"), constant_liar=True
            )

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self,
        study: Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(
            study, trial, param_name, param_distribution
        )
