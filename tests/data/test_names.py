from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.data.names import read_names
from recbole_kgif.errors import UserError


def write(folder: Path, text: str) -> None:
    (folder / "tiny.item").write_text(text, "utf-8")


def test_names_are_those_of_the_first_column_of_names(tmp_path: Path) -> None:
    write(
        tmp_path,
        "item_id:token\tyear:float\tmovie_title:token_seq\tnickname:token_seq\n"
        '1\t1979\tAlien\tA\n2\t1985\t"Brazil, ""uncut"""\tB\n',
    )
    names = {"1": "Alien", "2": 'Brazil, "uncut"'}
    assert read_names(tmp_path / "tiny.item", id_field="item_id") == names


def test_other_fields_and_separators(tmp_path: Path) -> None:
    write(tmp_path, "name:token,film:token\nAlien,1\n")
    found = read_names(tmp_path / "tiny.item", id_field="film", separator=",")
    assert found == {"1": "Alien"}


@pytest.mark.parametrize("text", ["", "item_id:token\tyear:float\n1\t1979\n", "x\n1\n"])
def test_a_file_without_names_gives_none(text: str, tmp_path: Path) -> None:
    assert read_names(tmp_path / "tiny.item", id_field="item_id") == {}
    write(tmp_path, text)
    assert read_names(tmp_path / "tiny.item", id_field="item_id") == {}


def test_a_short_line_is_told(tmp_path: Path) -> None:
    write(tmp_path, "item_id:token\tname:token_seq\n1\tAlien\n2\n")
    with pytest.raises(UserError, match=r"tiny\.item, line 3: 1 fields instead of 2"):
        read_names(tmp_path / "tiny.item", id_field="item_id")


def test_too_long_a_name_is_told(tmp_path: Path) -> None:
    write(tmp_path, f"item_id:token\tname:token_seq\n1\t{'x' * 200_000}\n")
    with pytest.raises(UserError, match=r"tiny\.item, line 2: field larger than"):
        read_names(tmp_path / "tiny.item", id_field="item_id")


def test_a_name_gives_no_orders_to_a_terminal(tmp_path: Path) -> None:
    write(
        tmp_path,
        'item_id:token\tname:token_seq\n1\t\x1b[31mred\x07\n2\t"a\tb"\n'
        "3\tn\N{RIGHT-TO-LEFT OVERRIDE}ame\n4\tنم\N{ZERO WIDTH NON-JOINER}شد\n",
    )
    assert read_names(tmp_path / "tiny.item", id_field="item_id") == {
        **{"1": "\ufffd[31mred\ufffd", "2": "a b", "3": "n\ufffdame"},
        "4": "نم\N{ZERO WIDTH NON-JOINER}شد",
    }
