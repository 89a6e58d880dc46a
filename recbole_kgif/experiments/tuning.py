"""Runs the trials of a tuning, each in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from tqdm import tqdm

from recbole_kgif.experiments.optuna_search import ModelSearch
from recbole_kgif.experiments.parallel_runs import (
    Execution,
    RunOutcome,
    exclusive_lock,
    run_each,
)
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.run_store import remove_leftovers
from recbole_kgif.experiments.study_storage import (
    open_storage,
    storage_errors_reported,
)
from recbole_kgif.experiments.trial_outcomes import Trial, outcome_of
from recbole_kgif.experiments.trial_requests import (
    ModelPlan,
    TrialRequest,
    check_trials_agree,
)
from recbole_kgif.experiments.tuning_files import state_of, write_best, write_trials
from recbole_kgif.report.metric_names import title


@dataclass(frozen=True)
class TuningResult:
    """The result of tuning one model.

    Attributes:
        model: Name of the model.
        file: Its best options; None where there are none, or not all trials ended.
        failures: Name and reason of each trial that failed.
        elsewhere: Names of the trials that others have begun and not ended.
        metric: The validation metric, as a record names it.
        trials: All trials that were begun, by number.
        best: The best of them.
    """

    model: str
    file: Optional[Path]
    failures: Sequence[tuple[str, str]]
    elsewhere: Sequence[str]
    metric: str = ""
    trials: Sequence[Trial] = ()
    best: Optional[Trial] = None


def tune_all(
    plans: Sequence[ModelPlan],
    folder: Path,
    execution: Execution,
    *,
    storage: Optional[str],
) -> list[TuningResult]:
    """Do those of the planned trials that have not ended, and write the results.

    However this process ends, the processes that it started end with it; the next call
    resumes the trials that were begun, with the same parameters.

    Args:
        plans: how each model is tuned, not empty.
        folder: the tuning's folder; need not exist.
        execution: how the trials are executed.
        storage: where the studies are kept, see `optuna_search.open_storage`.

    Returns:
        The result of each model.

    Raises:
        UserError: the folder or the storage cannot be used, is in use, or holds trials
            of other settings.
    """
    with exclusive_lock(folder, "tuning"), storage_errors_reported():
        check_trials_agree(folder, plans)
        remove_leftovers(folder, TrialRequest.kind)
        opened = open_storage(storage)
        searches = [ModelSearch(plan, folder, opened) for plan in plans]
        _run_trials(searches, folder, execution)
        write_trials(folder, searches)
        return [_conclude(search, folder) for search in searches]


def _run_trials(
    searches: Sequence[ModelSearch], folder: Path, execution: Execution
) -> None:
    by_model = {search.plan.model: search for search in searches}
    total = sum(search.plan.trials for search in searches)
    done = sum(t.outcome is not None for s in searches for t in s.trials())
    if done and not execution.is_quiet:
        print(f"{done} of {total} trials have ended already")
    # None: no bar where nobody watches, as in a file.
    is_disabled = execution.is_quiet or None
    with tqdm(total=total, initial=done, unit="trial", disable=is_disabled) as bar:
        runs = run_each(_requests(searches), folder, execution, bar)
        with contextlib.closing(runs):
            for run in runs:
                line = _learn(by_model[run.request.model], run)
                if not execution.is_quiet:
                    bar.write(line)
                bar.update()
                write_trials(folder, searches)


def _requests(searches: Sequence[ModelSearch]) -> Iterator[RunRequest]:
    """What was begun, then the next trial of the model with the fewest."""
    for search in searches:
        yield from search.unfinished()
    while going := [search for search in searches if search.is_open()]:
        request = min(going, key=lambda search: len(search.trials())).next()
        if request is not None:
            yield request


def _learn(search: ModelSearch, run: RunOutcome) -> str:
    """Note the outcome of a run, and describe it in one line."""
    assert isinstance(run.request, TrialRequest)
    outcome = outcome_of(run.folder, search.plan.metric)
    assert outcome is not None
    search.learn(run.request.number, outcome)
    best = search.best()
    metric = title(search.plan.metric)
    if outcome.value is None:
        text = f"failed: {outcome.reason}"
    else:
        text = f"{metric} {outcome.value:.4f}"
    if best is not None and best.outcome is not None:
        text += f", best {best.outcome.value:.4f} of {best.name}"
    return f"{run.request.name} {text} ({run.seconds:.0f} s)"


def _conclude(search: ModelSearch, folder: Path) -> TuningResult:
    trials = search.trials()
    failures = [
        (trial.name, trial.outcome.reason)
        for trial in trials
        if trial.outcome is not None and trial.outcome.value is None
    ]
    elsewhere = [trial.name for trial in trials if state_of(trial) == "running"]
    best = search.best()
    file = None
    if best is not None and not elsewhere:
        file = write_best(folder, search.plan, best, len(failures))
    metric = search.plan.metric
    return TuningResult(
        search.plan.model, file, failures, elsewhere, metric, trials, best
    )
