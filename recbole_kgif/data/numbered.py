"""What was read: interactions, triples, links and names, as arrays of numbers.

The number of an id is its place in the list of all ids of its kind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Interactions:
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
    ratings: Optional[FloatArray] = None
    times: Optional[FloatArray] = None
    in_test: Optional[BoolArray] = None

    def __len__(self) -> int:
        """Number of interactions."""
        return len(self.users)

    def at(self, places: npt.NDArray[Any]) -> Interactions:
        """The interactions at some places, or where a mask is true."""
        return Interactions(
            self.users[places],
            self.items[places],
            None if self.ratings is None else self.ratings[places],
            None if self.times is None else self.times[places],
            None if self.in_test is None else self.in_test[places],
        )


@dataclass(frozen=True)
class Triples:
    """Triples, one an entry of each array.

    Attributes:
        heads: numbers of the head entities.
        relations: numbers of the relations.
        tails: numbers of the tail entities.
    """

    heads: IntArray
    relations: IntArray
    tails: IntArray

    def __len__(self) -> int:
        """Number of triples."""
        return len(self.heads)

    def at(self, places: npt.NDArray[Any]) -> Triples:
        """The triples at some places, or where a mask is true."""
        return Triples(self.heads[places], self.relations[places], self.tails[places])


@dataclass(frozen=True)
class Links:
    """The entity that each of some items is, one an entry of each array.

    Attributes:
        items: numbers of the items, each at most once.
        entities: numbers of their entities, each at most once.
    """

    items: IntArray
    entities: IntArray

    def __len__(self) -> int:
        """Number of links."""
        return len(self.items)

    def at(self, places: npt.NDArray[Any]) -> Links:
        """The links at some places, or where a mask is true."""
        return Links(self.items[places], self.entities[places])


@dataclass(frozen=True)
class Content:
    """A data set.

    Attributes:
        users: ids of the users.
        items: ids of the items.
        entities: ids of the entities.
        relations: ids of the relations.
        interactions: the interactions.
        triples: the knowledge graph.
        links: which entity is which item.
        user_names: names of some users by id.
        item_names: names of some items by id.
        entity_names: names of some entities by id.
    """

    users: Sequence[str]
    items: Sequence[str]
    entities: Sequence[str]
    relations: Sequence[str]
    interactions: Interactions
    triples: Triples
    links: Links
    user_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    item_names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    entity_names: Mapping[str, str] = dataclasses.field(default_factory=dict)


def links_of_equal_ids(items: Sequence[str], entities: Sequence[str]) -> Links:
    """Links for items that are entities already, by the same ids.

    Args:
        items: ids of the items.
        entities: ids of the entities.

    Returns:
        A link for each item whose id is an entity's too.
    """
    numbers = {entity: number for number, entity in enumerate(entities)}
    found = [
        (number, numbers[item]) for number, item in enumerate(items) if item in numbers
    ]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return Links(pairs[:, 0], pairs[:, 1])
