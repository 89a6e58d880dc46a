"""Atomic writes of files and folders, and reading of JSON files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
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


def require_new_folder(folder: Path, option: str = "") -> None:
    """Refuse a folder that is there and not empty.

    Args:
        folder: the folder.
        option: what names it, with a space, for the message.

    Raises:
        UserError: it is.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(
            f"{option}{folder}: exists and is not an empty folder; name another"
        )


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Write a folder under a hidden name beside it, and rename it once it is complete.

    Args:
        folder: must not exist, or be empty.

    Yields:
        The hidden folder, empty.

    Raises:
        UserError: `require_new_folder` refuses it, or the disk refuses a file.
    """
    require_new_folder(folder)
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        hidden.mkdir(parents=True)
        yield hidden
        if folder.exists():
            folder.rmdir()  # it is empty
        hidden.rename(folder)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); name another folder"
        ) from None
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


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
