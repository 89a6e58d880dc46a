"""The files that a data set was made from, as its record names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recbole_kgif.data.textfiles import file_sha256
from recbole_kgif.errors import UserError


@dataclass(frozen=True)
class SourceFile:
    """A file that was read.

    Attributes:
        name: its file name.
        origin: the address it came from, or the name of the local file.
        sha256: its checksum.
        size: its size in bytes.
    """

    name: str
    origin: str
    sha256: str
    size: int


def source_file(path: Path, origin: str = "") -> SourceFile:
    """Measure a file.

    Args:
        path: the file.
        origin: where it came from; its own name where that is all there is to say.

    Returns:
        What is recorded of it.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return SourceFile(
            path.name, origin or path.name, file_sha256(path), path.stat().st_size
        )
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; "
            "check that it is a file you may read"
        ) from None
