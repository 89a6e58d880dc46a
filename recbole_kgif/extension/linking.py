"""Which entity each item is, after new facts."""

from __future__ import annotations

from collections.abc import Iterator

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
        of_item: number in `joined` of each given item, shape: [n_given_items]
        of_entity: likewise of each given entity, shape: [n_given_entities]

    Returns:
        Columns `item` and `entity`, new ones last; of these, entities without a triple
        are left out.

    Raises:
        UserError: a link contradicts another one, or is missing where the items of the
            model have other ids than their entities.
    """
    entity_of = dict(zip(joined.links["item"], joined.links["entity"]))
    item_of = {entity: item for item, entity in entity_of.items()}
    given = new.data.links
    for number, entity in zip(given["item"], of_entity[given["entity"]]):
        item, token = of_item[number], new.data.items[number]
        known, other = entity_of.setdefault(item, entity), item_of.get(entity, item)
        if known != entity:
            raise UserError(
                f"{new.place('links', 'item', token)}item {shown(token)} is linked to "
                f"the entity {shown(joined.entities[known])} already; keep that link"
            )
        if other != item:
            raise UserError(
                f"{new.place('links', 'item', token)}entity "
                f"{shown(joined.entities[entity])} is linked to the item "
                f"{shown(joined.items[other])} already, and RecBole takes one item an "
                f"entity; link {shown(token)} to an entity id of its own"
            )
        item_of[entity] = item
    n_items, n_entities = len(old.data.items), len(old.data.entities)
    for item, entity in _of_equal_ids(old, joined):
        if item in entity_of or entity in item_of:
            continue
        if old.ids_are_equal or (entity >= n_entities and not old.ids_overlap):
            entity_of[item] = entity
        elif item >= n_items:
            raise UserError(
                f"item {shown(joined.items[item])} has the id of an entity, but the "
                "items of the model are entities of other ids; say by --links (in "
                "Python links=) which entity the item is, or a new id if it is none"
            )
    links = pd.DataFrame(
        {"item": list(entity_of), "entity": list(entity_of.values())}, dtype=np.int64
    )
    is_old = np.arange(len(links)) < len(joined.links)
    return links[is_old | joined.in_graph[links["entity"]]].reset_index(drop=True)


def _of_equal_ids(
    old: LoadedTables, joined: NumberedDataset
) -> Iterator[tuple[int, int]]:
    """Items and entities of the same ids, of which one is new to the model."""
    n_items, n_entities = len(old.data.items), len(old.data.entities)
    added = {
        token: n_entities + n for n, token in enumerate(joined.entities[n_entities:])
    }
    for number, token in enumerate(joined.items[n_items:], start=n_items):
        entity = added.get(token, old.entity(token))
        if entity is not None:
            yield number, entity
    for token, entity in added.items():
        item = old.numbers["item"].get(token, 0) - 1
        if item >= 0:
            yield item, entity
