"""Writing a prepared data set as RecBole's atomic files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from recbole_kgif.data.cleaning import Step
from recbole_kgif.data.numbered import Content, Interactions
from recbole_kgif.data.progress import progress
from recbole_kgif.data.provenance import SourceFile
from recbole_kgif.data.splitting import PARTS

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


@dataclass(frozen=True)
class Split:
    """A split data set.

    Attributes:
        method: how it was split.
        seed: the seed.
        parts: the interactions of each part.
        sha256: fingerprint of the parts.
    """

    method: str
    seed: int
    parts: Mapping[str, Interactions]
    sha256: str


def counts_of(content: Content, split: Split) -> dict[str, int]:
    """Sizes of a prepared data set, by what is counted."""
    interactions, triples = content.interactions, content.triples
    return {
        "users": len(np.unique(interactions.users)),
        "items": len(content.links),
        "entities": len(np.unique((triples.heads, triples.tails))),
        "relations": len(np.unique(triples.relations)),
        "triples": len(triples),
        "self_triples": int((triples.heads == triples.tails).sum()),
        **{name: len(split.parts[name]) for name in PARTS},
    }


def write_dataset(
    folder: Path,
    name: str,
    content: Content,
    split: Split,
    steps: Sequence[Step],
    sources: Sequence[SourceFile],
) -> None:
    """Write all files of a data set.

    Args:
        folder: existing folder, written to alone.
        name: the data set's name.
        content: the data set.
        split: its parts.
        steps: what was left out.
        sources: what it was made from.

    Raises:
        OSError: a file cannot be written.
    """
    for part in PARTS:
        _write_lines(
            folder / f"{name}.{part}.inter",
            _interaction_lines(split.parts[part], content),
            len(split.parts[part]),
        )
    _write_lines(folder / f"{name}.kg", _triple_lines(content), len(content.triples))
    _write_lines(folder / f"{name}.link", _link_lines(content), len(content.links))
    _write_all_names(folder, name, content)
    options = _OPTIONS.format(name=name, method=split.method, seed=split.seed)
    (folder / f"{name}.yaml").write_text(options, "utf-8")
    record = {
        "dataset": name,
        "prepared_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "sources": [asdict(source) for source in sources],
        "steps": [asdict(step) for step in steps],
        "counts": counts_of(content, split),
        "split": split.method,
        "seed": split.seed,
        "split_hash": split.sha256,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / "provenance.json").write_text(text + "\n", "utf-8")


def _interaction_lines(part: Interactions, content: Content) -> Iterator[str]:
    optional = {"rating:float": part.ratings, "timestamp:float": part.times}
    extra = {name: column for name, column in optional.items() if column is not None}
    yield "\t".join(["user_id:token", "item_id:token", *extra]) + "\n"
    numbers = [column.tolist() for column in extra.values()]
    for user, item, *values in zip(part.users.tolist(), part.items.tolist(), *numbers):
        ids = (content.users[user], content.items[item])
        yield "\t".join((*ids, *map(repr, values))) + "\n"


def _triple_lines(content: Content) -> Iterator[str]:
    triples, entities = content.triples, content.entities
    yield "head_id:token\trelation_id:token\ttail_id:token\n"
    for head, relation, tail in zip(
        triples.heads.tolist(), triples.relations.tolist(), triples.tails.tolist()
    ):
        yield f"{entities[head]}\t{content.relations[relation]}\t{entities[tail]}\n"


def _link_lines(content: Content) -> Iterator[str]:
    yield "item_id:token\tentity_id:token\n"
    for item, entity in zip(
        content.links.items.tolist(), content.links.entities.tolist()
    ):
        yield f"{content.items[item]}\t{content.entities[entity]}\n"


def _write_lines(path: Path, lines: Iterable[str], total: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(progress(lines, path.name, "lines", total=total + 1))


def _write_all_names(folder: Path, name: str, content: Content) -> None:
    """Write the names of the users, items and entities that occur, where there are any.

    RecBole adds every id of a `.user` or `.item` that it loads, so no other may stand
    in them.
    """
    triples = content.triples
    for suffix, ids, names, used in (
        ("user", content.users, content.user_names, content.interactions.users),
        ("item", content.items, content.item_names, content.links.items),
        (
            "entity",
            content.entities,
            content.entity_names,
            np.concatenate((triples.heads, triples.tails)),
        ),
    ):
        tokens = [ids[number] for number in np.unique(used).tolist()]
        rows = [(token, names[token]) for token in tokens if token in names]
        if rows:
            _write_names(folder / f"{name}.{suffix}", f"{suffix}_id", rows)


def _write_names(path: Path, column: str, rows: Iterable[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow([f"{column}:token", "name:token_seq"])
        writer.writerows(rows)
