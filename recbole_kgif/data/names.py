"""Names of items, users and entities, for people, from the data set's own files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Optional

from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.errors import UserError

_NAME_ENDINGS = ("name", "title")


def read_item_names(
    folder: Path, dataset: str, *, item_field: str = "item_id", separator: str = "\t"
) -> dict[str, str]:
    """Read what the items are called.

    The names are those of the first column whose own name ends with name or title, such
    as `movie_title`.

    Args:
        folder: The data set's folder.
        dataset: Its name, with which its files' names begin.
        item_field: Name of the column of item ids.
        separator: The character between two fields of a line.

    Returns:
        Name of each item by its id; empty where there is no such file or column.

    Raises:
        UserError: The file is not UTF-8, or a line has too few fields.
    """
    path = folder / f"{dataset}.item"
    return read_names(path, id_field=item_field, separator=separator)


def read_names(path: Path, *, id_field: str, separator: str = "\t") -> dict[str, str]:
    """Read what the users, items or entities of a file are called.

    The names are those of the first column whose own name ends with name or title, such
    as `movie_title`.

    Args:
        path: The file, such as `lastfm.item`; it may be missing.
        id_field: Name of the column of ids.
        separator: The character between two fields of a line.

    Returns:
        Name of each by its id; empty where there is no such file or column.

    Raises:
        UserError: The file is not UTF-8, or a line has too few fields.
    """
    if not path.exists():
        return {}
    lines = numbered_lines(path)
    _, header = next(lines, (1, ""))
    fields = [name.split(":")[0] for name in header.split(separator)]
    column = _name_column(fields)
    if id_field not in fields or column is None:
        return {}
    ids = fields.index(id_field)
    names = {}
    for number, line in lines:
        values = next(csv.reader([line], delimiter=separator), [])
        if len(values) <= max(ids, column):
            raise UserError(
                f"{path}, line {number}: {len(values)} fields instead of "
                f"{len(fields)} in {shown(line)}; correct the line"
            )
        names[values[ids]] = values[column]
    return names


def _name_column(fields: list[str]) -> Optional[int]:
    endings = (field.lower().endswith(_NAME_ENDINGS) for field in fields)
    return next((number for number, fits in enumerate(endings) if fits), None)
