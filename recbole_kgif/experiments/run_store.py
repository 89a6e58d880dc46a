"""The folder of a comparison: where each run is, and whether the runs fit.

`recbole_kgif.report.run_files` has the names of a run's files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_kgif.common.files import write_atomic
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.report.run_files import (
    FAILURE_FILE,
    LOG_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    WORK_FOLDER,
    all_run_folders,
    common_settings_of,
    read_request,
    settings_of,
)

# Of RecBole, of Weights & Biases, and of MLflow without a server.
_TRACKER_FOLDERS = ("log_tensorboard", "wandb", "mlruns")


def run_folder(folder: Path, request: RunRequest) -> Path:
    """Folder of one run of a comparison."""
    return folder / request.kind / request.name


def reset_run(folder: Path, request: RunRequest) -> Path:
    """Empty the folder of a run and note what is asked for.

    What was asked for before stays until then, so that a run never loses its request.

    Returns:
        The run's folder.
    """
    own = run_folder(folder, request)
    own.mkdir(parents=True, exist_ok=True)
    for path in own.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != REQUEST_FILE:
            path.unlink()
    (own / WORK_FOLDER).mkdir()
    write_atomic(own / REQUEST_FILE, json.dumps(request.to_json(), indent=1) + "\n")
    return own


def note_failure(folder: Path, reason: str, seconds: float) -> None:
    """Write down why a run ended without a result.

    Args:
        folder: the run's folder.
        reason: one line.
        seconds: how long it ran.
    """
    failure = {"reason": reason, "seconds": round(seconds, 1), "log": LOG_FILE}
    write_atomic(folder / FAILURE_FILE, json.dumps(failure, indent=1) + "\n")


def remove_work(own: Path) -> None:
    """Remove the checkpoint and RecBole's log from the folder of an ended run.

    Of a run with a result, what trackers show is kept, such as TensorBoard's curves.
    """
    work = own / WORK_FOLDER
    if not work.exists():
        return
    for name in _TRACKER_FOLDERS if (own / RESULT_FILE).exists() else ():
        if (work / name).exists() and not (own / name).exists():
            (work / name).rename(own / name)
    shutil.rmtree(work)


def remove_leftovers(folder: Path, kind: str = RunRequest.kind) -> None:
    """Remove those of finished runs whose comparison was killed before it could."""
    for own in all_run_folders(folder, kind):
        if (own / RESULT_FILE).exists():
            remove_work(own)


def unfinished(folder: Path, requests: Sequence[RunRequest]) -> list[RunRequest]:
    """Those of the requested runs that have no result yet."""
    return [
        request
        for request in requests
        if not (run_folder(folder, request) / RESULT_FILE).exists()
    ]


def check_agreement(folder: Path, requests: Sequence[RunRequest]) -> None:
    """Refuse to mix runs of other settings into a comparison.

    A finished run that is asked for must have been made with the settings asked for
    now; any other run of the folder with the same data, evaluation and budget.

    Args:
        folder: the comparison's folder.
        requests: what is asked for, not empty.

    Raises:
        UserError: a run disagrees; it is named with the first setting that differs.
    """
    asked_for = {request.name: request.to_json() for request in requests}
    common = common_settings_of(requests[0].to_json())
    disagreeing = []
    for own in all_run_folders(folder):
        if own.name in asked_for and not (own / RESULT_FILE).exists():
            continue  # it is run again
        request = read_request(own)
        if own.name in asked_for:
            before, now = settings_of(request), settings_of(asked_for[own.name])
        else:
            before, now = common_settings_of(request), common
        if before != now:
            disagreeing.append(f"{own.name} was run with {difference(before, now)}")
    refuse_disagreeing(folder / RunRequest.kind, disagreeing)


def refuse_disagreeing(runs: Path, disagreeing: Sequence[str]) -> None:
    """Report the first of the runs of a folder that do not fit, if there are any.

    Raises:
        UserError: there are some.
    """
    if disagreeing:
        more = f" (and {len(disagreeing) - 1} more)" if len(disagreeing) > 1 else ""
        raise UserError(
            f"{runs}: {disagreeing[0]}{more}; give another --output, or remove the "
            "folders of these runs"
        )


def difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first setting that differs, in words; empty where none does."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            if name.startswith("file "):
                return f"another content of {name.removeprefix('file ')}"
            return f"{name}={_short(old)}, not with {_short(new)}"
    return ""


def _short(value: Any) -> str:
    return shown(value) if isinstance(value, str) else str(value)
