"""Reading the records of runs, and refusing those that cannot be compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional, Union

from recbole_kgif.common.files import AnyPath, read_object
from recbole_kgif.errors import NoFinishedRun, UserError
from recbole_kgif.options.protocols import protocol_of
from recbole_kgif.report.packed_records import PACKED_FILE, unpacked
from recbole_kgif.report.record_schema import schema_error
from recbole_kgif.report.run_files import (
    FAILURE_FILE,
    LOG_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    TRACKER_OPTIONS,
    all_run_folders,
    read_request,
)
from recbole_kgif.report.run_table import Comparison, Failure, Run

_SHOWN_HASH_DIGITS = 12
_SHOWN_RUNS = 3

# What may differ between two seeds of one model.
_OF_THE_RUN = frozenset(
    (
        *("seed", "data_path", "checkpoint_dir", "device", "gpu_id", "use_gpu"),
        *("show_progress", "state", "worker", "eval_batch_size"),
        *TRACKER_OPTIONS,
        # Compared by what is ranked.
        "candidates",
    )
)


def read_comparison(folders: Union[AnyPath, Iterable[AnyPath]]) -> Comparison:
    """Read all runs of some folders.

    Args:
        folders: each one written by ``compare``, or with the record of a single run;
            also one folder alone.

    Returns:
        The runs, in the order of model and seed.

    Raises:
        NoFinishedRun: none has finished.
        UserError: a folder holds no runs, a record is damaged, or the runs cannot be
            in one table.
    """
    runs: list[Run] = []
    failures: list[Failure] = []
    if isinstance(folders, (str, os.PathLike)):
        folders = [folders]
    for folder in map(Path, folders):
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
            f"no run has finished, so there is nothing to report: {first.label}-"
            f"{first.seed} {first.reason}; its {LOG_FILE} says more"
        )
    runs.sort(key=lambda run: (run.label, run.seed))
    failures.sort(key=lambda failure: (failure.label, failure.seed))
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
            f"{path}: is not a record of a run: its {name!r} is missing, empty or of "
            "another form; remove its folder"
        )
    return Run(path, record)


def _read_failure(folder: Path) -> Failure:
    request = read_request(folder)
    if (folder / FAILURE_FILE).exists():
        reason = str(read_object(folder / FAILURE_FILE).get("reason"))
    else:
        reason = "not finished"
    return Failure(request, reason)


def _check_comparable(runs: Sequence[Run]) -> None:
    _check_alike(
        runs,
        "splits",
        lambda run: f"split {run.record['split_hash'][:_SHOWN_HASH_DIGITS]}",
    )
    _check_alike(
        runs,
        "candidate items",
        lambda run: f"mode {(run.configuration.get('eval_args') or {}).get('mode')}",
    )
    _check_candidates(runs)
    _check_alike(runs, "protocols", lambda run: f"protocol {protocol_of(run.record)}")
    _check_users(runs)
    seen: dict[str, Run] = {}
    settings: dict[str, Run] = {}
    for run in runs:
        if run.name in seen:
            raise UserError(
                f"{seen[run.name].path} and {run.path}: are both runs of {run.label} "
                f"with seed {run.seed}; report one of them"
            )
        seen[run.name] = run
        other = settings.setdefault(run.label, run)
        name = _differing_option(other.configuration, run.configuration)
        if name:
            raise UserError(
                f"{other.path} and {run.path}: {run.label} was run with {name}="
                f"{other.configuration.get(name)} and {run.configuration.get(name)}; "
                "no mean is taken over different settings, report them apart"
            )


def _check_candidates(runs: Sequence[Run]) -> None:
    """Refuse runs that ranked different items, although of one split."""
    ranking = [run for run in runs if run.ranks_items]
    are_known = all(run.record.get("candidates") for run in ranking)

    def ranked(run: Run) -> str:
        count = f"{run.record['data'].get('items', 0):,} items ranked"
        if not are_known:  # a record of an earlier release
            return count
        digits = run.record["candidates"]["hash"][:_SHOWN_HASH_DIGITS]
        return f"{count}, {digits}"

    _check_alike(ranking, "candidate items", ranked)


def _check_users(runs: Sequence[Run]) -> None:
    """Equal splits have equal users, so that anything else is a damaged record."""
    first: Optional[Run] = None
    for run in runs:
        values = run.record.get("test_per_user")
        if values is None:
            continue
        first = first or run
        users = set(values["users"])
        sizes = {len(values["users"]), *map(len, values["metrics"].values())}
        if sizes != {len(users)} or users != set(
            first.record["test_per_user"]["users"]
        ):
            raise UserError(
                f"{run.path}: its values per user are not those of the users of "
                f"{first.path}; remove its folder"
            )


def _check_alike(runs: Sequence[Run], what: str, key: Any) -> None:
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run.name)
    if len(groups) > 1:
        listed = "; ".join(f"{name}: {_few(runs)}" for name, runs in groups.items())
        raise UserError(
            f"runs with different {what} cannot be in one table ({listed}); report "
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
