"""Explanations as one HTML page that needs no other file and asks no host.

The page is built as a tree of elements, so that every name is escaped by the library
that writes the tree. All that it shows stands in it without any script; the script
follows a path when it is pointed at, clicked or focused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional
from xml.etree import ElementTree as ET

from recbole_kgif.explain.explanation_records import (
    ENTITY,
    ITEM,
    USER,
    Explanation,
    Hop,
    path_strength,
    to_json,
)
from recbole_kgif.explain.renderings.path_layout import (
    Drawing,
    PlacedLink,
    PlacedNode,
    layered,
)
from recbole_kgif.explain.renderings.phrases import (
    kind_name,
    length_rows,
    link_label,
    measured,
    notes,
    sentence,
    share_rows,
    signed,
    standing,
)

_STYLE = Path(__file__).parent / "templates/explanations.css"
_SCRIPT = Path(__file__).parent / "templates/explanations.js"
# No address but the page's own, whatever a name may contain.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

# Measures of the drawing, in its own units.
_NODE_WIDTH, _NODE_HEIGHT = 150, 34
_COLUMN_WIDTH, _ROW_HEIGHT = 230, 50
_MARGIN = 12
_LANE_HEIGHT = 16
# Below this width of a column the drawing scrolls instead of shrinking.
_COLUMN_REMS = 9
# Longer paths get the whole width of the page.
_USUAL_HOPS = 3
_THINNEST, _WIDEST = 1.5, 9.0
_SHOWN_CHARACTERS = 20


def render(explanations: Sequence[Explanation]) -> str:
    """Explanations as a page.

    Args:
        explanations: of one user's items.
    """
    root = ET.Element("html", lang="en")
    head = ET.SubElement(root, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(
        head, "meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}
    )
    ET.SubElement(
        head, "meta", name="viewport", content="width=device-width, initial-scale=1"
    )
    title = _title(explanations)
    _text(head, "title", title)
    _text(head, "style", _STYLE.read_text("utf-8"))
    body = ET.SubElement(root, "body")
    _header(body, title, explanations)
    main = ET.SubElement(body, "main")
    for number, explanation in enumerate(explanations, start=1):
        _section(main, number, explanation)
    data = {"type": "application/json", "id": "explanations"}
    # The library leaves a script's text alone, and "</script>" would end it.
    record = to_json(explanations).replace("<", "\\u003c")
    _text(body, "script", record, data)
    _text(body, "script", _SCRIPT.read_text("utf-8"))
    page = ET.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{page}\n"


def _title(explanations: Sequence[Explanation]) -> str:
    if not explanations:
        return "No explanations"
    user = explanations[0].user.label
    if len(explanations) == 1:
        return f"Why {explanations[0].item.label} for {user}"
    return f"Why these {len(explanations)} items for {user}"


def _header(
    parent: ET.Element, title: str, explanations: Sequence[Explanation]
) -> None:
    header = ET.SubElement(parent, "header")
    _text(header, "h1", title)
    if not explanations:
        return
    first = explanations[0]
    how = (
        "Each path carries its exact share of the score; all parts add up to it."
        if first.is_exact
        else "The paths are those of the largest attention."
    )
    which = (
        "Paths begin with different choices of the user, as far as these have some at "
        "least a tenth as strong as the first."
    )
    _text(
        header,
        "p",
        f"{first.model} on {first.dataset}. {how} {which} Point at a path to "
        "follow it, click or press Enter to keep it, Escape to let it go.",
        {"class": "quiet"},
    )
    if len(explanations) > 1:
        contents = ET.SubElement(parent, "nav", {"aria-label": "Items"})
        for number, explanation in enumerate(explanations, start=1):
            _text(contents, "a", explanation.item.label, {"href": f"#item-{number}"})


def _section(parent: ET.Element, number: int, explanation: Explanation) -> None:
    name = f"item-{number}"
    section = ET.SubElement(
        parent, "section", {"id": name, "aria-labelledby": f"{name}-title"}
    )
    if max((len(path.hops) for path in explanation.paths), default=0) > _USUAL_HOPS:
        section.set("class", "wide")
    _text(section, "h2", explanation.item.label, {"id": f"{name}-title"})
    _text(
        section,
        "p",
        f"item {explanation.item.id}, score {explanation.score:.2f}, "
        f"{standing(explanation)}",
        {"class": "quiet"},
    )
    for note in notes(explanation):
        _text(section, "p", note, {"class": "note"})
    columns = ET.SubElement(section, "div", {"class": "columns"})
    left = ET.SubElement(columns, "div")
    if explanation.paths:
        _figure(left, explanation)
    _bars(left, "What the score is made of", share_rows(explanation))
    _bars(left, "All walks by their length", length_rows(explanation), folded=True)
    _hop_table(left, explanation)
    right = ET.SubElement(columns, "div")
    _path_list(right, explanation)
    _bars(
        right,
        "Through all walks that begin with one of your items",
        [(entry.item.label, entry.contribution) for entry in explanation.evidence],
    )


# --- the drawing --------------------------------------------------------------------


def _figure(parent: ET.Element, explanation: Explanation) -> None:
    drawing = layered(explanation)
    width = (drawing.n_columns - 1) * _COLUMN_WIDTH + _NODE_WIDTH + 2 * _MARGIN
    height = drawing.n_rows * _ROW_HEIGHT + 2 * _MARGIN
    figure = ET.SubElement(parent, "figure", {"class": "graph"})
    svg = ET.SubElement(
        figure,
        "svg",
        {
            "viewBox": f"0 0 {width} {height}",
            "role": "group",
            "style": f"min-width: {_COLUMN_REMS * drawing.n_columns}rem",
            "aria-label": f"The paths from {explanation.user.label} to "
            f"{explanation.item.label}; the list of paths says the same in words",
        },
    )
    links = sorted(drawing.links, key=lambda link: abs(link.strength))
    for link in links:
        _link(svg, drawing, link, explanation.is_exact)
    for placed in drawing.nodes:
        _node(svg, placed, is_goal=placed.node == explanation.item)
    for link in links:
        _relation(svg, drawing, link)
    key = ET.SubElement(parent, "p", {"class": "key quiet"})
    for kind in (USER, ITEM, ENTITY):
        _text(key, "span", kind_name(kind), {"style": f"--swatch: var(--{kind})"})
    _text(key, "span", "the explained item", {"style": "--swatch: var(--goal)"})
    meaning = "speaks for it" if explanation.is_exact else "attention"
    _text(key, "span", meaning, {"style": "--swatch: var(--for)"})
    if any(link.strength < 0 for link in drawing.links):
        _text(key, "span", "speaks against it", {"style": "--swatch: var(--against)"})


def _node(svg: ET.Element, placed: PlacedNode, is_goal: bool) -> None:
    x, y = _corner(placed.column, placed.row)
    kind = "goal" if is_goal else placed.node.kind
    group = ET.SubElement(
        svg,
        "g",
        {
            "class": f"node {kind}",
            "data-paths": _numbers(placed.paths),
            "tabindex": "0",
            "role": "button",
            "aria-label": f"{placed.node.kind} {placed.node.label}: follow its paths",
        },
    )
    _text(group, "title", f"{placed.node.label} ({placed.node.kind} {placed.node.id})")
    ET.SubElement(
        group,
        "rect",
        x=_number(x),
        y=_number(y),
        width=str(_NODE_WIDTH),
        height=str(_NODE_HEIGHT),
        rx=str(_NODE_HEIGHT / 2),
    )
    place = {"x": _number(x + _NODE_WIDTH / 2), "y": _number(y + _NODE_HEIGHT / 2)}
    _text(group, "text", _shortened(placed.node.label), place)


def _link(svg: ET.Element, drawing: Drawing, link: PlacedLink, is_exact: bool) -> None:
    source, target = drawing.nodes[link.source], drawing.nodes[link.target]
    group = ET.SubElement(
        svg,
        "g",
        {
            "class": f"link {_side(link.strength)}",
            "data-paths": _numbers(link.paths),
        },
    )
    points = _points(source, target, link)
    curve, _ = _curve(points, _bend(link))
    share = abs(link.strength) / drawing.largest
    thickness = _THINNEST + (_WIDEST - _THINNEST) * share
    label = link_label(link.relation, link.inverse)
    _text(
        group,
        "title",
        f"{source.node.label} \N{RIGHTWARDS ARROW} {target.node.label}: {label}, "
        f"{measured(link.strength, is_exact)}",
    )
    ET.SubElement(
        group, "path", {"class": "line", "d": curve, "stroke-width": _number(thickness)}
    )
    ET.SubElement(group, "path", {"class": "grip", "d": curve})


def _relation(svg: ET.Element, drawing: Drawing, link: PlacedLink) -> None:
    """The name of a link's relation, on top of all and seen when it is followed."""
    source, target = drawing.nodes[link.source], drawing.nodes[link.target]
    _, (x, y) = _curve(_points(source, target, link), _bend(link))
    _text(
        svg,
        "text",
        link_label(link.relation, link.inverse),
        {
            "class": "relation",
            "data-paths": _numbers(link.paths),
            "x": _number(x),
            "y": _number(y - 7),
        },
    )


