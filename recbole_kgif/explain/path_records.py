"""Nodes of the graph and paths of it, as frozen records that check themselves."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

USER, ITEM, ENTITY = "user", "item", "entity"
KINDS = (USER, ITEM, ENTITY)
INTERACTION = "interaction"


@dataclass(frozen=True)
class Node:
    """A user, an item or another entity.

    Attributes:
        kind: "user", "item" or "entity"; user 26 is not item 26.
        id: its id in the data set.
        name: its name, where the data set has one.
        description: for an entity without a name what it is and whom it joins, for an
            item without one its id and what is known of it.
    """

    kind: str
    id: str
    name: Optional[str] = None
    description: Optional[str] = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def label(self) -> str:
        """The name, else the description, else kind and id."""
        return self.name or self.description or f"{self.kind} {self.id}"


# Source, relation, inverse, target.
HopKey = tuple[Node, str, bool, Node]


@dataclass(frozen=True)
class Hop:
    """One edge of a path, from the user towards the item.

    Attributes:
        source: its first node.
        relation: the relation's name in the data set, or "interaction".
        inverse: whether the fact is (target, relation, source) and not
            (source, relation, target).
        target: its second node.
        attention: the model's weight of the edge, from the source's side.
        contribution: sum over the explanation's paths that take this hop; None where
            contributions are not known.
    """

    source: Node
    relation: str
    inverse: bool
    target: Node
    attention: float
    contribution: Optional[float] = None

    @property
    def key(self) -> HopKey:
        """What identifies the same hop in several paths."""
        return self.source, self.relation, self.inverse, self.target


@dataclass(frozen=True)
class Path:
    """A path from the user to the item that visits no node twice.

    Attributes:
        hops: each begins where the one before it ends.
        attention: product of the hops' attention.
        contribution: its part of the score, of either sign; None where it is not known.
    """

    hops: tuple[Hop, ...]
    attention: float
    contribution: Optional[float] = None

    def __post_init__(self) -> None:
        """Check that the hops are contiguous."""
        if not self.hops:
            raise ValueError("a path has at least one hop")
        for hop, following in zip(self.hops, self.hops[1:]):
            if hop.target != following.source:
                raise ValueError(
                    f"a hop to {hop.target.label} is followed by one from "
                    f"{following.source.label}"
                )
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError("a path visits no node twice")
        product = math.prod(hop.attention for hop in self.hops)
        require_equal("attention of a path", self.attention, product)

    @property
    def strength(self) -> float:
        """What paths are ordered by: contribution, else attention."""
        return self.attention if self.contribution is None else self.contribution

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes from the user to the item."""
        return (self.hops[0].source, *(hop.target for hop in self.hops))


def hop_totals(paths: Sequence[Path]) -> dict[HopKey, float]:
    """Sums over the paths that take each hop, by `Hop.key`."""
    totals: dict[HopKey, float] = {}
    for path in paths:
        for hop in path.hops:
            totals[hop.key] = totals.get(hop.key, 0.0) + (path.contribution or 0.0)
    return totals


def with_hop_totals(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths with the contribution of each hop filled in."""
    totals = hop_totals(paths)

    def with_total(hop: Hop) -> Hop:
        return dataclasses.replace(hop, contribution=totals[hop.key])

    return tuple(
        dataclasses.replace(path, hops=tuple(map(with_total, path.hops)))
        for path in paths
    )


def require_equal(what: str, value: float, expected: float) -> None:
    """Raise ValueError where a value is not the expected one, but for rounding."""
    if not math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-12):
        raise ValueError(f"{what} is {value:g}, and its parts make {expected:g}")
