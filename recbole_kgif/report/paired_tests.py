"""Whether a difference between two models could be chance of the users drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedTest:
    """Outcome of a paired test.

    Attributes:
        difference: Mean of the first minus mean of the second.
        low: Lower end of the confidence interval of the difference.
        high: Its upper end.
        p_value: Two-sided.
        users: Number of pairs.
    """

    difference: float
    low: float
    high: float
    p_value: float
    users: int


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Student's t-test for paired values, one pair a user.

    It asks about the difference of means, which is what a table shows. Wilcoxon's test
    asks about another thing (the differences' symmetry) and leaves out the users with
    equal values, who are the most where many have no hit. The normality that it wants
    is that of the mean, which hundreds of users bring; on per-topic values of retrieval
    experiments it keeps its level best (Urbano, Lima and Hanjalic, "Statistical
    Significance Testing in Information Retrieval", SIGIR 2019).

    Args:
        first: a value for each user.
        second: the other model's, of the same users in the same order.

    Returns:
        The difference with its interval of level `CONFIDENCE`, and the p-value. Equal
        values for every user give 1.

    Raises:
        ValueError: fewer than two users, or not the same number.
    """
    if len(first) != len(second) or len(first) < 2:
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean = float(differences.mean())
    if np.all(differences == differences[0]):
        # No spread to divide by: the same for all users, so 0 or beyond doubt.
        return PairedTest(mean, mean, mean, float(mean == 0), len(differences))
    result = stats.ttest_1samp(differences, 0.0)
    interval = result.confidence_interval(CONFIDENCE)
    return PairedTest(
        mean,
        float(interval.low),
        float(interval.high),
        float(result.pvalue),
        len(differences),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for several tests.

    The smallest of m values is multiplied by m, the next by m - 1 and so on; none comes
    out below a smaller one, nor above 1 (Holm, "A Simple Sequentially Rejective
    Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: one of each test.

    Returns:
        The adjusted values in the same order: comparing them with a level keeps the
        chance of any false alarm among all tests below it.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(
        sorted(range(len(p_values)), key=p_values.__getitem__)
    ):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
