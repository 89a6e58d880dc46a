"""The checks of atomic files: what passes, what is refused, and how it is told."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif.data.dataset_files import DatasetFiles, FieldNames
from recbole_kgif.data.locate import locate_dataset
from recbole_kgif.data.reader import DatasetCounts, read_dataset
from recbole_kgif.errors import UserError
from tests.data.data_helpers import assert_one_line, shared_datasets_folder

PARTS = ("train", "valid", "test")
INTER = (
    "user_id:token\titem_id:token\trating:float\nu1\ta\t1\nu1\tb\t2.5\nu2\tc\t-3e1\n"
)
KG = "head_id:token\trelation_id:token\ttail_id:token\nA\tr\tx\nB\tr\tx\nC\ts\tA\n"
LINK = "item_id:token\tentity_id:token\na\tA\nb\tB\nc\tC\n"
GOOD_COUNTS = DatasetCounts(
    users=2,
    items=3,
    interactions=3,
    entities=4,
    relations=2,
    triples=3,
    linked_items=3,
    unlinked_items=0,
    unlinked_interactions=0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small valid data set named `tiny`."""
    return write(tmp_path / "tiny", inter=INTER, kg=KG, link=LINK)


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """The same data set, split already."""
    header, *lines = INTER.splitlines(keepends=True)
    folder = write(tmp_path / "tiny", kg=KG, link=LINK)
    for part, line in zip(PARTS, lines):
        (folder / f"tiny.{part}.inter").write_text(header + line)
    return folder


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for suffix, content in files.items():
        (folder / f"tiny.{suffix}").write_bytes(content.encode())
    return folder


def check(folder: Path, name: str = "tiny", **options: Any) -> DatasetCounts:
    return read_dataset(DatasetFiles(folder, name, **options)).counts


def failure(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        check(folder, **options)
    assert_one_line(str(caught.value))
    return str(caught.value)


def replace(folder: Path, suffix: str, old: str, new: str) -> None:
    path = folder / f"tiny.{suffix}"
    content = path.read_bytes()
    assert old.encode() in content
    path.write_bytes(content.replace(old.encode(), new.encode("latin-1"), 1))


def test_good(folder: Path, tmp_path: Path) -> None:
    assert check(folder) == GOOD_COUNTS
    assert check(folder, unlinked_items="drop") == GOOD_COUNTS


def test_good_split(split_folder: Path) -> None:
    counts = check(split_folder, parts=PARTS)
    assert counts == GOOD_COUNTS


def test_good_variants(folder: Path) -> None:
    """CRLF, blank lines, no last line end, other columns, quotes inside, no harm."""
    inter = (
        "time:float_seq\titem_id:token\tnote:token_seq\tuser_id:token\r\n"
        '1 2\ta\tsaid "so"\tu1\r\n\r\n\tb\t\tu1\n  \n3\tc\tNA\tu2'
    )
    write(folder, inter=inter)
    assert check(folder) == GOOD_COUNTS


def test_good_separator(folder: Path) -> None:
    for suffix, content in (("inter", INTER), ("kg", KG), ("link", LINK)):
        write(folder, **{suffix: content.replace("\t", ",")})
    assert check(folder, separator=",") == GOOD_COUNTS


def test_without_knowledge_graph(folder: Path) -> None:
    (folder / "tiny.kg").unlink()
    (folder / "tiny.link").unlink()
    counts = read_dataset(
        DatasetFiles(folder, "tiny"), needs_knowledge_graph=False
    ).counts
    assert counts == DatasetCounts(2, 3, 3, 0, 0, 0, 3, 0, 0)


def test_each_file_is_hashed(split_folder: Path) -> None:
    files = DatasetFiles(split_folder, "tiny", PARTS)
    before = read_dataset(files).sha256
    assert before == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in split_folder.iterdir()
    }
    (split_folder / "tiny.kg").write_text(KG + "C\ts\tB\n", "utf-8")
    after = read_dataset(files).sha256
    assert {name for name in before if before[name] != after[name]} == {"tiny.kg"}


