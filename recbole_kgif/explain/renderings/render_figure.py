"""Explanations as a picture, drawn by Matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from recbole_kgif.explain.explanation_records import ENTITY, ITEM, USER, Explanation
from recbole_kgif.explain.renderings.path_layout import Drawing, PlacedLink, layered
from recbole_kgif.explain.renderings.phrases import link_label, measured, standing

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "figure.dpi": 150,
    "text.parse_math": False,  # a "$" in a name is a "$"
    "svg.hashsalt": "recbole_kgif",  # equal records give equal files
}
_FILL = {USER: "#e8e4f5", ITEM: "#dceefa", ENTITY: "#e2f2e6"}
_GOAL_FILL = "#fbeccb"
_FOR, _AGAINST = "#0072b2", "#c04a00"
_COLUMN_INCHES, _ROW_INCHES, _TITLE_INCHES = 2.4, 0.5, 0.6
_THINNEST, _WIDEST = 0.8, 5.0
_SHOWN_CHARACTERS = 24


def render(explanations: Sequence[Explanation], form: str) -> bytes:
    """Explanations below each other.

    Args:
        explanations: at least one.
        form: "png" or "svg".
    """
    drawings = [layered(explanation) for explanation in explanations]
    heights = [_TITLE_INCHES + _ROW_INCHES * drawing.n_rows for drawing in drawings]
    width = _COLUMN_INCHES * max(drawing.n_columns for drawing in drawings)
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(width, sum(heights)), layout="constrained")
        panels = figure.subplots(
            len(drawings), 1, squeeze=False, height_ratios=heights
        )[:, 0]
        for panel, drawing, explanation in zip(panels, drawings, explanations):
            _draw(panel, drawing, explanation)
        buffer = io.BytesIO()
        # Without a date, equal records give equal files.
        metadata = {"Date": None} if form == "svg" else {}
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _draw(panel: Axes, drawing: Drawing, explanation: Explanation) -> None:
    title = (
        f"{explanation.item.label} for {explanation.user.label}: score "
        f"{explanation.score:.2f}, {standing(explanation)}"
    )
    if not explanation.is_exact:
        title += " (paths by attention, not exact)"
    panel.set_title(title, loc="left", fontsize=9)
    panel.set_axis_off()
    panel.set_xlim(-0.5, drawing.n_columns - 0.5)
    panel.set_ylim(drawing.n_rows - 0.5, -0.5)
    for link in drawing.links:
        _draw_link(panel, drawing, link, explanation.is_exact)
    for placed in drawing.nodes:
        is_goal = placed.node == explanation.item
        panel.text(
            placed.column,
            placed.row,
            _shortened(placed.node.label),
            ha="center",
            va="center",
            fontsize=8,
            bbox={
                "boxstyle": "round,pad=0.4",
                "facecolor": _GOAL_FILL if is_goal else _FILL[placed.node.kind],
                "edgecolor": "#b9bec6",
                "linewidth": 0.6,
            },
        )


def _draw_link(panel: Axes, drawing: Drawing, link: PlacedLink, is_exact: bool) -> None:
    source, target = drawing.nodes[link.source], drawing.nodes[link.target]
    share = abs(link.strength) / drawing.largest
    points = [(source.column, source.row), *link.via, (target.column, target.row)]
    for start, end in zip(points, points[1:]):
        panel.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-",
                connectionstyle=f"arc3,rad={0.12 * link.lane}",
                linewidth=_THINNEST + (_WIDEST - _THINNEST) * share,
                linestyle="--" if link.strength < 0 else "-",
                color=_AGAINST if link.strength < 0 else _FOR,
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


def _shortened(label: str) -> str:
    if len(label) <= _SHOWN_CHARACTERS:
        return label
    return label[: _SHOWN_CHARACTERS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
