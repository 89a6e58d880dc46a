"""Reading text files line by line, with every complaint naming file and line."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.errors import UserError

_SHOWN_CHARACTERS = 60
_BLOCK_BYTES = 1 << 20


def shown(value: str) -> str:
    """Quote a value for a one-line message.

    Args:
        value: Any text, of any length.

    Returns:
        The value in quotes with unprintable characters escaped, cut when it is long.
    """
    if len(value) > _SHOWN_CHARACTERS:
        return repr(value[:_SHOWN_CHARACTERS]) + "..."
    return repr(value)


def numbered_lines(
    path: Path, digest: Optional[hashlib._Hash] = None
) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 text file whose lines end in LF or CRLF.

    Args:
        path: The file.
        digest: Hash to be updated with the file's bytes.

    Yields:
        The line number, counted from 1, and the line without its line end.

    Raises:
        UserError: The file cannot be read, is not UTF-8, begins with a byte-order mark,
            or holds a NUL or a carriage return inside a line (which CSV readers take
            for another line end).
    """
    try:
        with path.open("rb") as file:
            first = 1
            while block := file.readlines(_BLOCK_BYTES):
                content = b"".join(block)
                if digest is not None:
                    digest.update(content)
                text = _plain_text(content)
                if text is not None:
                    yield from enumerate(text.removesuffix("\n").split("\n"), first)
                else:
                    for number, raw_line in enumerate(block, first):
                        yield number, _decode(path, number, raw_line)
                first += len(block)
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; "
            f"check that it is a file you may read"
        ) from error


def lines_with_progress(path: Path) -> Iterator[tuple[int, str]]:
    """The same as `numbered_lines`, with a progress bar in a terminal."""
    from tqdm import tqdm

    form: dict[str, Any] = {"unit": " lines", "unit_scale": True, "disable": None}
    yield from tqdm(numbered_lines(path), path.name, **form)


def _plain_text(content: bytes) -> Optional[str]:
    """The text of some lines; None where they have to be looked at one by one."""
    if b"\r" in content or b"\0" in content or content.startswith(codecs.BOM_UTF8):
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _decode(path: Path, number: int, raw_line: bytes) -> str:
    if number == 1 and raw_line.startswith(codecs.BOM_UTF8):
        raise UserError(
            f"{path}, line 1: begins with a byte-order mark; save it as UTF-8 without"
        )
    try:
        line = raw_line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {number}: byte 0x{raw_line[error.start]:02x} at position "
            f"{error.start + 1} is not UTF-8; save the file as UTF-8"
        ) from error
    line = line.removesuffix("\n").removesuffix("\r")
    if "\r" in line or "\0" in line:
        kind = "carriage return" if "\r" in line else "NUL character"
        raise UserError(f"{path}, line {number}: a {kind} inside the line; remove it")
    return line


def file_sha256(path: Path) -> str:
    """Hash a file.

    Args:
        path: The file.

    Returns:
        Its SHA-256 as 64 lower-case hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
