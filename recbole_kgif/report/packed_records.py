"""The records of many runs as one compressed file.

``DIR/records.tar.xz`` holds the JSON files of ``DIR/runs/`` or ``DIR/trials/``, in a
twentieth of their size. ``report`` reads it in their place.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.report.run_files import FAILURE_FILE, REQUEST_FILE, RESULT_FILE

PACKED_FILE = "records.tar.xz"

_KINDS = ("runs", "trials")
_FILES = (REQUEST_FILE, RESULT_FILE, FAILURE_FILE)
_MEMBER = re.compile(rf"({'|'.join(_KINDS)})/[^/\\]+/({'|'.join(_FILES)})")
# Two hundred times as much as the largest report of this project.
_LARGEST = 4 * 2**30


def is_packed(folder: Path) -> bool:
    """Whether a folder holds the packed records of runs."""
    return (folder / PACKED_FILE).exists()


def refuse_packed(folder: Path) -> None:
    """See that runs can be added to a folder.

    Args:
        folder: what ``--output`` names.

    Raises:
        UserError: it holds packed records.
    """
    if is_packed(folder):
        raise UserError(
            f"--output {folder}: holds the packed records of finished runs, to which "
            "none can be added; give another folder"
        )


def pack(folder: Path) -> Path:
    """Put the records of a folder's runs into one file and remove their folders.

    Args:
        folder: written by ``compare``, ``ablate``, ``robustness`` or ``tune``.

    Returns:
        The file.

    Raises:
        UserError: the folder holds no runs, or packed ones already.
    """
    if is_packed(folder):
        raise UserError(f"{folder / PACKED_FILE}: exists already; nothing was packed")
    records = sorted(
        path
        for kind in _KINDS
        for path in (folder / kind).glob("*/*.json")
        if path.name in _FILES
    )
    if not records:
        raise UserError(f"{folder}: holds no runs; give a folder with runs/ or trials/")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz") as archive:
        for path in records:
            # Neither owner nor time: equal records make equal files.
            member = tarfile.TarInfo(path.relative_to(folder).as_posix())
            member.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(member, file)
    write_atomic(folder / PACKED_FILE, content.getvalue())
    for kind in _KINDS:
        shutil.rmtree(folder / kind, ignore_errors=True)
    return folder / PACKED_FILE


@contextlib.contextmanager
def unpacked(folder: Path) -> Iterator[Path]:
    """A folder with the records of a folder's runs as files.

    Args:
        folder: written by ``compare`` and the like, packed or not.

    Yields:
        The folder itself, or a temporary one with what was packed.

    Raises:
        UserError: the packed file is damaged, or holds anything but records.
    """
    if not is_packed(folder):
        yield folder
        return
    packed = folder / PACKED_FILE
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        try:
            _unpack(packed, place)
        except (tarfile.TarError, LZMAError, EOFError, OSError, ValueError) as error:
            raise UserError(
                f"{packed}: cannot be unpacked ({error}); get the file again"
            ) from None
        try:
            yield place
        except UserError as error:
            # A record is named by where it is for the user.
            raise UserError(str(error).replace(str(place), str(packed))) from None


def _unpack(packed: Path, place: Path) -> None:
    """Write the records of a packed file below a folder, and nothing else."""
    size = 0
    with tarfile.open(packed, "r:xz") as archive:
        for member in archive:
            if not member.isreg() or not _MEMBER.fullmatch(member.name):
                raise ValueError(f"{member.name!r} is not a record of a run")
            size += member.size
            if size > _LARGEST:
                raise ValueError(f"it holds more than {_LARGEST // 2**30} GiB")
            file = archive.extractfile(member)
            assert file is not None  # it is a regular file
            path = place / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read())
