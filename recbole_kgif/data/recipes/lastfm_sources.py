"""The raw files of the Last.FM recipe: where they are published and how to get them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.data.download import ArchiveMember, download, extract_members
from recbole_kgif.data.provenance import SourceFile, source_file
from recbole_kgif.errors import UserError

NAME = "lastfm"

_HETREC_URL = "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip"
_HETREC_LICENCE = (
    "HetRec 2011 (GroupLens): for non-commercial use, see readme.txt in the archive"
)
_KGCN_URL = "https://raw.githubusercontent.com/hwwang55/KGCN/master/data/music"
_KGCN_LICENCE = "KGCN (github.com/hwwang55/KGCN): MIT"
_MEGABYTE = 1_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawArchive:
    """A published zip archive that holds raw files.

    Attributes:
        name: File name.
        url: Public address.
        max_bytes: Largest download accepted, in bytes.
    """

    name: str
    url: str
    max_bytes: int


@dataclass(frozen=True)
class RawSource:
    """One raw file of the recipe.

    Attributes:
        name: File name.
        folder: Sub-folder of a local copy.
        url: Public address of the file, or of the archive that holds it.
        archive: The archive that holds it; None for a file published on its own.
        sha256: Checksum of the known version.
        max_bytes: Largest size accepted from the network, in bytes.
        licence: Terms of use.
    """

    name: str
    folder: str
    url: str
    archive: Optional[RawArchive]
    sha256: str
    max_bytes: int
    licence: str


@dataclass(frozen=True)
class RawFile:
    """A raw file that is available.

    Attributes:
        source: Which file of the recipe it is.
        path: Where it is.
        measured: Its origin, checksum and size.
    """

    source: RawSource
    path: Path
    measured: SourceFile

    @property
    def is_known(self) -> bool:
        """Whether it is the version that the recipe was checked with."""
        return self.measured.sha256 == self.source.sha256

    def to_json(self) -> dict[str, Any]:
        """What `provenance.json` holds about it."""
        return {
            "name": self.source.name,
            "origin": self.measured.origin,
            "sha256": self.measured.sha256,
            "bytes": self.measured.size,
            "known_version": self.is_known,
            "licence": self.source.licence,
        }


HETREC_ARCHIVE = RawArchive(
    name="hetrec2011-lastfm-2k.zip", url=_HETREC_URL, max_bytes=20 * _MEGABYTE
)
LISTENS = RawSource(
    name="user_artists.dat",
    folder="hetrec2011-lastfm-2k",
    url=_HETREC_URL,
    archive=HETREC_ARCHIVE,
    sha256="001400dc3c7d2667fca6e4ea6dc6acc31a9dd28ad5cd0f74cea988c019934d3b",
    max_bytes=10 * _MEGABYTE,
    licence=_HETREC_LICENCE,
)
ARTISTS = RawSource(
    name="artists.dat",
    folder="hetrec2011-lastfm-2k",
    url=_HETREC_URL,
    archive=HETREC_ARCHIVE,
    sha256="4c99dc28397ec559520d5bf5341f4c952c8c416c3de918548f88269b88039806",
    max_bytes=10 * _MEGABYTE,
    licence=_HETREC_LICENCE,
)
TRIPLES = RawSource(
    name="kg.txt",
    folder="kgcn-music",
    url=f"{_KGCN_URL}/kg.txt",
    archive=None,
    sha256="f62bbc8f717c9f68e66dff6faeaa71025092acc11a0f1b4878b953eb05f946a9",
    max_bytes=10 * _MEGABYTE,
    licence=_KGCN_LICENCE,
)
LINKS = RawSource(
    name="item_index2entity_id.txt",
    folder="kgcn-music",
    url=f"{_KGCN_URL}/item_index2entity_id.txt",
    archive=None,
    sha256="f9693bdde538f755d09b9931b0be662a98965e538658a00c2050912c0adf487b",
    max_bytes=10 * _MEGABYTE,
    licence=_KGCN_LICENCE,
)
SOURCES = (LISTENS, ARTISTS, TRIPLES, LINKS)


def describe_sources() -> str:
    """List the files that a user can put into a folder by hand, with their addresses.

    Returns:
        One line of text.
    """
    return (
        f"{HETREC_ARCHIVE.name} (or its {LISTENS.name} and {ARTISTS.name}) from "
        f"{HETREC_ARCHIVE.url}, {TRIPLES.name} from {TRIPLES.url}, {LINKS.name} from "
        f"{LINKS.url}"
    )


def find_raw_files(folder: Path) -> dict[str, Path]:
    """Look for the raw files in a folder.

    Each may lie in the folder itself or in the sub-folder named after its origin. The
    two HetRec files may also still be inside their archive.

    Args:
        folder: Where to look.

    Returns:
        For each file name of the recipe that is there, the file that holds it: the raw
        file, or the archive.
    """
    found = {}
    for source in SOURCES:
        names = [source.name]
        if source.archive is not None:
            names.append(source.archive.name)
        for path in (
            place / name for name in names for place in (folder / source.folder, folder)
        ):
            if path.is_file():
                found[source.name] = path
                break
    return found


def collect_raw_files(raw_folder: Path, work: Path) -> dict[str, RawFile]:
    """Take the raw files from a local folder.

    A file whose checksum is not the known one is used all the same, with a warning.

    Args:
        raw_folder: Folder with the raw files, see `find_raw_files`.
        work: Existing folder to unpack an archive to.

    Returns:
        The raw files by file name.

    Raises:
        UserError: A file is missing or unreadable, or the archive is damaged.
    """
    found = find_raw_files(raw_folder)
    require_all(raw_folder, found)
    raw = {}
    for source in SOURCES:
        path, origin = found[source.name], source.name
        if path.name != source.name:
            origin = f"{path.name} ({source.name})"
            member = ArchiveMember(source.name, None, source.max_bytes)
            (path,) = extract_members(path, [member], work)
        raw[source.name] = RawFile(source, path, source_file(path, origin))
    changed = [file.measured.origin for file in raw.values() if not file.is_known]
    if changed:
        logger.warning(
            "%s in %s: not the version this recipe was checked with (another SHA-256), "
            "so the counts may differ; used all the same",
            ", ".join(changed),
            raw_folder,
        )
    return raw


def require_all(raw_folder: Path, found: Mapping[str, Path]) -> None:
    """Refuse a folder that lacks some of the raw files.

    Args:
        raw_folder: The folder, for the message.
        found: What `find_raw_files` gave for it.

    Raises:
        UserError: Not all of them are there.
    """
    missing = [source.name for source in SOURCES if source.name not in found]
    if missing:
        raise UserError(
            f"{raw_folder} lacks {', '.join(missing)} of the Last.FM raw files; put "
            f"into it {describe_sources()}"
        )


def download_raw_files(work: Path) -> dict[str, RawFile]:
    """Download the raw files; each must have its known checksum.

    Args:
        work: Existing folder to write to.

    Returns:
        The raw files by file name.

    Raises:
        UserError: A download fails or gives another file.
    """
    archive_path = work / HETREC_ARCHIVE.name
    download(
        HETREC_ARCHIVE.url,
        archive_path,
        sha256=None,
        max_bytes=HETREC_ARCHIVE.max_bytes,
        description=HETREC_ARCHIVE.name,
    )
    raw = {}
    for source in SOURCES:
        path, origin = work / source.name, source.url
        if source.archive is None:
            download(
                source.url,
                path,
                sha256=source.sha256,
                max_bytes=source.max_bytes,
                description=source.name,
            )
        else:
            origin = f"{source.url} ({source.name})"
            member = ArchiveMember(source.name, source.sha256, source.max_bytes)
            extract_members(archive_path, [member], work)
        raw[source.name] = RawFile(source, path, source_file(path, origin))
    return raw