def _points(
    source: PlacedNode, target: PlacedNode, link: PlacedLink
) -> list[tuple[float, float]]:
    """Where a link leaves and reaches a column, in turn."""
    left, top = _corner(source.column, source.row)
    right, bottom = _corner(target.column, target.row)
    if target.column > source.column:
        left += _NODE_WIDTH
    else:
        # It leads back, or stays in its column.
        right += _NODE_WIDTH
    half = _NODE_HEIGHT / 2
    points = [(left, top + half)]
    for column, row in link.via:
        x, y = _corner(column, row)
        points += [(x, y + half), (x + _NODE_WIDTH, y + half)]
    return [*points, (right, bottom + half)]


def _curve(
    points: Sequence[tuple[float, float]], bend: float
) -> tuple[str, tuple[float, float]]:
    """A curve from column to column, and the middle of its first part."""
    (left, top), (right, bottom) = points[:2]
    pieces = [f"M{_number(left)} {_number(top)}"]
    for place, ((x, y), (next_x, next_y)) in enumerate(zip(points, points[1:])):
        if place % 2:
            pieces.append(f"L{_number(next_x)} {_number(next_y)}")
            continue
        half = (next_x - x) / 2
        pieces.append(
            f"C{_number(x + half)} {_number(y + 2 * bend)} "
            f"{_number(next_x - half)} {_number(next_y + 2 * bend)} "
            f"{_number(next_x)} {_number(next_y)}"
        )
    return " ".join(pieces), ((left + right) / 2, (top + bottom) / 2 + 1.5 * bend)


