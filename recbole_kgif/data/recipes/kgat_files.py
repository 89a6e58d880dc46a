"""Files of the KGAT format: in a folder, in a zip archive, or at their public place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recbole_kgif.data.download import Expected, download, extract
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

TRAIN, VALID, TEST = "train.txt", "valid.txt", "test.txt"
TRIPLES = "kg_final.txt"
USERS, ITEMS = "user_list.txt", "item_list.txt"
ENTITIES, RELATIONS = "entity_list.txt", "relation_list.txt"
ARCHIVE = f"{TRIPLES}.zip"
REQUIRED = (TRAIN, TEST, TRIPLES)
LISTS = (USERS, ITEMS, ENTITIES, RELATIONS)

_ORIGIN = (
    "https://raw.githubusercontent.com/"
    "xiangwang1223/knowledge_graph_attention_network/master/Data"
)
# For each published data set the form in which its triples are published.
PUBLISHED = {"last-fm": TRIPLES, "amazon-book": ARCHIVE, "yelp2018": ARCHIVE}
TERMS = (
    "for research only, with acknowledgement of the paper KGAT (KDD 2019), not to be "
    "redistributed: github.com/xiangwang1223/knowledge_graph_attention_network, "
    "folder Data"
)

_MOST_BYTES = 500_000_000  # of a download; the largest published file has about 40 MB
_MOST_UNPACKED_BYTES = 4_000_000_000
# Lines of numbers shrink to a fifth or a third; an archive made to fill the disk, to a
# thousandth.
_MOST_TIMES_UNPACKED = 100


def find_files(folder: Path) -> dict[str, Path]:
    """The files of the format in a folder, the archive only where it is needed.

    Args:
        folder: where to look.

    Returns:
        For each name that is there its path.

    Raises:
        UserError: a file that every data set has is missing.
    """
    names = (*REQUIRED, VALID, *LISTS, ARCHIVE)
    found = {name: folder / name for name in names if (folder / name).exists()}
    if TRIPLES in found:
        found.pop(ARCHIVE, None)
    elif ARCHIVE in found:
        found[TRIPLES] = found.pop(ARCHIVE)
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)} of the KGAT format; put "
            f"{', '.join(REQUIRED)} (or {ARCHIVE}) there, and the *_list.txt for names"
        )
    return found


def download_published(name: str, folder: Path) -> dict[str, Path]:
    """Download a published data set; what is there already is not fetched again.

    Args:
        name: one of `PUBLISHED`.
        folder: existing folder to write to. Only complete files appear in it.

    Returns:
        For each name of the format its path.

    Raises:
        UserError: a download fails; the message says how to continue without it.
    """
    for file_name in (TRAIN, TEST, PUBLISHED[name], *LISTS):
        path = folder / file_name
        if path.exists():
            continue
        try:
            download(address(name, file_name), path, Expected(_MOST_BYTES))
        except UserError as error:
            raise UserError(
                f"{error}; run the same command again, or put the files of "
                f"{_ORIGIN}/{name} into a folder DIR and give --source DIR"
            ) from None
    return find_files(folder)


def address(name: str, file_name: str) -> str:
    """Public address of a file of a published data set."""
    return f"{_ORIGIN}/{name}/{file_name}"


def unpack_triples(files: Mapping[str, Path], folder: Path) -> Path:
    """The file of the triples, unpacked where it is in an archive.

    Args:
        files: what `find_files` gives.
        folder: existing folder to unpack to.

    Returns:
        The file.

    Raises:
        UserError: the archive is damaged, holds no such file, or far too large a one.
    """
    path = files[TRIPLES]
    if path.name != ARCHIVE:
        return path
    try:
        packed_bytes = path.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    most_bytes = min(_MOST_UNPACKED_BYTES, _MOST_TIMES_UNPACKED * packed_bytes)
    return extract(path, [(TRIPLES, Expected(most_bytes))], folder)[0]


def locate_published(value: str, source: Path) -> Path:
    """The folder below `--source` that holds a published data set.

    Args:
        value: the data set's name.
        source: the folder itself, or its parent.

    Returns:
        The folder.

    Raises:
        UserError: neither is one.
    """
    for folder in (source, source / value):
        if (folder / TRAIN).exists():
            return folder
    raise UserError(
        f"--source {source}: neither it nor its folder {value} holds {TRAIN}; give the "
        "folder with the files of the KGAT format"
    )


def local_folder(value: str) -> Path:
    """The folder that `--kgat` names.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(value)
    if not folder.is_dir():
        raise UserError(
            f"--kgat {shown(value)}: neither a folder nor one of "
            f"{', '.join(PUBLISHED)}; give one of them"
        )
    return folder
