"""A data set of pandas data frames, checked as the files of one are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import pandas as pd

from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.data.numbered import (
    WHOLE,
    IntArray,
    NumberedDataset,
    empty_table,
    links_of_equal_ids,
)
from recbole_kgif.data.textfiles import shown
from recbole_kgif.data.vocabulary import Vocabulary, plain_token
from recbole_kgif.data.writer import write_dataset
from recbole_kgif.errors import UserError

# Interactions of one frame, or pre-split.
Interactions = Union[pd.DataFrame, Mapping[str, pd.DataFrame]]
Names = Union[pd.DataFrame, Sequence[pd.DataFrame]]

PARTS = ("train", "valid", "test")
_FIELDS = FieldNames()
_KINDS = {"user": _FIELDS.user, "item": _FIELDS.item, "entity": _FIELDS.entity}
_SUFFIXES = {"inter": "interactions", "kg": "triples", "link": "links"}


def write_frames(
    folder: Path,
    interactions: Interactions,
    triples: Optional[pd.DataFrame] = None,
    links: Optional[pd.DataFrame] = None,
    names: Optional[Names] = None,
) -> None:
    """Write data frames as the atomic files of a data set, in the order of their rows.

    Args:
        folder: existing folder; its name is that of the data set.
        interactions: see `numbered_frames`.
        triples: likewise.
        links: likewise.
        names: likewise.

    Raises:
        UserError: a frame lacks a column or rows, or holds what a data set cannot; the
            message names the frame and the row.
    """
    data = numbered_frames(interactions, triples, links, names)
    if triples is not None and data.links.empty:
        raise UserError(
            "links is missing: no item has the id of an entity of the triples; "
            f"give a frame with {_FIELDS.item} and {_FIELDS.entity}"
        )
    write_dataset(folder, folder.name, data)


def numbered_frames(
    interactions: Optional[Interactions] = None,
    triples: Optional[pd.DataFrame] = None,
    links: Optional[pd.DataFrame] = None,
    names: Optional[Names] = None,
) -> NumberedDataset:
    """Number the ids of data frames, in the order of their rows.

    Ids may be texts or numbers; a number becomes the text of its digits.

    Args:
        interactions: columns `user_id` and `item_id`, and `rating` and `timestamp`
            where there are any; pre-split interactions as a mapping of "train",
            "valid" and "test" to such frames.
        triples: columns `head_id`, `relation_id` and `tail_id`; None for models that
            need no knowledge graph.
        links: columns `item_id` and `entity_id`; None links each item to the entity of
            the same id.
        names: one frame or several, each with a column `name` and one of `user_id`,
            `item_id` and `entity_id`.

    Raises:
        UserError: a frame lacks a column or rows, or holds what a data set cannot; the
            message names the frame and the row.
    """
    users, items = Vocabulary("user id"), Vocabulary("item id")
    parts = {WHOLE: empty_table("user", "item")}
    if interactions is not None:
        parts = {
            part: _interaction_table(where, frame, users, items)
            for part, (where, frame) in _named_parts(interactions).items()
        }
    return NumberedDataset(
        users=users.tokens,
        items=items.tokens,
        parts=parts,
        names=_names(names),
        **_graph(triples, links, items),
    )


def _graph(
    triples: Optional[pd.DataFrame], links: Optional[pd.DataFrame], items: Vocabulary
) -> dict[str, Any]:
    """Triples and links as `NumberedDataset` has them; new items are numbered."""
    entities, relations = Vocabulary("entity id"), Vocabulary("relation id")
    kg, link = empty_table("head", "relation", "tail"), empty_table("item", "entity")
    if triples is not None:
        of_triple = {
            "head": (_FIELDS.head, entities),
            "relation": (_FIELDS.relation, relations),
            "tail": (_FIELDS.tail, entities),
        }
        kg = _table("triples", triples, of_triple)
    if links is not None:
        of_link = {
            "item": (_FIELDS.item, items),
            "entity": (_FIELDS.entity, entities),
        }
        link = _table("links", links, of_link)
    elif triples is not None:
        link = links_of_equal_ids(items.tokens, entities)
    return {
        "entities": entities.tokens,
        "relations": relations.tokens,
        "triples": kg,
        "links": link,
    }


def in_terms_of_frames(message: str, folder: Path) -> str:
    """A message on the files of `write_frames`, on the rows of the frames instead."""
    name = re.escape(folder.name)
    file = rf"(?:{re.escape(str(folder))}[/\\])?{name}\.(?:(\w+)\.)?(inter|kg|link)"

    def frame_of(part: Optional[str], suffix: str, line: Optional[str] = None) -> str:
        frame = _SUFFIXES[suffix] + (f"[{part!r}]" if part else "")
        return frame if line is None else f"{frame}.iloc[{int(line) - 2}]"

    message = re.sub(rf"{file}, line (\d+)", lambda m: frame_of(*m.groups()), message)
    message = re.sub(
        rf"line (\d+) of {file}", lambda m: frame_of(m[2], m[3], m[1]), message
    )
    message = re.sub(file, lambda m: frame_of(m[1], m[2]), message)
    return re.sub(r"\bline (\d+)", lambda m: f"row {int(m[1]) - 2}", message)


def pair_texts(where: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Ids of the users and items of interactions, as the texts of a data set.

    Args:
        where: what the frame is, for messages.
        frame: columns `user_id` and `item_id`.

    Raises:
        UserError: a column is missing, there is no row, or an id is not valid.
    """
    users, items = Vocabulary("user id"), Vocabulary("item id")
    pair = {"user": (_FIELDS.user, users), "item": (_FIELDS.item, items)}
    table = _table(where, frame, pair)
    return pd.DataFrame(
        {
            field: np.array(vocabulary.tokens, dtype=object)[table[column]]
            for column, field, vocabulary in (
                ("user", _FIELDS.user, users),
                ("item", _FIELDS.item, items),
            )
        }
    )


