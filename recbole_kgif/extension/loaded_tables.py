"""A data set that RecBole has loaded, as tables of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import BoolArray, NumberedDataset, mask_of
from recbole_kgif.data.splitting import PARTS
from recbole_kgif.training.loading import LoadedData


@dataclass(frozen=True)
class LoadedTables:
    """The users, items and triples that a trained model knows.

    The number of an id is RecBole's without padding, so that an item has the number of
    its entity. An item without an entity has a number among the entities, too.

    Attributes:
        data: the tables; interactions in the parts of the run.
        numbers: RecBole's number by id, for each of "user", "item" and "entity".
    """

    data: NumberedDataset
    numbers: Mapping[str, Mapping[str, int]]

    @cached_property
    def is_linked(self) -> BoolArray:
        """Whether each item has an entity, shape: [n_items]."""
        return mask_of(len(self.data.items), self.data.links["item"])

    @cached_property
    def ids_are_equal(self) -> bool:
        """Whether each linked item has the id of its entity."""
        items, entities = (
            np.asarray(ids)[: len(self.data.items)][self.is_linked]
            for ids in (self.data.items, self.data.entities)
        )
        return bool((items == entities).all())

    @cached_property
    def ids_overlap(self) -> bool:
        """Whether the id of an item is that of an entity that is not this item."""
        known = ((n, self.entity(token)) for n, token in enumerate(self.data.items))
        return any(entity not in (None, number) for number, entity in known)

    def entity(self, token: str) -> Optional[int]:
        """Number of an entity without padding; None where there is none."""
        number = self.numbers["entity"].get(token, 0) - 1
        n_items = len(self.is_linked)
        is_real = number >= n_items or (number >= 0 and self.is_linked[number])
        return number if is_real else None


def loaded_tables(loaded: LoadedData) -> LoadedTables:
    """The tables of a data set, with its split.

    Args:
        loaded: data for a knowledge-aware model.
    """
    dataset = loaded.dataset
    fields = {
        "user": dataset.uid_field,
        "item": dataset.iid_field,
        "entity": dataset.entity_field,
        "relation": dataset.relation_field,
    }
    tokens = {kind: dataset.field2id_token[field] for kind, field in fields.items()}
    triple = {
        "head": dataset.head_entity_field,
        "relation": dataset.relation_field,
        "tail": dataset.tail_entity_field,
    }
    pair = {"user": dataset.uid_field, "item": dataset.iid_field}
    parts = (loaded.train, loaded.valid, loaded.test)
    linked = [
        number - 1
        for number, item in enumerate(tokens["item"])
        if item in dataset.item2entity
    ]
    data = NumberedDataset(
        users=tokens["user"][1:],
        items=tokens["item"][1:],
        entities=tokens["entity"][1:],
        # The last one is RecBole's own, of the interactions.
        relations=tokens["relation"][1:-1],
        parts={
            name: _table(part._dataset.inter_feat, pair)
            for name, part in zip(PARTS, parts)
        },
        triples=_table(dataset.kg_feat, triple),
        links=pd.DataFrame({"item": linked, "entity": linked}, dtype=np.int64),
    )
    numbers = {kind: dataset.field2token_id[fields[kind]] for kind in tokens}
    return LoadedTables(data, numbers)


def _table(columns: Any, fields: Mapping[str, str]) -> pd.DataFrame:
    numbers = {kind: np.asarray(columns[field]) - 1 for kind, field in fields.items()}
    return pd.DataFrame(numbers)
