"""Damaged and hostile files: a data set or one line, and nothing written elsewhere."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recbole_kgif.cli import main
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.reader import read_dataset
from tests.data.recipes.helpers import (
    KGAT_FILES,
    PLAIN_ARGUMENTS,
    PLAIN_FILES,
    refusal_of,
    tree_of,
)

KGAT_ARGUMENTS = ["--kgat=kgat"]
PARTS = ["train", "valid", "test"]


def outcome(
    here: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """Run the command; return its code and complaint, having seen what it wrote."""
    before = tree_of(here)
    capsys.readouterr()
    code = main(["prepare", *arguments, "--name=recipes"])
    errors = capsys.readouterr().err.splitlines()
    dataset = here / "dataset"
    elsewhere = {
        name: content
        for name, content in tree_of(here).items()
        if Path(name).parts[0] != "dataset"
    }
    assert elsewhere == before
    if code == 0:
        assert errors == []
        assert os.listdir(dataset) == ["recipes"]
        read_dataset(DatasetFiles(dataset / "recipes", "recipes", tuple(PARTS)))
        return 0, ""
    assert code == 2
    assert len(errors) == 1
    assert errors[0].isprintable()
    assert not dataset.exists() or os.listdir(dataset) == []
    return 2, errors[0]


# --- what is told, and where --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "message"),
    [
        ("train.txt", b"1 1 2 3", b"1 1 -2 3", 2, "'-2' is not a whole number"),
        ("train.txt", b"1 1 2 3", b"1 1 2.0 3", 2, "'2.0' is not a whole number"),
        ("train.txt", b"1 1 2 3", b"1 1 NaN 3", 2, "'NaN' is not a whole number"),
        ("train.txt", b"1 1 2 3", b"-1 1 2 3", 2, "the user '-1'"),
        ("train.txt", b"1 1 2 3", b"1 1 9223372036854775808", 2, "more than 18 dig"),
        ("train.txt", b"1 1 2 3", b"1 " + b"9" * 9999, 2, "more than 18 digits"),
        ("train.txt", b"1 1 2 3", b"1 1 \xe9", 2, "0xe9 at position 5 is not UTF-8"),
        ("train.txt", b"1 1 2 3", b"1 1\0 3", 2, "NUL"),
        ("train.txt", b"1 1 2 3", b"1 1\r3", 2, "carriage return"),
        ("train.txt", b"1 1 2 3", "1 ٣".encode(), 2, "is not a whole number"),
        ("test.txt", b"2 5", b"2 5,6", 3, "'5,6' is not a whole number"),
        ("kg_final.txt", b"3 0 8", b"3 0", 6, "2 numbers in place of head, rel"),
        ("kg_final.txt", b"3 0 8", b"3 0 8 1", 6, "4 numbers in place of"),
        ("kg_final.txt", b"3 0 8", b"3 7 8", 6, "'7' is not in relation_list.txt"),
        ("kg_final.txt", b"3 0 8", b"3 0 -8", 6, "the entity '-8'"),
        ("item_list.txt", b"dal 2 m.2", b"dal two m.2", 4, "'two' is not a whole"),
        ("item_list.txt", b"dal 2 m.2", b"dal 1 m.2", 4, "number 1 occurs a second"),
        ("item_list.txt", b"dal 2 m.2", b"dal", 4, "1 fields in place of 3"),
        ("user_list.txt", b"Ben 1", b"Ben", 3, "1 fields in place of 2"),
        ("user_list.txt", b"Ben 1", b"B\xe9n 1", 3, "not UTF-8"),
        ("relation_list.txt", b"cuisine 1", b"made from 1", 3, "occurs a second time"),
        ("relation_list.txt", b"cuisine 1", b"NA 1", 3, "missing value"),
        ("relation_list.txt", b"cuisine 1", b"[PAD] 1", 3, "used by RecBole itself"),
        ("relation_list.txt", b"cuisine 1", b'"c" 1', 3, "quotation mark"),
        ("entity_list.txt", b"org_id", b"\xef\xbb\xbforg_id", 1, "byte-order mark"),
    ],
)
def test_a_bad_line_of_the_kgat_format(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: bytes,
    new: bytes,
    line: int,
    message: str,
) -> None:
    path = here / "kgat" / name
    assert path.read_bytes().count(old) == 1
    path.write_bytes(path.read_bytes().replace(old, new))
    code, told = outcome(here, KGAT_ARGUMENTS, capsys)
    assert code == 2
    assert f"kgat/{name}, line {line}: " in told
    assert message in told


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "message"),
    [
        ("cooked.csv", b"Ben,dal,5", b"Ben,dal", 9, "3 fields, but the first line"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,dal,5,6", 9, "5 fields, but the first"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,,5", 9, "the item id '' is empty"),
        ("cooked.csv", b"Ben,dal,5", b"nan,dal,5", 9, "'nan' is read as a missing"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,NULL,5", 9, "'NULL' is read as a missing"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,dal,inf", 9, "the rating 'inf' is not"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,dal,", 9, "the rating '' is not a finite"),
        ("cooked.csv", b"Ben,dal,5", b"Ben,dal,1e999", 9, "the rating '1e999'"),
        ("cooked.csv", b"Ben,dal,5", b'Ben,"a\tb",5', 9, "holds a tab or a line"),
        ("cooked.csv", b"Ben,dal,5", b'Ben,"dal"x,5', 9, "check the quotation marks"),
        ("cooked.csv", b"Ben,dal,5", b'Ben,"dal,5', 9, "check the quotation marks"),
        ("cooked.csv", b"Ben,dal,5", b'Ben,"d\nal",5', 9, "runs over several lines"),
        ("cooked.csv", b"Ben,dal,5", b"B\xe9n,dal,5", 9, "0xe9 at position 2"),
        ("cooked.csv", b"Ben,dal,5", b"B\0n,dal,5", 9, "NUL"),
        ("cooked.csv", b"Ben,dal,5,2024-05-12", b"Ben,dal,5,May", 9, "the time 'May'"),
        ("cooked.csv", b"cook,recipe,", b"1,recipe,", 1, "--no-header interactions"),
        ("graph.tsv", b"Q2\tmade from", b"Q2\t", 3, "the relation id '' is empty"),
        ("graph.tsv", b"Q2\tmade from", b"Q2 made from", 3, "2 fields, but the first"),
        ("graph.tsv", b"Q2\tmade from", b'"Q2\tmade from', 3, "with a quotation mark"),
        ("graph.tsv", b"subject", b"sub", 1, "known to hold the head; give --head-c"),
        ("links.csv", b"stew;Q2", b"soup;Q2", 3, "linked to another entity in line 2"),
        ("links.csv", b"stew;Q2", b"stew;Q1", 3, "linked to another item in line 2"),
        ("names.csv", b"stew,=1+1", b"soup,=1+1", 3, "another name in line 2"),
    ],
)
def test_a_bad_line_of_plain_files(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: bytes,
    new: bytes,
    line: int,
    message: str,
) -> None:
    path = here / "plain" / name
    assert path.read_bytes().count(old) == 1
    path.write_bytes(path.read_bytes().replace(old, new))
    needed = ["--rating-column=stars", "--time-column=date"]
    if b"cook," in new:
        needed = []  # the columns are found by their order then
    code, told = outcome(here, [*PLAIN_ARGUMENTS, *needed], capsys)
    assert code == 2
    assert f"plain/{name}, line {line}: " in told
    assert message in told


def test_a_line_break_in_a_column_that_is_not_read_is_no_matter(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "plain/names.csv").write_text(
        'item,title,blurb\nsoup,Soup,"two\nlines"\ndal,Dal,\n', "utf-8"
    )
    assert outcome(here, PLAIN_ARGUMENTS, capsys)[0] == 0


# --- anything at all ----------------------------------------------------------------

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "line ends alone": lambda content: b"\n\n\r\n",
    "half": lambda content: content[: len(content) // 2],
    "without the last byte": lambda content: content[:-1],
    "first line alone": lambda content: content.split(b"\n")[0],
    "without the first line": lambda content: content.split(b"\n", 1)[1],
    "twice": lambda content: content * 2,
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "zip in place of text": lambda content: b"PK\x03\x04" + content,
    "other separators": lambda content: (
        content.replace(b" ", b"|").replace(b"\t", b"|").replace(b",", b"|")
    ),
    "quotation marks": lambda content: content.replace(b"1", b'"'),
    "script": lambda content: content.replace(b"soup", b"<script>").replace(
        b"2", b"<script>"
    ),
    "paths": lambda content: content.replace(b"dal", b"../../x").replace(
        b"3", b"../../x"
    ),
    "byte-order mark": lambda content: b"\xef\xbb\xbf" + content,
    "old Mac line ends": lambda content: content.replace(b"\n", b"\r"),
    "NUL": lambda content: content.replace(b"2", b"\0"),
    "Latin-1": lambda content: content.replace(b"e", b"\xe9").replace(b"2", b"\xe9"),
    "huge ids": lambda content: content.replace(b"2", b"9" * 100_000),
    "a huge line": lambda content: content + b"x" * 2_000_000 + b"\n",
    "a huge quoted field": lambda content: content + b'"' + b"x\n" * 200_000,
    "an escape sequence": lambda content: content.replace(b"a", b"\x1b[31ma"),
    "a formula": lambda content: content.replace(b"2", b"=cmd|' /C calc'!A0"),
    "missing values": lambda content: content.replace(b"2", b"NaN"),
    "infinite": lambda content: content.replace(b"2", b"inf"),
    "line separators": lambda content: content.replace(
        b"a", "\N{LINE SEPARATOR}".encode()
    ),
    "a column less": lambda content: b"".join(
        line.rpartition(b" ")[0] + b"\n" for line in content.splitlines()
    ),
    "a column more": lambda content: content.replace(b"\n", b" 1\n"),
    "backwards": lambda content: content[::-1],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*KGAT_FILES, *PLAIN_FILES])
def test_every_damage_to_every_file(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    is_kgat = name in KGAT_FILES
    path = here / ("kgat" if is_kgat else "plain") / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    arguments = KGAT_ARGUMENTS if is_kgat else PLAIN_ARGUMENTS
    code, told = outcome(here, arguments, capsys)
    if code == 2:
        # Else the file is sound by itself, and does not fit the others.
        unfit = ("use the same ids", "is left for the part", "holds no interaction")
        assert name in told or any(words in told for words in unfit), told
    if damage == "CRLF":
        assert code == 0


@pytest.mark.parametrize("name", [*KGAT_FILES, *PLAIN_FILES])
def test_a_folder_in_place_of_a_file(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    is_kgat = name in KGAT_FILES
    path = here / ("kgat" if is_kgat else "plain") / name
    path.unlink()
    path.mkdir()
    arguments = KGAT_ARGUMENTS if is_kgat else PLAIN_ARGUMENTS
    code, told = outcome(here, arguments, capsys)
    assert code == 2
    assert str(path.relative_to(here)) in told
    assert "directory" in told


@pytest.mark.parametrize("name", [*KGAT_FILES, *PLAIN_FILES])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_bytes_anywhere(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, data: st.DataObject
) -> None:
    is_kgat = name in KGAT_FILES
    original = (KGAT_FILES if is_kgat else PLAIN_FILES)[name].encode()
    start = data.draw(st.integers(0, len(original)))
    length = data.draw(st.integers(0, 8))
    inserted = data.draw(
        st.one_of(
            st.binary(max_size=12),
            st.text(alphabet=' \t\n\r,;|"0123456789-.eNa', max_size=12).map(str.encode),
        )
    )
    path = here / ("kgat" if is_kgat else "plain") / name
    path.write_bytes(original[:start] + inserted + original[start + length :])
    shutil.rmtree(here / "dataset", ignore_errors=True)
    outcome(here, KGAT_ARGUMENTS if is_kgat else PLAIN_ARGUMENTS, capsys)


# --- archives -----------------------------------------------------------------------


def pack(here: Path, *entries: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    """Replace the file of the triples by an archive."""
    path = here / "kgat/kg_final.txt.zip"
    (here / "kgat/kg_final.txt").unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


TRIPLES = KGAT_FILES["kg_final.txt"].encode()


def test_an_archive_of_triples(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack(here, ("kg_final.txt", TRIPLES))
    assert outcome(here, KGAT_ARGUMENTS, capsys)[0] == 0


def test_paths_in_an_archive_lead_nowhere(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(here, ("../../kg_final.txt", TRIPLES), ("../../../evil.txt", b"evil"))
    assert outcome(here, KGAT_ARGUMENTS, capsys)[0] == 0


def test_a_link_in_an_archive_is_not_followed(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = zipfile.ZipInfo("kg_final.txt")
    entry.external_attr = 0o120777 << 16
    pack(here, (entry, str(here / "kgat/test.txt").encode()))
    code, told = outcome(here, KGAT_ARGUMENTS, capsys)
    assert code == 2
    assert "line 1: " in told


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("kg_final.txt", b"0 0 6\n" * 2_000_000)], "larger than the"),
        ([("other.txt", TRIPLES)], "holds 0 files named kg_final.txt"),
        ([("a/kg_final.txt", b""), ("b/kg_final.txt", b"")], "holds 2 files named"),
        ([("kg_final.txt", b"")], "holds no triple"),
    ],
)
def test_an_archive_that_is_refused(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    entries: list[tuple[zipfile.ZipInfo | str, bytes]],
    message: str,
) -> None:
    pack(here, *entries)
    code, told = outcome(here, KGAT_ARGUMENTS, capsys)
    assert code == 2
    assert message in told


@pytest.mark.parametrize("twentieth", range(20))
def test_a_damaged_archive(
    here: Path, capsys: pytest.CaptureFixture[str], twentieth: int
) -> None:
    path = pack(here, ("kg_final.txt", TRIPLES))
    content = bytearray(path.read_bytes())
    place = len(content) * twentieth // 20
    content[place] ^= 0xFF
    path.write_bytes(content)
    outcome(here, KGAT_ARGUMENTS, capsys)
    path.write_bytes(content[:place])
    shutil.rmtree(here / "dataset", ignore_errors=True)
    assert outcome(here, KGAT_ARGUMENTS, capsys)[0] == 2


def test_a_missing_file_is_named(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train.txt", "test.txt", "kg_final.txt"):
        path = here / "kgat" / name
        path.rename(here / "gone")
        told = refusal_of([*KGAT_ARGUMENTS, "--name=recipes"], capsys)
        assert f"kgat lacks {name} of the KGAT format" in told
        (here / "gone").rename(path)
