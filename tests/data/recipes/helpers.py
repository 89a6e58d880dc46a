"""Recipes that people cooked, in both forms, small enough to count by hand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recbole_kgif.cli import main

# Four cooks, six recipes (0 to 5), ingredients 6 to 8 and the cuisine 9.
KGAT_FILES = {
    # Cook 0 has recipe 1 twice; cook 3 has nothing in training but the number.
    "train.txt": "0 0 1 1 2\n1 1 2 3\n\n2 3 4 \n3\n",
    "test.txt": "0 3\n1 4\n2 5\n3 0\n",
    # 0 6 twice; recipe 4 is made from itself.
    "kg_final.txt": (
        "0 0 6\n0 0 6\n1 0 6\n1 0 7\n2 0 7\n3 0 8\n4 0 4\n4 0 8\n5 0 8\n0 1 9\n2 1 9\n"
    ),
    "user_list.txt": "org_id remap_id\nAda 0\nBen 1\nCleo de Mérode 2\nDan 3\n",
    "item_list.txt": (
        "org_id remap_id freebase_id\npea soup 0 m.0\nbean stew 1 m.1\ndal 2 m.2\n"
        "risotto 3 m.3\npaella 4 m.4\n<script>alert(1)</script> 5 m.5\n"
    ),
    "entity_list.txt": (
        "org_id remap_id\nm.0 0\nm.1 1\nm.2 2\nm.3 3\nm.4 4\nm.5 5\nsplit peas 6\n"
        '"black" beans 7\nrice 8\n=HYPERLINK("x") 9\n'
    ),
    "relation_list.txt": "org_id remap_id\nmade from 0\ncuisine 1\n",
}

PLAIN_FILES = {
    "cooked.csv": (
        "cook,recipe,stars,date\n"
        + "".join(
            f"{cook},{recipe},{1 + (place * 2) % 5},2024-05-{10 + place}\n"
            for cook in ("Ada", "Ben", "Cleo")
            for place, recipe in enumerate(("soup", "stew", "dal", "rice", "paella"))
        )
    ),
    "graph.tsv": (
        "subject\tpredicate\tobject\nQ1\tmade from\tpeas\nQ2\tmade from\tbeans\n"
        "Q3\tmade from\tbeans\nQ4\tmade from\tgrain\nQ5\tmade from\tgrain\n"
    ),
    "links.csv": "item_id;entity_id\nsoup;Q1\nstew;Q2\ndal;Q3\nrice;Q4\npaella;Q5\n",
    "names.csv": 'item,title\nsoup,"Soup, of peas"\nstew,=1+1\npaella,"a\tb"\n',
}

PLAIN_ARGUMENTS = [
    *("--interactions=plain/cooked.csv", "--triples=plain/graph.tsv"),
    *("--links=plain/links.csv", "--names=plain/names.csv"),
    *("--user-column=cook", "--item-column=recipe"),
]


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a new folder."""
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content.encode())
    return folder


def lines_of(path: Path) -> list[str]:
    """The lines of an atomic file after its header."""
    return path.read_text("utf-8").splitlines()[1:]


def pairs_of(folder: Path, part: str) -> set[tuple[str, str]]:
    """Users and items of one part of a prepared data set."""
    lines = lines_of(folder / f"{folder.name}.{part}.inter")
    pairs = [tuple(line.split("\t")[:2]) for line in lines]
    assert len(pairs) == len(set(pairs))
    return {(user, item) for user, item in pairs}


def contents_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder but the record, which holds the time."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.name != "provenance.json"
    }


def tree_of(folder: Path) -> dict[str, object]:
    """All that lies in a folder at any depth, with the files' contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def refusal_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    capsys.readouterr()
    assert main(["prepare", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].isprintable(), lines
    return lines[0]


def large_kgat_files(user_count: int) -> dict[str, str]:
    """A data set in the KGAT format that takes a moment to prepare."""
    rng = random.Random(3)
    item_count = 500
    rows = [rng.sample(range(item_count), 20) for _ in range(user_count)]
    return {
        "train.txt": "".join(
            f"{user} {' '.join(map(str, row[:16]))}\n" for user, row in enumerate(rows)
        ),
        "test.txt": "".join(
            f"{user} {' '.join(map(str, row[16:]))}\n" for user, row in enumerate(rows)
        ),
        "kg_final.txt": "".join(
            f"{item} {relation} {item_count + item % (7 + relation)}\n"
            for item in range(item_count)
            for relation in range(10)
        ),
    }
