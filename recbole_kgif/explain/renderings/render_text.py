"""Explanations as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from recbole_kgif.explain.explanation_records import Explanation, Reason, UserSummary
from recbole_kgif.explain.renderings.numerals import (
    percentages,
    signed,
)
from recbole_kgif.explain.renderings.phrases import (
    Row,
    first_sentence,
    headline,
    kind_rows,
    notes,
    path_sentence,
    rank_without,
    score_rows,
    strength,
)
from recbole_kgif.explain.renderings.reason_rows import part_rows


def render(
    explanations: Sequence[Explanation],
    summary: Optional[UserSummary] = None,
    *,
    with_paths: bool = False,
) -> str:
    """Explanations with a line for each reason and each of its parts.

    Args:
        explanations: of one user's items.
        summary: what drives them together.
        with_paths: whether to list the paths of each reason.
    """
    sections = [_section(explanation, with_paths) for explanation in explanations]
    if summary is not None:
        sections.insert(0, _summary(summary))
    return "\n".join(sections)


def _section(explanation: Explanation, with_paths: bool) -> str:
    item = explanation.item
    lines = [
        headline(explanation, f"{item.name} (item {item.id})" if item.name else "")
    ]
    lines += [f"  {note}" for note in notes(explanation)]
    if not explanation.is_exact:
        lines += [
            f"  {place}. {path_sentence(path)}: {strength(path)}"
            for place, path in enumerate(explanation.paths, start=1)
        ]
        return "\n".join(lines) + "\n"
    lines.append(f"  {first_sentence(explanation)}")
    rows = [(reason.item.label, reason.value) for reason in explanation.reasons]
    rows += score_rows(explanation)
    shown = _rows(rows, explanation.explained)
    for reason, line in zip(explanation.reasons, shown):
        lines += [line, *_details(reason, explanation, with_paths)]
    return "\n".join([*lines, *shown[len(explanation.reasons) :]]) + "\n"


def _rows(rows: Sequence[Row], total: float) -> list[str]:
    shares = percentages([value for _, value in rows], total)
    return [
        f"  {signed(value):>7} {share:>5}  {name}"
        for share, (name, value) in zip(shares, rows)
    ]


def _details(reason: Reason, explanation: Explanation, with_paths: bool) -> list[str]:
    indent = " " * 16
    lines = [
        f"{indent}{signed(value):>7}  {name}"
        for name, value in part_rows(reason, explanation)
    ]
    without = rank_without(reason, explanation)
    if without:
        lines.append(f"{indent}{without}")
    if with_paths:
        lines += [
            f"{indent}{signed(path.strength):>7}  path: {path_sentence(path)}"
            for path in explanation.paths_of(reason)
        ]
    return lines


def _summary(summary: UserSummary) -> str:
    lines = [f"What drives the {summary.n_items} best items of {summary.user.label}"]
    lines.append(f"  {first_sentence(summary)}")
    rows = [(reason.item.label, reason.value) for reason in summary.reasons]
    lines += _rows([*rows, *score_rows(summary)], summary.score)
    lines.append("  All choices together:")
    lines += [
        f"  {signed(value):>7}        {name}" for name, value in kind_rows(summary)
    ]
    return "\n".join(lines) + "\n"
