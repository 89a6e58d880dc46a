from __future__ import annotations

from recbole_kgif.study.groups import quartiles


def sizes(degrees: list[int]) -> list[tuple[str, int]]:
    named = {f"u{place}": degree for place, degree in enumerate(degrees)}
    return [(group.words, len(group.members)) for group in quartiles(named)]


def test_four_groups_of_equal_size_where_degrees_differ() -> None:
    assert sizes([8, 1, 7, 2, 6, 3, 5, 4]) == [
        *(("1 to 2", 2), ("3 to 4", 2)),
        *(("5 to 6", 2), ("7 to 8", 2)),
    ]
    groups = quartiles({"a": 3, "b": 1, "c": 2, "d": 9})
    assert [group.members for group in groups] == [("b",), ("c",), ("a",), ("d",)]


def test_equal_degrees_are_never_parted() -> None:
    assert sizes([1, 1, 1, 1, 1, 2, 2, 40]) == [("1", 5), ("2", 2), ("40", 1)]
    assert sizes([3, 3, 3]) == [("3", 3)]
    assert sizes([5]) == [("5", 1)]
    assert sizes([]) == []
