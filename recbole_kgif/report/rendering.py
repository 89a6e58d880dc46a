"""Pages from templates, as Markdown, HTML or LaTeX.

A template of a page, such as ``comparison.j2``, says what is on the page, in order. It
uses the macros of a layout (``markdown.j2``, ``html.j2`` or ``latex.j2``), which say
how headings, paragraphs, tables and figures are written, and escape what is in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_LAYOUTS = {"md": "markdown.j2", "html": "html.j2", "tex": "latex.j2"}
_TEX_ESCAPES = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "\N{PLUS-MINUS SIGN}": "$\\pm$",
    "\N{DAGGER}": "$^\\dagger$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_TEX_SPECIAL = re.compile("|".join(map(re.escape, _TEX_ESCAPES)))

Text = TypeVar("Text", bound=str)


class Marked(str):
    """The text of a cell that is highlighted.

    Attributes:
        mark: "best" or "second".
    """

    mark: str

    def __new__(cls, text: str, mark: str) -> Marked:
        """Mark a text."""
        marked = super().__new__(cls, text)
        marked.mark = mark
        return marked


@dataclass(frozen=True)
class Table:
    """A table of texts; its caption is in the template.

    Attributes:
        label: Short name, by which LaTeX refers to it.
        frame: The cells. The first column holds names.
        words: Further columns of words, which are left-aligned.
    """

    label: str
    frame: pd.DataFrame
    words: Collection[str] = ()

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Title of each column, and whether it holds words."""
        titles = [str(title) for title in self.frame.columns]
        return [(t, place == 0 or t in self.words) for place, t in enumerate(titles)]

    @property
    def rows(self) -> Iterator[tuple[str, ...]]:
        """The cells of each row."""
        return self.frame.itertuples(index=False, name=None)


def render(template: str, form: str, **context: Any) -> str:
    """Render a page.

    Args:
        template: name of the page's template.
        form: "md", "html" or "tex"; LaTeX has the tables of the page alone.
        context: what the template asks for. ``figures`` has the SVG of each figure for
            HTML; Markdown links to files.
    """
    page = environment(form).get_template(template)
    text = page.render(layout=_LAYOUTS[form], headings=[], **context)
    # One empty line between blocks, whatever the template has.
    return re.sub(r"\n\s*\n", "\n\n", text).strip() + "\n"


@cache
def environment(form: str) -> Environment:
    """The templates for a form, with the filters of the layouts."""
    made = Environment(
        loader=PackageLoader("recbole_kgif.report"),
        # In the other forms the layout escapes whole blocks.
        autoescape=form == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters.update(oneline=_oneline, md=_for_markdown, tex=_for_latex)
    return made


def _oneline(text: str) -> str:
    kind = Markup if isinstance(text, Markup) else str
    return kind(" ").join(text.split())


def _for_markdown(text: str) -> str:
    """Text in which no character means anything to Markdown or HTML."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", _oneline(text))


def _for_latex(text: str) -> str:
    return _TEX_SPECIAL.sub(lambda match: _TEX_ESCAPES[match.group()], _oneline(text))
