from __future__ import annotations

import pandas as pd

from recbole_kgif.report.statistics import quartile_groups


def groups(*degrees: int) -> list[list[int]]:
    named = pd.Series(degrees, [f"u{place}" for place in range(len(degrees))], int)
    return [list(group) for group in quartile_groups(named)]


def test_four_groups_of_equal_size_where_degrees_differ() -> None:
    found = groups(8, 1, 7, 2, 6, 3, 5, 4)
    assert [sorted(group) for group in found] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    degrees = pd.Series({"a": 3, "b": 1, "c": 2, "d": 9})
    assert [list(group.index) for group in quartile_groups(degrees)] == [
        *(["b"], ["c"], ["a"], ["d"]),
    ]


def test_equal_degrees_are_never_parted() -> None:
    assert groups(1, 1, 1, 1, 1, 2, 2, 40) == [[1] * 5, [2, 2], [40]]
    assert groups(3, 3, 3) == [[3, 3, 3]]
    assert groups(5) == [[5]]
    assert groups() == []
