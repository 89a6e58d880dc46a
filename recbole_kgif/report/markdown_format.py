"""A report as Markdown, in GitHub's dialect."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recbole_kgif.report.document import Block, Cell, Document, Mark, Plot, Table

# GitHub shows <ins> underlined and drops <u>.
_FORMS = {Mark.NONE: "{}", Mark.BEST: "**{}**", Mark.SECOND: "<ins>{}</ins>"}


def render(document: Document) -> str:
    """The document as text.

    Args:
        document: what is to be said; plots are taken from the folder ``plots``.
    """
    parts = [f"# {_escaped(document.title)}"]
    for section in document.sections:
        parts.append(f"## {_escaped(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, str):
        return _escaped(block)
    if isinstance(block, Plot):
        caption = _escaped(block.caption)
        return f"![{block.name}](plots/{block.name}.png)\n\n{caption}"
    return _table(block)


def _table(table: Table) -> str:
    rule = ["---" if table.is_text(i) else "--:" for i in range(len(table.header))]
    lines = [
        _row([_escaped(name) for name in table.header]),
        _row(rule),
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
    ]
    return f"{_escaped(table.caption)}\n\n" + "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    return _FORMS[cell.mark].format(_escaped(cell.text))


def _escaped(text: str) -> str:
    """Text in which no character means anything to Markdown or HTML."""
    text = " ".join(text.split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", text)
