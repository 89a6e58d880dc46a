"""Merged tables as RecBole's data set, without a detour by files."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.data.interaction import Interaction

from recbole_kgif.data.numbered import IntArray, NumberedDataset
from recbole_kgif.data.splitting import PARTS
from recbole_kgif.extension.renumbering import Renumbering
from recbole_kgif.training.loading import LoadedData

_PADDING = "[PAD]"


@dataclass(frozen=True)
class DatasetPart:
    """What is asked of RecBole's loader of a part where nothing is trained.

    Attributes:
        dataset: RecBole's data set of the part.
    """

    dataset: Any

    @property
    def _dataset(self) -> Any:
        """The name that RecBole's own loaders have for it."""
        return self.dataset


def extended_data(
    loaded: LoadedData, data: NumberedDataset, order: Renumbering, config: Config
) -> LoadedData:
    """The data set that RecBole would load from the files of some tables.

    Args:
        loaded: the data set that was extended.
        data: the merged tables.
        order: RecBole's order of them.
        config: configuration of the extended model.
    """
    before = loaded.dataset
    dataset = copy.copy(before)
    dataset.config, dataset.dataset_name = config, config["dataset"]
    dataset.dataset_path = config["data_path"]
    numbers = order.recbole_numbers(len(data.entities))
    _put_tokens(dataset, data, order)
    n_users, n_items = len(data.users) + 1, len(data.items) + 1
    dataset.user_feat = Interaction({before.uid_field: torch.arange(n_users)})
    dataset.item_feat = Interaction({before.iid_field: torch.arange(n_items)})
    dataset.feat_name_list = ["inter_feat", "user_feat", "item_feat", "kg_feat"]
    dataset.kg_feat = Interaction(
        {
            before.head_entity_field: _tensor(numbers["entity"], data.triples["head"]),
            before.relation_field: torch.from_numpy(
                data.triples["relation"].to_numpy(np.int64) + 1
            ),
            before.tail_entity_field: _tensor(numbers["entity"], data.triples["tail"]),
        }
    )
    items, entities = (np.array(ids, object) for ids in (data.items, data.entities))
    linked_items = items[data.links["item"]]
    linked_entities = entities[data.links["entity"]]
    dataset.item2entity = dict(zip(linked_items, linked_entities))
    dataset.entity2item = dict(zip(linked_entities, linked_items))

    def of(interactions: pd.DataFrame) -> Any:
        return Interaction(
            {
                before.uid_field: _tensor(numbers["user"], interactions["user"]),
                before.iid_field: _tensor(numbers["item"], interactions["item"]),
            }
        )

    dataset.inter_feat = of(data.interactions)
    parts = [DatasetPart(dataset.copy(of(data.parts[name]))) for name in PARTS]
    return LoadedData(dataset, *parts)


def _put_tokens(dataset: Any, data: NumberedDataset, order: Renumbering) -> None:
    """Put the ids of users, items and entities in place of those of the data set."""
    users, items, entities = (
        np.array(ids, dtype=object) for ids in (data.users, data.items, data.entities)
    )
    # RecBole lists items without an entity among the entities, too.
    of_items = items[order.items]
    is_linked = order.entity_of_item >= 0
    of_items[is_linked] = entities[order.entity_of_item[is_linked]]
    all_entities = np.concatenate([of_items, entities[order.entities]])
    entity_fields = ("head_entity_field", "tail_entity_field", "entity_field")
    id_token, token_id = dict(dataset.field2id_token), dict(dataset.field2token_id)
    for ids, fields in (
        (users[order.users], ["uid_field"]),
        (items[order.items], ["iid_field"]),
        (all_entities, entity_fields),
    ):
        tokens = np.array([_PADDING, *ids])
        numbers = {token: number for number, token in enumerate(tokens)}
        for field in fields:
            id_token[getattr(dataset, field)] = tokens
            token_id[getattr(dataset, field)] = numbers
    dataset.field2id_token, dataset.field2token_id = id_token, token_id


def _tensor(numbers: IntArray, column: pd.Series[int]) -> torch.Tensor:
    return torch.from_numpy(numbers[column])
