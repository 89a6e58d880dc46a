"""Fetching public files so that only complete, verified ones ever get their name.

pooch would only add a layer: it neither limits what it reads and unpacks nor resumes.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Callable, Optional

from recbole_kgif.errors import UserError

_BLOCK_BYTES = 1 << 16
_ENCRYPTED_FLAG = 0x1
_READABLE_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Expected:
    """What a file must be like.

    Attributes:
        max_bytes: Largest size accepted, in bytes.
        sha256: Its checksum, in lower-case hexadecimal; None accepts any.
    """

    max_bytes: int
    sha256: Optional[str] = None


def download(
    url: str, destination: Path, expected: Expected, *, timeout_seconds: float = 60.0
) -> None:
    """Download a file; the destination appears complete and verified or not at all.

    Args:
        url: Where to read from.
        destination: The file to create (or replace), in an existing folder.
        expected: What the file must be like.
        timeout_seconds: Longest wait for the connection and for each next block.

    Raises:
        UserError: The address does not answer, the transfer breaks off, the file is too
            large or has another checksum, or it cannot be written.
    """
    from tqdm import tqdm

    form: dict[str, Any] = {
        "desc": destination.name,
        "unit": "B",
        "unit_scale": True,
        "disable": None,
    }
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            announced: Optional[int] = response.length
            if announced is not None and announced > expected.max_bytes:
                raise UserError(
                    f"{url} announces {announced} bytes, more than the "
                    f"{expected.max_bytes} expected of it; nothing was saved"
                )
            with tqdm(total=announced, **form) as bar:

                def read(size: int) -> bytes:
                    block: bytes = response.read(size)
                    bar.update(len(block))
                    return block

                _save(read, destination, url, expected, announced)
    # A ValueError: redirected to what is not an address.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"cannot download {url}: {_reason(error)}") from error


def extract(
    archive: Path, members: Sequence[tuple[str, Expected]], folder: Path
) -> list[Path]:
    """Take files out of a zip archive, verified, into one folder.

    Only the members' own names are used, so nothing is written outside the folder
    whatever paths the archive holds.

    Args:
        archive: The zip file.
        members: File names, without folders, of what to take out; each must be in the
            archive exactly once, in any of its folders.
        folder: Existing folder to write to.

    Returns:
        The written files, in the order of `members`.

    Raises:
        UserError: The archive is damaged or encrypted, or a member is missing, too
            large, has another checksum, or cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for name, expected in members:
                entry = _find(opened, archive, name)
                with opened.open(entry) as source:
                    _save(source.read, folder / name, f"{archive}: {name}", expected)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(
            f"{archive} is not a readable zip archive ({_reason(error)}); "
            f"download it again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive}: {_reason(error)}") from error
    return [folder / name for name, _ in members]


def _find(opened: zipfile.ZipFile, archive: Path, name: str) -> zipfile.ZipInfo:
    matches = [
        entry
        for entry in opened.infolist()
        if PurePosixPath(entry.filename).name == name and not entry.is_dir()
    ]
    if len(matches) != 1:
        raise UserError(
            f"{archive} holds {len(matches)} files named {name}, one is needed; "
            f"download it again"
        )
    (entry,) = matches
    is_encrypted = entry.flag_bits & _ENCRYPTED_FLAG
    if is_encrypted or entry.compress_type not in _READABLE_COMPRESSIONS:
        raise UserError(
            f"{archive}: {name} is encrypted or compressed in an unknown way; "
            f"download the archive again"
        )
    return entry


def _save(
    read: Callable[[int], bytes],
    destination: Path,
    origin: str,
    expected: Expected,
    announced: Optional[int] = None,
) -> None:
    """Write all blocks that `read` gives, checked, to the destination."""
    digest, size = hashlib.sha256(), 0
    with _atomic_file(destination) as file:
        while block := read(_BLOCK_BYTES):
            size += len(block)
            if size > expected.max_bytes:
                raise UserError(
                    f"{origin} is larger than the {expected.max_bytes} bytes expected "
                    f"of it; nothing was saved"
                )
            digest.update(block)
            file.write(block)
        if announced is not None and size < announced:
            raise UserError(
                f"{origin} broke off after {size} of {announced} bytes; try again"
            )
        if expected.sha256 not in (None, digest.hexdigest()):
            raise UserError(
                f"{origin} has SHA-256 {digest.hexdigest()} instead of "
                f"{expected.sha256}; the file was changed or damaged on its way, "
                f"nothing was saved"
            )


@contextmanager
def _atomic_file(destination: Path) -> Iterator[BinaryIO]:
    """Open a temporary sibling that takes the destination's name on success only."""
    descriptor, temporary_name = tempfile.mkstemp(
        prefix=f".{destination.name}-", dir=destination.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.replace(temporary_name, destination)
    finally:
        Path(temporary_name).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code} ({error.reason})"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
