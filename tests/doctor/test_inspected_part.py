from __future__ import annotations

import math

import numpy as np
import pytest

from recbole_kgif.doctor.inspected_part import (
    by_relation,
    relative_entropy,
    share_between,
)


def test_share_between_groups_by_hand() -> None:
    # Means 1 and 5, deviations 1: between 2^2, within 1.
    values, group = np.array([0.0, 2.0, 4.0, 6.0]), np.array([0, 0, 3, 3])
    assert share_between(values, group) == pytest.approx(4 / 5)
    assert share_between(values, np.zeros(4, int)) == pytest.approx(0)
    assert share_between(values, np.arange(4)) == pytest.approx(1)
    assert math.isnan(share_between(np.ones(4), group))


def test_relative_entropy_segment_by_segment() -> None:
    random = np.random.default_rng(0)
    segment = np.array([0, 0, 0, 2, 2, 3, 4, 4, 5, 5])
    weight = random.random(10)
    weight[6:8] = [1, 0]
    weight[8:] = 0
    expected = []
    for number in range(7):
        share = weight[segment == number]
        if len(share) < 2 or share.sum() == 0:
            expected.append(math.nan)
            continue
        share = share / share.sum()
        expected.append(
            -sum(p * math.log(p) for p in share if p) / math.log(len(share))
        )
    found = relative_entropy(weight, segment, 7)
    np.testing.assert_allclose(found, expected)
    assert found[4] == 0
    assert relative_entropy(np.full(3, 0.2), np.zeros(3, int), 1)[0] == pytest.approx(1)


def test_distribution_by_relation_leaves_out_what_does_not_occur() -> None:
    frame = by_relation(np.array([1.0, 3.0, 9.0]), np.array([2, 2, 0]), ["a", "b", "c"])
    assert frame["relation"].tolist() == ["c", "a"]
    assert frame["count"].tolist() == [2, 1]
    assert frame["mean"].tolist() == [2, 9]
    assert frame["deviation"].tolist() == [1, 0]
    assert frame["95 %"].tolist() == pytest.approx([2.9, 9])
