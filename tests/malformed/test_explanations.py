"""Damaged and hostile checkpoints, names and options, for `explain`."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.data.names import fit_to_show
from tests.malformed.helpers import DAMAGES, OUTPUT, outcome
from tests.malformed.test_checkpoints import OTHER_FILES, write_changed

# For each file of names what it is without damage: every id of the kind has a name.
NAMES: dict[str, bytes] = {
    "tiny.item": (
        b"item_id:token\tname:token_seq\nalien\tAlien\nbrazil\tBrazil\n"
        b"casino\tCasino\ndune\tdune, part one\nelf\tElf\nfargo\tFargo\n"
    ),
    "tiny.user": (
        b"user_id:token\tname:token_seq\nann\tAnn\nbob\tBob of dune\ncy\tCy\ndee\tDee\n"
    ),
    "tiny.entity": (
        b"entity_id:token\tname:token_seq\nscott\tScott\nscifi\tlike dune\n"
        b"crime\tCrime\n"
    ),
}

FORMATS = ("text", "json", "dot", "html")


def explain(
    here: Path, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    common = ["explain", "--checkpoint=model.pth", "--user=ann", "--paths=3"]
    given = {argument.partition("=")[0] for argument in arguments}
    common = [argument for argument in common if argument.split("=")[0] not in given]
    return outcome([*common, *arguments], here, capsys)


@pytest.mark.parametrize("case", OTHER_FILES)
def test_a_file_that_is_no_checkpoint(
    here: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (here / "model.pth").write_bytes(OTHER_FILES[case])
    code, message = explain(here, capsys)
    assert code == 2
    assert "model.pth: " in message
    assert not list(here.parent.rglob("made"))


CHANGED_OPTIONS: dict[str, dict[str, Any]] = {
    "many layers": {"n_layers": 50},
    "no layers": {"n_layers": 0},
    "an unknown attention": {"attention": "<script>"},
    "another propagation": {"attention": "softmax"},
    "code as loss": {"loss": "__import__('os').mkdir('made')"},
    "not a number": {"temperature": float("nan")},
    "a text as temperature": {"temperature": "warm"},
    "a list for a truth value": {"fusion": []},
}


@pytest.mark.parametrize("case", CHANGED_OPTIONS)
def test_a_checkpoint_with_other_options(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, case: str
) -> None:
    write_changed(here, checkpoint, {}, CHANGED_OPTIONS[case])
    explain(here, capsys)
    assert not list(here.parent.rglob("made"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", NAMES)
def test_every_damage_to_the_names(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    checkpoint: bytes,
    name: str,
    damage: str,
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    (here / "dataset/tiny" / name).write_bytes(DAMAGES[damage](NAMES[name]))
    code, message = explain(here, capsys, f"--output={OUTPUT}/a.json", "--item=dune")
    if code == 2:
        assert f"{name}, line " in message or f"{name} " in message, message
    else:
        written = (here / OUTPUT / "a.json").read_bytes()
        assert json.loads(written)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_place_of_the_names(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, name: str
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    (here / "dataset/tiny" / name).mkdir()
    code, message = explain(here, capsys)
    assert code == 2
    assert name in message


HOSTILE_NAMES: dict[str, str] = {
    "a script": "<script>alert(1)</script>",
    "the end of a script": "</script><img src=x onerror=alert(1)>",
    "a comment": "<!--<script>",
    "a quotation": "'\" onload=alert(1) x='",
    "a label": '"]; evil [label="x',
    "a backslash": "dune\\",
    "a formula": "=cmd|' /C calc'!A0",
    "LaTeX": "$\\frac{1}{$",
    "an escape sequence": "\x1b[31mred\x1b]0;title\x07",
    "from right to left": "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    "separators": "a\N{LINE SEPARATOR}\N{NEXT LINE}b",
    "a backspace": "good\b\b\b\bevil",
    "half a pair": "\\ud800",
    "a path": "../../x",
    "very long": "long" * 4_000,
    "white space": "   ",
    "emoji": "\N{DUCK}" * 50,
}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("case", HOSTILE_NAMES)
def test_a_hostile_name_stays_a_name(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    checkpoint: bytes,
    case: str,
    kind: str,
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    quoted = HOSTILE_NAMES[case].replace('"', '""')
    for name, content in NAMES.items():
        header, *lines = content.decode().splitlines()
        ids = [line.split("\t")[0] for line in lines]
        text = "".join(f'{token}\t"{quoted}"\n' for token in ids)
        (here / "dataset/tiny" / name).write_text(f"{header}\n{text}", "utf-8")
    code, _ = explain(here, capsys, f"--format={kind}", f"--output={OUTPUT}/a")
    assert code == 0
    written = (here / OUTPUT / "a").read_bytes().decode()
    assert all(character in "\n " or character.isprintable() for character in written)
    if kind == "html":
        tags, attributes = elements_of(written)
        assert tags.count("script") == 1  # the record
        assert {"img", "iframe"}.isdisjoint(tags)
        assert not [name for name in attributes if name.startswith("on")]
    if kind == "dot":
        outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", written)
        assert "evil" not in outside
        assert '"' not in outside
    if kind == "json":
        names = {entry["item"]["name"] for entry in json.loads(written)["explanations"]}
        assert names == {fit_to_show(HOSTILE_NAMES[case])}


def elements_of(page: str) -> tuple[list[str], list[str]]:
    """The tags of a page, and the names of all attributes."""
    tags: list[str] = []
    attributes: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, given: list[tuple[str, Any]]) -> None:
            tags.append(tag)
            attributes.extend(name for name, _ in given)

    Parser().feed(page)
    return tags, attributes


OPTIONS: dict[str, list[str]] = {
    "no such user": ["--user=<script>"],
    "a path as user": ["--user=../../x"],
    "an escape sequence": ["--user=\x1b[31m"],
    "a line break": ["--user=a\nb"],
    "a long id": [f"--user={'9' * 100_000}"],
    "no such item": ["--item==cmd"],
    "padding": ["--user=[PAD]"],
    "no count": ["--top-k=0"],
    "a long count": [f"--top-k={'9' * 5000}"],
    "a negative count": ["--paths=-1"],
    "a folder as output": ["--output=dataset"],
    "a file as folder": ["--output=model.pth/a.json"],
    "a long name": [f"--output={'x' * 5000}"],
    "a folder as checkpoint": ["--checkpoint=dataset"],
    "no checkpoint": ["--checkpoint=none"],
    "a long name as checkpoint": [f"--checkpoint={'x' * 5000}"],
    "a negative seed": [
        *("--evaluate", "--output=out/a.json", "--seed=-1", "--users=1"),
    ],
}


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], checkpoint: bytes, case: str
) -> None:
    (here / "model.pth").write_bytes(checkpoint)
    arguments = OPTIONS[case]
    if "--evaluate" in arguments:
        before = ["explain", "--checkpoint=model.pth"]
        assert outcome([*before, *arguments], here, capsys)[0] == 2
        return
    assert explain(here, capsys, *arguments)[0] == 2
