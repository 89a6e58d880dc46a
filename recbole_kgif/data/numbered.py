"""A data set as tables of numbers."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from recbole_kgif.data.vocabulary import Vocabulary

IntArray = npt.NDArray[np.signedinteger[Any]]
BoolArray = npt.NDArray[np.bool_]

# A number for the text of a field in a line of a file.
Parser = Callable[[str, Path, int], Any]

_FLOATS = ("rating", "time")

# Name of the one part of a data set that is not split.
WHOLE = "all"


@dataclass(frozen=True)
class NumberedDataset:
    """A data set, in which the number of an id is its place among those of its kind.

    Attributes:
        users: Ids of the users.
        items: Ids of the items; some may be in no interaction.
        entities: Ids of the entities; some may be in no triple.
        relations: Ids of the relations.
        parts: Interactions of each part, `WHOLE` being the one of an unsplit data set:
            columns `user` and `item`; where the files have them also `rating`, `time`
            (seconds since 1970, or any other measure), `in_test` and `in_valid`.
        triples: Columns `head`, `relation` and `tail`.
        links: Columns `item` and `entity`, each number at most once.
        names: Names by id of some "user", "item" and "entity".
    """

    users: Sequence[str]
    items: Sequence[str]
    entities: Sequence[str]
    relations: Sequence[str]
    parts: Mapping[str, pd.DataFrame]
    triples: pd.DataFrame
    links: pd.DataFrame
    names: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        """Whether it is split into parts."""
        return WHOLE not in self.parts

    @property
    def interactions(self) -> pd.DataFrame:
        """The interactions of all parts."""
        if not self.is_split:
            return self.parts[WHOLE]
        return pd.concat(self.parts.values(), ignore_index=True)

    @property
    def in_graph(self) -> BoolArray:
        """Whether each entity is in a triple, shape: [n_entities]."""
        return mask_of(len(self.entities), self.triples["head"], self.triples["tail"])

    @property
    def is_used(self) -> BoolArray:
        """Whether each item is in an interaction, shape: [n_items]."""
        return mask_of(len(self.items), *(part["item"] for part in self.parts.values()))

    @property
    def is_linked(self) -> BoolArray:
        """Whether each item is linked to an entity of a triple, shape: [n_items]."""
        useful = self.links[self.in_graph[self.links["entity"]]]
        return mask_of(len(self.items), useful["item"])

    def with_interactions(self, interactions: pd.DataFrame) -> NumberedDataset:
        """The same data set with these interactions, unsplit."""
        return dataclasses.replace(self, parts={WHOLE: interactions})


def empty_table(*columns: str) -> pd.DataFrame:
    """A table of numbers without a row."""
    return pd.DataFrame({column: [] for column in columns}, dtype=np.int32)


def table_of(
    rows: Iterable[tuple[int, Sequence[str]]], path: Path, parsers: Mapping[str, Parser]
) -> pd.DataFrame:
    """Numbers for the texts of a file.

    Args:
        rows: Number of each line and its fields.
        path: The file, for messages.
        parsers: What makes a number of a field's text, the file and the line, for each
            column of the table in the order of the fields.

    Raises:
        UserError: A parser refuses a text.
    """
    columns = {name: array("d" if name in _FLOATS else "i") for name in parsers}
    pairs = [(columns[name].append, parse) for name, parse in parsers.items()]
    for line, fields in rows:
        for (append, parse), text in zip(pairs, fields):
            append(parse(text, path, line))
    return pd.DataFrame({name: np.array(column) for name, column in columns.items()})


def triple_parsers(entities: Vocabulary, relations: Vocabulary) -> dict[str, Parser]:
    """The parsers of a file of heads, relations and tails, for `table_of`."""
    entity, relation = entities.number, relations.number
    return {"head": entity, "relation": relation, "tail": entity}


def mask_of(length: int, *columns: pd.Series[int]) -> BoolArray:
    """Which numbers below a length occur in any of the columns, shape: [length]."""
    mask = np.zeros(length, dtype=np.bool_)
    for column in columns:
        mask[column] = True
    return mask


def links_of_equal_ids(
    items: Sequence[str], entities: Mapping[str, int]
) -> pd.DataFrame:
    """Links for items that are entities already, by the same ids.

    Args:
        items: Ids of the items.
        entities: Numbers of the entities by id.

    Returns:
        A link for each item whose id is an entity's too.
    """
    found = [
        (number, entities[item])
        for number, item in enumerate(items)
        if item in entities
    ]
    return pd.DataFrame(found, columns=["item", "entity"], dtype=np.int32)
