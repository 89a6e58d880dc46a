"""A trained KGIF on a graph with new facts: nothing is trained."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_kgif.common.files import new_folder
from recbole_kgif.data.numbered import IntArray
from recbole_kgif.errors import UserError
from recbole_kgif.extension.extended_data import extended_data
from recbole_kgif.extension.extended_files import (
    extended_name,
    extended_options,
    write_extended,
)
from recbole_kgif.extension.loaded_tables import LoadedTables, loaded_tables
from recbole_kgif.extension.merging import MergedTables, merge
from recbole_kgif.extension.new_facts import NewFacts
from recbole_kgif.extension.renumbering import Renumbering, renumber
from recbole_kgif.training import checkpoint
from recbole_kgif.training.loading import make_model
from recbole_kgif.training.parameters import stored_parameters
from recbole_kgif.training.restore import Restored
from recbole_kgif.training.run_folder import CHECKPOINT_FILE, DATA_FOLDER

MODEL = "KGIF"
# Tables of KGIF with a row a node, or a row an item; all else has no such rows.
_NODE_TABLES = frozenset({"node_embedding.weight", "projection.node_vector.weight"})
_ITEM_TABLES = frozenset({"item_bias.weight"})


@dataclass(frozen=True)
class Extension:
    """A trained model that was extended, and by what.

    Attributes:
        restored: the extended model and its data; its folder is still the former one.
        merged: the tables of the data.
    """

    restored: Restored
    merged: MergedTables


def extend_model(restored: Restored, facts: NewFacts) -> Extension:
    """Extend a trained KGIF by new facts, in memory.

    Known users, items and entities keep their vectors, and items their learned bias.
    New ones have none of their own: what is known of them is what the graph brings.

    Args:
        restored: the trained model and its data.
        facts: the new facts.

    Raises:
        UserError: the model is not KGIF, its graph has inverse triples of RecBole's, or
            `merge` refuses the facts.
    """
    _require_extendable(restored)
    old = loaded_tables(restored.data)
    merged = merge(old, facts)
    order = renumber(merged.data)
    name = extended_name(restored.checkpoint.dataset)
    options = extended_options(restored.checkpoint.options)
    config = copy.copy(restored.config)
    resolved = extended_options(config.final_config_dict)
    config.final_config_dict = {**resolved, "dataset": name}
    data = extended_data(restored.data, merged.data, order, config)
    model = make_model(config, data)
    rows = _Rows.of(old, merged, order)
    _copy_parameters(restored.model, model, rows)
    model.eval()
    state_dict, other_parameter = stored_parameters(model)
    extended = dataclasses.replace(
        restored.checkpoint,
        dataset=name,
        options=options,
        state_dict=state_dict,
        other_parameter=other_parameter,
        data=None,  # computed when it is saved
    )
    folder = restored.folder
    return Extension(Restored(extended, config, model, data, folder), merged)


def with_files(extension: Extension, restored: Restored, data_path: Path) -> Restored:
    """Write the data set of an extended model, and the model with it.

    Args:
        extension: the extended model.
        restored: the model before.
        data_path: existing folder that gets a folder with the data set's files.

    Raises:
        UserError: a former file of names cannot be read.
        OSError: a file cannot be written.
    """
    extended = extension.restored
    name = extended.checkpoint.dataset
    folder = data_path / name
    folder.mkdir()
    write_extended(
        folder,
        name,
        extension.merged.data,
        restored.checkpoint.options,
        restored.folder / restored.checkpoint.dataset,
    )
    with_data = dataclasses.replace(extended.checkpoint, data=extended.data.fingerprint)
    return dataclasses.replace(extended, checkpoint=with_data, folder=folder)


def save_extended(extension: Extension, restored: Restored, folder: Path) -> None:
    """Write an extended model with its data, completely or not at all.

    Args:
        extension: the extended model.
        restored: the model before.
        folder: gets ``model.pth`` and ``dataset``; must not exist, or be empty.

    Raises:
        UserError: it cannot be written.
    """
    with new_folder(folder) as hidden:
        (hidden / DATA_FOLDER).mkdir()
        written = with_files(extension, restored, hidden / DATA_FOLDER)
        checkpoint.save(hidden / CHECKPOINT_FILE, written.checkpoint)


def _require_extendable(restored: Restored) -> None:
    """Refuse models that cannot be extended.

    Raises:
        UserError: it is one.
    """
    model = str(restored.config["model"])
    if model != MODEL:
        raise UserError(
            f"only {MODEL} can be extended without training, and this is {model}; "
            "train it with the new facts"
        )
    if restored.config["kg_reverse_r"]:
        raise UserError(
            "kg_reverse_r=True: RecBole's inverse triples cannot be extended; train "
            f"without the option, as {MODEL} has inverse relations of its own"
        )


@dataclass(frozen=True)
class _Rows:
    """Where the rows of an extended model come from.

    Attributes:
        nodes: row of each node before, -1 for new ones, shape: [n_nodes]
        items: likewise of the items, padding first, shape: [n_items]
    """

    nodes: IntArray
    items: IntArray

    @classmethod
    def of(cls, old: LoadedTables, merged: MergedTables, order: Renumbering) -> _Rows:
        """The rows by the order of the extended data."""
        known = old.data

        def rows(numbers: IntArray, n_known: int) -> IntArray:
            """Rows before of numbers of the tables, of which known ones are first."""
            return np.where(numbers < n_known, numbers + 1, -1)

        users = rows(order.users, len(known.users))
        items = rows(order.items, len(known.items))
        others = rows(order.entities, len(known.entities))
        # An item may have been an entity before that was no item.
        entity = order.entity_of_item
        of_items = np.where(
            (entity >= 0) & (entity < len(known.entities)), entity + 1, items
        )
        entities = np.concatenate([[0], of_items, others])
        n_users = len(known.users) + 1
        nodes = np.concatenate(
            [[0], users, np.where(entities < 0, -1, entities + n_users)]
        )
        return cls(nodes, np.concatenate([[0], items]))


def _copy_parameters(before: Any, model: Any, rows: _Rows) -> None:
    """Copy parameters, buffers and statistics of a model to its extension."""
    state = {}
    for name, tensor in before.state_dict().items():
        if name in _NODE_TABLES:
            tensor = _selected(tensor, rows.nodes)
        elif name in _ITEM_TABLES:
            tensor = _selected(tensor, rows.items)
        state[name] = tensor
    model.load_state_dict(state)
    statistics = before.training_statistics()
    is_known = _selected(statistics.is_known, rows.items)
    model.fix_statistics(dataclasses.replace(statistics, is_known=is_known))


def _selected(tensor: torch.Tensor, rows: IntArray) -> torch.Tensor:
    """Rows of a tensor, zeros where the row is -1."""
    index = torch.from_numpy(rows).to(tensor.device)
    selected = tensor[index.clamp(min=0)]
    selected[index < 0] = 0
    return selected
