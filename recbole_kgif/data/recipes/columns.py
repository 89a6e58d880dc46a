"""Which column of a plain file holds what."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

# What a header may call a column, in lower case and without punctuation.
_HEADER_WORDS = {
    "user": "user userid uid username reviewerid customerid memberid",
    "item": "item itemid iid productid movieid bookid artistid trackid songid "
    "businessid isbn asin",
    "rating": "rating score stars overall weight",
    "time": "time timestamp date datetime unixreviewtime",
    "head": "head headid h subject subjectid source",
    "relation": "relation relationid r predicate property",
    "tail": "tail tailid t object objectid target",
    "entity": "entity entityid freebaseid wikidataid",
    "name": "name title label itemname",
}


@dataclass(frozen=True)
class WantedColumn:
    """A column that a file is read for.

    Attributes:
        role: what it holds, such as "user".
        option: the option that names it, for messages.
        given: the name that the user gave; None leaves it to the header.
        required: whether the file is of no use without it.
    """

    role: str
    option: str
    given: Optional[str] = None
    required: bool = True


def choose_columns(
    where: str, header: Sequence[str], wanted: Sequence[WantedColumn]
) -> dict[str, int]:
    """Find columns by the names given, else by usual names, else by their order.

    Order decides only where the header has no usual name for any required column, and
    never about an optional column.

    Args:
        where: file and line of the header, for messages.
        header: names of its columns; their numbers from 1 on where it has no header.
        wanted: the columns.

    Returns:
        Place of each column by its role, from 0 on; optional ones that the file does
        not have are left out.

    Raises:
        UserError: a named column is missing, or a required one cannot be found.
    """
    places = {
        column.role: _named_place(where, header, column)
        for column in wanted
        if column.given is not None
    }
    named = set(places.values())
    for column in wanted:
        if column.given is None:
            place = _usual_place(where, header, column, named)
            if place is not None:
                places[column.role] = place
    required = [column for column in wanted if column.required]
    missing = [column for column in required if column.role not in places]
    if len(missing) == len(required) and len(header) >= len(required):
        places.update({column.role: place for place, column in enumerate(required)})
        missing = []
    if missing:
        raise UserError(
            f"{where}: none of its columns {shown(', '.join(header))} is known "
            f"to hold the {missing[0].role}; give {missing[0].option}"
        )
    roles: dict[int, str] = {}
    options = {column.role: column.option for column in wanted}
    for role, place in places.items():
        other = roles.setdefault(place, role)
        if other != role:
            raise UserError(
                f"{where}: the column {shown(header[place])} is taken for both the "
                f"{other} and the {role}; give {options[other]} and {options[role]}"
            )
    return places


def is_header(
    header: Sequence[str], wanted: Sequence[WantedColumn], places: Mapping[str, int]
) -> bool:
    """Whether a first line is a header for sure: a name of it is given, or usual."""
    return any(
        column.given is not None
        or _plain(header[places[column.role]]) in _HEADER_WORDS[column.role].split()
        for column in wanted
        if column.required
    )


def _named_place(where: str, header: Sequence[str], column: WantedColumn) -> int:
    named = [place for place, name in enumerate(header) if name == column.given]
    if len(named) != 1:
        raise UserError(
            f"{where}: {len(named)} of its columns {shown(', '.join(header))} are "
            f"called {shown(str(column.given))}; name one by {column.option}"
        )
    return named[0]


def _usual_place(
    where: str,
    header: Sequence[str],
    column: WantedColumn,
    named: Collection[int],
) -> Optional[int]:
    """Place of the one column that is called so and is not named for something else."""
    usual = [
        place
        for place, name in enumerate(header)
        if place not in named and _plain(name) in _HEADER_WORDS[column.role].split()
    ]
    if len(usual) > 1 and column.required:
        raise UserError(
            f"{where}: {shown(header[usual[0]])} and {shown(header[usual[1]])} "
            f"may both hold the {column.role}; give {column.option}"
        )
    return usual[0] if len(usual) == 1 else None


def _plain(name: str) -> str:
    """A name as `_HEADER_WORDS` has it; a type such as ``:token`` is taken off."""
    return re.sub(r"[^a-z0-9]", "", name.lower().partition(":")[0])
