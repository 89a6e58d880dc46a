"""A data set as arrays of numbers, read line by line."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recbole_kgif.data.checks import rows
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.progress import progress

IntArray = npt.NDArray[np.int64]

# The name of the interactions of a data set that does not come split.
WHOLE = "all"


@dataclass(frozen=True)
class NumberedDataset:
    """A data set. The number of an id is its place in the ids of its kind.

    Attributes:
        users: Ids of the users.
        items: Ids of the items, those of links without interactions among them.
        entities: Ids of the entities, those of links without triples among them.
        relations: Ids of the relations.
        parts: Users and items of the interactions of each part, each of shape:
            [2, n_interactions]
        triples: Heads, relations and tails, shape: [3, n_triples]
        links: Items and their entities, shape: [2, n_links]
    """

    users: Sequence[str]
    items: Sequence[str]
    entities: Sequence[str]
    relations: Sequence[str]
    parts: Mapping[str, IntArray]
    triples: IntArray
    links: IntArray

    @property
    def interactions(self) -> IntArray:
        """Those of all parts, shape: [2, n_interactions]."""
        return np.concatenate(list(self.parts.values()), axis=1)

    @property
    def is_split(self) -> bool:
        """Whether it comes split."""
        return WHOLE not in self.parts


def read_numbered(files: DatasetFiles) -> NumberedDataset:
    """Read the files of a data set that `data.checks.check_dataset` has passed.

    Args:
        files: the data set's files.

    Returns:
        The data set.
    """
    users, items, entities, relations = (_numbering() for _ in range(4))
    names = files.fields

    def read(
        path: Path, wanted: Sequence[str], numberings: Sequence[defaultdict[str, int]]
    ) -> IntArray:
        lines = rows(path, wanted, files.separator)
        return _numbers(progress(lines, path.name, "lines"), numberings)

    parts = {
        part: read(path, (names.user, names.item), (users, items))
        for part, path in zip(files.parts or (WHOLE,), files.inter_paths)
    }
    triples = read(
        files.kg_path,
        (names.head, names.relation, names.tail),
        (entities, relations, entities),
    )
    links = read(files.link_path, (names.item, names.entity), (items, entities))
    return NumberedDataset(
        users=list(users),
        items=list(items),
        entities=list(entities),
        relations=list(relations),
        parts=parts,
        triples=triples,
        links=links,
    )


def _numbering() -> defaultdict[str, int]:
    """Gives a new id the next number."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    return numbers


def _numbers(
    lines: Iterable[tuple[int, tuple[str, ...]]],
    numberings: Sequence[defaultdict[str, int]],
) -> IntArray:
    numbers = array("q")
    for _, ids in lines:
        numbers.extend([numbering[token] for numbering, token in zip(numberings, ids)])
    columns = np.frombuffer(numbers, dtype=np.int64).reshape(-1, len(numberings))
    return np.ascontiguousarray(columns.T)
