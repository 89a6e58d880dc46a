"""Colours of drawings without a style sheet, as in templates/explanations.css."""

from __future__ import annotations

from recbole_kgif.explain.explanation_records import (
    ENTITY,
    ITEM,
    USER,
    Explanation,
    Node,
)
from recbole_kgif.explain.renderings.path_layout import PlacedLink

_FILL = {USER: "#e8e4f5", ITEM: "#dceefa", ENTITY: "#e2f2e6"}
_EXPLAINED_ITEM = "#fbeccb"
_RAISES, _LOWERS = "#0072b2", "#c04a00"


def fill_of(node: Node, explanation: Explanation) -> str:
    """Colour of a node."""
    return _EXPLAINED_ITEM if node == explanation.item else _FILL[node.kind]


def line_of(link: PlacedLink) -> str:
    """Colour of a link, by its sign."""
    return _LOWERS if link.strength < 0 else _RAISES


def not_exact(explanation: Explanation) -> str:
    """What a title adds where contributions are not known."""
    return "" if explanation.is_exact else " (paths by attention, not exact)"
