"""Explanations as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import Explanation
from recbole_kgif.explain.renderings.phrases import (
    notes,
    sentence,
    share_rows,
    signed,
    standing,
    strength,
)


def render(explanations: Sequence[Explanation]) -> str:
    """Explanations with a sentence for each path."""
    return "\n".join(map(_section, explanations))


def _section(explanation: Explanation) -> str:
    item = explanation.item
    named = f"{item.name} (item {item.id})" if item.name else item.label
    lines = [
        f"{named} for {explanation.user.label}: score {explanation.score:.2f}, "
        f"{standing(explanation)}"
    ]
    lines += [f"  {note}" for note in notes(explanation)]
    rows = [(signed(value), name) for name, value in share_rows(explanation)]
    width = max((len(value) for value, _ in rows), default=0)
    lines += [f"  {value:>{width}}  {name}" for value, name in rows]
    lines += [
        f"  {place}. {sentence(path)}: {strength(path, explanation)}"
        for place, path in enumerate(explanation.paths, start=1)
    ]
    if explanation.evidence:
        evidence = ", ".join(
            f"{entry.item.label} {signed(entry.contribution)}"
            for entry in explanation.evidence
        )
        lines.append(f"  through all walks that begin there: {evidence}")
    return "\n".join(lines) + "\n"
