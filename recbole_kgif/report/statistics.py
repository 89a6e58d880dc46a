"""Statistics over seeds and users: means, ranks, paired tests, groups by degree."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recbole_kgif.report.metric_names import larger_is_better

# As many as RecBole gives its metrics; models that agree in them share a rank.
DECIMALS = 4
LEVEL = 0.05
CONFIDENCE = 0.95

_TEST_COLUMNS = ("difference", "low", "high", "p_value", "users")


def over_seeds(values: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean and deviation over the runs of each group.

    `statistics` adds exactly, so that the digits depend on no order of the runs.

    Args:
        values: has a column ``value``, and a row for each run.
        by: the columns that make the groups.

    Returns:
        By group: ``mean``, ``deviation`` (sample standard deviation, NaN for one run)
        and ``seeds``, the number of runs.
    """
    grouped = values.groupby(list(by), sort=False)["value"]
    return pd.DataFrame(
        {
            "mean": grouped.agg(fmean),
            "deviation": grouped.agg(_deviation),
            "seeds": grouped.size(),
        }
    )


def _deviation(values: pd.Series[float]) -> float:
    return stdev(values) if len(values) > 1 else float("nan")


def ranks(means: pd.Series[float], metric: str) -> pd.Series[int]:
    """Rank of each model by its mean as it is displayed: 1 is best, equals share one.

    After two that share rank 1 comes rank 3.
    """
    shown = means.map(lambda mean: round(mean, DECIMALS))
    placed = shown.rank(method="min", ascending=not larger_is_better(metric))
    return placed.astype("int64")


def paired_tests(differences: pd.DataFrame) -> pd.DataFrame:
    """Student's t-test for paired values of users, corrected for the number of tests.

    It asks about the difference of means, which is what a table shows. Wilcoxon's test
    asks about another thing (the differences' symmetry) and leaves out the users with
    equal values, who are the most where many have no hit. The normality that it wants
    is that of the mean, which hundreds of users bring; on per-topic values of retrieval
    experiments it keeps its level best (Urbano, Lima and Hanjalic, "Statistical
    Significance Testing in Information Retrieval", SIGIR 2019).

    Args:
        differences: a row for each user, a column for each test; users without a
            value, NaN, are left out of the test.

    Returns:
        A row for each test: mean ``difference``, the ends ``low`` and ``high`` of its
        interval of level `CONFIDENCE`, two-sided ``p_value``, number of ``users``,
        ``adjusted`` p-value after Holm's correction, and ``is_significant``. Equal
        values for every user give a p-value of 1; there are no rows for fewer than two
        users.
    """
    known = {name: column.dropna() for name, column in differences.items()}
    rows = {
        name: _paired_test(values.to_numpy(float))
        for name, values in known.items()
        if len(values) > 1
    }
    tests = pd.DataFrame.from_dict(rows, orient="index", columns=_TEST_COLUMNS)
    tests["adjusted"] = holm(tests["p_value"].to_numpy(float))
    tests["is_significant"] = tests["adjusted"] < LEVEL
    return tests


def _paired_test(differences: np.ndarray[Any, Any]) -> tuple[float, ...]:
    mean, users = float(differences.mean()), len(differences)
    if np.all(differences == differences[0]):
        # No spread to divide by: the same for all users, so 0 or beyond doubt.
        return mean, mean, mean, float(mean == 0), users
    result = stats.ttest_1samp(differences, 0.0)
    interval = result.confidence_interval(CONFIDENCE)
    return mean, interval.low, interval.high, result.pvalue, users


def holm(p_values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Holm's step-down correction for several tests.

    The smallest of m values is multiplied by m, the next by m - 1 and so on; none comes
    out below a smaller one, nor above 1 (Holm, "A Simple Sequentially Rejective
    Multiple Test Procedure", Scandinavian Journal of Statistics 6, 1979). Three lines
    are not worth a dependency on statsmodels.

    Args:
        p_values: one of each test, shape: [n_tests]

    Returns:
        The adjusted values in the same order: comparing them with a level keeps the
        chance of any false alarm among all tests below it.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    raised = np.minimum(1.0, factors * p_values[order])
    adjusted[order] = np.maximum.accumulate(raised)
    return adjusted


def quartile_groups(degrees: pd.Series[int]) -> list[pd.Series[int]]:
    """Up to four groups of about the same size, of the smallest degrees first.

    Equal degrees are never parted, so that the groups may differ in size, and there are
    fewer of them where one degree is that of many.

    Args:
        degrees: number of training interactions by user or item.

    Returns:
        The degrees of each group's members.
    """
    if degrees.empty:
        return []
    bounds = np.quantile(degrees, [0.25, 0.5, 0.75], method="inverted_cdf")
    return [group for _, group in degrees.groupby(np.searchsorted(bounds, degrees))]
