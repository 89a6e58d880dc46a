"""Small data sets, made from the tutorial's example, in place of real ones."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.docs.page_parser import CHECKOUT

EXAMPLE = CHECKOUT / "docs" / "example"

# A user and artists of Last.FM that occur in the pages; other users are numbered, and
# other artists are named after recipes.
_LAST_USER, _FIRST_ITEM = 131, 16104
_ARTISTS = ("Freddie McGregor", "Buju Banton")
# Copies of users and items in a split data set: KGAT's protocol ranks 100 items.
_COPIES = 4


def _rows(name: str) -> list[dict[str, str]]:
    with (EXAMPLE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _interactions() -> list[tuple[str, str]]:
    return [(row["cook"], row["recipe"]) for row in _rows("ratings.csv")]


def _triples() -> list[tuple[str, str, str]]:
    return [(row["head"], row["relation"], row["tail"]) for row in _rows("graph.csv")]


def _numbers() -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Numbers of users, entities (items first) and relations, from 0 on."""
    users = list(dict.fromkeys(user for user, _ in _interactions()))
    entities = [row["recipe"] for row in _rows("recipes.csv")]
    entities += [end for head, _, tail in _triples() for end in (head, tail)]
    relations = [relation for _, relation, _ in _triples()]
    first, second, third = (
        {name: number for number, name in enumerate(dict.fromkeys(names))}
        for names in (users, entities, relations)
    )
    return first, second, third


def _write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def write_split(data_path: Path, name: str) -> None:
    """Write a split data set as atomic files into `data_path/name`."""
    by_user: dict[str, list[str]] = {}
    for user, item in _interactions():
        by_user.setdefault(user, []).append(item)
    folder = data_path / name
    for part, place in (
        ("train", slice(-2)),
        ("valid", slice(-2, -1)),
        ("test", slice(-1, None)),
    ):
        lines = [
            f"{user}-{copy}\t{item}-{copy}"
            for copy in range(_COPIES)
            for user, items in by_user.items()
            for item in items[place]
        ]
        header = "user_id:token\titem_id:token"
        _write(folder / f"{name}.{part}.inter", [header, *lines])
    triples = [
        f"{head}-{copy}\t{relation}\t{tail}"
        for copy in range(_COPIES)
        for head, relation, tail in _triples()
    ]
    header = "head_id:token\trelation_id:token\ttail_id:token"
    _write(folder / f"{name}.kg", [header, *triples])
    links = [
        f"{row['recipe']}-{copy}\t{row['recipe']}-{copy}"
        for copy in range(_COPIES)
        for row in _rows("recipes.csv")
    ]
    _write(folder / f"{name}.link", ["item_id:token\tentity_id:token", *links])


def write_raw_lastfm(folder: Path) -> None:
    """Write the raw files of `lastfm`, with a user and an item of the pages."""
    users, entities, _ = _numbers()
    user_ids = {name: number + 2 for name, number in users.items()}
    user_ids[list(users)[-1]] = _LAST_USER
    recipes = _rows("recipes.csv")
    titles = [*_ARTISTS, *(row["title"] for row in recipes[len(_ARTISTS) :])]
    _write(
        folder / "user_artists.dat",
        [
            "userID\tartistID\tweight",
            *(
                f"{user_ids[user]}\t{_FIRST_ITEM + entities[item]}\t1"
                for user, item in _interactions()
            ),
        ],
    )
    _write(
        folder / "artists.dat",
        [
            "id\tname\turl\tpictureURL",
            *(
                f"{_FIRST_ITEM + entities[row['recipe']]}\t{title}\thttp://a\t"
                for row, title in zip(recipes, titles)
            ),
        ],
    )
    _write(
        folder / "kg.txt",
        [
            f"{entities[head]}\tfood.{relation}\t{entities[tail]}"
            for head, relation, tail in _triples()
        ],
    )
    _write(
        folder / "item_index2entity_id.txt",
        [
            f"{_FIRST_ITEM + entities[row['recipe']]}\t{entities[row['recipe']]}"
            for row in recipes
        ],
    )


def write_kgat(folder: Path) -> None:
    """Write a data set in the KGAT format, with all lists."""
    users, entities, relations = _numbers()
    parts: dict[str, list[str]] = {"train": [], "test": []}
    for user, number in users.items():
        items = [
            str(entities[item]) for other, item in _interactions() if other == user
        ]
        parts["train"].append(" ".join([str(number), *items[:-1]]))
        parts["test"].append(f"{number} {items[-1]}")
    for part, lines in parts.items():
        _write(folder / f"{part}.txt", lines)
    triples = [
        f"{entities[head]} {relations[relation]} {entities[tail]}"
        for head, relation, tail in _triples()
    ]
    _write(folder / "kg_final.txt", triples)
    for name, numbers in (
        ("user", users),
        ("entity", entities),
        ("relation", relations),
    ):
        lines = [
            f"{text.replace(' ', '_')} {number}" for text, number in numbers.items()
        ]
        _write(folder / f"{name}_list.txt", ["org_id remap_id", *lines])
    items = [
        f"{row['recipe']} {entities[row['recipe']]} m.{row['recipe']}"
        for row in _rows("recipes.csv")
    ]
    _write(folder / "item_list.txt", ["org_id remap_id freebase_id", *items])


def write_plain(folder: Path) -> None:
    """Write `ratings.csv`, `graph.tsv`, `links.csv` and `items.csv`."""
    pairs = [f"{user},{item}" for user, item in _interactions()]
    _write(folder / "ratings.csv", ["user,item", *pairs])
    triples = ["\t".join(f"entity {part}" for part in triple) for triple in _triples()]
    _write(folder / "graph.tsv", ["head\trelation\ttail", *triples])
    recipes = _rows("recipes.csv")
    links = [f"{row['recipe']},entity {row['recipe']}" for row in recipes]
    _write(folder / "links.csv", ["item,entity", *links])
    names = [f"{row['recipe']},{row['title']}" for row in recipes]
    _write(folder / "items.csv", ["item,name", *names])
