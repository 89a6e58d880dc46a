"""Reading a data set from plain files: interactions, triples, links and names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import pandas as pd

from recbole_kgif.data.numbered import (
    WHOLE,
    NumberedDataset,
    Parser,
    links_of_equal_ids,
    table_of,
    triple_parsers,
)
from recbole_kgif.data.recipes.delimited import Layout, read_fields
from recbole_kgif.data.textfiles import shown
from recbole_kgif.data.vocabulary import Vocabulary
from recbole_kgif.errors import UserError

INTERACTIONS, TRIPLES, LINKS, NAMES = "interactions", "triples", "links", "names"


def read_plain(layouts: Mapping[str, Layout]) -> NumberedDataset:
    """Read a data set from plain files.

    Args:
        layouts: the layout of each file by what it holds; without links an item is the
            entity of the same id.

    Returns:
        The data set.

    Raises:
        UserError: a file cannot be read or holds a bad line.
    """
    users, items = Vocabulary("user id"), Vocabulary("item id")
    entities, relations = Vocabulary("entity id"), Vocabulary("relation id")
    interactions = _read_table(
        layouts[INTERACTIONS],
        {"user": users.number, "item": items.number, "rating": _rating, "time": _time},
        "interaction",
    )
    parsers = triple_parsers(entities, relations)
    triples = _read_table(layouts[TRIPLES], parsers, "triple")
    if LINKS in layouts:
        links = _read_links(layouts[LINKS], items, entities)
    else:
        links = links_of_equal_ids(items.tokens, entities)
    return NumberedDataset(
        users=users.tokens,
        items=items.tokens,
        entities=entities.tokens,
        relations=relations.tokens,
        parts={WHOLE: interactions},
        triples=triples,
        links=links,
        names={"item": _read_names(layouts[NAMES])} if NAMES in layouts else {},
    )


def _read_table(
    layout: Layout, parsers: Mapping[str, Parser], what: str
) -> pd.DataFrame:
    wanted = {role: parsers[role] for role in layout.places}
    table = table_of(read_fields(layout), layout.path, wanted)
    if len(table) == 0:
        raise UserError(f"{layout.path} holds no {what}; fill it")
    return table


def _rating(text: str, path: Path, line: int) -> float:
    value = _finite(text)
    if value is None:
        raise UserError(
            f"{path}, line {line}: the rating {shown(text)} is not a finite number; "
            "correct the line"
        )
    return value


def _time(text: str, path: Path, line: int) -> float:
    """A time as a number; a date becomes seconds since 1970."""
    value = _finite(text)
    if value is not None:
        return value
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise UserError(
            f"{path}, line {line}: the time {shown(text)} is neither a finite number "
            "nor a date as 2024-05-31 or 2024-05-31 13:45:00; correct the line"
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
    layout: Layout, items: Vocabulary, entities: Vocabulary
) -> pd.DataFrame:
    path, roles = layout.path, list(layout.places)
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
                f"linked to another item in line {entity_lines[entity]}, and an "
                "entity can be one item only; keep one of the two lines"
            )
        entity_of_item[item] = entity
        item_lines[item] = entity_lines[entity] = line
    if not entity_of_item:
        raise UserError(f"{path} holds no link; fill it")
    return pd.DataFrame(entity_of_item.items(), columns=["item", "entity"])


def _read_names(layout: Layout) -> dict[str, str]:
    path, roles = layout.path, list(layout.places)
    item_place, name_place = roles.index("item"), roles.index("name")
    items = Vocabulary("item id")
    names: dict[int, str] = {}
    lines: dict[int, int] = {}
    for line, fields in read_fields(layout):
        name = fields[name_place]
        if not name.strip():
            continue
        item = items.number(fields[item_place], path, line)
        if names.setdefault(item, name) != name:
            raise UserError(
                f"{path}, line {line}: the item {shown(fields[item_place])} has "
                f"another name in line {lines[item]}; keep one of the two lines"
            )
        lines.setdefault(item, line)
    tokens = items.tokens
    return {tokens[item]: name for item, name in names.items()}
