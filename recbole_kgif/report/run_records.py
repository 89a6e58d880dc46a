"""Reading the records of runs, and refusing those that cannot be compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.common.files import read_object
from recbole_kgif.errors import NoFinishedRun, UserError
from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.packed_records import PACKED_FILE, unpacked
from recbole_kgif.report.record_schema import schema_error
from recbole_kgif.report.run_files import (
    FAILURE_FILE,
    LOG_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    all_run_folders,
    read_request,
)

# As many as the values of the users have.
_DIGITS = 6
_SHOWN_HASH_DIGITS = 12
_SHOWN_RUNS = 3

# What may differ between two seeds of one model.
_OF_THE_RUN = frozenset(
    (
        *("seed", "data_path", "checkpoint_dir", "device", "gpu_id", "use_gpu"),
        *("show_progress", "state", "worker", "log_wandb", "eval_batch_size"),
    )
)


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: The file that holds the record.
        record: What `experiment.run_experiment` has written.
    """

    path: Path
    record: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Name of the model, or of the variant that a study makes of it."""
        request = self.record.get("request") or {}
        return str(request.get("variant", self.record["model"]))

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.record["seed"])

    @property
    def name(self) -> str:
        """Model and seed."""
        return f"{self.model}-{self.seed}"

    @cached_property
    def test(self) -> Mapping[str, float]:
        """Test metrics, means over users.

        RecBole rounds them; where the record has the values of the users, their mean is
        taken anew, as a mean over seeds would otherwise be rounded twice.
        """
        metrics: dict[str, float] = dict(self.record["test"])
        of_users = self.record.get("test_per_user")
        if of_users is not None:
            for metric, values in of_users["metrics"].items():
                if metric in metrics and values:
                    metrics[metric] = round(statistics.fmean(values), _DIGITS)
        return metrics

    @property
    def configuration(self) -> Mapping[str, Any]:
        """RecBole's resolved configuration."""
        options: Mapping[str, Any] = self.record["configuration"]
        return options

    def per_user(self, metric: str) -> Optional[dict[str, float]]:
        """Test values of a metric by user; None where the record has none."""
        values = self.record.get("test_per_user")
        if values is None or metric not in values["metrics"]:
            return None
        return dict(zip(values["users"], values["metrics"][metric]))


@dataclass(frozen=True)
class Failure:
    """A run without a result.

    Attributes:
        model: Name of the model.
        seed: Seed of the run.
        reason: Why there is none, in one line.
    """

    model: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Runs that may stand in one table, at least one, and the failed ones."""

    runs: Sequence[Run]
    failures: Sequence[Failure]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.runs[0].record["dataset"])


def read_comparison(folders: Iterable[Path]) -> Comparison:
    """Read all runs of some folders.

    Args:
        folders: each one written by ``compare``, or with the record of a single run.

    Returns:
        The runs, in the order of model and seed.

    Raises:
        NoFinishedRun: none has finished.
        UserError: a folder holds no runs, a record is damaged, or the runs cannot stand
            in one table.
    """
    runs: list[Run] = []
    failures: list[Failure] = []
    for folder in folders:
        with unpacked(folder) as readable:
            of_folder = _read_folder(readable)
            # Of packed records, what is named is where the user has them.
            place = folder / PACKED_FILE if readable != folder else folder
            runs += [
                replace(run, path=place / run.path.relative_to(readable))
                for run in of_folder.runs
            ]
        failures += of_folder.failures
    if not runs:
        first = failures[0]
        raise NoFinishedRun(
            f"no run has finished, so there is nothing to report: {first.model}-"
            f"{first.seed} {first.reason}; its {LOG_FILE} says more"
        )
    runs.sort(key=lambda run: (run.model, run.seed))
    failures.sort(key=lambda failure: (failure.model, failure.seed))
    _check_comparable(runs)
    return Comparison(runs, failures)


def _read_folder(folder: Path) -> Comparison:
    found = all_run_folders(folder)
    runs = []
    failures = []
    if (folder / RESULT_FILE).exists():
        runs.append(_read_run(folder / RESULT_FILE))
    elif not found:
        raise UserError(
            f"{folder}: holds neither runs/MODEL-SEED/{REQUEST_FILE} nor "
            f"{RESULT_FILE}; give a folder that compare or a run has written"
        )
    for own in found:
        if (own / RESULT_FILE).exists():
            runs.append(_read_run(own / RESULT_FILE))
        else:
            failures.append(_read_failure(own))
    return Comparison(runs, failures)


def _read_run(path: Path) -> Run:
    record = read_object(path)
    name = schema_error(record)
    if name is not None:
        raise UserError(
            f"{path}: is no record of a run, as its {name!r} is missing, empty or of "
            "another form; remove its folder"
        )
    return Run(path, record)


def _read_failure(folder: Path) -> Failure:
    request = read_request(folder)
    if (folder / FAILURE_FILE).exists():
        reason = str(read_object(folder / FAILURE_FILE).get("reason"))
    else:
        reason = "not finished"
    model = request.get("variant", request["model"])
    return Failure(str(model), int(request["seed"]), reason)


def _check_comparable(runs: Sequence[Run]) -> None:
    _check_alike(
        runs,
        "splits",
        lambda run: f"split {run.record['split_hash'][:_SHOWN_HASH_DIGITS]}",
    )
    _check_alike(
        runs,
        "candidate items",
        lambda run: f"mode {run.configuration.get('eval_args', {}).get('mode')}",
    )
    _check_alike(runs, "protocols", lambda run: f"protocol {protocol_of(run.record)}")
    _check_users(runs)
    seen: dict[str, Run] = {}
    settings: dict[str, Run] = {}
    for run in runs:
        if run.name in seen:
            raise UserError(
                f"{seen[run.name].path} and {run.path}: are both runs of {run.model} "
                f"with seed {run.seed}; report one of them"
            )
        seen[run.name] = run
        other = settings.setdefault(run.model, run)
        name = _differing_option(other.configuration, run.configuration)
        if name:
            raise UserError(
                f"{other.path} and {run.path}: {run.model} was run with {name}="
                f"{other.configuration.get(name)} and {run.configuration.get(name)}; "
                "no mean is taken over different settings, report them apart"
            )


def _check_users(runs: Sequence[Run]) -> None:
    """Equal splits have equal users, so that anything else is a damaged record."""
    first: Optional[Run] = None
    for run in runs:
        values = run.record.get("test_per_user")
        if values is None:
            continue
        first = first or run
        users = values["users"]
        complete = all(
            len(column) == len(users) for column in values["metrics"].values()
        )
        if not complete or set(users) != set(first.record["test_per_user"]["users"]):
            raise UserError(
                f"{run.path}: its values per user are not those of the users of "
                f"{first.path}; remove its folder"
            )


def _check_alike(runs: Sequence[Run], what: str, key: Any) -> None:
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run.name)
    if len(groups) > 1:
        told = "; ".join(f"{name}: {_few(members)}" for name, members in groups.items())
        raise UserError(
            f"runs with different {what} cannot stand in one table ({told}); report "
            "them apart"
        )


def _few(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_RUNS
    shown = ", ".join(names[:_SHOWN_RUNS])
    return f"{shown} and {more} more" if more > 0 else shown


def _differing_option(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    for name in sorted({*first, *second} - _OF_THE_RUN):
        if first.get(name) != second.get(name):
            return name
    return ""
