"""The raw files of the Last.FM recipe: where they are published and how to get them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_kgif.data.download import Expected, download, extract
from recbole_kgif.data.provenance import SourceFile, source_file
from recbole_kgif.errors import UserError

NAME = "lastfm"
ARCHIVE = "hetrec2011-lastfm-2k.zip"

_HETREC_URL = f"https://files.grouplens.org/datasets/hetrec2011/{ARCHIVE}"
_HETREC_LICENCE = (
    "HetRec 2011 (GroupLens): for non-commercial use, see readme.txt in the archive"
)
_KGCN_URL = "https://raw.githubusercontent.com/hwwang55/KGCN/master/data/music"
_KGCN_LICENCE = "KGCN (github.com/hwwang55/KGCN): MIT"
_MOST_BYTES = 10_000_000
_MOST_ARCHIVE_BYTES = 20_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawSource:
    """One raw file of the recipe.

    Attributes:
        name: File name.
        url: Public address of the file, or of the archive that holds it.
        sha256: Checksum of the known version.
        in_archive: Whether it is published in `ARCHIVE`.
    """

    name: str
    url: str
    sha256: str
    in_archive: bool = False

    @property
    def folder(self) -> str:
        """Sub-folder in which a local copy may be."""
        return "hetrec2011-lastfm-2k" if self.in_archive else "kgcn-music"

    @property
    def licence(self) -> str:
        """Terms of use."""
        return _HETREC_LICENCE if self.in_archive else _KGCN_LICENCE


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


LISTENS = RawSource(
    "user_artists.dat",
    _HETREC_URL,
    "001400dc3c7d2667fca6e4ea6dc6acc31a9dd28ad5cd0f74cea988c019934d3b",
    in_archive=True,
)
ARTISTS = RawSource(
    "artists.dat",
    _HETREC_URL,
    "4c99dc28397ec559520d5bf5341f4c952c8c416c3de918548f88269b88039806",
    in_archive=True,
)
TRIPLES = RawSource(
    "kg.txt",
    f"{_KGCN_URL}/kg.txt",
    "f62bbc8f717c9f68e66dff6faeaa71025092acc11a0f1b4878b953eb05f946a9",
)
LINKS = RawSource(
    "item_index2entity_id.txt",
    f"{_KGCN_URL}/item_index2entity_id.txt",
    "f9693bdde538f755d09b9931b0be662a98965e538658a00c2050912c0adf487b",
)
SOURCES = (LISTENS, ARTISTS, TRIPLES, LINKS)


def describe_sources() -> str:
    """The files that a user can put into a folder by hand, in one line."""
    return (
        f"{ARCHIVE} (or its {LISTENS.name} and {ARTISTS.name}) from {LISTENS.url}, "
        f"{TRIPLES.name} from {TRIPLES.url}, {LINKS.name} from {LINKS.url}"
    )


def find_raw_files(folder: Path) -> dict[str, Path]:
    """Look for the raw files in a folder.

    Each may be in the folder itself or in the sub-folder named after its origin. The
    two HetRec files may also still be inside their archive.

    Args:
        folder: Where to look.

    Returns:
        For each file name of the recipe that is there, the file that holds it: the raw
        file, or the archive.
    """
    found = {}
    for source in SOURCES:
        names = [source.name, ARCHIVE] if source.in_archive else [source.name]
        places = (folder / source.folder, folder)
        paths = [place / name for name in names for place in places]
        existing = next((path for path in paths if path.is_file()), None)
        if existing is not None:
            found[source.name] = existing
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
            (path,) = extract(path, [(source.name, Expected(_MOST_BYTES))], work)
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
    archive, raw = work / ARCHIVE, {}
    for source in SOURCES:
        path, origin = work / source.name, source.url
        expected = Expected(_MOST_BYTES, source.sha256)
        if source.in_archive:
            if not archive.exists():
                download(source.url, archive, Expected(_MOST_ARCHIVE_BYTES))
            extract(archive, [(source.name, expected)], work)
            origin = f"{source.url} ({source.name})"
        else:
            download(source.url, path, expected)
        raw[source.name] = RawFile(source, path, source_file(path, origin))
    return raw
