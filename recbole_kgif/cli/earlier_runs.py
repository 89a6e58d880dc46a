"""How long a dry run's trainings may take, by the records of earlier ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from recbole_kgif.common.files import read_object
from recbole_kgif.errors import UserError

_FOLDER = Path("runs")
# Of a run, and of the runs and trials of a study and of one on several data sets.
_PLACES = ("*", "*/runs/*", "*/trials/*", "*/*/runs/*", "*/*/trials/*")
# Newest first, and no more: reading takes time.
_MOST = 200
_MINUTE, _HOUR = 60, 3600


class EarlierRun(NamedTuple):
    """How long an earlier run took.

    Attributes:
        folder: its folder.
        seconds: of training and validation.
        epochs: how many there were.
    """

    folder: Path
    seconds: float
    epochs: int


def earlier_runs(
    folders: Iterable[Path] = (),
) -> dict[tuple[str, str], EarlierRun]:
    """The newest earlier run of each model on each data set.

    Args:
        folders: those of studies, looked at besides ``runs``.

    Returns:
        Runs by model and data set.
    """
    paths = [path for place in _PLACES for path in _FOLDER.glob(f"{place}/result.json")]
    for folder in folders:
        for place in ("runs/*", "trials/*"):
            paths += folder.glob(f"{place}/result.json")
    found: dict[tuple[str, str], EarlierRun] = {}
    newest = sorted(set(paths), key=lambda path: -path.stat().st_mtime)
    for path in newest[:_MOST]:
        try:
            record = read_object(path)
        except UserError:
            continue  # a dry run does not depend on it
        run = _run_of(path.parent, record)
        if run is not None:
            found.setdefault((str(record["model"]), str(record["dataset"])), run)
    return found


def _run_of(folder: Path, record: Mapping[str, Any]) -> Optional[EarlierRun]:
    epochs = record.get("epochs")
    if not isinstance(epochs, list) or not {"model", "dataset"} <= set(record):
        return None
    try:
        seconds = sum(
            float(epoch["training_seconds"])
            + float(epoch.get("validation_seconds", 0.0))
            for epoch in epochs
        )
    except (KeyError, TypeError, ValueError):
        return None
    return EarlierRun(folder, seconds, len(epochs))


def time_in_words(
    runs: Sequence[tuple[str, str]], jobs: int = 1, folder: Optional[Path] = None
) -> str:
    """How long runs may take, for a line of a dry run.

    Args:
        runs: model and data set of each run that would start.
        jobs: how many are done at a time.
        folder: the study's own folder.

    Returns:
        A time with what it rests on, or that no earlier run tells.
    """
    if not runs:
        return "none: all are finished"
    known = earlier_runs(() if folder is None else (folder,))
    missing = sorted({run[0] for run in runs if run not in known})
    used = [known[run] for run in runs if run in known]
    if not used:
        return f"not known: no earlier run of {', '.join(missing)} is in {_FOLDER}/"
    words = f"about {duration(sum(run.seconds for run in used) / jobs)}"
    if len(runs) == 1:
        (run,) = used
        a_epoch = run.seconds / max(run.epochs, 1)
        epochs = "1 epoch" if run.epochs == 1 else f"{run.epochs} epochs"
        return f"{words}, as {run.folder} took: {epochs} of {a_epoch:.1f} s"
    words += ", if each takes as long as the last one of its model"
    return words + (f"; without {', '.join(missing)}, not known" if missing else "")


def duration(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
