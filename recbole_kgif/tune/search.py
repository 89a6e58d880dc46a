"""One model's search: an Optuna study that follows the trials' files.

A study without a storage lives in memory and is built again from the files each time;
one in a storage is shared by several machines, each with a folder of its own. Either
way the files of this folder are what counts for the trials that ran here: what the
study lacks of them is added, however the last process ended.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Optional

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import (
    BaseStorage,
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
)
from optuna.storages.journal import JournalFileBackend
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from recbole_kgif.common.files import read_object
from recbole_kgif.compare.store import difference
from recbole_kgif.errors import UserError
from recbole_kgif.report.metric_names import larger_is_better
from recbole_kgif.report.run_files import (
    FAILURE_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    all_run_folders,
    read_request,
)
from recbole_kgif.tune.plan import ModelPlan, TrialRequest, trial_name
from recbole_kgif.tune.spaces import Choices, Domain, Parameters

# Marks a trial that came too late: another machine has begun the last one meanwhile.
_WITHDRAWN = "withdrawn"
_SETTINGS = "settings"


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

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
        outcome: What came of it; None while that is not known.
    """

    model: str
    number: int
    parameters: Parameters
    outcome: Optional[Outcome]

    @property
    def name(self) -> str:
        """Name of the trial and of its folder."""
        return trial_name(self.model, self.number)


class ModelSearch:
    """The trials of one model: chooses their parameters and learns what came of them.

    Args:
        plan: how the model is tuned.
        folder: the tuning's folder, whose trials agree with the plan.
        storage: where the study lives, as `open_storage` returns it.

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
        """Choose the parameters of one more trial; None where all were begun."""
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
        """Take up what came of a trial, unless its end is known already."""
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
        elif told := difference(known, settings):
            raise UserError(
                f"--storage: its study {self.study.study_name} was begun with {told}; "
                "give another storage"
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


def open_storage(location: Optional[str]) -> BaseStorage:
    """Where studies live.

    Args:
        location: URL of a database as SQLAlchemy knows it, path of a journal file of
            Optuna's, or None for the memory of this process.

    Raises:
        UserError: there is no such database, or no driver for it, or the file is no
            journal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if location is None:
        return InMemoryStorage()
    try:
        if "://" in location:
            return RDBStorage(location)
        return _open_journal(location)
    except (ImportError, OSError, ValueError, SQLAlchemyError) as error:
        raise UserError(
            f"--storage: cannot be used ({_first_line(error)}); give sqlite:///FILE, "
            "another URL of a database whose driver is installed, or the path of a "
            "journal file"
        ) from error


def _open_journal(path: str) -> BaseStorage:
    """A journal file as a storage, once all of it was read.

    Raises:
        ValueError: it is none.
    """
    try:
        # Optuna takes a broken last line for one that is being written, and goes on
        # writing behind it.
        if os.path.exists(path) and (content := Path(path).read_bytes()):
            json.loads(content.splitlines()[-1])["op_code"]
        storage = JournalStorage(JournalFileBackend(path))
        storage.get_all_studies()
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        # What Optuna takes for granted of a line.
        raise ValueError(f"{path} is no journal, or its last line is cut") from error
    return storage


@contextmanager
def storage_errors_told() -> Iterator[None]:
    """Tell in one line what a storage fails in later on.

    Raises:
        UserError: in place of what Optuna and SQLAlchemy raise.
    """
    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        raise UserError(
            f"--storage: failed ({_first_line(error)}); once it is in order, the same "
            "command goes on"
        ) from error


def _first_line(error: BaseException) -> str:
    """What an error says, without the statement and the link that SQLAlchemy adds."""
    return (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]


def trials_of_folder(folder: Path, model: str, metric: str) -> list[Trial]:
    """The trials of a model that were begun in a folder, by number.

    Args:
        folder: the tuning's folder.
        model: name of the model.
        metric: the validation metric, as it stands in a record.

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
    """What came of the trial of a folder; None where it has not ended.

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
                    f"{own / name}: is no record of a trial ({error}); remove its "
                    "folder to run it anew"
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
    """A domain as Optuna knows it: its choices are texts, since lists are none."""
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
    on how often the process was stopped. Trials that others have begun are taken for
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
