"""The recipe for Last.FM: raw files in, RecBole's atomic files out.

Listening counts and artist names are those of HetRec 2011; the knowledge graph and the
links from artists to entities are those published with KGCN. Only the artists that the
link file names are kept.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional, TextIO

from recbole_kgif.data.recipes.lastfm_sources import (
    ARTISTS,
    LINKS,
    LISTENS,
    TRIPLES,
    RawFile,
    collect_raw_files,
    download_raw_files,
)
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.errors import UserError

NAME = "lastfm"
RECIPE_VERSION = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LastfmCounts:
    """What the prepared files hold.

    Attributes:
        users: Distinct users of the interactions.
        items: Distinct artists of the interactions.
        interactions: Pairs of a user and an artist.
        triples: Triples of the knowledge graph.
        relations: Distinct relations of the triples.
    """

    users: int
    items: int
    interactions: int
    triples: int
    relations: int


def prepare_lastfm(data_path: Path, raw_folder: Optional[Path]) -> Path:
    """Write the data set `lastfm` below a folder, all of it or nothing.

    Args:
        data_path: The folder that gets the sub-folder `lastfm`; created when missing.
        raw_folder: Folder with the raw files, see `lastfm_sources.find_raw_files`; None
            downloads them.

    Returns:
        The new folder, `data_path/lastfm`.

    Raises:
        UserError: The target exists, a raw file is missing, cannot be downloaded or
            holds a bad line, or the disk refuses a file.
    """
    target = data_path / NAME
    if os.path.lexists(target):
        raise UserError(
            f"{target} exists and is never overwritten; move it away to prepare it anew"
        )
    try:
        data_path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=data_path) as work:
            prepared = _prepare_in(Path(work), raw_folder)
            _move_into_place(prepared, target)
    except OSError as error:
        raise UserError(
            f"cannot prepare {target}: {error.strerror or error}; nothing was kept"
        ) from error
    return target


def _prepare_in(work: Path, raw_folder: Optional[Path]) -> Path:
    raw_work = work / "raw"
    raw_work.mkdir()
    if raw_folder is None:
        raw = download_raw_files(raw_work)
    else:
        raw = collect_raw_files(raw_folder, raw_work)
    prepared = work / NAME
    prepared.mkdir()
    counts = write_atomic_files(prepared, {name: raw[name].path for name in raw})
    provenance = _provenance(raw, counts)
    with (prepared / "provenance.json").open("w", encoding="utf-8") as file:
        json.dump(provenance, file, indent=2, ensure_ascii=False)
        file.write("\n")
    return prepared


def _move_into_place(prepared: Path, target: Path) -> None:
    try:
        prepared.rename(target)
    except OSError:
        if not (target / f"{NAME}.inter").is_file():
            raise
        logger.info("%s was prepared by another process meanwhile; using it", target)


def write_atomic_files(folder: Path, raw: Mapping[str, Path]) -> LastfmCounts:
    """Convert the raw files.

    Args:
        folder: Existing folder to write `lastfm.inter`, `.item`, `.link` and `.kg` to.
        raw: The raw files by file name.

    Returns:
        The counts of what was written.

    Raises:
        UserError: A raw file holds a bad line.
        OSError: A file cannot be written.
    """
    links = _read_links(raw[LINKS.name])
    with _new_file(folder, "link") as file:
        file.write("item_id:token\tentity_id:token\n")
        file.writelines(f"{artist}\t{entity}\n" for artist, entity in links.items())

    users, artists, interactions = set(), set(), 0
    with _new_file(folder, "inter") as file:
        file.write("user_id:token\titem_id:token\trating:float\n")
        for user, artist, count in _read_listens(raw[LISTENS.name]):
            if artist in links:
                file.write(f"{user}\t{artist}\t{count}\n")
                users.add(user)
                artists.add(artist)
                interactions += 1
    if interactions == 0:
        raise UserError(
            f"{raw[LISTENS.name]} names no artist of {raw[LINKS.name]}; "
            f"check that both are the files of this recipe"
        )

    with _new_file(folder, "item") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["item_id:token", "name:token_seq"])
        writer.writerows(_read_names(raw[ARTISTS.name], artists))

    triples, relations = 0, set()
    with _new_file(folder, "kg") as file:
        file.write("head_id:token\trelation_id:token\ttail_id:token\n")
        for head, relation, tail in _read_triples(raw[TRIPLES.name]):
            file.write(f"{head}\t{relation}\t{tail}\n")
            relations.add(relation)
            triples += 1
    return LastfmCounts(
        users=len(users),
        items=len(artists),
        interactions=interactions,
        triples=triples,
        relations=len(relations),
    )


def _new_file(folder: Path, suffix: str) -> TextIO:
    return (folder / f"{NAME}.{suffix}").open("w", encoding="utf-8", newline="")


def _read_links(path: Path) -> dict[str, str]:
    links: dict[str, str] = {}
    entities = set()
    for number, (artist, entity) in _fields(path, columns=2):
        _require_id(path, number, "artist id", artist)
        _require_id(path, number, "entity id", entity)
        if artist in links or entity in entities:
            twice = f"artist {artist}" if artist in links else f"entity {entity}"
            raise UserError(
                f"{path}, line {number}: {twice} is linked a second time; "
                f"keep one of the two lines"
            )
        links[artist] = entity
        entities.add(entity)
    return links


def _read_listens(path: Path) -> Iterator[tuple[str, str, str]]:
    pairs = set()
    lines = _fields(path, columns=3)
    _require_header(path, lines, ["userID", "artistID", "weight"])
    for number, (user, artist, count) in lines:
        _require_id(path, number, "user id", user)
        _require_id(path, number, "artist id", artist)
        _require_id(path, number, "listening count", count)
        if (user, artist) in pairs:
            raise UserError(
                f"{path}, line {number}: user {user} and artist {artist} occur a "
                f"second time; keep one of the two lines"
            )
        pairs.add((user, artist))
        yield user, artist, count


def _read_names(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, str]]:
    seen = set()
    lines = _fields(path, columns=4, at_least=True)
    _require_header(path, lines, ["id", "name", "url", "pictureURL"])
    for number, (artist, *name_parts, _url, _picture) in lines:
        _require_id(path, number, "artist id", artist)
        name = "\t".join(name_parts)
        if not name.strip():
            raise UserError(
                f"{path}, line {number}: artist {artist} has no name; give it one"
            )
        if artist in seen:
            raise UserError(
                f"{path}, line {number}: artist {artist} occurs a second time; "
                f"keep one of the two lines"
            )
        seen.add(artist)
        if artist in wanted:
            yield artist, name
    nameless = sorted(set(wanted) - seen, key=int)
    if nameless:
        raise UserError(
            f"{path} has no line for artist {nameless[0]} ({len(nameless)} such "
            f"artists occur in the listening counts); get the whole file"
        )


def _read_triples(path: Path) -> Iterator[tuple[str, str, str]]:
    for number, (head, relation, tail) in _fields(path, columns=3):
        _require_id(path, number, "head entity", head)
        _require_id(path, number, "tail entity", tail)
        if not relation.strip() or relation.startswith('"'):
            raise UserError(
                f"{path}, line {number}: {shown(relation)} is no relation name; "
                f"correct the line"
            )
        yield head, relation, tail


def _fields(
    path: Path, *, columns: int, at_least: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Split the lines at tabs; `at_least` allows more fields than columns."""
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) < columns or (len(fields) > columns and not at_least):
            raise UserError(
                f"{path}, line {number}: {len(fields)} fields instead of {columns} in "
                f"{shown(line)}; correct the line"
            )
        yield number, fields


def _require_header(
    path: Path, lines: Iterator[tuple[int, list[str]]], expected: list[str]
) -> None:
    _, header = next(lines, (1, []))
    if header != expected:
        raise UserError(
            f"{path}, line 1: the header is {shown(' '.join(header))} instead of "
            f"{shown(' '.join(expected))}; check that it is the right file"
        )


def _require_id(path: Path, number: int, what: str, value: str) -> None:
    if not (value.isascii() and value.isdecimal()):
        raise UserError(
            f"{path}, line {number}: the {what} {shown(value)} is not a whole number; "
            f"correct the line"
        )


def _provenance(raw: Mapping[str, RawFile], counts: LastfmCounts) -> dict[str, object]:
    return {
        "dataset": NAME,
        "recipe_version": RECIPE_VERSION,
        "prepared_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "sources": [
            {
                "name": file.source.name,
                "origin": file.origin,
                "sha256": file.sha256,
                "bytes": file.size,
                "known_version": file.sha256 == file.source.sha256,
                "licence": file.source.licence,
            }
            for file in raw.values()
        ],
        "counts": asdict(counts),
    }
