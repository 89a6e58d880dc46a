"""Explanations as a Graphviz drawing."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import ENTITY, ITEM, USER, Explanation
from recbole_kgif.explain.renderings.path_layout import Drawing, PlacedLink, layered
from recbole_kgif.explain.renderings.phrases import link_label, measured, standing

_FILL = {USER: "#e8e4f5", ITEM: "#dceefa", ENTITY: "#e2f2e6"}
_GOAL_FILL = "#fbeccb"
_FOR, _AGAINST = "#0072b2", "#c04a00"
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
    drawing = layered(explanation)
    title = (
        f"{explanation.item.label}: score {explanation.score:.2f}, "
        f"{standing(explanation)}"
    )
    if not explanation.is_exact:
        title += " (paths by attention, not exact)"
    lines = [f"subgraph cluster_{number} {{", f"  label={_quoted(title)};"]
    for place, placed in enumerate(drawing.nodes):
        is_goal = placed.node == explanation.item
        fill = _GOAL_FILL if is_goal else _FILL[placed.node.kind]
        lines.append(
            f"  n{number}_{place} [label={_quoted(placed.node.label)}, "
            f'fillcolor="{fill}"];'
        )
    lines += [
        f"  {_link(number, drawing, link, explanation.is_exact)}"
        for link in drawing.links
    ]
    return [*lines, "}"]


def _link(number: int, drawing: Drawing, link: PlacedLink, is_exact: bool) -> str:
    share = abs(link.strength) / drawing.largest
    value = measured(link.strength, is_exact)
    label = f"{link_label(link.relation, link.inverse)} {value}"
    attributes = {
        "label": _quoted(label),
        "color": f'"{_AGAINST if link.strength < 0 else _FOR}"',
        "penwidth": f"{_THINNEST + (_WIDEST - _THINNEST) * share:.2f}",
    }
    if link.strength < 0:
        attributes["style"] = "dashed"
    listed = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return f"n{number}_{link.source} -> n{number}_{link.target} [{listed}];"


def _quoted(text: str) -> str:
    """A text as a string of DOT, in which a backslash begins an escape."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'
