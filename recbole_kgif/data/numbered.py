"""A data set as arrays of numbers.

The number of an id is its place in the list of all ids of its kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.signedinteger[Any]]
BoolArray = npt.NDArray[np.bool_]

# Name of the one part of a data set that is not split.
WHOLE = "all"

_Self = TypeVar("_Self", bound="_Columns")


class _Columns:
    """Columns of equal length, some of which may be missing."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(vars(self).values())))

    def at(self: _Self, places: npt.NDArray[Any]) -> _Self:
        """The rows at some places, or where a mask is true."""
        columns = vars(self).values()
        return type(self)(*(None if c is None else c[places] for c in columns))


@dataclass(frozen=True)
class Interactions(_Columns):
    """Interactions, one an entry of each array.

    Attributes:
        users: numbers of the users.
        items: numbers of the items.
        ratings: ratings; None where the files have none.
        times: seconds since 1970, or any other measure of time; None likewise.
        in_test: whether the files name it as a test interaction; None where they
            do not split.
    """

    users: IntArray
    items: IntArray
    ratings: Optional[npt.NDArray[Any]] = None
    times: Optional[npt.NDArray[Any]] = None
    in_test: Optional[BoolArray] = None


@dataclass(frozen=True)
class Triples(_Columns):
    """Triples, one an entry of each array.

    Attributes:
        heads: numbers of the head entities.
        relations: numbers of the relations.
        tails: numbers of the tail entities.
    """

    heads: IntArray
    relations: IntArray
    tails: IntArray


@dataclass(frozen=True)
class Links(_Columns):
    """The entity of each linked item, one an entry of each array.

    Attributes:
        items: numbers of the items, each at most once.
        entities: numbers of their entities, each at most once.
    """

    items: IntArray
    entities: IntArray


@dataclass(frozen=True)
class NumberedDataset:
    """A data set.

    Attributes:
        users: ids of the users.
        items: ids of the items; some may be in no interaction.
        entities: ids of the entities; some may be in no triple.
        relations: ids of the relations.
        parts: the interactions of each part; `WHOLE` is the one of an unsplit data set.
        triples: the knowledge graph.
        links: which entity is which item.
        names: names by id of some "user", "item" and "entity".
    """

    users: Sequence[str]
    items: Sequence[str]
    entities: Sequence[str]
    relations: Sequence[str]
    parts: Mapping[str, Interactions]
    triples: Triples
    links: Links
    names: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def is_split(self) -> bool:
        """Whether it is split into parts."""
        return WHOLE not in self.parts

    @property
    def interactions(self) -> Interactions:
        """The interactions of all parts, of a split one users and items alone."""
        if not self.is_split:
            return self.parts[WHOLE]
        parts = self.parts.values()
        return Interactions(
            np.concatenate([part.users for part in parts]),
            np.concatenate([part.items for part in parts]),
        )

    @property
    def in_graph(self) -> BoolArray:
        """Whether each entity is in a triple."""
        return mask_of(len(self.entities), self.triples.heads, self.triples.tails)

    @property
    def is_used(self) -> BoolArray:
        """Whether each item is in an interaction."""
        return mask_of(len(self.items), *(part.items for part in self.parts.values()))

    @property
    def is_linked(self) -> BoolArray:
        """Whether each item is linked to an entity of a triple."""
        links = self.links.at(self.in_graph[self.links.entities])
        return mask_of(len(self.items), links.items)

    def with_interactions(self, interactions: Interactions) -> NumberedDataset:
        """The same with these interactions as its only part."""
        return dataclasses.replace(self, parts={WHOLE: interactions})


def mask_of(length: int, *numbers: IntArray) -> BoolArray:
    """Which numbers below a length occur in any of the arrays, shape: [length]."""
    mask = np.zeros(length, dtype=np.bool_)
    for column in numbers:
        mask[column] = True
    return mask


def links_of_equal_ids(items: Sequence[str], entities: Mapping[str, int]) -> Links:
    """Links for items that are entities already, by the same ids.

    Args:
        items: ids of the items.
        entities: numbers of the entities by id.

    Returns:
        A link for each item whose id is an entity's too.
    """
    found = [
        (number, entities[item])
        for number, item in enumerate(items)
        if item in entities
    ]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return Links(pairs[:, 0], pairs[:, 1])
