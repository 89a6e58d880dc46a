"""Runs the trials of a tuning, each in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from tqdm import tqdm

from recbole_kgif.compare.plan import RunRequest
from recbole_kgif.compare.runner import RunOutcome, exclusive_lock, run_each
from recbole_kgif.compare.store import remove_leftovers
from recbole_kgif.report.metric_names import title
from recbole_kgif.tune.plan import ModelPlan, TrialRequest, check_trials_agree
from recbole_kgif.tune.results import state_of, write_best, write_trials
from recbole_kgif.tune.search import (
    ModelSearch,
    open_storage,
    outcome_of,
    storage_errors_told,
)


@dataclass(frozen=True)
class TuningResult:
    """What came of the tuning of one model.

    Attributes:
        model: Name of the model.
        file: Its best options; None where there are none, or not all trials ended.
        failures: Name and reason of each trial that failed.
        elsewhere: Names of the trials that others have begun and not ended.
    """

    model: str
    file: Optional[Path]
    failures: Sequence[tuple[str, str]]
    elsewhere: Sequence[str]


def tune_all(
    plans: Sequence[ModelPlan],
    folder: Path,
    data_path: Path,
    *,
    jobs: int,
    time_limit: Optional[float],
    storage: Optional[str],
) -> list[TuningResult]:
    """Do those of the planned trials that have not ended, and write what came of them.

    However this process ends, the processes that it started end with it; the next call
    goes on with the trials that were begun, by the same parameters.

    Args:
        plans: how each model is tuned, not empty.
        folder: the tuning's folder; need not exist.
        data_path: parent of the data set's folder.
        jobs: how many trials at a time.
        time_limit: seconds after which a trial is ended; None for no limit.
        storage: where the studies live, as `search.open_storage` takes it.

    Returns:
        What came of each model.

    Raises:
        UserError: the folder or the storage cannot be used, is in use, or holds trials
            of other settings.
    """
    with exclusive_lock(folder, "tuning"), storage_errors_told():
        check_trials_agree(folder, plans)
        remove_leftovers(folder, TrialRequest.kind)
        opened = open_storage(storage)
        searches = [ModelSearch(plan, folder, opened) for plan in plans]
        _run_trials(searches, folder, data_path, jobs, time_limit)
        write_trials(folder, searches)
        return [_conclude(search, folder) for search in searches]


def _run_trials(
    searches: Sequence[ModelSearch],
    folder: Path,
    data_path: Path,
    jobs: int,
    time_limit: Optional[float],
) -> None:
    by_model = {search.plan.model: search for search in searches}
    total = sum(search.plan.trials for search in searches)
    done = sum(t.outcome is not None for s in searches for t in s.trials())
    if done:
        print(f"{done} of {total} trials have ended already")
    # disable=None: no bar where nobody watches, as in a file.
    with tqdm(total=total, initial=done, unit="trial", disable=None) as bar:
        runs = run_each(
            _requests(searches),
            folder,
            data_path,
            jobs=jobs,
            time_limit=time_limit,
            bar=bar,
        )
        with contextlib.closing(runs):
            for run in runs:
                bar.write(_learn(by_model[run.request.model], run))
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
    """Take up what came of a run, and tell it in one line."""
    assert isinstance(run.request, TrialRequest)
    outcome = outcome_of(run.folder, search.plan.metric)
    assert outcome is not None
    search.learn(run.request.number, outcome)
    best = search.best()
    metric = title(search.plan.metric)
    if outcome.value is None:
        told = f"failed: {outcome.reason}"
    else:
        told = f"{metric} {outcome.value:.4f}"
    if best is not None and best.outcome is not None:
        told += f", best {best.outcome.value:.4f} of {best.name}"
    return f"{run.request.name} {told} ({run.seconds:.0f} s)"


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
    return TuningResult(search.plan.model, file, failures, elsewhere)
