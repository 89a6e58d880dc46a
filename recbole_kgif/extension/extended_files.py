"""The files of an extended data set, and the options that RecBole loads them with."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.data.names import read_names
from recbole_kgif.data.numbered import NumberedDataset
from recbole_kgif.data.splitting import PARTS
from recbole_kgif.data.writer import write_dataset, write_names
from recbole_kgif.options.protocols import OPTION as PROTOCOL
from recbole_kgif.options.settings import CANDIDATES, CATALOGUE

_ENDING = "-extended"
_HEADER = "# {name}: a data set that a trained model was extended to.\n\n"
# The tables hold what RecBole left of the files: its defaults filter and load no more.
_LEFT_OUT = (
    *("user_inter_num_interval", "item_inter_num_interval", "val_interval"),
    *("entity_kg_num_interval", "relation_kg_num_interval", "rm_dup_inter"),
    *("filter_inter_by_user_or_item", "unload_col", "additional_feat_suffix"),
    *("preload_weight", "threshold", "unused_col", "alias_of_user_id"),
    *("alias_of_item_id", "alias_of_entity_id", "alias_of_relation_id"),
)


def extended_name(name: str) -> str:
    """Name of the data set that another one is extended to."""
    return name if name.endswith(_ENDING) else name + _ENDING


def data_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options about files of an extended data set.

    Args:
        options: those of the model that is extended.
    """
    fields = FieldNames.from_options(options)
    return {
        "load_col": {
            "inter": [fields.user, fields.item],
            "user": [fields.user],
            "item": [fields.item],
            "kg": [fields.head, fields.relation, fields.tail],
            "link": [fields.item, fields.entity],
        },
        "benchmark_filename": list(PARTS),
        "field_separator": "\t",
        "unlinked_items": "keep",
        CANDIDATES: CATALOGUE,
    }


def extended_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a model, for its extended data set."""
    left_out = (*_LEFT_OUT, PROTOCOL)
    kept = {name: value for name, value in options.items() if name not in left_out}
    return {**kept, **data_options(options)}


def write_extended(
    folder: Path,
    name: str,
    data: NumberedDataset,
    options: Mapping[str, Any],
    former: Path,
) -> None:
    """Write the files of an extended data set.

    Args:
        folder: existing, empty folder.
        name: the data set's name.
        data: its tables, with the names of new ids.
        options: those of the model before it was extended.
        former: the files of the data set before, without a suffix.

    Raises:
        UserError: a former file of names cannot be read.
        OSError: a file cannot be written.
    """
    fields = FieldNames.from_options(options)
    nameless = dataclasses.replace(data, names={})
    write_dataset(folder, name, nameless, fields)
    ids = {"user": data.users, "item": data.items, "entity": data.entities}
    for kind, tokens in ids.items():
        id_field = getattr(fields, kind)
        names = read_names(
            former.with_name(f"{former.name}.{kind}"),
            id_field=id_field,
            separator=str(options.get("field_separator") or "\t"),
        )
        names.update(data.names.get(kind, {}))
        if kind == "entity":
            tokens = [token for token in tokens if token in names]
        # Users and items are listed completely: some may be in no other file.
        if len(tokens):
            rows = [(token, names.get(token, "")) for token in tokens]
            write_names(folder / f"{name}.{kind}", rows, f"{id_field}:token")
    text = yaml.safe_dump(data_options(options), sort_keys=False, allow_unicode=True)
    path = folder / f"{name}.yaml"
    path.write_text(_HEADER.format(name=name) + text, "utf-8")
