from __future__ import annotations

import pytest
from scipy import stats

from recbole_kgif.report.paired_tests import holm, paired_test


def test_the_paired_test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, deviation 1, so t = 2 sqrt(3) with 2 degrees.
    outcome = paired_test([1, 3, 5], [0, 1, 2])
    assert outcome.difference == 2
    assert outcome.users == 3
    # Two-sided p of t with 2 degrees of freedom is 1 - t / sqrt(t^2 + 2).
    assert outcome.p_value == pytest.approx(1 - 12**0.5 / 14**0.5)
    # The 0.975 quantile of that t is 4.30265, the standard error 1 / sqrt(3).
    assert outcome.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert outcome.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


def test_the_paired_test_is_scipys() -> None:
    first, second = [0.1, 0.5, 0.0, 1.0, 0.3], [0.0, 0.5, 0.2, 0.4, 0.1]
    expected = stats.ttest_rel(first, second)
    assert paired_test(first, second).p_value == pytest.approx(expected.pvalue)
    swapped = paired_test(second, first)
    assert swapped.p_value == pytest.approx(expected.pvalue)
    assert swapped.difference == pytest.approx(-0.14)


@pytest.mark.parametrize(("shift", "p_value"), [(0.0, 1.0), (0.25, 0.0)])
def test_equal_differences_have_no_spread(shift: float, p_value: float) -> None:
    second = [0.0, 0.5, 1.0]
    outcome = paired_test([value + shift for value in second], second)
    assert (outcome.difference, outcome.p_value) == (shift, p_value)
    assert (outcome.low, outcome.high) == (shift, shift)


@pytest.mark.parametrize(("first", "second"), [([1.0], [0.0]), ([1.0, 2.0], [1.0])])
def test_what_cannot_be_paired(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot be paired"):
        paired_test(first, second)


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
    assert holm(p_values) == pytest.approx(adjusted)
