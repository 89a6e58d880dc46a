"""Writing a data set as RecBole's atomic files."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from recbole_kgif.data.numbered import WHOLE, Interactions, NumberedDataset
from recbole_kgif.data.progress import progress

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


def write_dataset(folder: Path, name: str, data: NumberedDataset) -> None:
    """Write the atomic files of a data set, rows in the order of its arrays.

    RecBole adds every id of a `.user` or `.item` that it loads, so that only those of
    the interactions are in them.

    Args:
        folder: existing folder, written to alone.
        name: the data set's name.
        data: the data set.

    Raises:
        OSError: a file cannot be written.
    """
    for part, interactions in data.parts.items():
        middle = "" if part == WHOLE else f".{part}"
        lines = _interaction_lines(interactions, data)
        _write_lines(folder / f"{name}{middle}.inter", lines, len(interactions))
    _write_lines(folder / f"{name}.kg", _triple_lines(data), len(data.triples))
    _write_lines(folder / f"{name}.link", _link_lines(data), len(data.links))
    interactions, triples = data.interactions, data.triples
    for kind, ids, used in (
        ("user", data.users, interactions.users),
        ("item", data.items, interactions.items),
        ("entity", data.entities, np.concatenate((triples.heads, triples.tails))),
    ):
        names = data.names.get(kind, {})
        tokens = [ids[number] for number in np.unique(used).tolist()]
        rows = [(token, names[token]) for token in tokens if token in names]
        if rows:
            _write_names(folder / f"{name}.{kind}", f"{kind}_id", rows)


def counts_of(data: NumberedDataset) -> dict[str, int]:
    """Sizes of a split data set, by what is counted."""
    interactions, triples = data.interactions, data.triples
    return {
        "users": len(np.unique(interactions.users)),
        "items": len(data.links),
        "entities": int(data.in_graph.sum()),
        "relations": len(np.unique(triples.relations)),
        "triples": len(triples),
        "self_triples": int((triples.heads == triples.tails).sum()),
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


def _interaction_lines(part: Interactions, data: NumberedDataset) -> Iterator[str]:
    optional = {"rating:float": part.ratings, "timestamp:float": part.times}
    extra = {name: column for name, column in optional.items() if column is not None}
    yield "\t".join(["user_id:token", "item_id:token", *extra]) + "\n"
    numbers = [column.tolist() for column in extra.values()]
    for user, item, *values in zip(part.users.tolist(), part.items.tolist(), *numbers):
        ids = (data.users[user], data.items[item])
        yield "\t".join((*ids, *map(repr, values))) + "\n"


def _triple_lines(data: NumberedDataset) -> Iterator[str]:
    triples, entities = data.triples, data.entities
    yield "head_id:token\trelation_id:token\ttail_id:token\n"
    for head, relation, tail in zip(
        triples.heads.tolist(), triples.relations.tolist(), triples.tails.tolist()
    ):
        yield f"{entities[head]}\t{data.relations[relation]}\t{entities[tail]}\n"


def _link_lines(data: NumberedDataset) -> Iterator[str]:
    yield "item_id:token\tentity_id:token\n"
    for item, entity in zip(data.links.items.tolist(), data.links.entities.tolist()):
        yield f"{data.items[item]}\t{data.entities[entity]}\n"


def _write_lines(path: Path, lines: Iterable[str], total: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(progress(lines, path.name, "lines", total=total + 1))


def _write_names(path: Path, column: str, rows: Iterable[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow([f"{column}:token", "name:token_seq"])
        writer.writerows(rows)
