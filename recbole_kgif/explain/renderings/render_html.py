"""Explanations as one HTML page that needs no other file and asks no host.

``templates/explanations.html.j2`` is the page; Jinja2 escapes every name in it. It has
no script: a reason opens by the browser's own means.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from recbole_kgif.explain.explanation_json import to_json
from recbole_kgif.explain.explanation_records import Explanation, UserSummary
from recbole_kgif.explain.renderings import (
    numerals,
    phrases,
    reason_graph,
    reason_rows,
)

_TEMPLATES = Path(__file__).parent / "templates"
_FRAME_HEIGHT = 640  # in pixels


def render(
    explanations: Sequence[Explanation], summary: Optional[UserSummary] = None
) -> str:
    """Explanations as a page.

    Args:
        explanations: of one user's items.
        summary: what drives them together.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["side"] = lambda value: "against" if value < 0 else "for"
    environment.filters["number"] = "{:.1f}".format
    return environment.get_template("explanations.html.j2").render(
        explanations=explanations,
        summary=summary,
        title=_title(explanations),
        numerals=numerals,
        phrases=phrases,
        rows=reason_rows,
        graph=reason_graph,
        # Nothing in a script is escaped, and "</script>" would end it.
        record=Markup(to_json(explanations, summary).replace("<", "\\u003c")),
    )


def in_frame(explanations: Sequence[Explanation]) -> str:
    """The page of `render` as a frame of another page, such as a notebook.

    Args:
        explanations: of one user's items.
    """
    # It keeps the page's styles to itself.
    return (
        '<iframe sandbox="" style="width: 100%; height: '
        f'{_FRAME_HEIGHT}px; border: 0" title="{escape(_title(explanations))}" '
        f'srcdoc="{escape(render(explanations))}"></iframe>'
    )


def _title(explanations: Sequence[Explanation]) -> str:
    if not explanations:
        return "No explanations"
    first = explanations[0]
    if len(explanations) > 1:
        return f"Why these {len(explanations)} items for {first.user.label}"
    if first.against is not None:
        above = f"{first.item.label} and not {first.against.item.label}"
        return f"Why {above} for {first.user.label}"
    return f"Why {first.item.label} for {first.user.label}"
