from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from recbole_kgif.report.statistics import holm, paired_tests


def paired_test(first: Sequence[float], second: Sequence[float]) -> pd.Series[float]:
    differences = pd.DataFrame({"test": np.subtract(first, second)})
    return paired_tests(differences).loc["test"]


def test_the_paired_test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1, so t = 2 sqrt(3) with 2 degrees.
    outcome = paired_test([1, 3, 5], [0, 1, 2])
    assert outcome["difference"] == 2
    assert outcome["users"] == 3
    # Two-sided p of t with 2 degrees of freedom is 1 - t / sqrt(t^2 + 2).
    assert outcome["p_value"] == pytest.approx(1 - 12**0.5 / 14**0.5)
    # The 0.975 quantile of that t is 4.30265, the standard error 1 / sqrt(3).
    assert outcome["low"] == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert outcome["high"] == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


def test_the_paired_test_is_scipys() -> None:
    first, second = [0.1, 0.5, 0.0, 1.0, 0.3], [0.0, 0.5, 0.2, 0.4, 0.1]
    expected = stats.ttest_rel(first, second)
    assert paired_test(first, second)["p_value"] == pytest.approx(expected.pvalue)
    swapped = paired_test(second, first)
    assert swapped["p_value"] == pytest.approx(expected.pvalue)
    assert swapped["difference"] == pytest.approx(-0.14)


@pytest.mark.parametrize(("shift", "p_value"), [(0.0, 1.0), (0.25, 0.0)])
def test_equal_differences_have_no_spread(shift: float, p_value: float) -> None:
    second = [0.0, 0.5, 1.0]
    outcome = paired_test([value + shift for value in second], second)
    assert (outcome["difference"], outcome["p_value"]) == (shift, p_value)
    assert (outcome["low"], outcome["high"]) == (shift, shift)


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_fewer_than_two_users_are_not_tested(differences: list[float]) -> None:
    assert paired_tests(pd.DataFrame({"test": differences})).empty


def test_the_correction_is_over_all_tests() -> None:
    outcome = paired_tests(pd.DataFrame({"a": [1, 2, 3], "b": [1, 0, 0.5]}))
    p_values = outcome["p_value"].to_numpy()
    assert list(outcome["adjusted"]) == list(holm(p_values))
    assert list(outcome["is_significant"]) == list(holm(p_values) < 0.05)


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([], []),
        ([0.04], [0.04]),
        # Sorted 0.01, 0.02, 0.03 times 3, 2, 1 is 0.03, 0.04, 0.03: not falling.
        ([0.03, 0.01, 0.02], [0.04, 0.03, 0.04]),
        ([0.6, 0.5], [1.0, 1.0]),
        ([0.02, 0.02, 0.001, 0.5], [0.06, 0.06, 0.004, 0.5]),
    ],
)
def test_holm_by_hand(p_values: list[float], adjusted: list[float]) -> None:
    assert holm(np.array(p_values)) == pytest.approx(adjusted)
