"""Explanations as a Graphviz graph."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.renderings.path_layout import (
    PathLayout,
    PlacedLink,
    fill_of,
    layered,
    line_of,
)
from recbole_kgif.explain.renderings.phrases import headline, link_label, measured

_THINNEST, _WIDEST = 1.0, 6.0


def render(explanations: Sequence[Explanation]) -> str:
    """Explanations in the DOT language, a cluster an item."""
    lines = [
        "digraph explanations {",
        "  rankdir=LR;",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
        '  edge [fontname="sans-serif", fontsize=10];',
    ]
    for number, explanation in enumerate(explanations):
        lines += [f"  {line}" for line in _cluster(number, explanation)]
    return "\n".join([*lines, "}"]) + "\n"


def _cluster(number: int, explanation: Explanation) -> list[str]:
    layout = layered(explanation)
    nodes = [
        f"  n{number}_{place} [label={_quoted(placed.node.label)}, "
        f'fillcolor="{fill_of(placed.node, explanation)}"];'
        for place, placed in enumerate(layout.nodes)
    ]
    links = [
        f"  {_link(number, layout, link, explanation.is_exact)}"
        for link in layout.links
    ]
    heading = [
        f"subgraph cluster_{number} {{",
        f"  label={_quoted(headline(explanation))};",
    ]
    return [*heading, *nodes, *links, "}"]


def _link(number: int, layout: PathLayout, link: PlacedLink, is_exact: bool) -> str:
    value = measured(link.strength, is_exact)
    width = _THINNEST + (_WIDEST - _THINNEST) * layout.relative_strength(link)
    attributes = {
        "label": _quoted(f"{link_label(link.relation, link.inverse)} {value}"),
        "color": f'"{line_of(link)}"',
        "penwidth": f"{width:.2f}",
    }
    if link.strength < 0:
        attributes["style"] = "dashed"
    listed = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return f"n{number}_{link.source} -> n{number}_{link.target} [{listed}];"


def _quoted(text: str) -> str:
    """A text as a string of DOT, in which a backslash begins an escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
