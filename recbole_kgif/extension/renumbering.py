"""The numbers that RecBole gives to ids, computed without reading files.

RecBole numbers users and items in the order of the interactions and then of the files
of users and items, entities in the order of all heads and then all tails. It then puts
linked items behind the others, and gives them and their entities the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import IntArray, NumberedDataset, mask_of


@dataclass(frozen=True)
class Renumbering:
    """RecBole's order of the numbers of a data set's tables.

    Attributes:
        users: number in the tables of each user in RecBole's order, padding left out,
            shape: [n_users]
        items: likewise of the items, shape: [n_items]
        entities: likewise of the entities that are no items, shape: [n_others]
        entity_of_item: number in the tables of the entity of each of `items`, -1 where
            it has none, shape: [n_items]
    """

    users: IntArray
    items: IntArray
    entities: IntArray
    entity_of_item: IntArray

    def recbole_numbers(self, n_entities: int) -> dict[str, IntArray]:
        """RecBole's number by that of the tables, for each kind of id.

        Args:
            n_entities: number of entities of the tables; those that RecBole does not
                number get 0.
        """
        users = np.zeros(len(self.users), dtype=np.int64)
        items = np.zeros(len(self.items), dtype=np.int64)
        entities = np.zeros(n_entities, dtype=np.int64)
        users[self.users] = np.arange(1, len(users) + 1)
        items[self.items] = np.arange(1, len(items) + 1)
        is_linked = self.entity_of_item >= 0
        entities[self.entity_of_item[is_linked]] = 1 + np.flatnonzero(is_linked)
        others = np.arange(len(self.entities)) + 1 + len(items)
        entities[self.entities] = others
        return {"user": users, "item": items, "entity": entities}


def renumber(data: NumberedDataset) -> Renumbering:
    """RecBole's order of a data set whose users and items all are in files of theirs.

    Args:
        data: the data set; all relations are in the order of its triples.
    """
    interactions = data.interactions
    users = pd.unique(
        np.concatenate([interactions["user"], np.arange(len(data.users))])
    )
    items = pd.unique(
        np.concatenate([interactions["item"], np.arange(len(data.items))])
    )
    entity_of = np.full(len(data.items), -1, dtype=np.int64)
    entity_of[data.links["item"]] = data.links["entity"]
    is_linked = entity_of[items] >= 0
    items = np.concatenate([items[~is_linked], items[is_linked]])
    ends = np.concatenate([data.triples["head"], data.triples["tail"]])
    entities = pd.unique(ends)
    is_item = mask_of(len(data.entities), data.links["entity"])
    return Renumbering(users, items, entities[~is_item[entities]], entity_of[items])
