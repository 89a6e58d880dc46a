from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.doctor.findings import Level, has_problem
from tests.doctor.helpers import (
    INTERACTIONS,
    LINKS,
    PARTS,
    TRIPLES,
    examine,
    found,
    write_dataset,
)


def test_a_sound_data_set_by_hand(tmp_path: Path) -> None:
    examination = examine(write_dataset(tmp_path / "d"))
    numbers = {f.what: f.number for f in examination.findings}
    for what, number in (
        *(("users", 2), ("items", 3), ("interactions", 5), ("entities", 6)),
        *(("relations", 2), ("triples", 6), ("linked items", 3)),
        *(("largest relations", 0.5), ("cycles of the triples", 0)),
    ):
        assert numbers[what] == number, what
    assert found(examination, "sparsity").value == "16.667%"
    assert examination.relations == {"made_by": 3, "is_a": 3}
    degrees = {kind: sorted(d.tolist()) for kind, d in examination.degrees.items()}
    assert degrees == {
        "users": [2, 3],
        "items": [1, 2, 2],
        "entities": [1, 2, 2, 2, 2, 3],
    }
    assert found(examination, "interactions of users").value == (
        "least 2, median 2.5, mean 2.5, 90% 2.9, largest 3"
    )
    # y is the maker of one item alone.
    worth_a_word = [f.what for f in examination.findings if f.level is not Level.OK]
    assert worth_a_word == ["dangling entities"]


def test_too_few_interactions_to_split_are_a_problem(tmp_path: Path) -> None:
    pairs = [(f"u{user}", item) for user in range(4) for item in "ab"]
    what = "users with three interactions or more"
    examination = examine(write_dataset(tmp_path / "d", pairs))
    assert found(examination, what).level is Level.PROBLEM
    more = examine(write_dataset(tmp_path / "e", [*pairs, ("u1", "c")]))
    parts = {part: [("u1", item)] for part, item in zip(PARTS, "abc")}
    split = examine(write_dataset(tmp_path / "f", parts))
    assert what not in {f.what for f in (*more.findings, *split.findings)}


def test_columns_that_are_not_loaded_are_a_problem(tmp_path: Path) -> None:
    location = write_dataset(tmp_path / "d")
    examination = examine(location, load_col={"inter": ["user_id", "item_id"]})
    finding = found(examination, "files")
    assert finding.level is Level.PROBLEM
    assert "lacks kg" in str(finding.meaning)


