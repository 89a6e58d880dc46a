"""The graph of one reason: the user's item, what joins it with another, that item."""

from __future__ import annotations

from dataclasses import dataclass

from recbole_kgif.explain.explanation_records import FACT, Explanation, Reason
from recbole_kgif.explain.renderings.phrases import part_phrase

_MOST_NODES = 7
_WIDEST, _THINNEST = 9.0, 1.0
# Sizes in the figure, in its own units; the width fits a phone.
WIDTH, ROW_HEIGHT, NODE_HEIGHT = 340, 34, 26
_SIDE, _MIDDLE = 84, 116


@dataclass(frozen=True)
class Joint:
    """What joins two items: an entity, people, or similarity.

    Attributes:
        label: its name.
        value: its part of the score.
        is_entity: whether it is an entity of the graph.
    """

    label: str
    value: float
    is_entity: bool


@dataclass(frozen=True)
class Box:
    """A node of the figure: a label in a rectangle."""

    label: str
    kind: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Line:
    """A line of the figure, and the width that shows its value."""

    path: str
    width: float
    raises: bool


def joints(reason: Reason, explanation: Explanation) -> list[Joint]:
    """What joins the user's item with the explained one, strongest first."""
    found = []
    for part in reason.parts:
        if part.kind != FACT:
            words = part_phrase(part, reason, explanation)
            found.append(Joint(words, part.value, False))
        elif not part.against:
            found += [Joint(s.node.label, s.value, True) for s in part.shares]
    return sorted(found, key=lambda joint: -abs(joint.value))[:_MOST_NODES]


def figure(
    reason: Reason, explanation: Explanation
) -> tuple[float, list[Box], list[Line]]:
    """Height, nodes and lines of the figure of a reason."""
    found = joints(reason, explanation)
    height = ROW_HEIGHT * max(1, len(found))
    middle = (height - NODE_HEIGHT) / 2
    left = Box(reason.item.label, "item", 0, middle, _SIDE)
    right = Box(explanation.item.label, "goal", WIDTH - _SIDE, middle, _SIDE)
    boxes, lines = [left, right], []
    largest = max((abs(joint.value) for joint in found), default=1.0)
    x = (WIDTH - _MIDDLE) / 2
    for row, joint in enumerate(found):
        y = row * ROW_HEIGHT + (ROW_HEIGHT - NODE_HEIGHT) / 2
        kind = "entity" if joint.is_entity else "user"
        boxes.append(Box(joint.label, kind, x, y, _MIDDLE))
        width = _THINNEST + (_WIDEST - _THINNEST) * abs(joint.value) / largest
        for start, end in (
            ((_SIDE, middle), (x, y)),
            ((x + _MIDDLE, y), (WIDTH - _SIDE, middle)),
        ):
            lines.append(Line(_curve(start, end), width, joint.value >= 0))
    return height, boxes, lines


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    (left, top), (right, bottom) = start, end
    top, bottom = top + NODE_HEIGHT / 2, bottom + NODE_HEIGHT / 2
    half = (left + right) / 2
    return (
        f"M{left:.1f} {top:.1f}C{half:.1f} {top:.1f} {half:.1f} {bottom:.1f} "
        f"{right:.1f} {bottom:.1f}"
    )


def shortened(label: str, n_characters: int) -> str:
    """A label of at most so many characters."""
    if len(label) <= n_characters:
        return label
    return label[: n_characters - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
