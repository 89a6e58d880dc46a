"""Explanations as a figure of bars that add up, drawn by Matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.renderings.numerals import signed
from recbole_kgif.explain.renderings.phrases import (
    first_sentence,
    headline,
    path_sentence,
    strength,
)
from recbole_kgif.explain.renderings.reason_rows import (
    BarRow,
    explanation_rows,
)

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "figure.dpi": 150,
    "text.parse_math": False,  # a "$" in a name is a "$"
    "svg.hashsalt": "recbole_kgif",  # equal records give equal files
}
_WIDTH_INCHES, _ROW_INCHES, _TITLE_INCHES = 8.0, 0.42, 0.85
_RAISES, _LOWERS, _QUIET = "#0072b2", "#c04a00", "#5d636c"
# The bars have the right part of the figure, the names the left one.
_BARS_BEGIN = 1.35
_NAME_CHARACTERS, _SENTENCE_CHARACTERS = 78, 108


def render(explanations: Sequence[Explanation], form: str) -> bytes:
    """Explanations below each other.

    Args:
        explanations: at least one.
        form: "png", "svg" or "pdf".
    """
    rows = [_rows(explanation) for explanation in explanations]
    heights = [_TITLE_INCHES + _ROW_INCHES * max(1, len(each)) for each in rows]
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(_WIDTH_INCHES, sum(heights)), layout="constrained")
        panels = figure.subplots(
            len(rows), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
        )
        for panel, each, explanation in zip(panels[:, 0], rows, explanations):
            _draw(panel, each, explanation)
        buffer = io.BytesIO()
        # Without a date, equal records give equal files.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _rows(explanation: Explanation) -> list[BarRow]:
    if explanation.is_exact:
        return explanation_rows(explanation)
    largest = max((path.strength for path in explanation.paths), default=1.0)
    return [
        BarRow(path_sentence(path), path.strength, "", 0.0, path.strength / largest)
        for path in explanation.paths
    ]


def _draw(panel: Axes, rows: Sequence[BarRow], explanation: Explanation) -> None:
    title = headline(explanation)
    if explanation.is_exact:
        title += "\n" + first_sentence(explanation)
    lines = [textwrap.fill(line, _SENTENCE_CHARACTERS) for line in title.split("\n")]
    panel.set_title("\n".join(lines), loc="left", fontsize=9)
    panel.set_axis_off()
    panel.set_xlim(0, _BARS_BEGIN + 1.25)
    panel.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    for place, row in enumerate(rows):
        clause = textwrap.shorten(row.clause, _NAME_CHARACTERS, placeholder=" ...")
        name = textwrap.shorten(row.name, _NAME_CHARACTERS, placeholder=" ...")
        panel.text(0, place - (0.17 if clause else 0), name, va="center", fontsize=8)
        if clause:
            panel.text(0, place + 0.2, clause, va="center", fontsize=6, color=_QUIET)
        color = _RAISES if row.value >= 0 else _LOWERS
        panel.barh(place, row.width, 0.5, _BARS_BEGIN + row.start, color=color)
        end = _BARS_BEGIN + row.start + row.width + 0.02
        value = row.share or signed(row.value)
        if not explanation.is_exact:
            value = strength(explanation.paths[place])
        panel.text(end, place, value, va="center", fontsize=7, color=color)
