"""Places of the nodes and links of paths in a drawing: columns from user to item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Union

from recbole_kgif.explain.explanation_records import (
    ENTITY,
    ITEM,
    USER,
    Explanation,
    HopKey,
    Node,
    Path,
)

_SWEEPS = 4
# As in templates/explanations.css.
_FILL = {USER: "#e8e4f5", ITEM: "#dceefa", ENTITY: "#e2f2e6"}
_EXPLAINED_ITEM = "#fbeccb"
_RAISES, _LOWERS = "#0072b2", "#c04a00"


@dataclass(frozen=True)
class PlacedNode:
    """A node and its place.

    Attributes:
        node: the node.
        column: from 0, the user, on; the item is in the last one.
        row: from 0 on, may be between two rows: columns are centred.
        paths: positions of the paths that visit it, from 0 on.
    """

    node: Node
    column: int
    row: float
    paths: tuple[int, ...]


@dataclass(frozen=True)
class PlacedLink:
    """A hop between two placed nodes.

    Attributes:
        source: position of its first node among the layout's nodes.
        target: position of its second node.
        relation: its relation.
        inverse: whether the fact is from target to source.
        strength: sum of the paths that take it, or their largest attention where
            contributions are not known.
        paths: positions of these paths, from 0 on.
        lane: 0, or 1, 2, ... for further links between the same two nodes.
        via: column and row of the free places where it crosses the columns between its
            nodes.
    """

    source: int
    target: int
    relation: str
    inverse: bool
    strength: float
    paths: tuple[int, ...]
    lane: int
    via: tuple[tuple[int, float], ...]

    @property
    def magnitude(self) -> float:
        """Absolute strength, for the width of the line."""
        return abs(self.strength)


# What takes a place: a node, or a link that crosses a column.
_Passage = tuple[Node, str, bool, Node, int]
_Place = Union[Node, _Passage]


@dataclass(frozen=True)
class PathLayout:
    """Nodes and links of an explanation's paths.

    Attributes:
        nodes: the user first.
        links: in the order of the paths.
        n_columns: number of columns, 2 at least.
        n_rows: number of places in the fullest column.
    """

    nodes: tuple[PlacedNode, ...]
    links: tuple[PlacedLink, ...]
    n_columns: int
    n_rows: int

    @cached_property
    def _largest(self) -> float:
        return max((link.magnitude for link in self.links), default=0.0) or 1.0

    def relative_strength(self, link: PlacedLink) -> float:
        """Magnitude of a link, in units of the largest."""
        return link.magnitude / self._largest


def layered(explanation: Explanation) -> PathLayout:
    """Place the paths of an explanation, each node once.

    A node is in the column of the most hops that any path takes to it, so that paths of
    different lengths share their nodes. A link that crosses a column takes a place
    there, so that no node covers it.
    """
    paths = explanation.paths
    last = max((len(path.hops) for path in paths), default=1)
    columns = {explanation.user: 0, explanation.item: last}
    visits: dict[Node, list[int]] = {explanation.user: [], explanation.item: []}
    for number, path in enumerate(paths):
        for node in path.nodes:
            visits.setdefault(node, []).append(number)
        for place, node in enumerate(path.nodes[1:-1], start=1):
            columns[node] = max(place, columns.get(node, 0))
    orders = _ordered(columns, paths)
    n_rows = max(map(len, orders))
    rows = {
        place: (n_rows - len(order)) / 2 + row
        for order in orders
        for row, place in enumerate(order)
    }
    nodes = tuple(
        PlacedNode(place, column, rows[place], tuple(visits[place]))
        for column, order in enumerate(orders)
        for place in order
        if isinstance(place, Node)
    )
    return PathLayout(nodes, _links(nodes, rows, paths), last + 1, n_rows)


def _ordered(columns: Mapping[Node, int], paths: Sequence[Path]) -> list[list[_Place]]:
    """The places of each column from top to bottom, with few links that cross.

    Each moves to the mean height of its neighbours, columns taken in turn.
    """
    neighbours: dict[_Place, set[_Place]] = {node: set() for node in columns}
    orders: list[list[_Place]] = [[] for _ in range(max(columns.values()) + 1)]
    for node, column in columns.items():
        orders[column].append(node)
    for hop in dict.fromkeys(hop.key for path in paths for hop in path.hops):
        source, target = hop[0], hop[-1]
        passages = [(*hop, n) for n in range(columns[source] + 1, columns[target])]
        for passage in passages:
            orders[passage[-1]].append(passage)
            neighbours[passage] = set()
        way: list[_Place] = [source, *passages, target]
        for left, right in zip(way, way[1:]):
            neighbours[left].add(right)
            neighbours[right].add(left)
    height = {place: 0.0 for place in neighbours}
    for order in orders:
        _spread(order, height)
    for _ in range(_SWEEPS):
        for order in (*orders, *reversed(orders)):
            means = {
                place: sum(height[other] for other in neighbours[place])
                / max(1, len(neighbours[place]))
                for place in order
            }
            order.sort(key=means.__getitem__)
            _spread(order, height)
    return orders


def _spread(order: Sequence[_Place], height: dict[_Place, float]) -> None:
    for row, place in enumerate(order):
        height[place] = row - (len(order) - 1) / 2


def _links(
    nodes: Sequence[PlacedNode], rows: Mapping[_Place, float], paths: Sequence[Path]
) -> tuple[PlacedLink, ...]:
    position = {placed.node: number for number, placed in enumerate(nodes)}
    takers: dict[HopKey, list[int]] = {}
    contributions = {}
    for number, path in enumerate(paths):
        for hop in path.hops:
            takers.setdefault(hop.key, []).append(number)
            contributions[hop.key] = hop.contribution
    lanes: Counter[tuple[int, int]] = Counter()
    links = []
    for key, numbers in takers.items():
        source, relation, inverse, target = key
        ends = position[source], position[target]
        strength = contributions[key]
        if strength is None:
            strength = max(paths[number].attention for number in numbers)
        crossed = range(nodes[ends[0]].column + 1, nodes[ends[1]].column)
        passages = [(*key, column) for column in crossed]
        via = tuple((passage[-1], rows[passage]) for passage in passages)
        links.append(
            PlacedLink(
                *ends, relation, inverse, strength, tuple(numbers), lanes[ends], via
            )
        )
        lanes[ends] += 1
    return tuple(links)


# --- for drawings without a style sheet ---------------------------------------------


def fill_of(node: Node, explanation: Explanation) -> str:
    """Colour of a node."""
    return _EXPLAINED_ITEM if node == explanation.item else _FILL[node.kind]


def line_of(link: PlacedLink) -> str:
    """Colour of a link, by its sign."""
    return _LOWERS if link.strength < 0 else _RAISES


def shortened(label: str, n_characters: int) -> str:
    """A label of at most so many characters."""
    if len(label) <= n_characters:
        return label
    return label[: n_characters - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
