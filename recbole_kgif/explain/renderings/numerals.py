"""Numbers as a reader needs them: two digits, signs, percentages that add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

# Percentages say nothing of a score that is so small beside its parts.
_LARGEST_FRACTION = 3.0
_MINUS = "\N{MINUS SIGN}"


def digits(value: float) -> str:
    """A number with two significant digits, or all those before the point."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 1 - math.floor(math.log10(abs(value) * (1 + 1e-12))))
    return f"{value:.{decimals}f}".replace("-", _MINUS)


def signed(value: float) -> str:
    """A contribution with its sign and two significant digits."""
    return digits(value) if value <= 0 else f"+{digits(value)}"


def whole_percentages(values: Sequence[float], total: float) -> Optional[list[int]]:
    """Whole percentages that add up to 100 where the values add up to the total.

    None where the total is no positive number, or small beside a value.
    """
    if total <= 0 or max(map(abs, values), default=0) > _LARGEST_FRACTION * total:
        return None
    exact = [100 * value / total for value in values]
    whole = [math.floor(value) for value in exact]
    missing = round(sum(exact)) - sum(whole)
    by_rest = sorted(range(len(exact)), key=lambda n: whole[n] - exact[n])
    for number in by_rest[:missing]:
        whole[number] += 1
    return whole


def percentages(values: Sequence[float], total: float) -> list[str]:
    """`whole_percentages` as texts, empty ones where there are none."""
    whole = whole_percentages(values, total)
    if whole is None:
        return [""] * len(values)
    return [f"{value} %".replace("-", _MINUS) for value in whole]
