"""Atomic writes, and reading of JSON files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Union

from recbole_kgif.errors import UserError

# What functions that a user calls take as the path of a file or folder.
AnyPath = Union[str, "os.PathLike[str]"]


def write_atomic(path: Path, content: Union[bytes, str]) -> None:
    """Write a file under a temporary name in the same folder, then rename it.

    Args:
        path: the file, replaced if it exists; the target if it is a link.
        content: bytes, or text to be encoded as UTF-8.
    """
    if isinstance(content, str):
        content = content.encode("utf-8")
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        UserError: it cannot be read or holds no object.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: not valid JSON ({error}); remove its folder to run it anew"
        ) from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds no JSON object; remove its folder")
    return value
