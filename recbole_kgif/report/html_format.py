"""A report as one HTML page that needs no other file.

The page is built as a tree of elements, so that every name and value is escaped by the
library that writes the tree.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from recbole_kgif.report.document import Block, Cell, Document, Mark, Plot, Table

_STYLE = """
:root { color-scheme: light dark; --rule: #8886; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.25rem; margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
nav a { margin-right: 1rem; }
figure { margin: 1.5rem 0; }
figure.table { overflow-x: auto; }
figcaption { font-size: .9rem; margin-bottom: .5rem; max-width: 50rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  border-top: 2px solid; border-bottom: 2px solid; }
th, td { padding: .25rem .7rem; text-align: right; vertical-align: top;
  white-space: nowrap; }
thead { border-bottom: 1px solid; }
tbody tr:nth-child(even) { background: var(--soft); }
.words { text-align: left; white-space: normal; overflow-wrap: anywhere; }
td.words:first-child, th.words:first-child { white-space: nowrap; }
.best { font-weight: bold; }
.second { text-decoration: underline; text-underline-offset: .2em; }
img { max-width: 100%; height: auto; background: white; }
p { overflow-wrap: anywhere; max-width: 50rem; }
"""


def render(document: Document, plots: Mapping[str, bytes]) -> str:
    """The document as a page.

    Args:
        document: what is to be said.
        plots: SVG of each plot that the document names.
    """
    root = ET.Element("html", lang="en")
    head = ET.SubElement(root, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(
        head, "meta", name="viewport", content="width=device-width, initial-scale=1"
    )
    _text(head, "title", document.title)
    _text(head, "style", _STYLE)
    body = ET.SubElement(root, "body")
    _text(body, "h1", document.title)
    contents = ET.SubElement(body, "nav")
    for number, section in enumerate(document.sections, start=1):
        _text(contents, "a", section.title).set("href", f"#part-{number}")
        part = ET.SubElement(body, "section", id=f"part-{number}")
        _text(part, "h2", section.title)
        for block in section.blocks:
            _block(part, block, plots)
    page = ET.tostring(root, encoding="unicode", method="html")
    return f"<!DOCTYPE html>\n{page}\n"


def _text(parent: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, tag)
    element.text = text
    return element


def _block(parent: ET.Element, block: Block, plots: Mapping[str, bytes]) -> None:
    if isinstance(block, str):
        _text(parent, "p", block)
    elif isinstance(block, Plot):
        outer = ET.SubElement(parent, "figure")
        data = base64.b64encode(plots[block.name]).decode("ascii")
        source = f"data:image/svg+xml;base64,{data}"
        ET.SubElement(outer, "img", src=source, alt=block.caption)
        _text(outer, "figcaption", block.caption)
    else:
        _table(parent, block)


def _table(parent: ET.Element, table: Table) -> None:
    outer = ET.SubElement(parent, "figure", {"class": "table"})
    _text(outer, "figcaption", table.caption)
    inner = ET.SubElement(outer, "table")
    row = ET.SubElement(ET.SubElement(inner, "thead"), "tr")
    for column, name in enumerate(table.header):
        _set_class(_text(row, "th", name), table, column)
    body = ET.SubElement(inner, "tbody")
    for cells in table.rows:
        row = ET.SubElement(body, "tr")
        for column, cell in enumerate(cells):
            _set_class(_text(row, "td", cell.text), table, column, cell)


def _set_class(
    element: ET.Element, table: Table, column: int, cell: Cell | None = None
) -> None:
    names = ["words"] if table.is_text(column) else []
    if cell is not None and cell.mark is not Mark.NONE:
        names.append(cell.mark.value)
    if names:
        element.set("class", " ".join(names))
