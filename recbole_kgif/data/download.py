"""Fetching public files so that only whole, verified ones ever get their name."""

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
from typing import BinaryIO, Callable, Optional

from recbole_kgif.errors import UserError

_BLOCK_BYTES = 1 << 16
_ENCRYPTED_FLAG = 0x1
_READABLE_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class ArchiveMember:
    """A file to take out of a zip archive.

    Attributes:
        name: Its file name, without folders.
        sha256: The checksum it must have, in lower-case hexadecimal; None takes any.
        max_bytes: Largest size accepted, in bytes.
    """

    name: str
    sha256: Optional[str]
    max_bytes: int


def download(
    url: str,
    destination: Path,
    *,
    sha256: Optional[str],
    max_bytes: int,
    timeout_seconds: float = 60.0,
    description: str,
) -> None:
    """Download a file; the destination appears whole and verified or not at all.

    Args:
        url: Where to read from.
        destination: The file to create (or replace), in an existing folder.
        sha256: The checksum it must have, in lower-case hexadecimal; None takes any.
        max_bytes: Largest size accepted, in bytes.
        timeout_seconds: Longest wait for the connection and for each next block.
        description: Label of the progress bar.

    Raises:
        UserError: The address does not answer, the transfer breaks off, the file is too
            large or has another checksum, or it cannot be written.
    """
    from tqdm import tqdm

    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as response:
            announced: Optional[int] = response.length
            if announced is not None and announced > max_bytes:
                raise UserError(
                    f"{url} announces {announced} bytes, more than the {max_bytes} "
                    f"expected of it; nothing was saved"
                )
            with (
                tqdm(
                    total=announced,
                    desc=description,
                    unit="B",
                    unit_scale=True,
                    disable=None,
                ) as progress,
                _whole_file(destination) as file,
            ):
                received, digest = _copy(
                    response.read,
                    file,
                    origin=url,
                    max_bytes=max_bytes,
                    on_block=progress.update,
                )
                if announced is not None and received < announced:
                    raise UserError(
                        f"{url} broke off after {received} of {announced} bytes; "
                        f"try again"
                    )
                _require_checksum(url, digest, sha256)
    # A ValueError: sent on to what is no address.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f"cannot download {url}: {_reason(error)}") from error


def extract_members(
    archive: Path, members: Sequence[ArchiveMember], folder: Path
) -> list[Path]:
    """Take files out of a zip archive, verified, into one folder.

    Only the members' own names are used, so nothing is written outside the folder
    whatever paths the archive holds.

    Args:
        archive: The zip file.
        members: What to take out; each must lie in the archive exactly once, in any of
            its folders.
        folder: Existing folder to write to.

    Returns:
        The written files, in the order of `members`.

    Raises:
        UserError: The archive is damaged or encrypted, or a member is missing, too
            large, has another checksum, or cannot be written.
    """
    written = []
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in members:
                destination = folder / member.name
                _extract(opened, archive, member, destination)
                written.append(destination)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise UserError(
            f"{archive} is not a readable zip archive ({_reason(error)}); "
            f"download it again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot unpack {archive}: {_reason(error)}") from error
    return written


def _extract(
    opened: zipfile.ZipFile, archive: Path, member: ArchiveMember, destination: Path
) -> None:
    matches = [
        entry
        for entry in opened.infolist()
        if PurePosixPath(entry.filename).name == member.name and not entry.is_dir()
    ]
    if len(matches) != 1:
        raise UserError(
            f"{archive} holds {len(matches)} files named {member.name}, one is needed; "
            f"download it again"
        )
    entry = matches[0]
    origin = f"{archive}: {member.name}"
    if (
        entry.flag_bits & _ENCRYPTED_FLAG
        or entry.compress_type not in _READABLE_COMPRESSIONS
    ):
        raise UserError(
            f"{origin} is encrypted or compressed in an unknown way; "
            f"download the archive again"
        )
    with opened.open(entry) as source, _whole_file(destination) as file:
        _, digest = _copy(
            source.read, file, origin=origin, max_bytes=member.max_bytes, on_block=None
        )
        _require_checksum(origin, digest, member.sha256)


@contextmanager
def _whole_file(destination: Path) -> Iterator[BinaryIO]:
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


def _copy(
    read: Callable[[int], bytes],
    file: BinaryIO,
    *,
    origin: str,
    max_bytes: int,
    on_block: Optional[Callable[[int], object]],
) -> tuple[int, str]:
    """Copy all blocks that `read` gives; return their bytes and their SHA-256."""
    digest = hashlib.sha256()
    copied = 0
    while block := read(_BLOCK_BYTES):
        copied += len(block)
        if copied > max_bytes:
            raise UserError(
                f"{origin} is larger than the {max_bytes} bytes expected of it; "
                f"nothing was saved"
            )
        digest.update(block)
        file.write(block)
        if on_block is not None:
            on_block(len(block))
    return copied, digest.hexdigest()


def _require_checksum(origin: str, found: str, expected: Optional[str]) -> None:
    if expected is not None and found != expected:
        raise UserError(
            f"{origin} has SHA-256 {found} instead of {expected}; "
            f"the file was changed or damaged on its way, nothing was saved"
        )


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code} ({error.reason})"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
