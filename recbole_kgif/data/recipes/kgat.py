"""Reading the KGAT format.

`train.txt`, `test.txt` and, where there is one, `valid.txt` hold a user and the user's
items in a line, `kg_final.txt` head, relation and tail. All are numbers from 0 on; an
item's number is its entity's.
The lists `*_list.txt` hold the names that belong to the numbers.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import (
    WHOLE,
    NumberedDataset,
    links_of_equal_ids,
    table_of,
    triple_parsers,
)
from recbole_kgif.data.recipes.kgat_files import (
    ENTITIES,
    ITEMS,
    RELATIONS,
    TEST,
    TRAIN,
    TRIPLES,
    USERS,
    VALID,
)
from recbole_kgif.data.textfiles import lines_with_progress, numbered_lines, shown
from recbole_kgif.data.vocabulary import Vocabulary, plain_token, whole_number
from recbole_kgif.errors import UserError

_NUMBER_COLUMN = "remap_id"


def read_kgat(files: Mapping[str, Path]) -> NumberedDataset:
    """Read a data set in the KGAT format.

    Args:
        files: the file of each name of `kgat_files`; lists may be missing.

    Returns:
        The data set, its interactions marked as those of `train.txt`, `test.txt` or
        `valid.txt`.

    Raises:
        UserError: a file cannot be read or holds a bad line.
    """
    users = Vocabulary("user", whole_number)
    items = Vocabulary("item", whole_number)
    entities = Vocabulary("entity", whole_number)
    interactions = _read_interactions(files, users, items)
    names_of = _read_relations(files[RELATIONS]) if RELATIONS in files else None

    def relation_number(text: str) -> str:
        number = whole_number(text)
        if names_of is not None and number not in names_of:
            raise ValueError(f"is not in {files[RELATIONS].name}")
        return number

    relations = Vocabulary("relation", relation_number)
    path, parsers = files[TRIPLES], triple_parsers(entities, relations)
    triples = table_of(_triple_rows(path), path, parsers)
    if len(triples) == 0:
        raise UserError(f"{path} holds no triple; get the whole file")
    lists = {"user": USERS, "item": ITEMS, "entity": ENTITIES}
    names = {
        kind: read_list(files[name]) for kind, name in lists.items() if name in files
    }
    for item in names.get("item", ()):  # those without an interaction are counted, too
        items[item]
    return NumberedDataset(
        users=users.tokens,
        items=items.tokens,
        entities=entities.tokens,
        relations=[names_of[r] if names_of else r for r in relations.tokens],
        parts={WHOLE: interactions},
        triples=triples,
        links=links_of_equal_ids(items.tokens, entities),
        names=names,
    )


def _read_interactions(
    files: Mapping[str, Path], users: Vocabulary, items: Vocabulary
) -> pd.DataFrame:
    user_numbers, item_numbers = array("i"), array("i")
    names = [name for name in (TRAIN, VALID, TEST) if name in files]
    lengths = []
    for path in map(files.__getitem__, names):
        before = len(item_numbers)
        for line, fields in _fields(path):
            user = users.number(fields[0], path, line)
            of_user = [items.number(field, path, line) for field in fields[1:]]
            item_numbers.extend(of_user)
            user_numbers.extend([user] * len(of_user))
        lengths.append(len(item_numbers) - before)
        if lengths[-1] == 0:
            raise UserError(f"{path} holds no interaction; get the whole file")
    table = pd.DataFrame(
        {"user": np.array(user_numbers), "item": np.array(item_numbers)}
    )
    of_file = np.repeat(names, lengths)
    table["in_test"] = of_file == TEST
    if VALID in files:
        table["in_valid"] = of_file == VALID
    return table


def _triple_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, fields in _fields(path):
        if len(fields) != 3:
            raise UserError(
                f"{path}, line {line}: {len(fields)} numbers in place of head, "
                "relation and tail; correct the line"
            )
        yield line, fields


def _fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    for line, text in lines_with_progress(path):
        fields = text.split()
        if fields:
            yield line, fields


def _read_relations(path: Path) -> dict[str, str]:
    ids: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, number, name in _list_lines(path):
        try:
            relation = plain_token(name)
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: the relation {shown(name)} {error}; rename it"
            ) from None
        if relation in lines:
            raise UserError(
                f"{path}, line {line}: the relation {shown(name)} occurs a second "
                f"time, after line {lines[relation]}; rename one"
            )
        lines[relation] = line
        ids[number] = relation
    return ids


def read_list(path: Path) -> dict[str, str]:
    """Read names from a list.

    A name may hold spaces. Of the two ids that an item has besides its number the first
    is taken, which is the one of the data set's origin.

    Args:
        path: one of the `*_list.txt`.

    Returns:
        Names by numbers.

    Raises:
        UserError: it cannot be read or holds a bad line.
    """
    return {number: name for _, number, name in _list_lines(path)}


def _list_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Give line, number and name; the header says how many columns there are."""
    columns = 3 if path.name == ITEMS else 2
    first_lines: dict[str, int] = {}
    for line, text in numbered_lines(path):
        if line == 1 and _NUMBER_COLUMN in text.split():
            columns = len(text.split())
            continue
        if not text.strip():
            continue
        name, number_text = _split_list_line(path, line, text, columns)
        try:
            number = whole_number(number_text)
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: the {_NUMBER_COLUMN} {shown(number_text)} "
                f"{error}; correct the line"
            ) from None
        if number in first_lines:
            raise UserError(
                f"{path}, line {line}: the number {number} occurs a second time, "
                f"after line {first_lines[number]}; keep one of the two lines"
            )
        first_lines[number] = line
        yield line, number, name


def _split_list_line(path: Path, line: int, text: str, columns: int) -> tuple[str, str]:
    fields = text.rsplit(maxsplit=columns - 1)
    if len(fields) == columns:
        return fields[0], fields[1]
    if columns == 3 and len(fields) == 2:
        # The list of Yelp 2018 repeats the name right after the number, unseparated.
        name, rest = fields
        return name, rest.removesuffix(name) if rest != name else rest
    raise UserError(
        f"{path}, line {line}: {len(fields)} fields in place of {columns} in "
        f"{shown(text)}; correct the line"
    )
