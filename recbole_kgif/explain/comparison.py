"""Why one item and not another: the difference of two explanations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from recbole_kgif.explain.explanation_records import (
    FILTER,
    LONGER,
    TASTE,
    Explanation,
    Part,
    Reason,
    ScoreShare,
    Standing,
)

# Parts that are compared as they are; of others both sides are kept.
_SUBTRACTED = (LONGER, TASTE, FILTER)


def difference(first: Explanation, second: Explanation) -> Explanation:
    """The reasons for the difference of two scores.

    Args:
        first: of the item to explain.
        second: of the item that it is compared with, with the same interactions.

    Returns:
        The first, with reasons that add up to the difference.
    """
    of_second = {reason.item: reason for reason in second.reasons}
    reasons = [_of_reason(reason, of_second[reason.item]) for reason in first.reasons]
    other_shares = {share.kind: share.value for share in second.shares}
    shares = {share.kind: share.value for share in first.shares}
    return dataclasses.replace(
        first,
        reasons=tuple(sorted(reasons, key=lambda reason: -abs(reason.value))),
        others=first.others - second.others,
        shares=tuple(
            ScoreShare(kind, shares.get(kind, 0.0) - other_shares.get(kind, 0.0))
            for kind in dict.fromkeys([*shares, *other_shares])
        ),
        against=Standing(second.item, second.score, second.rank),
    )


def _of_reason(first: Reason, second: Reason) -> Reason:
    parts = [*_kept(first.parts), *map(_negative, _kept(second.parts))]
    for kind in _SUBTRACTED:
        value = _value_of(first, kind) - _value_of(second, kind)
        if value:
            parts.append(Part(kind, value))
    return dataclasses.replace(
        first,
        value=first.value - second.value,
        parts=tuple(sorted(parts, key=lambda part: -abs(part.value))),
    )


def _kept(parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part.kind not in _SUBTRACTED]


def _value_of(reason: Reason, kind: str) -> float:
    return sum(part.value for part in reason.parts if part.kind == kind)


def _negative(part: Part) -> Part:
    shares = [dataclasses.replace(share, value=-share.value) for share in part.shares]
    return dataclasses.replace(
        part, value=-part.value, shares=tuple(shares), against=True
    )
