"""The recipe for Last.FM: raw files in, RecBole's atomic files out.

Listening counts and artist names are those of HetRec 2011; the knowledge graph and the
links from artists to entities are those published with KGCN. Only the artists that the
link file names are kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

import pandas as pd

from recbole_kgif.data.numbered import (
    WHOLE,
    NumberedDataset,
    table_of,
    triple_parsers,
)
from recbole_kgif.data.provenance import write_provenance
from recbole_kgif.data.recipes.lastfm_sources import (
    ARTISTS,
    LINKS,
    LISTENS,
    NAME,
    TRIPLES,
    collect_raw_files,
    download_raw_files,
)
from recbole_kgif.data.staging import DatasetExists, StagingFolder, new_dataset
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.data.vocabulary import Vocabulary, whole_number
from recbole_kgif.data.writer import write_dataset
from recbole_kgif.errors import UserError

RECIPE_VERSION = 1

logger = logging.getLogger(__name__)


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
        with new_dataset(data_path, NAME, option="--data_path", waits=True) as staging:
            _prepare_in(staging, raw_folder)
    except DatasetExists:
        if not (target / f"{NAME}.inter").is_file():
            raise
        logger.info("%s was prepared by another process meanwhile; using it", target)
    return target


def _prepare_in(staging: StagingFolder, raw_folder: Optional[Path]) -> None:
    if raw_folder is None:
        raw = download_raw_files(staging.scratch)
    else:
        raw = collect_raw_files(raw_folder, staging.scratch)
    data = read_lastfm({name: file.path for name, file in raw.items()})
    write_dataset(staging.prepared, NAME, data)
    interactions = data.interactions
    counts = {
        "users": interactions["user"].nunique(),
        "items": interactions["item"].nunique(),
        "interactions": len(interactions),
        "triples": len(data.triples),
        "relations": len(data.relations),
    }
    write_provenance(
        staging.prepared,
        {"dataset": NAME, "recipe_version": RECIPE_VERSION},
        {"sources": [file.to_json() for file in raw.values()], "counts": counts},
    )


def read_lastfm(raw: Mapping[str, Path]) -> NumberedDataset:
    """Read the raw files.

    Args:
        raw: The raw files by file name.

    Returns:
        The data set, in the order of the files' lines.

    Raises:
        UserError: A raw file holds a bad line.
    """
    artists = Vocabulary("artist id", whole_number)
    names = _read_names(raw[ARTISTS.name], artists)
    entities = Vocabulary("entity id", whole_number)
    links = _read_links(raw[LINKS.name], artists, entities)
    users = Vocabulary("user id", whole_number)
    listens = _read_listens(raw[LISTENS.name], users, artists)
    listens = listens[listens["item"].isin(links["item"])]
    if len(listens) == 0:
        raise UserError(
            f"{raw[LISTENS.name]} names no artist of {raw[LINKS.name]}; "
            f"check that both are the files of this recipe"
        )
    heard = [artists.tokens[number] for number in listens["item"].unique()]
    nameless = sorted(set(heard) - set(names), key=int)
    if nameless:
        raise UserError(
            f"{raw[ARTISTS.name]} has no line for artist {nameless[0]} "
            f"({len(nameless)} such artists occur in the listening counts); get the "
            "whole file"
        )
    relations = Vocabulary("relation", _relation_name)
    path, parsers = raw[TRIPLES.name], triple_parsers(entities, relations)
    triples = table_of(_fields(path, columns=3), path, parsers)
    return NumberedDataset(
        users=users.tokens,
        items=artists.tokens,
        entities=entities.tokens,
        relations=relations.tokens,
        parts={WHOLE: listens},
        triples=triples,
        links=links,
        names={"item": names},
    )


def _read_names(path: Path, artists: Vocabulary) -> dict[str, str]:
    names: dict[str, str] = {}
    lines = _fields(path, columns=4, at_least=True)
    _require_header(path, lines, ["id", "name", "url", "pictureURL"])
    for line, (text, *name_parts, _url, _picture) in lines:
        artist = artists.tokens[artists.number(text, path, line)]
        name = "\t".join(name_parts)
        if not name.strip():
            raise UserError(
                f"{path}, line {line}: artist {artist} has no name; give it one"
            )
        if artist in names:
            raise UserError(
                f"{path}, line {line}: artist {artist} occurs a second time; "
                f"keep one of the two lines"
            )
        names[artist] = name
    return names


def _read_links(path: Path, artists: Vocabulary, entities: Vocabulary) -> pd.DataFrame:
    entity_of: dict[int, int] = {}
    for line, (artist_text, entity_text) in _fields(path, columns=2):
        artist = artists.number(artist_text, path, line)
        entity = entities.number(entity_text, path, line)
        # Each link brings a new entity, as long as none is repeated.
        if artist in entity_of or entity < len(entity_of):
            is_artist = artist in entity_of
            twice = f"artist {artist_text}" if is_artist else f"entity {entity_text}"
            raise UserError(
                f"{path}, line {line}: {twice} is linked a second time; "
                f"keep one of the two lines"
            )
        entity_of[artist] = entity
    return pd.DataFrame(entity_of.items(), columns=["item", "entity"])


def _read_listens(path: Path, users: Vocabulary, artists: Vocabulary) -> pd.DataFrame:
    counts: dict[tuple[int, int], int] = {}
    lines = _fields(path, columns=3)
    _require_header(path, lines, ["userID", "artistID", "weight"])
    for line, (user, artist, count) in lines:
        pair = (users.number(user, path, line), artists.number(artist, path, line))
        if pair in counts:
            raise UserError(
                f"{path}, line {line}: user {user} and artist {artist} occur a "
                f"second time; keep one of the two lines"
            )
        try:
            counts[pair] = int(whole_number(count))
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: the listening count {shown(count)} {error}; "
                "correct the line"
            ) from None
    table = pd.DataFrame(list(counts), columns=["user", "item"])
    return table.assign(rating=list(counts.values()))


def _relation_name(text: str) -> str:
    if not text.strip() or text.startswith('"'):
        raise ValueError("is no relation name")
    return text


def _fields(
    path: Path, *, columns: int, at_least: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Split the lines at tabs; `at_least` allows more fields than columns."""
    for line, text in numbered_lines(path):
        fields = text.split("\t")
        if len(fields) < columns or (len(fields) > columns and not at_least):
            raise UserError(
                f"{path}, line {line}: {len(fields)} fields instead of {columns} in "
                f"{shown(text)}; correct the line"
            )
        yield line, fields


def _require_header(
    path: Path, lines: Iterator[tuple[int, list[str]]], expected: list[str]
) -> None:
    _, header = next(lines, (1, []))
    if header != expected:
        raise UserError(
            f"{path}, line 1: the header is {shown(' '.join(header))} instead of "
            f"{shown(' '.join(expected))}; check that it is the right file"
        )
