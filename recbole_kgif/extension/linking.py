"""Which entity each item is, after new facts."""

from __future__ import annotations

from typing import Optional

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import IntArray, NumberedDataset
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.extension.loaded_tables import LoadedTables
from recbole_kgif.extension.new_facts import NewFacts


def merged_links(
    old: LoadedTables,
    joined: NumberedDataset,
    new: NewFacts,
    of_item: IntArray,
    of_entity: IntArray,
) -> pd.DataFrame:
    """Old links, given ones, and those of items that are entities by their ids.

    Args:
        old: what the model knows.
        joined: old and new facts, with the old links.
        new: the new facts.
        of_item: number in `joined` of each new item, shape: [n_given_items]
        of_entity: likewise of each entity, shape: [n_given_entities]

    Returns:
        Columns `item` and `entity`; entities without a triple are left out.

    Raises:
        UserError: a link contradicts another one, or an item without a link has the id
            of an entity that may be something else.
    """
    entity_of = dict(zip(old.data.links["item"], old.data.links["entity"]))
    item_of = {entity: item for item, entity in entity_of.items()}
    in_graph = joined.in_graph

    def add(item: int, entity: int, place: str) -> None:
        if entity_of.get(item, entity) != entity:
            known = joined.entities[entity_of[item]]
            raise UserError(
                f"{place}item {shown(joined.items[item])} is linked to the entity "
                f"{shown(known)} already; keep that link"
            )
        if item_of.get(entity, item) != item:
            other = joined.items[item_of[entity]]
            raise UserError(
                f"{place}entity {shown(joined.entities[entity])} is linked to the item "
                f"{shown(other)} already, and RecBole takes one item an entity; link "
                f"{shown(joined.items[item])} to an entity id of its own"
            )
        if in_graph[entity]:
            entity_of[item], item_of[entity] = entity, item

    links = new.data.links
    for given_item, given_entity in zip(links["item"], links["entity"]):
        token = new.data.items[given_item]
        place = new.place("links", "item", token)
        add(of_item[given_item], of_entity[given_entity], place)
    for item, entity in _of_equal_ids(old, joined, new):
        if item not in entity_of:
            _refuse_other_entity(old, joined, item, entity, item_of.get(entity))
            add(item, entity, "")
    return pd.DataFrame(
        {"item": list(entity_of), "entity": list(entity_of.values())}, dtype=np.int64
    )


def _of_equal_ids(
    old: LoadedTables, joined: NumberedDataset, new: NewFacts
) -> list[tuple[int, int]]:
    """Items and entities of the same ids, of which one is new to the model."""
    n_items, n_entities = len(old.data.items), len(old.data.entities)
    items = {item: n for n, item in enumerate(joined.items[n_items:], start=n_items)}
    added = {
        entity: n
        for n, entity in enumerate(joined.entities[n_entities:], start=n_entities)
    }
    found = []
    for token, number in items.items():
        known = added.get(token, old.entity(token))
        if known is not None:
            found.append((number, known))
    for token, entity in added.items():
        item = old.numbers["item"].get(token, 0) - 1
        if item >= 0:
            found.append((item, entity))
    return found


def _refuse_other_entity(
    old: LoadedTables,
    joined: NumberedDataset,
    item: int,
    entity: int,
    other: Optional[int],
) -> None:
    """Refuse an entity that has an item's id where items have other ids.

    Raises:
        UserError: it is one.
    """
    data = old.data
    # An item has the number of its entity.
    ids_are_equal = all(
        data.items[number] == data.entities[number]
        for number in np.flatnonzero(old.is_linked)
    )
    if entity >= len(data.entities) or (ids_are_equal and other is None):
        return
    raise UserError(
        f"item {shown(joined.items[item])} has the id of an entity that the model "
        "knows, but its items are linked to entities of other ids; say by --links "
        "(in Python links=) which entity the item is"
    )
