"""A data set's folder that is there whole or not at all."""

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
    """Where a data set is prepared, beside the place that it gets.

    Attributes:
        prepared: empty folder for its files, which becomes the data set's.
        downloads: folder for downloads; what is whole in it survives a failure.
        scratch: empty folder for anything else.
    """

    prepared: Path
    downloads: Path
    scratch: Path


def check_name(name: str, option: str = "--name") -> str:
    """The name itself where a data set may have it.

    Raises:
        UserError: it is no plain file name, or another data set's.
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


@contextlib.contextmanager
def new_dataset(data_path: Path, name: str) -> Iterator[StagingFolder]:
    """Prepare a data set's folder out of sight, and rename it once all went well.

    What an earlier, killed process left is removed, but for its whole downloads.

    Args:
        data_path: the folder that gets the sub-folder; created when missing.
        name: the data set's name.

    Yields:
        Where to work. `data_path/name` appears when the block ends without an
        exception.

    Raises:
        UserError: `data_path/name` exists, another process prepares it, or the disk
            refuses a file.
    """
    target, hidden = data_path / name, data_path / f".{name}.unfinished"
    _refuse_existing(target)
    try:
        hidden.mkdir(parents=True, exist_ok=True)
        if hidden.is_symlink():
            raise UserError(f"{hidden} is a link; remove it")
        lock = FileLock(hidden / ".lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{target} is being prepared by another process; wait for it"
        ) from None
    except OSError as error:
        raise UserError(
            f"--output {data_path}: cannot be written to ({error.strerror or error}); "
            "name a folder of your own"
        ) from None
    try:
        workplace = _empty_workplace(hidden)
        yield workplace
        _refuse_existing(target)
        workplace.prepared.rename(target)
        shutil.rmtree(workplace.downloads)
    except OSError as error:
        raise UserError(
            f"cannot prepare {target}: {error.strerror or error}; nothing was kept"
        ) from error
    finally:
        _tidy_up(hidden, lock)


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise UserError(
            f"{target} exists and is never overwritten; move it away, or give another "
            "--name or --output"
        )


def _empty_workplace(hidden: Path) -> StagingFolder:
    workplace = StagingFolder(
        hidden / "prepared", hidden / "downloads", hidden / "scratch"
    )
    for folder in (workplace.prepared, workplace.scratch):
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
    workplace.downloads.mkdir(exist_ok=True)
    return workplace


def _tidy_up(hidden: Path, lock: FileLock) -> None:
    """Remove the hidden folder, or all but whole downloads."""
    for name in ("prepared", "scratch"):
        shutil.rmtree(hidden / name, ignore_errors=True)
    with contextlib.suppress(OSError):  # not empty, or gone
        (hidden / "downloads").rmdir()
    has_downloads = (hidden / "downloads").exists()
    lock.release()
    if not has_downloads:
        shutil.rmtree(hidden, ignore_errors=True)
