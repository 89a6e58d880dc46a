"""Explanations as a figure, drawn by Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.renderings.path_layout import (
    PathLayout,
    PlacedLink,
    fill_of,
    layered,
    line_of,
    shortened,
)
from recbole_kgif.explain.renderings.phrases import headline, link_label, measured

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "figure.dpi": 150,
    "text.parse_math": False,  # a "$" in a name is a "$"
    "svg.hashsalt": "recbole_kgif",  # equal records give equal files
}
_COLUMN_INCHES, _ROW_INCHES, _TITLE_INCHES = 2.4, 0.5, 0.6
_THINNEST, _WIDEST = 0.8, 5.0
_SHOWN_CHARACTERS = 24


def render(explanations: Sequence[Explanation], form: str) -> bytes:
    """Explanations below each other.

    Args:
        explanations: at least one.
        form: "png" or "svg".
    """
    layouts = [layered(explanation) for explanation in explanations]
    heights = [_TITLE_INCHES + _ROW_INCHES * layout.n_rows for layout in layouts]
    width = _COLUMN_INCHES * max(layout.n_columns for layout in layouts)
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        panels = figure.subplots(len(layouts), 1, squeeze=False, height_ratios=heights)[
            :, 0
        ]
        for panel, layout, explanation in zip(panels, layouts, explanations):
            _draw(panel, layout, explanation)
        buffer = io.BytesIO()
        # Without a date, equal records give equal files.
        metadata = {"Date": None} if form == "svg" else {}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _draw(panel: Axes, layout: PathLayout, explanation: Explanation) -> None:
    panel.set_title(headline(explanation), loc="left", fontsize=9)
    panel.set_axis_off()
    panel.set_xlim(-0.5, layout.n_columns - 0.5)
    panel.set_ylim(layout.n_rows - 0.5, -0.5)
    for link in layout.links:
        _draw_link(panel, layout, link, explanation.is_exact)
    for placed in layout.nodes:
        panel.text(
            placed.column,
            placed.row,
            shortened(placed.node.label, _SHOWN_CHARACTERS),
            ha="center",
            va="center",
            fontsize=8,
            bbox={
                "boxstyle": "round,pad=0.4",
                "facecolor": fill_of(placed.node, explanation),
                "edgecolor": "#b9bec6",
                "linewidth": 0.6,
            },
        )


def _draw_link(
    panel: Axes, layout: PathLayout, link: PlacedLink, is_exact: bool
) -> None:
    source, target = layout.nodes[link.source], layout.nodes[link.target]
    width = _THINNEST + (_WIDEST - _THINNEST) * layout.relative_strength(link)
    points = [(source.column, source.row), *link.via, (target.column, target.row)]
    for start, end in zip(points, points[1:]):
        panel.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-",
                connectionstyle=f"arc3,rad={0.12 * link.lane}",
                linewidth=width,
                linestyle="--" if link.strength < 0 else "-",
                color=line_of(link),
                alpha=0.55,
                zorder=1,
            )
        )
    start, end = points[:2]
    if link.lane == 0:
        panel.text(
            (start[0] + end[0]) / 2,
            (start[1] + end[1]) / 2,
            f"{link_label(link.relation, link.inverse)}  "
            f"{measured(link.strength, is_exact)}",
            ha="center",
            va="center",
            fontsize=6,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "linewidth": 0},
            zorder=2,
        )
