"""Reading a data set from plain files: interactions, triples, links and names."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import pandas as pd

from recbole_kgif.data.numbered import (
    WHOLE,
    NumberedDataset,
    Parser,
    empty_table,
    links_of_equal_ids,
    table_of,
    triple_parsers,
)
from recbole_kgif.data.recipes.delimited import Layout, read_fields
from recbole_kgif.data.recipes.rdf import iri, read_rdf
from recbole_kgif.data.textfiles import shown
from recbole_kgif.data.vocabulary import Vocabulary, plain_token
from recbole_kgif.errors import UserError

INTERACTIONS, TRIPLES, LINKS = "interactions", "triples", "links"
NAMES, ENTITY_NAMES = "names", "entity-names"
_TRIPLE = ("head", "relation", "tail")
# The options that name the columns of each file.
_COLUMN_OPTIONS = {
    INTERACTIONS: "--user-column and --item-column",
    TRIPLES: "--head-column, --relation-column and --tail-column",
    LINKS: "--link-item-column and --link-entity-column",
    NAMES: "--names-item-column and --names-name-column",
    ENTITY_NAMES: "--entity-names-entity-column and --entity-names-name-column",
}


def read_plain(
    layouts: Mapping[str, Layout], needed: Collection[str] = ()
) -> tuple[NumberedDataset, list[str]]:
    """Read a data set from plain files, or what is added to one.

    Args:
        layouts: the layout of each file by what it holds; without links an item is the
            entity of the same id.
        needed: those of "rating" and "time" that are of use; the column of another one
            is left out where a value of it cannot be read.

    Returns:
        The data set, and what was left out of the files, for people.

    Raises:
        UserError: a file cannot be read or holds a bad line.
    """
    is_rdf = TRIPLES in layouts and layouts[TRIPLES].rdf is not None
    users, items = Vocabulary("user id"), Vocabulary("item id")
    entities = Vocabulary("entity id", _token_of_iri if is_rdf else plain_token)
    relations = Vocabulary("relation id")
    interactions, triples = empty_table("user", "item"), empty_table(*_TRIPLE)
    notes: list[str] = []
    if INTERACTIONS in layouts:
        interactions, notes = _read_interactions(
            layouts[INTERACTIONS], users, items, needed
        )
    if TRIPLES in layouts:
        parsers = triple_parsers(entities, relations)
        triples, literals = _read_triples(layouts[TRIPLES], parsers)
        notes += literals
    names = {
        kind: _read_names(layouts[file], kind)
        for kind, file in (("item", NAMES), ("entity", ENTITY_NAMES))
        if file in layouts
    }
    if LINKS in layouts:
        links = _read_links(layouts, items, entities)
    else:
        # Those without an interaction, so that they are counted.
        for item in names.get("item", ()):
            items[item]
        links = links_of_equal_ids(items.tokens, entities)
    ids = {"user": users, "item": items, "relation": relations}
    ids.update(dict.fromkeys(("head", "tail", "entity"), entities))
    for kind, layout in layouts.items():
        _refuse_data_as_header(kind, layout, ids)
    data = NumberedDataset(
        users=users.tokens,
        items=items.tokens,
        entities=entities.tokens,
        relations=relations.tokens,
        parts={WHOLE: interactions},
        triples=triples,
        links=links,
        names=names,
    )
    return data, notes


def _token_of_iri(text: str) -> str:
    return plain_token(iri(text))


def _refuse_data_as_header(
    kind: str, layout: Layout, ids: Mapping[str, Mapping[str, int]]
) -> None:
    """Refuse a first line that is taken for names of columns and holds ids.

    Raises:
        UserError: it holds one.
    """
    if layout.is_sure:
        return
    for role, place in layout.places.items():
        name = layout.header[place]
        if name in ids.get(role, ()):
            raise UserError(
                f"{layout.path}, line {layout.header_line}: {shown(name)} is taken for "
                f"the name of the column with the {role}, and is such an id itself in "
                f"another line; if the first line holds data, give --no-header {kind}, "
                f"else name the columns by {_COLUMN_OPTIONS[kind]}"
            )


def _read_table(
    rows: Iterable[tuple[int, Sequence[str]]],
    layout: Layout,
    parsers: Mapping[str, Parser],
    what: str,
) -> pd.DataFrame:
    wanted = {role: parsers[role] for role in layout.places}
    table = table_of(rows, layout.path, wanted)
    if len(table) == 0:
        raise UserError(f"{layout.path} holds no {what}; fill it")
    return table


def _read_interactions(
    layout: Layout, users: Vocabulary, items: Vocabulary, needed: Collection[str]
) -> tuple[pd.DataFrame, list[str]]:
    """The interactions, and a note on each column that is left out."""
    values = {
        "rating": _ValueParser("rating", _rating, "rating" in needed),
        "time": _ValueParser("time", _time, "time" in needed),
    }
    parsers: dict[str, Parser] = {"user": users.number, "item": items.number}
    parsers.update(values)
    table = _read_table(read_fields(layout), layout, parsers, "interaction")
    notes = {role: v.note for role, v in values.items() if v.note is not None}
    return table.drop(columns=list(notes)), list(notes.values())


def _read_triples(
    layout: Layout, parsers: Mapping[str, Parser]
) -> tuple[pd.DataFrame, list[str]]:
    """The triples, and a note where some are left out."""
    if layout.rdf is None:
        return _read_table(read_fields(layout), layout, parsers, "triple"), []
    rows, literals = read_rdf(layout.path, layout.rdf)
    table = _read_table(rows, layout, parsers, "triple of resources")
    if not literals:
        return table, []
    return table, [
        f"{layout.path.name}: {literals:,} triples with a literal (a text, number or "
        "date) in place of an entity are left out"
    ]


class _ValueParser:
    """A parser (see `table_of`) of a column of values.

    Args:
        what: what the values are.
        value_of: gives the value of a text, or raises ValueError.
        is_needed: whether to refuse a text that is none. Else the first one is noted,
            and the column is not to be used.

    Attributes:
        note: about the first text that is no value.
    """

    def __init__(
        self, what: str, value_of: Callable[[str], float], is_needed: bool
    ) -> None:
        self._what, self._value_of, self._is_needed = what, value_of, is_needed
        self.note: Optional[str] = None

    def __call__(self, text: str, path: Path, line: int) -> float:
        """The value of a text.

        Raises:
            UserError: it has none, and is needed.
        """
        if self.note is not None:
            return math.nan
        try:
            return self._value_of(text)
        except ValueError as error:
            reason = f"line {line}: the {self._what} {shown(text)} {error}"
        if self._is_needed:
            raise UserError(f"{path}, {reason}; correct the line")
        self.note = f"{path.name}, {reason}; the column is left out, as none needs it"
        return math.nan


def _rating(text: str) -> float:
    value = _finite(text)
    if value is None:
        is_decimal = _finite(text.replace(",", ".")) is not None
        advice = " (decimals have a point, no comma)" if is_decimal else ""
        raise ValueError(f"is not a finite number{advice}")
    return value


def _time(text: str) -> float:
    """A time as a number; a date becomes seconds since 1970."""
    value = _finite(text)
    if value is not None:
        return value
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            "is neither a finite number nor a date as 2024-05-31 or 2024-05-31 13:45:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()


def _finite(text: str) -> Optional[float]:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_links(
    layouts: Mapping[str, Layout], items: Vocabulary, entities: Vocabulary
) -> pd.DataFrame:
    layout = layouts[LINKS]
    path, roles = layout.path, list(layout.places)
    where = f" in {layouts[TRIPLES].path.name}" if TRIPLES in layouts else ""
    item_place, entity_place = roles.index("item"), roles.index("entity")
    entity_of_item: dict[int, int] = {}
    item_lines: dict[int, int] = {}
    entity_lines: dict[int, int] = {}
    for line, fields in read_fields(layout):
        item = items.number(fields[item_place], path, line)
        entity = entities.number(fields[entity_place], path, line)
        if entity_of_item.get(item) == entity:
            continue
        if item in item_lines:
            raise UserError(
                f"{path}, line {line}: the item {shown(fields[item_place])} is linked "
                f"to another entity in line {item_lines[item]}; keep one of the two "
                "lines"
            )
        if entity in entity_lines:
            raise UserError(
                f"{path}, line {line}: the entity {shown(fields[entity_place])} is "
                f"linked to another item in line {entity_lines[entity]}, and RecBole "
                "takes one item an entity; to keep both, link this one to an entity id "
                f"of its own, and repeat the triples with that id{where}"
            )
        entity_of_item[item] = entity
        item_lines[item] = entity_lines[entity] = line
    if not entity_of_item:
        raise UserError(f"{path} holds no link; fill it")
    return pd.DataFrame(entity_of_item.items(), columns=["item", "entity"])


def _read_names(layout: Layout, kind: str) -> dict[str, str]:
    """Names of the items, or of the entities, by id."""
    path, roles = layout.path, list(layout.places)
    id_place, name_place = roles.index(kind), roles.index("name")
    known = Vocabulary(f"{kind} id")
    names: dict[int, str] = {}
    lines: dict[int, int] = {}
    for line, fields in read_fields(layout):
        name = fields[name_place]
        if not name.strip():
            continue
        number = known.number(fields[id_place], path, line)
        if names.setdefault(number, name) != name:
            raise UserError(
                f"{path}, line {line}: the {kind} {shown(fields[id_place])} has "
                f"another name in line {lines[number]}; keep one of the two lines"
            )
        lines.setdefault(number, line)
    tokens = known.tokens
    return {tokens[number]: name for number, name in names.items()}
