"""A report's tables as LaTeX, to be included in a paper."""

from __future__ import annotations

import re

from recbole_kgif.report.document import Cell, Document, Mark, Table

_FORMS = {
    Mark.NONE: "{}",
    Mark.BEST: "\\textbf{{{}}}",
    Mark.SECOND: "\\underline{{{}}}",
}
_ESCAPES = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "\N{PLUS-MINUS SIGN}": "$\\pm$",
    "\N{DAGGER}": "$^\\dagger$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_SPECIAL = re.compile("|".join(re.escape(character) for character in _ESCAPES))
# Columns of words are set as paragraphs of this share of the line.
_TEXT_WIDTH = 0.7
# A table that is wider than the line is made smaller; others stay as they are.
_FITTING = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"


def render(document: Document) -> str:
    """The tables of the document, each as a float with caption and label.

    Args:
        document: what is to be said; its paragraphs and plots are left out.
    """
    tables = [
        block
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Table)
    ]
    head = f"% {' '.join(document.title.split())}\n"
    head += "% Needs \\usepackage{booktabs,graphicx}.\n"
    return head + "".join(f"\n{_table(table)}" for table in tables)


def _table(table: Table) -> str:
    lines = [
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{_escaped(table.caption)}}}",
        f"  \\label{{tab:{table.label}}}",
        f"  {_FITTING}",
        f"  \\begin{{tabular}}{{{_columns(table)}}}",
        "    \\toprule",
        f"    {' & '.join(_escaped(name) for name in table.header)} \\\\",
        "    \\midrule",
        *(f"    {' & '.join(_cell(cell) for cell in row)} \\\\" for row in table.rows),
        "    \\bottomrule",
        "  \\end{tabular}}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _columns(table: Table) -> str:
    width = _TEXT_WIDTH / max(1, len(table.text_columns))
    paragraph = f"p{{{width:.2f}\\linewidth}}"
    return "".join(
        paragraph if i in table.text_columns else "l" if i == 0 else "r"
        for i in range(len(table.header))
    )


def _cell(cell: Cell) -> str:
    return _FORMS[cell.mark].format(_escaped(cell.text))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match.group()], " ".join(text.split()))
