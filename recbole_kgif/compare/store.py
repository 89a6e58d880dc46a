"""The folder of a comparison: where each run's files lie, and whether they fit.

``DIR/runs/MODEL-SEED/`` holds ``request.json`` (what was asked for), ``log.txt`` (all
that the run printed) and at the end either ``result.json`` or ``failure.json``. While
it runs, RecBole's own files lie in ``work/``. The trials of a tuning lie in the same
way in ``DIR/trials/MODEL-NUMBER/``.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole_kgif.common.files import read_object, write_atomic
from recbole_kgif.compare.plan import (
    RunRequest,
    common_settings_of,
    settings_of,
)
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

REQUEST_FILE = "request.json"
RESULT_FILE = "result.json"
FAILURE_FILE = "failure.json"
LOG_FILE = "log.txt"
WORK_FOLDER = "work"

# What the parts of a request are that others rely on.
_FORMS: Mapping[str, type] = {
    **dict.fromkeys(("model", "dataset", "variant"), str),
    **dict.fromkeys(("seed", "number"), int),
    **dict.fromkeys(("options", "defaults", "files", "parameters", "space"), dict),
    "model_options": list,
}


def run_folder(folder: Path, request: RunRequest) -> Path:
    """Folder of one run of a comparison."""
    return folder / request.kind / request.name


def all_run_folders(folder: Path, kind: str = RunRequest.kind) -> list[Path]:
    """Folders of all runs that were ever started in a comparison's folder."""
    return sorted(path.parent for path in (folder / kind).glob(f"*/{REQUEST_FILE}"))


def read_request(own: Path, form: type[RunRequest] = RunRequest) -> dict[str, Any]:
    """What was asked for in the folder of a run.

    Args:
        own: the run's folder.
        form: the class of the request.

    Raises:
        UserError: the file is damaged.
    """
    request = read_object(own / REQUEST_FILE)
    missing = [f.name for f in dataclasses.fields(form) if f.name not in request]
    if missing:
        raise UserError(
            f"{own / REQUEST_FILE}: lacks {', '.join(missing)}; remove its folder"
        )
    for name, kind in _FORMS.items():
        if name in request and not isinstance(request[name], kind):
            raise UserError(
                f"{own / REQUEST_FILE}: its {name} is of another form; remove its "
                "folder"
            )
    return request


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
    """Remove the checkpoint and RecBole's logs from the folder of an ended run."""
    if (own / WORK_FOLDER).exists():
        shutil.rmtree(own / WORK_FOLDER)


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
            continue  # it is run anew
        request = read_request(own)
        if own.name in asked_for:
            told = difference(settings_of(request), settings_of(asked_for[own.name]))
        else:
            told = difference(common_settings_of(request), common)
        if told:
            disagreeing.append(f"{own.name} was run with {told}")
    refuse_disagreeing(folder / RunRequest.kind, disagreeing)


def refuse_disagreeing(runs: Path, disagreeing: Sequence[str]) -> None:
    """Tell of the first of the runs of a folder that do not fit; do nothing for none.

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
