"""The files of features that a run loads, checked as the others are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.reader import CheckedDataset, read_dataset
from recbole_kgif.errors import UserError
from tests.data.data_helpers import assert_one_line

FILES = {
    "inter": "user_id:token\titem_id:token\nu1\ta\nu1\tb\nu2\tc\nu2\ta\n",
    "kg": (
        "head_id:token\trelation_id:token\ttail_id:token\nA\tr\tx\nB\tr\tx\nC\tr\tx\n"
    ),
    "link": "item_id:token\tentity_id:token\na\tA\nb\tB\nc\tC\n",
    "item": (
        "item_id:token\tname:token_seq\tprice:float\na\tAnt\t1\nb\tBee\t2\nc\tCat\t3\n"
    ),
    "user": "user_id:token\tage:float\nu1\t20\nu2\t30\n",
    "emb": "iid:token\tvector:float_seq\na\t0.1 0.2\nb\t0.3 0.4\n",
}
LOADED = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
    "item": ["item_id", "name", "price"],
    "user": ["user_id", "age"],
    "emb": ["iid", "vector"],
}
OPTIONS = {
    "load_col": LOADED,
    "additional_feat_suffix": ["emb"],
    "alias_of_item_id": ["iid"],
    "preload_weight": {"iid": "vector"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small valid data set named `tiny` with features."""
    for suffix, content in FILES.items():
        (tmp_path / f"tiny.{suffix}").write_text(content, "utf-8")
    return tmp_path


def read(folder: Path, **options: Any) -> CheckedDataset:
    given = {**OPTIONS, **options}
    return read_dataset(DatasetFiles.from_options(folder, "tiny", given))


def failure(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, **options)
    assert_one_line(str(caught.value))
    return str(caught.value)


def replace(folder: Path, suffix: str, old: str, new: bytes) -> None:
    path = folder / f"tiny.{suffix}"
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new, 1))


def test_good_features(folder: Path) -> None:
    checked = read(folder)
    assert checked.missing == []
    assert set(checked.sha256) == {f"tiny.{suffix}" for suffix in FILES}
    assert (checked.counts.users, checked.counts.items) == (2, 3)


@pytest.mark.parametrize(
    ("suffix", "old", "new", "line", "said"),
    [
        ("item", "Ant", b'"Ant', 2, "quotation mark"),
        ("item", "Ant", b'"Ant" (1998)', 2, "quotation mark"),
        ("item", "Ant", b"A\xf1t", 2, "0xf1"),
        ("item", "Ant", b"An\rt", 2, "carriage return"),
        ("item", "Ant", b"An\0t", 2, "NUL"),
        ("item", "Ant", b"A\tnt", 2, "4 fields, but the header names 3"),
        ("item", "\tBee", b"", 3, "2 fields"),
        ("item", "\t2", b"\t-", 3, "price is '-', not a finite number"),
        ("item", "\t2", b"\t2,5", 3, "'2,5'"),
        ("item", "\t2", b"\t$2", 3, "'$2'"),
        ("item", "\t2", b"\tn/a", 3, "'n/a'"),
        ("item", "\t2", b"\tinf", 3, "'inf'"),
        ("item", "b\tBee", b"NULL\tBee", 3, "item_id is 'NULL'"),
        ("item", "b\tBee", b"\tBee", 3, "item_id is empty"),
        ("item", "b\tBee", b"a\tBee", 3, "'a' has a second row, after line 2"),
        ("item", "item_id:token", b"\xef\xbb\xbfitem_id:token", 1, "byte-order mark"),
        ("item", "item_id:token", b"item:token", 1, "item_id:token but lacks it"),
        ("item", "name:token_seq", b"name", 1, "'name'"),
        ("item", "name:token_seq", b"price:float", 1, "'price' twice"),
        ("item", "Ant", b"x" * 131_073, 2, "131,073 characters"),
        ("user", "30", b"unknown", 3, "age is 'unknown'"),
        ("user", "u2", b"u1", 3, "'u1' has a second row"),
        ("user", "u2\t30\n", b"u2\t30", 0, ""),
        ("emb", "0.3 0.4", b"0.3,0.4", 3, "vector is '0.3,0.4'"),
        ("emb", "b\t", b"a\t", 3, "'a' has a second row"),
        ("emb", "b\t", b"nan\t", 3, "iid is 'nan'"),
    ],
)
def test_a_bad_line(
    folder: Path, suffix: str, old: str, new: bytes, line: int, said: str
) -> None:
    replace(folder, suffix, old, new)
    if not line:
        assert read(folder).missing == []
        return
    assert_one_line(failure(folder), f"tiny.{suffix}, line {line}:", said)


