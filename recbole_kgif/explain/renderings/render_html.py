"""Explanations as one HTML page that needs no other file and asks no host.

``templates/explanations.html.j2`` is the page; Jinja2 escapes every name in it. The
page shows everything without its script, which highlights a path that is pointed at,
clicked or focused. Here the coordinates of the figure are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recbole_kgif.explain.explanation_records import KINDS, Explanation, to_json
from recbole_kgif.explain.renderings import phrases
from recbole_kgif.explain.renderings.path_layout import (
    PlacedLink,
    PlacedNode,
    layered,
    shortened,
)

_TEMPLATES = Path(__file__).parent / "templates"

# Sizes in the figure, in its own units.
_NODE_WIDTH, _NODE_HEIGHT = 150, 34
_COLUMN_WIDTH, _ROW_HEIGHT = 230, 50
_MARGIN = 12
_LANE_HEIGHT = 16
# Below this width of a column the figure scrolls instead of shrinking.
_COLUMN_REMS = 9
# Longer paths get the whole width of the page.
_USUAL_HOPS = 3
_THINNEST, _WIDEST = 1.5, 9.0
_SHOWN_CHARACTERS = 20

Point = tuple[float, float]


def render(explanations: Sequence[Explanation]) -> str:
    """Explanations as a page.

    Args:
        explanations: of one user's items.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["side"] = lambda value: "against" if value < 0 else "for"
    template = environment.get_template("explanations.html.j2")
    return template.render(
        explanations=explanations,
        title=_title(explanations),
        figure_of=_figure,
        is_wide=lambda e: any(len(path.hops) > _USUAL_HOPS for path in e.paths),
        kinds=KINDS,
        phrases=phrases,
        # Nothing in a script is escaped, and "</script>" would end it.
        record=Markup(to_json(explanations).replace("<", "\\u003c")),
    )


def _title(explanations: Sequence[Explanation]) -> str:
    if not explanations:
        return "No explanations"
    user = explanations[0].user.label
    if len(explanations) == 1:
        return f"Why {explanations[0].item.label} for {user}"
    return f"Why these {len(explanations)} items for {user}"


@dataclass(frozen=True)
class _Node:
    """A node of the figure: top left corner, CSS class and shortened label."""

    placed: PlacedNode
    corner: Point
    style: str
    label: str


@dataclass(frozen=True)
class _Link:
    """A link of the figure: SVG path, place of its label and width of its line."""

    placed: PlacedLink
    source: str
    target: str
    curve: str
    middle: Point
    width: float


@dataclass(frozen=True)
class _Figure:
    """Nodes and links of an explanation's paths; the widest link is the last."""

    width: int
    height: int
    least_rems: int
    node_size: tuple[int, int]
    nodes: Sequence[_Node]
    links: Sequence[_Link]


def _figure(explanation: Explanation) -> Optional[_Figure]:
    if not explanation.paths:
        return None
    layout = layered(explanation)
    nodes = [
        _Node(
            placed,
            _corner(placed.column, placed.row),
            "goal" if placed.node == explanation.item else placed.node.kind,
            shortened(placed.node.label, _SHOWN_CHARACTERS),
        )
        for placed in layout.nodes
    ]
    links = []
    for link in sorted(layout.links, key=lambda link: abs(link.strength)):
        source, target = layout.nodes[link.source], layout.nodes[link.target]
        curve, middle = _curve(_points(source, target, link), _bend(link))
        width = _THINNEST + (_WIDEST - _THINNEST) * layout.relative_strength(link)
        ends = (source.node.label, target.node.label)
        links.append(_Link(link, *ends, curve, middle, width))
    return _Figure(
        (layout.n_columns - 1) * _COLUMN_WIDTH + _NODE_WIDTH + 2 * _MARGIN,
        layout.n_rows * _ROW_HEIGHT + 2 * _MARGIN,
        _COLUMN_REMS * layout.n_columns,
        (_NODE_WIDTH, _NODE_HEIGHT),
        nodes,
        links,
    )


def _points(source: PlacedNode, target: PlacedNode, link: PlacedLink) -> list[Point]:
    """Where a link leaves and reaches a column, in turn."""
    left, top = _corner(source.column, source.row)
    right, bottom = _corner(target.column, target.row)
    if target.column > source.column:
        left += _NODE_WIDTH
    else:
        # It leads back, or within its column.
        right += _NODE_WIDTH
    half = _NODE_HEIGHT / 2
    points = [(left, top + half)]
    for column, row in link.via:
        x, y = _corner(column, row)
        points += [(x, y + half), (x + _NODE_WIDTH, y + half)]
    return [*points, (right, bottom + half)]


def _curve(points: Sequence[Point], bend: float) -> tuple[str, Point]:
    """A curve from column to column, and the middle of its first section."""
    (left, top), (right, bottom) = points[:2]
    sections = [f"M{left:.1f} {top:.1f}"]
    for place, ((x, y), (next_x, next_y)) in enumerate(zip(points, points[1:])):
        if place % 2:
            sections.append(f"L{next_x:.1f} {next_y:.1f}")
            continue
        half = (next_x - x) / 2
        sections.append(
            f"C{x + half:.1f} {y + 2 * bend:.1f} "
            f"{next_x - half:.1f} {next_y + 2 * bend:.1f} {next_x:.1f} {next_y:.1f}"
        )
    return " ".join(sections), ((left + right) / 2, (top + bottom) / 2 + 1.5 * bend)


def _bend(link: PlacedLink) -> float:
    """0 for the first of parallel links, then to either side in turn."""
    return float(_LANE_HEIGHT * ((link.lane + 1) // 2) * (-1) ** link.lane)


def _corner(column: int, row: float) -> Point:
    """Top left corner of a node in this place."""
    x = _MARGIN + column * _COLUMN_WIDTH
    y = _MARGIN + row * _ROW_HEIGHT + (_ROW_HEIGHT - _NODE_HEIGHT) / 2
    return x, y