# What is put into the data set, where it is to be told, how often and how loudly.
CASES: dict[str, tuple[dict[str, Any], str, int, Level]] = {
    "an item without a link": (
        {"interactions": [*INTERACTIONS, ("u2", "d")]},
        "items that no link names",
        1,
        Level.NOTE,
    ),
    "many interactions without a link": (
        {"interactions": [*INTERACTIONS, ("u2", "d"), ("u1", "d")]},
        "interactions that linking drops",
        2,
        Level.WARNING,
    ),
    "an item linked to nothing in the graph": (
        {
            "interactions": [*INTERACTIONS, ("u2", "d")],
            "links": [*LINKS, ("d", "D")],
        },
        "items without a triple",
        1,
        Level.NOTE,
    ),
    "an interaction thrice": (
        {"interactions": [*INTERACTIONS, ("u1", "a"), ("u1", "a")]},
        "duplicate interactions",
        2,
        Level.WARNING,
    ),
    "a user with one interaction": (
        {"interactions": [*INTERACTIONS, ("u3", "a")]},
        "users with one interaction",
        1,
        Level.NOTE,
    ),
    "a triple twice": (
        {"triples": [*TRIPLES, TRIPLES[0]]},
        "duplicate triples",
        1,
        Level.NOTE,
    ),
    "a triple in another direction": (
        {"triples": [*TRIPLES, ("x", "made_by", "A")]},
        "duplicate triples",
        0,
        Level.OK,
    ),
    "a self triple": (
        {"triples": [*TRIPLES, ("x", "is_a", "x")]},
        "self triples",
        1,
        Level.NOTE,
    ),
    "a self triple is no cycle": (
        {"triples": [*TRIPLES, ("x", "is_a", "x")]},
        "cycles of the triples",
        0,
        Level.OK,
    ),
    "a cycle": (
        {"triples": [*TRIPLES, ("x", "is_a", "y"), ("y", "is_a", "C")]},
        "cycles of the triples",
        2,
        Level.OK,
    ),
    "a longer cycle": (
        {"triples": [*TRIPLES, ("g", "is_a", "x"), ("x", "is_a", "A")]},
        "cycles of the triples",
        3,
        Level.OK,
    ),
    "an entity that hangs by two parallel triples": (
        {"triples": [*TRIPLES, ("C", "is_a", "y")]},
        "dangling entities",
        1,
        Level.NOTE,
    ),
    "an entity that stands by itself": (
        {"triples": [*TRIPLES, ("z", "is_a", "z")]},
        "dangling entities",
        2,
        Level.NOTE,
    ),
    "a relation that holds once": (
        {"triples": [*TRIPLES, ("A", "won", "g")]},
        "relations with one triple",
        1,
        Level.NOTE,
    ),
    "a relation that outweighs all": (
        {"triples": [*TRIPLES, *((f"e{n}", "is_a", "g") for n in range(60))]},
        "largest relations",
        0.955,
        Level.NOTE,
    ),
    "a relation that is an entity": (
        {"triples": [*TRIPLES, ("A", "x", "B")]},
        "ids of a relation and an entity",
        1,
        Level.NOTE,
    ),
    "an item with the id of another entity": (
        {
            "interactions": [*INTERACTIONS, ("u2", "A")],
            "links": [*LINKS, ("A", "x")],
        },
        "ids of an item and another entity",
        1,
        Level.NOTE,
    ),
    "an item with the id of its own entity": (
        {
            "interactions": [*INTERACTIONS, ("u2", "x")],
            "links": [*LINKS, ("x", "x")],
        },
        "ids of an item and another entity",
        0,
        Level.OK,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_in_the_data_is_told(tmp_path: Path, case: str) -> None:
    content, what, number, level = CASES[case]
    finding = found(examine(write_dataset(tmp_path / "d", **content)), what)
    assert finding.number == pytest.approx(number, abs=0.001)
    assert finding.level is level
    if level is not Level.OK:
        assert finding.meaning
        assert finding.advice


TRAIN, VALID, TEST = INTERACTIONS[:3], [("u2", "a")], [("u2", "b")]


@pytest.mark.parametrize(
    ("train", "valid", "test", "what", "level"),
    [
        (
            [*TRAIN, *TEST],
            VALID,
            TEST,
            "test interactions in training",
            Level.PROBLEM,
        ),
        (
            TRAIN,
            [*VALID, *TEST],
            TEST,
            "test interactions in validation",
            Level.PROBLEM,
        ),
        (
            [*TRAIN, *VALID],
            VALID,
            TEST,
            "validation interactions in training",
            Level.WARNING,
        ),
        (TRAIN, VALID, TEST, "test users without training", Level.WARNING),
        (
            TRAIN[:1],
            [*VALID, ("u1", "c")],
            TEST,
            "test items without training",
            Level.NOTE,
        ),
        (TRAIN, VALID, [*TEST, *TEST], "duplicate interactions", Level.NOTE),
    ],
)
def test_parts_that_are_not_apart(
    tmp_path: Path, train: Any, valid: Any, test: Any, what: str, level: Level
) -> None:
    parts = {"train": train, "valid": valid, "test": test}
    examination = examine(write_dataset(tmp_path / "d", parts))
    assert (found(examination, what).number, found(examination, what).level) == (
        1,
        level,
    )
    assert has_problem(examination.findings) is (level is Level.PROBLEM)


def test_a_data_set_without_parts_has_no_leakage_to_tell(tmp_path: Path) -> None:
    examination = examine(write_dataset(tmp_path / "d"))
    assert not any("training" in finding.what for finding in examination.findings)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"links": [*LINKS, ("d", "A")]}, "d.link, line 5: entity 'A' is linked a sec"),
        ({"links": [*LINKS, ("a", "g")]}, "d.link, line 5: item 'a' is linked a secon"),
        ({"triples": [*TRIPLES, ("A", "is_a")]}, "d.kg, line 8: 2 fields"),
        ({"triples": []}, "d.kg has no line after its header"),
        ({"links": [("z", "A")]}, "nor has any other item an entity"),
    ],
)
def test_files_that_recbole_cannot_read_are_the_one_problem(
    tmp_path: Path, content: dict[str, Any], told: str
) -> None:
    (finding,) = examine(write_dataset(tmp_path / "d", **content)).findings
    assert finding.level is Level.PROBLEM
    assert told in finding.meaning


def test_options_say_how_the_files_are_read(tmp_path: Path) -> None:
    location = write_dataset(tmp_path / "d")
    for path in location.folder.iterdir():
        text = path.read_text("utf-8").replace("\t", "|").replace("user_id", "who")
        path.write_text(text, "utf-8")
    options = {"field_separator": "|", "USER_ID_FIELD": "who"}
    assert found(examine(location, **options), "users").number == 2
    assert has_problem(examine(location).findings)


def test_rows_that_a_file_of_features_lacks(tmp_path: Path) -> None:
    location = write_dataset(tmp_path / "d")
    (tmp_path / "d/d.item").write_text("item_id:token\tname:token\na\tAnt\n", "utf-8")
    columns = {"inter": ["user_id", "item_id"], "link": ["item_id", "entity_id"]}
    columns["kg"] = ["head_id", "relation_id", "tail_id"]
    what = "interactions of items without a row in d.item"
    unread = examine(location, load_col=columns)
    assert what not in {finding.what for finding in unread.findings}
    examination = examine(location, load_col={**columns, "item": ["item_id", "name"]})
    finding = found(examination, what)
    assert (finding.level, finding.number) == (Level.WARNING, 3)
    assert "d.inter, line 3: item 'b'" in finding.meaning