def _bend(link: PlacedLink) -> float:
    """0 for the first of parallel links, then to either side in turn."""
    return float(_LANE_HEIGHT * ((link.lane + 1) // 2) * (-1) ** link.lane)


def _corner(column: int, row: float) -> tuple[float, float]:
    """Top left corner of a node in this place."""
    x = _MARGIN + column * _COLUMN_WIDTH
    y = _MARGIN + row * _ROW_HEIGHT + (_ROW_HEIGHT - _NODE_HEIGHT) / 2
    return x, y


# --- lists and tables ---------------------------------------------------------------


def _path_list(parent: ET.Element, explanation: Explanation) -> None:
    if not explanation.paths:
        return
    _text(parent, "h3", "Paths, strongest first")
    entries = ET.SubElement(parent, "ol", {"class": "paths"})
    for number, path in enumerate(explanation.paths):
        button = ET.SubElement(
            ET.SubElement(entries, "li"),
            "button",
            {
                "type": "button",
                "data-path": str(number),
                "aria-pressed": "false",
                "class": _side(path_strength(path)),
            },
        )
        value = measured(path_strength(path), explanation.is_exact)
        _text(button, "span", value, {"class": "value"})
        _text(button, "span", sentence(path))


def _bars(
    parent: ET.Element,
    title: str,
    rows: Sequence[tuple[str, float]],
    folded: bool = False,
) -> None:
    if not rows:
        return
    if folded:
        parent = ET.SubElement(parent, "details")
        _text(parent, "summary", title)
    else:
        _text(parent, "h3", title)
    table = ET.SubElement(parent, "table")
    largest = max(abs(value) for _, value in rows) or 1.0
    for name, value in rows:
        row = ET.SubElement(table, "tr")
        _text(row, "td", signed(value), {"class": f"value {_side(value)}"})
        _text(row, "th", name, {"scope": "row"})
        bar = ET.SubElement(row, "td", {"class": "bar"})
        width = f"width: {100 * abs(value) / largest:.1f}%"
        ET.SubElement(bar, "span", {"class": f"fill {_side(value)}", "style": width})


def _hop_table(parent: ET.Element, explanation: Explanation) -> None:
    if not explanation.paths:
        return
    folded = ET.SubElement(parent, "details")
    _text(folded, "summary", "Every hop, with relation and attention")
    outer = ET.SubElement(folded, "div", {"class": "hops"})
    table = ET.SubElement(outer, "table")
    header = ET.SubElement(table, "tr")
    names = ["path", "from", "relation", "to", "attention"]
    for name in (*names, "contribution") if explanation.is_exact else names:
        _text(header, "th", name, {"scope": "col"})
    for number, path in enumerate(explanation.paths, start=1):
        for hop in path.hops:
            row = ET.SubElement(table, "tr")
            for cell in (str(number), *_hop_cells(hop)):
                _text(row, "td", cell)


def _hop_cells(hop: Hop) -> list[str]:
    arrow = "\N{LEFTWARDS ARROW}" if hop.inverse else "\N{RIGHTWARDS ARROW}"
    cells = [
        f"{hop.source.label} ({hop.source.kind} {hop.source.id})",
        f"{hop.relation} {arrow}",
        f"{hop.target.label} ({hop.target.kind} {hop.target.id})",
        f"{hop.attention:.3g}",
    ]
    if hop.contribution is not None:
        cells.append(signed(hop.contribution))
    return cells


def _side(value: float) -> str:
    return "against" if value < 0 else "for"


def _numbers(paths: Sequence[int]) -> str:
    return " ".join(map(str, paths))


def _number(value: float) -> str:
    return f"{value:.1f}"


def _shortened(label: str) -> str:
    if len(label) <= _SHOWN_CHARACTERS:
        return label
    return label[: _SHOWN_CHARACTERS - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def _text(
    parent: ET.Element,
    tag: str,
    text: str,
    attributes: Optional[dict[str, str]] = None,
) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes or {})
    element.text = text
    return element
