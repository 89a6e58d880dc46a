"""A part of a model as an inspection shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Optional

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from recbole_kgif.doctor.findings import Finding
from recbole_kgif.training.candidates import Floats, Integers

_ROUNDING = 1e-6


@dataclass(frozen=True)
class InspectedPart:
    """What was found in one part of a model.

    Attributes:
        title: its name.
        findings: what was measured, each with a verdict.
        tables: the numbers behind them, by caption.
        draw: draws its figure; None without one.
        caption: what the figure shows.
    """

    title: str
    findings: list[Finding]
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    draw: Optional[Callable[[Figure], None]] = None
    caption: str = ""


def switched_off(title: str, option: str) -> InspectedPart:
    """A part that the model does not have.

    Args:
        title: its name.
        option: the option that switches it off, as ``name=value``.
    """
    return InspectedPart(title, [Finding(title.lower(), f"switched off ({option})")])


def share_between(values: Floats, group: Integers) -> float:
    """Share of the variance of values that is between groups.

    Args:
        values: shape: [n]
        group: number of the group of each, shape: [n]

    Returns:
        0 where all groups have the same mean, 1 where no group varies; NaN where all
        values are equal.
    """
    # Equal values differ in their last digits by rounding.
    if not len(values) or np.ptp(values) <= _ROUNDING * np.abs(values).max():
        return float("nan")
    total = float(((values - values.mean()) ** 2).sum())
    count = np.bincount(group)
    mean = np.bincount(group, values) / np.maximum(count, 1)
    return float((count * (mean - values.mean()) ** 2).sum()) / total


def relative_entropy(weight: Floats, segment: Integers, n_segments: int) -> Floats:
    """How evenly the weights of each segment are spread.

    Args:
        weight: not negative, shape: [n]
        segment: number of the segment of each, shape: [n]
        n_segments: number of segments.

    Returns:
        Entropy divided by its largest value, the logarithm of the number of weights: 1
        for equal weights, 0 for a single one that is not zero. NaN for a segment with
        fewer than two weights, or of zeros. Shape: [n_segments]
    """
    count = np.bincount(segment, minlength=n_segments)
    total = np.bincount(segment, weight, n_segments)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = weight / total[segment]
        terms = np.where(share > 0, -share * np.log(share), 0.0)
        entropy = np.bincount(segment, terms, n_segments) / np.log(count)
    return np.where((count > 1) & (total > 0), entropy, np.nan)


def by_relation(values: Floats, relation: Integers, names: list[str]) -> pd.DataFrame:
    """Distribution of values by relation, the most frequent relation first.

    Args:
        values: shape: [n]
        relation: relation of each, shape: [n]
        names: of all relations.

    Returns:
        A row for each relation that occurs: ``relation``, ``count``, ``mean``,
        ``deviation``, and the quantiles ``5 %``, ``median`` and ``95 %``.
    """
    groups = pd.Series(values).groupby(relation)
    frame = pd.DataFrame(
        {
            "count": groups.size(),
            "mean": groups.mean(),
            "deviation": groups.std(ddof=0),
            "5 %": groups.quantile(0.05),
            "median": groups.median(),
            "95 %": groups.quantile(0.95),
        }
    )
    frame.insert(0, "relation", [names[number] for number in frame.index])
    return frame.sort_values("count", ascending=False, kind="stable")


def median(values: Floats) -> float:
    """The median without missing values; NaN where there is none."""
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float("nan")
