"""The folder of one run: its settings, and whether it is finished.

``config.yaml`` is written before anything else and ``result.json`` last, so that a
folder with the first alone holds an unfinished run.
"""

from __future__ import annotations

import contextlib
import reprlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from recbole_kgif.common.files import write_atomic
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import in_one_line

CONFIG_FILE = "config.yaml"
CHECKPOINT_FILE = "model.pth"
LAST_FILE = "last.pth"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
# Beside the checkpoint of a saved model: its data.
DATA_FOLDER = "dataset"

# Models whose resumed runs were seen to equal uninterrupted ones. Others may keep, from
# one epoch to the next, what no checkpoint holds.
RESUMABLE_MODELS = frozenset(
    (
        *("BPR", "CFKG", "CKE", "KGAT", "KGCN", "KGIF", "KGIN", "KGNNLS", "KTUP"),
        *("LightGCN", "MCCLK", "MKR", "RippleNet"),
    )
)

# Options that change what is shown or where files are, and nothing else.
_WITHOUT_EFFECT = frozenset({"data_path", "show_progress", "state"})


def begin(folder: Path, model: str, dataset: str, options: Mapping[str, Any]) -> None:
    """Write down in an existing folder what a run is asked for."""
    settings = _settings(model, dataset, options)
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_atomic(folder / CONFIG_FILE, text)


def forget(folder: Path) -> None:
    """Remove the settings of a run that was refused before its first epoch ended."""
    if not (folder / LAST_FILE).exists():
        (folder / CONFIG_FILE).unlink(missing_ok=True)


def remove_refused(folder: Path) -> None:
    """Remove the folder that a run made for itself, unless an epoch has ended there."""
    metrics = folder / METRICS_FILE
    if not metrics.exists() or metrics.stat().st_size == 0:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(model: str, dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: options[key] for key in sorted(options) if key not in _WITHOUT_EFFECT}
    return {"model": model, "dataset": dataset, **kept}


def check_not_begun(folder: Path) -> None:
    """Refuse a folder with an unfinished run.

    Raises:
        UserError: there is one.
    """
    if (folder / CONFIG_FILE).exists() and not (folder / RESULT_FILE).exists():
        raise UserError(
            f"--output {folder}: holds an unfinished run; add --resume to resume "
            "it, or name another folder"
        )


def check_resumable(
    folder: Path, model: str, dataset: str, options: Mapping[str, Any]
) -> None:
    """Refuse to resume where the result could differ from an uninterrupted run.

    Raises:
        UserError: there is no unfinished run, it has other settings, or the model
            cannot be resumed.
    """
    if model not in RESUMABLE_MODELS:
        raise UserError(
            f"--resume: {model} may keep what no file holds; start again in another "
            f"folder (these can be resumed: {', '.join(sorted(RESUMABLE_MODELS))})"
        )
    if (folder / RESULT_FILE).exists():
        raise UserError(
            f"--resume: the run in {folder} is finished; name another folder"
        )
    path = folder / CONFIG_FILE
    if not path.exists():
        raise UserError(
            f"--resume: no unfinished run in {folder}; leave --resume out to start one"
        )
    try:
        before = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({' '.join(str(error).split())}); start again in "
            "another folder"
        ) from None
    if not isinstance(before, dict):
        raise UserError(f"{path}: holds no settings; start again in another folder")
    # By way of YAML, in which a tuple is a list.
    now = yaml.safe_load(yaml.safe_dump(_settings(model, dataset, options)))
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"--resume: {path} has {in_one_line(name)}: "
                f"{_quoted(before.get(name))}, and now it is {_quoted(now.get(name))}; "
                "give the settings that the run began with"
            )


def _quoted(value: Any) -> str:
    # A short form first: what a damaged file holds can be too long for any text.
    return shown(value if isinstance(value, str) else reprlib.repr(value))


def remove_partial_files(folder: Path) -> None:
    """Remove what a killed process had not finished writing."""
    for name in (CONFIG_FILE, CHECKPOINT_FILE, LAST_FILE, METRICS_FILE, RESULT_FILE):
        for path in folder.glob(f".{name}.*"):
            path.unlink()


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other runs out of an existing folder.

    Raises:
        UserError: it is in use by another run.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"--output {folder}: is in use by another run; wait for it, or name "
            "another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()
