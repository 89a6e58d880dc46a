"""A staging folder: a data set's folder appears complete, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from recbole_kgif.data.locate import BUILT_IN_NAMES
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

_LONGEST_NAME = 100


@dataclass(frozen=True)
class StagingFolder:
    """Where a data set is prepared, next to its final place.

    Attributes:
        prepared: empty folder for its files, which becomes the data set's.
        downloads: folder for downloads; complete ones survive a failure.
        scratch: empty folder for anything else.
    """

    prepared: Path
    downloads: Path
    scratch: Path


def check_name(name: str, option: str = "--name") -> str:
    """The name itself where a data set may have it.

    Raises:
        UserError: it is not a plain file name, or is another data set's.
    """
    if len(name.encode()) > _LONGEST_NAME or not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(
            f"{option} {shown(name)}: no name for a folder; give letters, digits, _, - "
            f"and dots, {_LONGEST_NAME} bytes at most, a letter or digit first"
        )
    if name in BUILT_IN_NAMES:
        raise UserError(
            f"{option} {name}: a data set of this package has this name; give another"
        )
    return name


class DatasetExists(UserError):
    """A data set's folder exists already."""


@contextlib.contextmanager
def new_dataset(
    data_path: Path, name: str, *, option: str = "--output", waits: bool = False
) -> Iterator[StagingFolder]:
    """Prepare a data set in a hidden folder, and rename that once it is complete.

    What an earlier, killed process left is removed, except complete downloads.

    Args:
        data_path: the folder that gets the sub-folder; created when missing.
        name: the data set's name.
        option: the option that names `data_path`, for messages.
        waits: whether to wait while another process prepares the data set.

    Yields:
        Where to work. `data_path/name` appears when the block ends without an
        exception.

    Raises:
        DatasetExists: `data_path/name` exists, or appears meanwhile.
        UserError: another process prepares it, or the disk refuses a file.
    """
    target, hidden = data_path / name, data_path / f".{name}.unfinished"
    _refuse_existing(target)
    try:
        lock = _lock(hidden, waits)
    except Timeout:
        raise UserError(
            f"{target} is being prepared by another process; wait for it"
        ) from None
    except OSError as error:
        raise UserError(
            f"{option} {data_path}: cannot be written to ({error.strerror or error}); "
            "name a folder of your own"
        ) from None
    try:
        _refuse_existing(target)
        staging = _empty_staging(hidden)
        yield staging
        _refuse_existing(target)
        staging.prepared.rename(target)
        shutil.rmtree(staging.downloads)
    except OSError as error:
        raise UserError(
            f"cannot prepare {target}: {error.strerror or error}; nothing was kept"
        ) from error
    finally:
        _tidy_up(hidden, lock)


def _lock(hidden: Path, waits: bool) -> FileLock:
    """Lock the hidden folder, which another process may remove while this one waits."""
    while True:
        hidden.mkdir(parents=True, exist_ok=True)
        if hidden.is_symlink():
            raise UserError(f"{hidden} is a link; remove it")
        lock = FileLock(hidden / ".lock")
        try:
            lock.acquire(timeout=-1 if waits else 0)
        except FileNotFoundError:
            continue
        if (hidden / ".lock").exists():
            return lock
        lock.release()


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise DatasetExists(
            f"{target} exists and is never overwritten; move it away, or give another "
            "--name or --output"
        )


def _empty_staging(hidden: Path) -> StagingFolder:
    staging = StagingFolder(
        hidden / "prepared", hidden / "downloads", hidden / "scratch"
    )
    for folder in (staging.prepared, staging.scratch):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
    staging.downloads.mkdir(exist_ok=True)
    return staging


def _tidy_up(hidden: Path, lock: FileLock) -> None:
    """Remove the hidden folder, or all but complete downloads."""
    for name in ("prepared", "scratch"):
        shutil.rmtree(hidden / name, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty, or gone
        (hidden / "downloads").rmdir()
    has_downloads = (hidden / "downloads").exists()
    if not has_downloads:
        shutil.rmtree(hidden, ignore_errors=True)
    lock.release()
    if os.name == "nt" and not has_downloads:  # where an open file cannot be removed
        shutil.rmtree(hidden, ignore_errors=True)