def test_ids_become_numbers(folder: Path) -> None:
    write(folder, kg=KG.replace("B\tr", "\n \nB\tr"), link=LINK + "d\tZ\n")
    content = read_dataset(DatasetFiles(folder, "tiny")).content
    interactions, triples = content.interactions, content.triples
    assert [content.users[user] for user in interactions["user"]] == ["u1", "u1", "u2"]
    assert [content.items[item] for item in interactions["item"]] == ["a", "b", "c"]
    assert [content.entities[head] for head in triples["head"]] == ["A", "B", "C"]
    assert [content.relations[r] for r in triples["relation"]] == ["r", "r", "s"]
    assert [content.entities[tail] for tail in triples["tail"]] == ["x", "x", "A"]
    assert list(content.items) == ["a", "b", "c", "d"]
    assert content.is_used.tolist() == [True, True, True, False]
    assert interactions["user"].dtype == np.int32


def test_blank_lines_count(folder: Path) -> None:
    write(folder, inter=INTER.replace("u1\tb", "\n\nu1\tb") + "\nu2\tz\t1\n")
    assert_one_line(failure(folder), "tiny.inter, line 8: item 'z'")
    write(folder, inter=INTER, link=LINK.replace("b\tB", "\nb\tB\n\na\tB"))
    assert_one_line(failure(folder), "tiny.link, line 6: item 'a'", "after line 2;")


def test_missing_folder(tmp_path: Path) -> None:
    assert_one_line(failure(tmp_path / "tiny"), str(tmp_path / "tiny"))


@pytest.mark.parametrize("suffix", ["inter", "kg", "link"])
def test_missing_file(folder: Path, suffix: str) -> None:
    (folder / f"tiny.{suffix}").unlink()
    assert_one_line(failure(folder), str(folder), f"lacks tiny.{suffix};")


@pytest.mark.parametrize("part", PARTS)
def test_missing_part(split_folder: Path, part: str) -> None:
    (split_folder / f"tiny.{part}.inter").unlink()
    message = failure(split_folder, parts=PARTS)
    assert_one_line(message, f"lacks tiny.{part}.inter;")


def test_all_missing_files_are_named(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    assert_one_line(failure(folder), "tiny.inter, tiny.kg, tiny.link")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("unlinked_items", "ignore"),
        ("field_separator", ""),
        ("field_separator", "::"),
        ("field_separator", '"'),
        ("field_separator", "\n"),
        ("benchmark_filename", []),
        ("benchmark_filename", ["train", "test"]),
    ],
)
def test_wrong_option(option: str, value: object) -> None:
    with pytest.raises(UserError) as caught:
        DatasetFiles.from_options(Path("tiny"), "tiny", {option: value})
    assert_one_line(str(caught.value), f"{option}=")


@pytest.mark.parametrize("suffix", ["inter", "kg", "link"])
@pytest.mark.parametrize("content", ["", "header"])
def test_nothing_in_a_file(folder: Path, suffix: str, content: str) -> None:
    path = folder / f"tiny.{suffix}"
    header = path.read_text().splitlines()[0] + "\n"
    path.write_text(header if content else "")
    expected = "no line after its header" if content else "is empty"
    assert_one_line(failure(folder), str(path), expected)


def test_empty_part(split_folder: Path) -> None:
    path = split_folder / "tiny.valid.inter"
    path.write_text(INTER.splitlines()[0] + "\n")
    message = failure(split_folder, parts=PARTS)
    assert_one_line(message, str(path), "no line after its header")


@pytest.mark.parametrize(
    ("suffix", "old", "new", "shown"),
    [
        ("inter", "user_id:token", "user:token", "user_id:token but lacks it"),
        ("inter", "item_id:token", "item_id:float", "has item_id:float"),
        ("inter", "item_id:token", "item_id:token_seq", "has item_id:token_seq"),
        ("inter", "rating:float", "rating:integer", "'rating:integer'"),
        ("inter", "rating:float", "rating", "'rating'"),
        ("inter", "rating:float", "rating:float:", "'rating:float:'"),
        ("inter", "rating:float", "item_id:token", "'item_id' twice"),
        ("inter", "\titem_id", ",item_id", "field_separator"),
        ("inter", "user_id", '"user_id', "user_id"),
        ("inter", "user_id", "\xef\xbb\xbfuser_id", "byte-order mark"),
        ("kg", "tail_id", "tail", "tail_id:token but lacks it"),
        ("kg", "relation_id:token", "relation_id:float", "has relation_id:float"),
        ("link", "entity_id:token", "entity:token", "entity_id:token but lacks it"),
    ],
)
def test_wrong_header(
    folder: Path, suffix: str, old: str, new: str, shown: str
) -> None:
    replace(folder, suffix, old, new)
    assert_one_line(failure(folder), f"{folder / f'tiny.{suffix}'}, line 1:", shown)