def _named_parts(interactions: Interactions) -> dict[str, tuple[str, pd.DataFrame]]:
    """The name of each part's frame, and the frame, by the part's name."""
    if not isinstance(interactions, Mapping):
        return {WHOLE: ("interactions", interactions)}
    if set(interactions) != set(PARTS):
        raise UserError(
            f"interactions: has the parts {shown(', '.join(map(str, interactions)))}; "
            f"give {', '.join(PARTS)}, or one data frame"
        )
    return {part: (f"interactions[{part!r}]", interactions[part]) for part in PARTS}


def _check_frame(where: str, frame: Any, fields: Sequence[str]) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise UserError(
            f"{where}: is a {type(frame).__name__}; give a pandas data frame"
        )
    for field in fields:
        n_columns = list(frame.columns).count(field)
        if n_columns != 1:
            columns = shown(", ".join(map(str, frame.columns)))
            raise UserError(
                f"{where}: {n_columns or 'none'} of its columns {columns} is {field}; "
                "rename its columns"
            )
    if frame.empty:
        raise UserError(f"{where}: has no row; fill it")


def _interaction_table(
    where: str, frame: pd.DataFrame, users: Vocabulary, items: Vocabulary
) -> pd.DataFrame:
    pair = {"user": (_FIELDS.user, users), "item": (_FIELDS.item, items)}
    table = _table(where, frame, pair)
    for field, column in (("rating", "rating"), ("timestamp", "time")):
        if field in frame:
            table[column] = _floats(where, frame[field])
    return table


def _table(
    where: str, frame: pd.DataFrame, wanted: Mapping[str, tuple[str, Vocabulary]]
) -> pd.DataFrame:
    """Numbers for the ids of a frame.

    Args:
        where: what the frame is, for messages.
        frame: the frame.
        wanted: for each column of the table the field of the frame and the vocabulary
            that numbers its ids, as for `atomic_file.read_atomic_file`.
    """
    _check_frame(where, frame, [field for field, _ in wanted.values()])
    return pd.DataFrame(
        {
            column: _numbers(where, frame[field], vocabulary)
            for column, (field, vocabulary) in wanted.items()
        }
    )


def _numbers(where: str, column: pd.Series[Any], vocabulary: Vocabulary) -> IntArray:
    try:
        codes, distinct = pd.factorize(column)
    except TypeError:
        raise UserError(
            f"{where}: its column {column.name} holds lists or the like; give texts or "
            "whole numbers"
        ) from None
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise UserError(f"{where}.iloc[{row}]: {column.name} is missing; fill it")
    numbers = np.zeros(len(distinct), dtype=np.int32)
    for code, value in enumerate(distinct):
        try:
            numbers[code] = vocabulary[_text(value)]
        except ValueError as error:
            row = int(np.argmax(codes == code))
            raise UserError(
                f"{where}.iloc[{row}]: {column.name} {shown(_text(value))} {error}; "
                "choose another id"
            ) from None
    return numbers[codes]


def _text(value: Any) -> str:
    """An id as a text; pandas has whole numbers as floats where a value is missing."""
    is_whole = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if is_whole else str(value)


def _floats(where: str, column: pd.Series[Any]) -> pd.Series[float]:
    """Finite numbers; a date becomes seconds since 1970."""
    if pd.api.types.is_datetime64_any_dtype(column):
        moments = pd.to_datetime(column, utc=True)
        origin = pd.Timestamp(0, tz="UTC")
        numbers = (moments - origin).dt.total_seconds()
    else:
        numbers = pd.to_numeric(column, errors="coerce")
    is_bad = ~np.isfinite(numbers.to_numpy(dtype=float, na_value=np.nan))
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise UserError(
            f"{where}.iloc[{row}]: {column.name} {shown(str(column.iloc[row]))} is not "
            "a finite number; correct it"
        )
    return numbers.astype(float).reset_index(drop=True)


def _names(names: Optional[Names]) -> dict[str, dict[str, str]]:
    """Names by id of each kind."""
    frames = [names] if isinstance(names, pd.DataFrame) else list(names or ())
    found: dict[str, dict[str, str]] = {}
    for frame in frames:
        _check_frame("names", frame, ("name",))
        kinds = [kind for kind, field in _KINDS.items() if field in frame]
        if len(kinds) != 1:
            raise UserError(
                f"names: its columns {shown(', '.join(map(str, frame.columns)))} name "
                f"{len(kinds)} of {', '.join(_KINDS.values())}; a frame has one"
            )
        (kind,) = kinds
        named = frame[frame["name"].notna() & frame[_KINDS[kind]].notna()]
        pairs = zip(named[_KINDS[kind]], named["name"])
        found[kind] = {plain_token(_text(key)): str(name) for key, name in pairs}
    return found
