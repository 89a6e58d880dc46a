"""Explanations as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.renderings.phrases import (
    decomposition_rows,
    evidence_rows,
    headline,
    notes,
    sentence,
    signed,
)


def render(explanations: Sequence[Explanation]) -> str:
    """Explanations with a sentence for each path."""
    return "\n".join(map(_section, explanations))


def _section(explanation: Explanation) -> str:
    item = explanation.item
    lines = [
        headline(explanation, f"{item.name} (item {item.id})" if item.name else "")
    ]
    lines += [f"  {note}" for note in notes(explanation)]
    rows = [(signed(value), name) for name, value in decomposition_rows(explanation)]
    width = max((len(value) for value, _ in rows), default=0)
    lines += [f"  {value:>{width}}  {name}" for value, name in rows]
    for place, path in enumerate(explanation.paths, start=1):
        value = f"attention {path.attention:.2g}"
        if path.contribution is not None:
            value = f"{signed(path.contribution)} of {explanation.score:.2f}"
        lines.append(f"  {place}. {sentence(path)}: {value}")
    if explanation.evidence:
        rows = [(name, signed(value)) for name, value in evidence_rows(explanation)]
        listed = ", ".join(map(" ".join, rows))
        lines.append(f"  through all walks that begin there: {listed}")
    return "\n".join(lines) + "\n"
