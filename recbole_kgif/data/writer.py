"""Writing a data set as RecBole's atomic files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

import numpy as np
import pandas as pd

from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.data.numbered import WHOLE, NumberedDataset

_OPTIONS = """\
# {name}, prepared by recbole_kgif; {method} split with seed {seed}.

# Loading
load_col:  # (dict) The suffix of atomic files: (list) field names to be loaded.
  inter: [user_id, item_id]  # (list) Interactions.
  kg: [head_id, relation_id, tail_id]  # (list) Triples of the knowledge graph.
  link: [item_id, entity_id]  # (list) The entity that each item is.
benchmark_filename: [train, valid, test]  # (list) The parts, one .inter file each.

# Evaluation
eval_args:  # (dict) Only the mode counts: the files give split and order.
  mode: full  # (str) Every item that a user has not met is ranked.
"""
_VALUES = {"rating": "rating:float", "time": "timestamp:float"}


def write_dataset(
    folder: Path,
    name: str,
    data: NumberedDataset,
    fields: Optional[FieldNames] = None,
) -> None:
    """Write the atomic files of a data set, lines in the order of its tables.

    RecBole adds every id of a `.user` or `.item` that it loads, so that only those of
    the interactions and links are in them.

    Args:
        folder: existing folder, written to alone.
        name: the data set's name.
        data: the data set.
        fields: names of the id columns; None takes RecBole's own.

    Raises:
        OSError: a file cannot be written.
    """
    ids = {
        **{"user": data.users, "item": data.items, "entity": data.entities},
        **{"head": data.entities, "relation": data.relations, "tail": data.entities},
    }
    fields = fields or FieldNames()
    columns = {kind: f"{getattr(fields, kind)}:token" for kind in ids}
    for part, interactions in data.parts.items():
        middle = "" if part == WHOLE else f".{part}"
        _write_table(folder / f"{name}{middle}.inter", interactions, ids, columns)
    _write_table(folder / f"{name}.kg", data.triples, ids, columns)
    _write_table(folder / f"{name}.link", data.links, ids, columns)
    is_user = np.bincount(data.interactions["user"], minlength=len(data.users)) > 0
    is_item = data.is_used | data.is_linked
    used = {"user": is_user, "item": is_item, "entity": data.in_graph}
    for kind, names in data.names.items():
        tokens = [ids[kind][number] for number in np.flatnonzero(used[kind])]
        rows = [(token, names[token]) for token in tokens if token in names]
        if rows:
            write_names(folder / f"{name}.{kind}", rows, columns[kind])


def write_names(path: Path, rows: Sequence[tuple[str, str]], column: str) -> None:
    """Write a file of ids and their names.

    Args:
        path: such as a ``.item`` file.
        rows: id and name of each line.
        column: the column of the ids, with its type.

    Raises:
        OSError: it cannot be written.
    """
    _write(path, pd.DataFrame(rows, columns=[column, "name:token_seq"]))


def counts_of(data: NumberedDataset) -> dict[str, int]:
    """Sizes of a split data set, by what is counted."""
    triples = data.triples
    n_idle = int((data.is_linked & ~data.is_used).sum())
    return {
        "users": data.interactions["user"].nunique(),
        "items": len(data.links),
        **({"items_without_an_interaction": n_idle} if n_idle else {}),
        "entities": int(data.in_graph.sum()),
        "relations": triples["relation"].nunique(),
        "triples": len(triples),
        "self_triples": int((triples["head"] == triples["tail"]).sum()),
        **{name: len(part) for name, part in data.parts.items()},
    }


def write_options(folder: Path, name: str, method: str, seed: int) -> None:
    """Write the options with which RecBole loads a split data set.

    Args:
        folder: the data set's folder.
        name: its name.
        method: how it was split.
        seed: seed of the split.

    Raises:
        OSError: the file cannot be written.
    """
    options = _OPTIONS.format(name=name, method=method, seed=seed)
    (folder / f"{name}.yaml").write_text(options, "utf-8")


def _write_table(
    path: Path,
    table: pd.DataFrame,
    ids: Mapping[str, Sequence[str]],
    fields: Mapping[str, str],
) -> None:
    """Write a table with the ids of its numbers; no id has a tab or a line break."""
    named = [kind for kind in fields if kind in table]
    values = [kind for kind in _VALUES if kind in table]
    texts = [np.array(ids[kind], dtype=object)[table[kind]] for kind in named]
    texts += [table[kind].map(repr).to_numpy() for kind in values]
    header = [*(fields[kind] for kind in named), *(_VALUES[kind] for kind in values)]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("\t".join(header) + "\n")
        file.writelines(f"{line}\n" for line in map("\t".join, zip(*texts)))


def _write(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")
