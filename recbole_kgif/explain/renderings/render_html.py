"""Explanations as one HTML page that needs no other file and asks no host.

``templates/explanations.html.j2`` is the page; Jinja2 escapes every name in it. The
page shows everything without its script, which highlights a path that is pointed at,
clicked or focused. Here the coordinates of the figure are computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from recbole_kgif.explain.explanation_records import KINDS, Explanation, to_json
from recbole_kgif.explain.renderings import phrases
from recbole_kgif.explain.renderings.path_layout import (
    PathLayout,
    PlacedLink,
    layered,
    shortened,
)

_TEMPLATES = Path(__file__).parent / "templates"

# Sizes in the figure, in its own units.
_NODE_WIDTH, _NODE_HEIGHT = 150, 34
_COLUMN_WIDTH, _ROW_HEIGHT = 230, 50
_MARGIN = 12
_LANE_HEIGHT = 16
_THINNEST, _WIDEST = 1.5, 9.0
_SHOWN_CHARACTERS = 20
_FRAME_HEIGHT = 640  # in pixels
# Longer paths get the whole width of the page.
_USUAL_HOPS = 3

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
    environment.filters["number"] = "{:.1f}".format
    return environment.get_template("explanations.html.j2").render(
        explanations=explanations,
        title=_title(explanations),
        usual_hops=_USUAL_HOPS,
        kinds=KINDS,
        phrases=phrases,
        layered=layered,
        shortened=partial(shortened, n_characters=_SHOWN_CHARACTERS),
        node_size=(_NODE_WIDTH, _NODE_HEIGHT),
        figure_size=_figure_size,
        corner=_corner,
        curve=_curve,
        line_width=_line_width,
        # Nothing in a script is escaped, and "</script>" would end it.
        record=Markup(to_json(explanations).replace("<", "\\u003c")),
    )


def in_frame(explanations: Sequence[Explanation]) -> str:
    """The page of `render` as a frame of another page, such as a notebook.

    Args:
        explanations: of one user's items.
    """
    # It keeps the page's styles to itself, and its script away from the notebook.
    return (
        '<iframe sandbox="allow-scripts" style="width: 100%; height: '
        f'{_FRAME_HEIGHT}px; border: 0" title="{escape(_title(explanations))}" '
        f'srcdoc="{escape(render(explanations))}"></iframe>'
    )


def _title(explanations: Sequence[Explanation]) -> str:
    if not explanations:
        return "No explanations"
    user = explanations[0].user.label
    if len(explanations) == 1:
        return f"Why {explanations[0].item.label} for {user}"
    return f"Why these {len(explanations)} items for {user}"


# --- coordinates of the figure ------------------------------------------------------


def _figure_size(layout: PathLayout) -> tuple[int, int]:
    width = (layout.n_columns - 1) * _COLUMN_WIDTH + _NODE_WIDTH + 2 * _MARGIN
    return width, layout.n_rows * _ROW_HEIGHT + 2 * _MARGIN


def _corner(column: int, row: float) -> Point:
    """Top left corner of a node in this place."""
    x = _MARGIN + column * _COLUMN_WIDTH
    y = _MARGIN + row * _ROW_HEIGHT + (_ROW_HEIGHT - _NODE_HEIGHT) / 2
    return x, y


def _line_width(layout: PathLayout, link: PlacedLink) -> float:
    return _THINNEST + (_WIDEST - _THINNEST) * layout.relative_strength(link)


def _curve(layout: PathLayout, link: PlacedLink) -> tuple[str, Point]:
    """A curve from column to column, and the place of its label."""
    points = _points(layout, link)
    # 0 for the first of parallel links, then to either side in turn.
    bend = float(_LANE_HEIGHT * ((link.lane + 1) // 2) * (-1) ** link.lane)
    sections = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for place, ((x, y), (next_x, next_y)) in enumerate(zip(points, points[1:])):
        if place % 2:
            sections.append(f"L{next_x:.1f} {next_y:.1f}")
            continue
        half = (next_x - x) / 2
        sections.append(
            f"C{x + half:.1f} {y + 2 * bend:.1f} "
            f"{next_x - half:.1f} {next_y + 2 * bend:.1f} {next_x:.1f} {next_y:.1f}"
        )
    (left, top), (right, bottom) = points[:2]
    middle = ((left + right) / 2, (top + bottom) / 2 + 1.5 * bend)
    return " ".join(sections), middle


def _points(layout: PathLayout, link: PlacedLink) -> list[Point]:
    """Where a link leaves and reaches a column, in turn."""
    source, target = layout.nodes[link.source], layout.nodes[link.target]
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