@pytest.mark.parametrize(
    ("suffix", "old", "new", "line", "shown"),
    [
        ("inter", "u1\tb\t2.5", "u1\tb", 3, "2 fields, but the header names 3"),
        ("inter", "u1\tb\t2.5", "u1\tb\t2.5\t", 3, "4 fields"),
        ("inter", "u1\tb\t2.5", "u1 b 2.5", 3, "1 fields"),
        ("inter", "u1\tb", "\tb", 3, "user_id is empty"),
        ("inter", "u1\tb", "u1\t", 3, "item_id is empty"),
        ("inter", "2.5", "", 3, "rating is '', not a finite number"),
        ("inter", "2.5", "2,5", 3, "'2,5'"),
        ("inter", "2.5", "nan", 3, "'nan'"),
        ("inter", "2.5", "inf", 3, "'inf'"),
        ("inter", "2.5", "1e400", 3, "'1e400'"),
        ("inter", "u2", "u\xe9", 4, "0xe9"),
        ("inter", "u1\tb", "u\r1\tb", 3, "carriage return"),
        ("inter", "u1\tb", "u\0001\tb", 3, "NUL"),
        ("inter", "u1\tb", '"u1\tb', 3, "quotation mark"),
        ("inter", "u1\tb", '"u1"\tb', 3, "quotation mark"),
        ("inter", "u1\tb", "NA\tb", 3, "user_id is 'NA'"),
        ("inter", "u1\tb", "u1\tnull", 3, "item_id is 'null'"),
        ("inter", "u1\tb", "u1\t[PAD]", 3, "item_id is '[PAD]'"),
        ("kg", "B\tr\tx", "B\tr", 3, "2 fields, but the header names 3"),
        ("kg", "B\tr\tx", "B\t\tx", 3, "relation_id is empty"),
        ("kg", "B\tr\tx", '"B\tr\tx', 3, "head_id '\"B' begins with a quotation"),
        ("kg", "B\tr\tx", "B\tr\tNone", 3, "tail_id is 'None'"),
        ("kg", "B\tr\tx", "B\t[UI-Relation]\tx", 3, "relation_id is '[UI-Relation]'"),
        ("link", "b\tB", "b\t", 3, "entity_id is empty"),
        ("link", "b\tB", "a\tB", 3, "item 'a' is linked a second time, after line 2"),
        ("link", "b\tB", "b\tA", 3, "entity 'A' is linked a second time"),
    ],
)
def test_bad_line(
    folder: Path, suffix: str, old: str, new: str, line: int, shown: str
) -> None:
    replace(folder, suffix, old, new)
    message = failure(folder, unlinked_items="drop")
    assert_one_line(message, f"{folder / f'tiny.{suffix}'}, line {line}:", shown)


def test_bad_float_sequence(folder: Path) -> None:
    header = "user_id:token\titem_id:token\ttimes:float_seq\n"
    write(folder, inter=f"{header}u1\ta\t1 2\nu1\tb\t1 x\n")
    assert_one_line(failure(folder), "tiny.inter, line 3:", "times is '1 x'")


def test_long_values_are_cut(folder: Path) -> None:
    replace(folder, "inter", "2.5", "9" * 5000 + "x")
    assert len(failure(folder)) < 400


def test_unlinked_item(folder: Path) -> None:
    write(folder, inter=INTER + "u3\td\t1\nu3\te\t1\nu1\td\t1\n")
    message = failure(folder)
    assert_one_line(
        message,
        f"{folder / 'tiny.inter'}, line 5:",
        "item 'd' is not in tiny.link",
        "2 items with 3 interactions",
        "--unlinked_items=drop",
    )
    counts = check(folder, unlinked_items="drop")
    assert (counts.users, counts.items, counts.interactions) == (3, 5, 6)
    assert (counts.linked_items, counts.unlinked_items) == (3, 2)
    assert counts.unlinked_interactions == 3


