"""The record of what a data set was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

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
        origin: where it came from; its own name where nothing else is known.

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


def write_provenance(
    folder: Path, identity: Mapping[str, Any], record: Mapping[str, Any]
) -> None:
    """Write `provenance.json` into a data set's folder.

    Args:
        folder: the folder.
        identity: which data set it is: its name as `dataset`, the version of a recipe.
        record: its `sources` and `counts`, and how it was filtered and split.

    Raises:
        OSError: the file cannot be written.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    content = {**identity, "prepared_at": now, **record}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    (folder / "provenance.json").write_text(text + "\n", "utf-8")
