"""Reading text files line by line, with every complaint naming file and line."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Optional, cast

from recbole_kgif.errors import UserError

_SHOWN_CHARACTERS = 60
# As many bytes tell what a file is; a line of a file that is no text may be shorter.
_START_BYTES = 4096
_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
# What begins with these bytes is no text; each with what to do about it.
_OTHER_FORMATS = {
    **{mark: "UTF-16; save it as UTF-8" for mark in (b"\xff\xfe", b"\xfe\xff")},
    **{
        mark: "compressed; unpack it"
        for mark in (_GZIP, b"BZh", b"\xfd7zXZ", b"7z\xbc")
    },
    b"\x28\xb5\x2f\xfd": "compressed; unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; export it as CSV UTF-8",
    b"PK\x03\x04": "a zip archive; unpack it",
    b"PAR1": "a Parquet file; export it as CSV",
}
# In the first bytes of a workbook, which is a zip archive.
_PARTS_OF_A_WORKBOOK = (b"[Content_Types].xml", b"_rels/.rels", b"xl/", b"docProps/")


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
    path: Path, digest: Optional[hashlib._Hash] = None, *, is_foreign: bool = False
) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 text file whose lines end in LF or CRLF.

    Args:
        path: The file.
        digest: Hash to be updated with the file's bytes.
        is_foreign: Whether RecBole will not read the file itself: it may then be
            compressed by gzip, or begin with a byte-order mark.

    Yields:
        The line number, counted from 1, and the line without its line end.

    Raises:
        UserError: The file cannot be read, is not UTF-8 text, begins with a byte-order
            mark, or holds a NUL or a carriage return inside a line (which CSV readers
            take for another line end).
    """
    try:
        with _open(path, is_foreign) as file:
            first = 1
            while block := file.readlines(_BLOCK_BYTES):
                if first == 1:
                    _refuse_other_formats(path, b"".join(block)[:_START_BYTES])
                    if is_foreign:
                        block[0] = block[0].removeprefix(codecs.BOM_UTF8)
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
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path}: the compressed file is damaged or incomplete ({error}); get it "
            "again"
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}; "
            f"check that it is a file you may read"
        ) from error


def lines_with_progress(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a foreign file (`numbered_lines`), with a progress bar."""
    from tqdm import tqdm

    form: dict[str, Any] = {"unit": " lines", "unit_scale": True, "disable": None}
    yield from tqdm(numbered_lines(path, is_foreign=True), path.name, **form)


def open_foreign(path: Path) -> IO[bytes]:
    """Open a file that may be compressed by gzip.

    Raises:
        OSError: It cannot be read.
    """
    return _open(path, is_foreign=True)


def _open(path: Path, is_foreign: bool) -> IO[bytes]:
    if is_foreign:
        with path.open("rb") as file:
            if file.read(len(_GZIP)) == _GZIP:
                return cast("IO[bytes]", gzip.open(path))
    return path.open("rb")


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if start[257:262] == b"ustar":
        raise UserError(f"{path}, line 1: no text file: it is a tar archive; unpack it")
    for mark, name in _OTHER_FORMATS.items():
        if start.startswith(mark):
            if any(part in start for part in _PARTS_OF_A_WORKBOOK):
                name = "an Excel workbook; export it as CSV UTF-8"
            elif b"mimetypeapplication/vnd.oasis" in start:
                name = "a spreadsheet; export it as CSV in UTF-8"
            raise UserError(f"{path}, line 1: no text file: it is {name}")


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