def test_two_quotation_marks_that_swallow_lines(folder: Path) -> None:
    """RecBole reads one item here, in place of two."""
    replace(folder, "item", "Ant", b'"Ant')
    replace(folder, "item", "Bee", b'Bee"')
    assert_one_line(failure(folder), "tiny.item, line 2:", "'\"Ant'")


def test_what_may_be_in_features(folder: Path) -> None:
    """Fields quoted as in CSV, missing numbers, quotation marks inside a text."""
    content = (
        'item_id:token\tname:token_seq\tprice:float\na\t"The ""Ant"""\t\n\n'
        'b\tThe "Bee"\t"2"\nc\t"a\tb"\t3'
    )
    (folder / "tiny.item").write_text(content, "utf-8")
    assert read(folder).missing == []


def test_a_column_without_a_number(folder: Path) -> None:
    """RecBole would fill it with the mean of nothing, which is no number."""
    content = "item_id:token\tname:token_seq\tprice:float\n"
    content += "".join(f"{item}\tAnt\t\n" for item in "abc")
    (folder / "tiny.item").write_text(content, "utf-8")
    assert_one_line(failure(folder), "tiny.item: price has no value", "load_col")


def test_columns_that_are_not_loaded_may_hold_anything(folder: Path) -> None:
    replace(folder, "item", "\t2", b"\tcheap")
    columns = {**LOADED, "item": ["item_id", "name"]}
    assert read(folder, load_col=columns).missing == []


@pytest.mark.parametrize("suffix", ["item", "user", "emb"])
def test_files_that_are_not_loaded_are_not_read(folder: Path, suffix: str) -> None:
    (folder / f"tiny.{suffix}").write_bytes(b"\xff\xfe")
    columns = {key: names for key, names in LOADED.items() if key != suffix}
    assert f"tiny.{suffix}" not in read(folder, load_col=columns).sha256


def test_without_a_choice_of_columns_all_files_are_read(folder: Path) -> None:
    assert "tiny.user" in read(folder, load_col=None).sha256
    replace(folder, "user", "30", b"old")
    assert_one_line(failure(folder, load_col=None), "tiny.user, line 3:", "'old'")


def test_a_file_without_its_ids_is_refused(folder: Path) -> None:
    columns = {**LOADED, "item": ["name"]}
    assert_one_line(failure(folder, load_col=columns), "load_col: item:", "item_id")


def test_an_additional_file_that_is_missing(folder: Path) -> None:
    (folder / "tiny.emb").unlink()
    assert_one_line(failure(folder), "lacks tiny.emb")


def test_a_table_of_pairs_may_repeat_ids(folder: Path) -> None:
    (folder / "tiny.net").write_text("from:token\tto:token\nu1\tu2\nu1\tu3\n", "utf-8")
    columns = {**LOADED, "net": ["from", "to"]}
    read(folder, load_col=columns, additional_feat_suffix=["emb", "net"])
    own = {"additional_feat_suffix": "net", "alias_of_user_id": ["from", "to"]}
    read(folder, load_col=columns, preload_weight=None, **own)


def test_another_separator_of_sequences(folder: Path) -> None:
    content = FILES["emb"].replace("0.1 0.2", "0.1,0.2").replace("0.3 0.4", "0.3,0.4")
    (folder / "tiny.emb").write_text(content, "utf-8")
    assert read(folder, seq_separator=",").missing == []


