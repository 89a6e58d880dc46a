"""Separators, headers and columns of plain files, guessed and given."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.data.recipes.columns import WantedColumn
from recbole_kgif.data.recipes.delimited import Layout, find_layout, read_fields
from recbole_kgif.errors import UserError

USER = WantedColumn("user", "--user-column")
ITEM = WantedColumn("item", "--item-column")
RATING = WantedColumn("rating", "--rating-column", required=False)


def layout_of(
    path: Path,
    content: str,
    *wanted: WantedColumn,
    separator: str | None = None,
    has_header: bool = True,
) -> Layout:
    path.write_text(content, "utf-8")
    return find_layout(
        path,
        wanted or (USER, ITEM, RATING),
        option="--interactions",
        separator=separator,
        has_header=has_header,
    )


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        ("user,item\na,b\n", ","),
        ("user\titem\ta name\na, b\tc d\te\n", "\t"),
        ("user;item\n1,5;2\n", ";"),
        ("user|item\na b|c d\n", "|"),
        ("user item\na b\n", " "),
        ('user,item\n"a;b",c\n', ","),
        # A bad line among good ones is told later, with its number.
        ("user,item\na,b\na,b,c\n", ","),
    ],
)
def test_separators(tmp_path: Path, content: str, separator: str) -> None:
    assert layout_of(tmp_path / "a", content).separator == separator


@pytest.mark.parametrize("has_header", [True, False])
def test_blank_lines_are_skipped_wherever_they_are(
    tmp_path: Path, has_header: bool
) -> None:
    header = "user,item\n" if has_header else ""
    content = f"\n  \n{header}\na,b\n\nc,d\n\n"
    columns = (
        (USER, ITEM)
        if has_header
        else (
            WantedColumn("user", "--user-column", given="1"),
            WantedColumn("item", "--item-column", given="2"),
        )
    )
    layout = layout_of(tmp_path / "a", content, *columns, has_header=has_header)
    first = 5 if has_header else 4
    assert list(read_fields(layout)) == [(first, ("a", "b")), (first + 2, ("c", "d"))]


@pytest.mark.parametrize(
    ("header", "places"),
    [
        ("user,item", {"user": 0, "item": 1}),
        ("rating,itemId,userId", {"user": 2, "item": 1, "rating": 0}),
        ("user_id:token,item_id:token", {"user": 0, "item": 1}),
        ("Stars,Customer-ID,ASIN", {"user": 1, "item": 2, "rating": 0}),
        ("who,what,rating", {"user": 0, "item": 1, "rating": 2}),
        # Two candidates for an optional column: none is taken.
        ("user,item,rating,score", {"user": 0, "item": 1}),
    ],
)
def test_columns(tmp_path: Path, header: str, places: dict[str, int]) -> None:
    assert layout_of(tmp_path / "a", f"{header}\na,b,c,d\n").places == places


def test_named_columns_go_first(tmp_path: Path) -> None:
    item = WantedColumn("item", "--item-column", "user")
    user = WantedColumn("user", "--user-column", "item")
    layout = layout_of(tmp_path / "a", "user,item\na,b\n", user, item)
    assert list(read_fields(layout)) == [(2, ("b", "a"))]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; give --interactions"),
        ("user\na\n", "no usual separator parts its first line into 2 fields"),
        ("user,what\na,b\n", "known to hold the item; give --item-column"),
        ("user,uid,item\na,b,c\n", "'user' and 'uid' may both hold the user"),
        ("1,2,3.5\n4,5,6\n", "give --no-header interactions"),
        ("\n \nuser,what\na,b\n", "line 3: none of its columns 'user, what' is known"),
        ("\n1,2,3.5\n4,5,6\n", "line 2: '1,2,3.5' names no columns"),
        ("rating,b\na,b\n", "taken for both the rating and the user; give --rating"),
    ],
)
def test_what_cannot_be_told(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        layout_of(tmp_path / "a", content)
    assert message in str(raised.value)
    assert str(tmp_path / "a") in str(raised.value)


def test_numbered_columns_without_a_header(tmp_path: Path) -> None:
    user = WantedColumn("user", "--user-column", "3")
    item = WantedColumn("item", "--item-column", "1")
    layout = layout_of(tmp_path / "a", "1,2,3\n", user, item, has_header=False)
    assert list(read_fields(layout)) == [(1, ("3", "1"))]


def test_lines_are_numbered_across_records_of_several_lines(tmp_path: Path) -> None:
    layout = layout_of(
        tmp_path / "a", 'user,item,text\na,b,"x\ny"\n\nc,d,e\n', USER, ITEM
    )
    assert list(read_fields(layout)) == [(2, ("a", "b")), (5, ("c", "d"))]


def test_quotation_marks_between_tabs_are_characters(tmp_path: Path) -> None:
    layout = layout_of(tmp_path / "a", 'user\titem\na\t"Weird Al" Y\n')
    assert list(read_fields(layout)) == [(2, ("a", '"Weird Al" Y'))]
