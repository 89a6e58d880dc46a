"""Rows of bars that add up: each begins where the one before it ends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from recbole_kgif.explain.explanation_records import Explanation, Reason, UserSummary
from recbole_kgif.explain.renderings.numerals import percentages
from recbole_kgif.explain.renderings.phrases import (
    Row,
    part_phrase,
    reason_clause,
    score_rows,
    told_parts,
)

# Parts of a reason below this fraction of its largest one are one row.
_SMALL = 0.03


@dataclass(frozen=True)
class BarRow:
    """A row with a bar.

    Attributes:
        name: what the value is from.
        value: the value.
        share: its percentage of the total, or an empty text.
        start: where the bar begins, from 0 to 1 of the width of all bars.
        width: its width, likewise.
        reason: the reason that the row is of, if any.
        clause: what the reason's largest parts are.
    """

    name: str
    value: float
    share: str
    start: float
    width: float
    reason: Optional[Reason] = None
    clause: str = ""


def bar_rows(rows: Sequence[Row], total: float) -> list[BarRow]:
    """Rows whose bars add up to a total, from left to right.

    Args:
        rows: name and value of each.
        total: the sum, of which percentages are taken.
    """
    values = [value for _, value in rows]
    ends = [0.0, *itertools.accumulate(values)]
    lowest = min(ends)
    span = (max(ends) - lowest) or 1.0
    shares = percentages(values, total)
    return [
        BarRow(name, value, share, (min(pair) - lowest) / span, abs(value) / span)
        for (name, value), share, pair in zip(rows, shares, zip(ends, ends[1:]))
    ]


def explanation_rows(explanation: Explanation) -> list[BarRow]:
    """The rows of a whole explanation: reasons, then what belongs to none."""
    reasons = explanation.reasons
    rows = [(reason.item.label, reason.value) for reason in reasons]
    bars = bar_rows([*rows, *score_rows(explanation)], explanation.explained)
    opened = [
        BarRow(
            **{
                **vars(bar),
                "reason": reason,
                "clause": reason_clause(reason, explanation),
            }
        )
        for bar, reason in zip(bars, reasons)
    ]
    return [*opened, *bars[len(reasons) :]]


def summary_rows(summary: UserSummary) -> list[BarRow]:
    """The rows of a user's items together."""
    rows = [(reason.item.label, reason.value) for reason in summary.reasons]
    return bar_rows([*rows, *score_rows(summary)], summary.score)


def part_rows(reason: Reason, explanation: Explanation) -> list[Row]:
    """The parts of a reason, small ones together."""
    parts = told_parts(reason)
    largest = max((abs(part.value) for part in parts), default=0.0)
    small = [part for part in parts if abs(part.value) < _SMALL * largest]
    rows = [
        (part_phrase(part, reason, explanation), part.value)
        for part in parts
        if len(small) < 2 or part not in small
    ]
    if len(small) > 1:
        rest = sum(part.value for part in small)
        rows.append((f"{len(small)} smaller parts", rest))
    return rows
