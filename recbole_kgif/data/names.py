"""Names of items, users and entities, for people, from the data set's own files."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Collection
from pathlib import Path

from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.errors import UserError

_NAME_ENDINGS = ("name", "title")
# Control characters, and those that end a line or turn the direction of a text.
_NO_PART_OF_A_NAME = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


def read_names(path: Path, *, id_field: str, separator: str = "\t") -> dict[str, str]:
    """Read the names of users, items or entities.

    They are in the first column whose own name ends with name or title, such as
    `movie_title`.

    Args:
        path: The file, such as `lastfm.item`; it may be missing.
        id_field: Name of the column of ids.
        separator: The character between two fields of a line.

    Returns:
        Names by id, fit to show (see `fit_to_show`); empty where there is no such file
        or column.

    Raises:
        UserError: The file is not UTF-8, or a line is too long or has too few fields.
    """
    if not path.exists():
        return {}
    lines = numbered_lines(path)
    _, header = next(lines, (1, ""))
    fields = [name.split(":")[0] for name in header.split(separator)]
    endings = (field.lower().endswith(_NAME_ENDINGS) for field in fields)
    column = next((number for number, fits in enumerate(endings) if fits), None)
    if id_field not in fields or column is None:
        return {}
    ids = fields.index(id_field)
    names = {}
    for number, line in lines:
        try:
            values = next(csv.reader([line], delimiter=separator), [])
        except csv.Error as error:
            raise UserError(
                f"{path}, line {number}: {error} in {shown(line)}; correct the line"
            ) from None
        if len(values) <= max(ids, column):
            raise UserError(
                f"{path}, line {number}: {len(values)} fields instead of "
                f"{len(fields)} in {shown(line)}; correct the line"
            )
        names[values[ids]] = fit_to_show(values[column])
    return names


def fit_to_show(name: str) -> str:
    """A name that a terminal, a page or a figure can show.

    Args:
        name: Any text.

    Returns:
        The text with a space in place of tabs and line ends, and the replacement
        character in place of other control characters.
    """
    return _NO_PART_OF_A_NAME.sub(
        lambda match: " " if match[0].isspace() else "\N{REPLACEMENT CHARACTER}", name
    )


def advise_ids(kind: str, token: str, known: Collection[str]) -> str:
    """Advice for an unknown id: the nearest that there are, or some.

    Args:
        kind: "user" or "item".
        token: the unknown id.
        known: all ids.
    """
    near = difflib.get_close_matches(token, known, n=3)
    if near:
        return f"the nearest {kind}s are {', '.join(near)}"
    return f"its {kind}s are such as {', '.join(list(known)[:3])}"