def test_item_linked_to_an_unknown_entity(folder: Path) -> None:
    replace(folder, "link", "b\tB", "b\tZ")
    message = failure(folder)
    assert_one_line(
        message,
        f"{folder / 'tiny.inter'}, line 3:",
        "item 'b' is linked to entity 'Z' (line 3 of tiny.link)",
        "tiny.kg",
        "1 items with 1 interactions",
    )
    assert check(folder, unlinked_items="drop").unlinked_items == 1


def test_link_without_interactions_is_harmless(folder: Path) -> None:
    write(folder, link=LINK + "d\tx\n")
    assert check(folder) == GOOD_COUNTS


@pytest.mark.parametrize("unlinked_items", ["error", "drop"])
def test_no_linked_item_at_all(folder: Path, unlinked_items: str) -> None:
    write(folder, link="item_id:token\tentity_id:token\n1\tA\n2\tB\n")
    message = failure(folder, unlinked_items=unlinked_items)
    assert_one_line(
        message, f"{folder / 'tiny.inter'}, line 2:", "none of the 3 interactions"
    )


@pytest.mark.parametrize("unlinked_items", ["error", "drop"])
def test_unlinked_item_of_a_split(split_folder: Path, unlinked_items: str) -> None:
    write(split_folder, link=LINK.replace("c\tC\n", ""))
    message = failure(split_folder, parts=PARTS, unlinked_items=unlinked_items)
    assert_one_line(
        message,
        f"{split_folder / 'tiny.test.inter'}, line 2:",
        "item 'c' is not in tiny.link",
        "--unlinked_items=drop cannot help",
    )


@pytest.mark.parametrize("entity", ["x", "Z"])
def test_link_of_a_split_without_an_interaction(
    split_folder: Path, entity: str
) -> None:
    """An item of the catalogue: whether it has triples is seen when it is loaded."""
    write(split_folder, link=LINK + f"d\t{entity}\n")
    read = read_dataset(DatasetFiles(split_folder, "tiny", PARTS))
    assert read.counts.items == 3


def test_unreadable_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert_one_line(failure(folder), str(folder / "tiny.link"), "Permission denied")


FIELDS = [
    *("", " ", "a", "b", "d", "A", "B", "Z", "u1", "u9", "r", "1", "-0.5", "1e9"),
    *(
        '"',
        '"a"',
        '"u1"',
        '"A"x',
        'a"',
        '""',
        "'a'",
        "é",
        "\u2028",
        "\ufeff",
        "\\",
        "#",
    ),
    *("NA", "None", "n/a", "[PAD]", "[UI-Relation]", "inf", "nan", "1e999", "1_0"),
    *("a\t", "\ta", "a\n", "\na", "a\r", "\r\n", "\0", "a:token", "x\ty\t1\nz"),
]
SUFFIXES = st.sampled_from(["inter", "kg", "link"])
NEW_FIELDS = st.lists(
    st.tuples(SUFFIXES, st.integers(0, 4), st.integers(0, 2), st.sampled_from(FIELDS)),
    max_size=3,
)
NEW_BYTES = st.lists(
    st.tuples(SUFFIXES, st.integers(0, 90), st.integers(0, 3), st.binary(max_size=3)),
    max_size=1,
)


def with_new_field(content: bytes, row: int, column: int, value: str) -> bytes:
    """Replace a field; row 0 is the header, and a row that is not there is added."""
    rows = [line.split(b"\t") for line in content.rstrip(b"\n").split(b"\n")]
    if row >= len(rows):
        rows.append(list(rows[-1]))
    fields = rows[min(row, len(rows) - 1)]
    fields[min(column, len(fields) - 1)] = value.encode()
    return b"\n".join(b"\t".join(fields) for fields in rows) + b"\n"