@pytest.mark.parametrize(
    ("kind", "row", "where"),
    [
        ("item", "a\tAnt\t1\n", "tiny.inter, line 2: item 'a'"),
        ("user", "u2\t30\n", "tiny.inter, line 4: user 'u2'"),
    ],
)
def test_missing_rows_are_refused_or_said(
    folder: Path, kind: str, row: str, where: str
) -> None:
    """RecBole leaves their interactions out without a word."""
    replace(folder, kind, row, b"")
    message = failure(folder)
    assert_one_line(message, where, f"no row in tiny.{kind}", f"1 {kind}s with 2 ")
    assert "--filter_inter_by_user_or_item=True" in message
    (left_out,) = read(folder, filter_inter_by_user_or_item=True).missing
    assert (left_out.ids, left_out.interactions) == (1, 2)
    assert_one_line(str(left_out), where, "left out")
    (kept,) = read(folder, filter_inter_by_user_or_item=False).missing
    assert_one_line(str(kept), where, "takes the mean")


def test_no_interaction_would_remain(folder: Path) -> None:
    (folder / "tiny.item").write_text(
        "item_id:token\tname:token_seq\tprice:float\n1\tAnt\t1\n", "utf-8"
    )
    message = failure(folder, filter_inter_by_user_or_item=True)
    assert_one_line(message, "none remains", "same ids")


def test_rows_missing_of_unlinked_items_cost_nothing(folder: Path) -> None:
    replace(folder, "link", "a\tA\n", b"")
    replace(folder, "item", "a\tAnt\t1\n", b"")
    assert read(folder, unlinked_items="drop").missing == []


def test_missing_rows_of_pre_split_data_are_said(folder: Path) -> None:
    """RecBole does not filter there, and takes a mean for what is missing."""
    parts = ["train", "valid", "test"]
    for part in parts:
        (folder / f"tiny.{part}.inter").write_text(FILES["inter"], "utf-8")
    replace(folder, "item", "a\tAnt\t1\n", b"")
    (missing,) = read(folder, benchmark_filename=parts).missing
    assert (missing.ids, missing.interactions) == (1, 6)
    assert_one_line(str(missing), "tiny.train.inter, line 2:", "takes the mean")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "gbk", "ascii", "utf-99"])
def test_other_encodings_are_refused(folder: Path, encoding: str) -> None:
    """RecBole would read other ids than those that are checked."""
    message = failure(folder, encoding=encoding)
    assert_one_line(message, f"encoding={encoding!r}", "UTF-8", "iconv")


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8", "utf-8-sig", None])
def test_names_of_utf8(folder: Path, encoding: str) -> None:
    assert read(folder, encoding=encoding).counts.users == 2


def test_a_trained_model_keeps_its_encoding(folder: Path) -> None:
    files = DatasetFiles.from_options(folder, "tiny", {"encoding": "latin-1"})
    assert read_dataset(files, was_trained_on=True).counts.users == 2


@pytest.mark.parametrize("padded", ["a ", " a", "\u00a0a", "a\u3000", "  "])
@pytest.mark.parametrize("kind", ["user", "item"])
def test_ids_with_a_blank_at_an_end(folder: Path, kind: str, padded: str) -> None:
    """A file of users to recommend to is read without such blanks."""
    name, new = ("u1", padded) if kind == "user" else ("a", padded)
    for suffix in ("inter", "link", kind, "emb"):
        path = folder / f"tiny.{suffix}"
        content = path.read_text("utf-8").replace(f"{name}\t", f"{new}\t")
        path.write_text(content.replace(f"\t{name}\n", f"\t{new}\n"), "utf-8")
    message = failure(folder)
    assert_one_line(message, ", line 2:", f"{kind}_id is {new!r}", "blank")
    files = DatasetFiles.from_options(folder, "tiny", OPTIONS)
    assert read_dataset(files, was_trained_on=True).counts.users == 2


def test_entities_may_end_with_a_blank(folder: Path) -> None:
    replace(folder, "kg", "x\n", b"x \n")
    assert read(folder).counts.entities == 5


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (b"PK\x03\x04" + b"\0" * 26 + b"[Content_Types].xml", "Excel workbook"),
        (b"PK\x03\x04abc", "zip archive; unpack it"),
        (b"\x1f\x8b\x08", "compressed; unpack it"),
        (b"\xff\xfeu\0", "UTF-16; save it as UTF-8"),
        (b"PAR1", "Parquet"),
    ],
)
def test_other_formats_are_named(folder: Path, start: bytes, said: str) -> None:
    (folder / "tiny.item").write_bytes(start)
    assert_one_line(failure(folder), "tiny.item, line 1:", said)
