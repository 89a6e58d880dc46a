"""Explanations as a Graphviz graph."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.path_records import (
    ENTITY,
    ITEM,
    USER,
    Node,
)
from recbole_kgif.explain.renderings.numerals import signed
from recbole_kgif.explain.renderings.phrases import (
    headline,
    hop_label,
    reason_clause,
    score_rows,
    strength,
)

_THINNEST, _WIDEST = 1.0, 6.0
_FILL = {USER: "#e8e4f5", ITEM: "#dceefa", ENTITY: "#e2f2e6"}
_EXPLAINED_ITEM = "#fbeccb"
_RAISES, _LOWERS = "#0072b2", "#c04a00"

# Label and colour of a node.
_Box = tuple[str, str]
# Two nodes, label and value of a line.
_Line = tuple[object, object, str, float]


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
    drawn = _reasons if explanation.is_exact else _paths
    boxes, links = drawn(explanation)
    place = {key: f"n{number}_{n}" for n, key in enumerate(boxes)}
    largest = max((abs(value) for *_, value in links), default=1.0) or 1.0
    lines = [
        f"subgraph cluster_{number} {{",
        f"  label={_quoted(headline(explanation))};",
    ]
    for key, (label, fill) in boxes.items():
        lines.append(f'  {place[key]} [label={_quoted(label)}, fillcolor="{fill}"];')
    for source, target, label, value in links:
        width = _THINNEST + (_WIDEST - _THINNEST) * abs(value) / largest
        color, style = (_RAISES, "solid") if value >= 0 else (_LOWERS, "dashed")
        lines.append(
            f"  {place[source]} -> {place[target]} [label={_quoted(label)}, "
            f'color="{color}", style={style}, penwidth={width:.2f}];'
        )
    return [*lines, "}"]


def _reasons(explanation: Explanation) -> tuple[dict[object, _Box], list[_Line]]:
    """The user, the reasons, what belongs to none, and the item."""
    user, item = explanation.user, explanation.item
    boxes: dict[object, _Box] = {
        "user": (user.label, _FILL[USER]),
        "item": (item.label, _EXPLAINED_ITEM),
    }
    links: list[_Line] = []
    for reason in explanation.reasons:
        boxes[reason.item] = (reason.item.label, _FILL[ITEM])
        value = signed(reason.value)
        links.append(("user", reason.item, "chose", reason.value))
        clause = reason_clause(reason, explanation)
        label = f"{value}\n{clause}" if clause else value
        links.append((reason.item, "item", label, reason.value))
    for name, amount in score_rows(explanation):
        boxes[name] = (name, _FILL[ENTITY])
        links.append((name, "item", signed(amount), amount))
    return boxes, links


def _paths(explanation: Explanation) -> tuple[dict[object, _Box], list[_Line]]:
    """The nodes and hops of paths by attention."""
    boxes: dict[object, _Box] = {}
    links: dict[object, _Line] = {}
    for path in explanation.paths:
        for node in path.nodes:
            boxes[node] = (node.label, _fill(node, explanation))
        for hop in path.hops:
            label = f"{hop_label(hop)} ({strength(path)})"
            links.setdefault(hop.key, (hop.source, hop.target, label, path.strength))
    return boxes, list(links.values())


def _fill(node: Node, explanation: Explanation) -> str:
    return _EXPLAINED_ITEM if node == explanation.item else _FILL[node.kind]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