@settings(max_examples=400, deadline=None)
@given(new_fields=NEW_FIELDS, new_bytes=NEW_BYTES, drop=st.booleans())
def test_mutations_are_refused_or_read_alike(
    new_fields: list[tuple[str, int, int, str]],
    new_bytes: list[tuple[str, int, int, bytes]],
    drop: bool,
) -> None:
    """What passes, pandas reads as the checks do; all else is a UserError."""
    contents = {"inter": INTER.encode(), "kg": KG.encode(), "link": LINK.encode()}
    for suffix, row, column, value in new_fields:
        contents[suffix] = with_new_field(contents[suffix], row, column, value)
    for suffix, start, removed, inserted in new_bytes:
        content = contents[suffix]
        contents[suffix] = content[:start] + inserted + content[start + removed :]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for suffix, content in contents.items():
            (folder / f"tiny.{suffix}").write_bytes(content)
        try:
            counts = check(folder, unlinked_items="drop" if drop else "error")
        except UserError as error:
            assert_one_line(str(error))
            return
        interactions = read_as_recbole(folder / "tiny.inter")
        triples = read_as_recbole(folder / "tiny.kg")
        links = read_as_recbole(folder / "tiny.link")
    entities = pd.concat([triples["head_id:token"], triples["tail_id:token"]])
    linked = links[links["entity_id:token"].isin(entities)]["item_id:token"]
    is_linked = interactions["item_id:token"].isin(linked)
    assert counts == DatasetCounts(
        users=interactions["user_id:token"].nunique(),
        items=interactions["item_id:token"].nunique(),
        interactions=len(interactions),
        entities=entities.nunique(),
        relations=triples["relation_id:token"].nunique(),
        triples=len(triples),
        linked_items=interactions[is_linked]["item_id:token"].nunique(),
        unlinked_items=interactions[~is_linked]["item_id:token"].nunique(),
        unlinked_interactions=int((~is_linked).sum()),
    )
    for frame in (interactions, triples, links):
        ids = [column for column in frame if not str(column).startswith("rating")]
        assert not frame[ids].isna().any(axis=None)


def read_as_recbole(path: Path) -> pd.DataFrame:
    header = path.read_text(encoding="utf-8").split("\n")[0]
    types = {
        column: float if column.endswith(":float") else str
        for column in header.split("\t")
    }
    return pd.read_csv(
        path,
        delimiter="\t",
        usecols=list(types),
        dtype=types,
        encoding="utf-8",
        engine="python",
    )


def test_real_lastfm_split() -> None:
    counts = check(shared_datasets_folder("lastfm-split"), "lastfm-split", parts=PARTS)
    assert counts == DatasetCounts(
        users=1872,
        items=3846,
        interactions=21173,
        entities=9366,
        relations=60,
        triples=15518,
        linked_items=3846,
        unlinked_items=0,
        unlinked_interactions=0,
    )


def test_real_book_crossing_split() -> None:
    counts = check(
        shared_datasets_folder("book-crossing-split"),
        "book-crossing-split",
        parts=PARTS,
    )
    assert counts == DatasetCounts(
        users=11017,
        items=9058,
        interactions=24644,
        entities=77903,
        relations=25,
        triples=151500,
        linked_items=9058,
        unlinked_items=0,
        unlinked_interactions=0,
    )


def test_real_ml_100k(tmp_path: Path) -> None:
    found = locate_dataset("ml-100k", data_path=tmp_path, source=None)
    counts = check(found.folder, "ml-100k", unlinked_items="drop")
    assert counts == DatasetCounts(
        users=943,
        items=1682,
        interactions=100000,
        entities=34628,
        relations=24,
        triples=91631,
        linked_items=1598,
        unlinked_items=84,
        unlinked_interactions=2446,
    )
    with pytest.raises(UserError) as caught:
        check(found.folder, "ml-100k")
    assert_one_line(str(caught.value), "84 items with 2446 interactions")


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    (tmp_path / "own.inter").write_text("uid:token\tiid:token\nann\talien\n", "utf-8")
    (tmp_path / "own.link").write_text("iid:token\teid:token\nalien\tm1\n", "utf-8")
    (tmp_path / "own.kg").write_text("h:token\tr:token\tt:token\nm1\tby\tm2\n", "utf-8")
    names = FieldNames("uid", "iid", "eid", "h", "r", "t")
    counts = check(tmp_path, "own", fields=names)
    assert (counts.users, counts.linked_items, counts.triples) == (1, 1, 1)
    with pytest.raises(UserError, match=r"own\.link, line 1: the header needs item_id"):
        check(tmp_path, "own")
