"""Reading plain CSV and TSV files.

Fields separated by commas or semicolons may be quoted, as spreadsheets write them;
between other separators a quotation mark is a character like any other. Files of
triples may be RDF, too (see `rdf`).
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Literal, Optional

from recbole_kgif.data.recipes.columns import WantedColumn, choose_columns, is_header
from recbole_kgif.data.recipes.rdf import rdf_format, require_rdflib
from recbole_kgif.data.textfiles import lines_with_progress, numbered_lines, shown
from recbole_kgif.errors import UserError

SEPARATORS = {
    **{"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"},
    **{"double-colon": "::", "space": " "},
}
_SAMPLED_LINES = 20
_SEPARATOR_OF_EXCEL = re.compile(r"sep=.?")


@dataclass(frozen=True)
class Layout:
    """How a plain file is read.

    Attributes:
        path: the file.
        separator: what is between two fields.
        header: names of all columns; their numbers from 1 on where it has no header.
        has_header: whether its first line names the columns.
        places: place of each column that is read, by its role.
        header_line: number of its first line that is not blank.
        is_sure: whether the first line is a header for sure, or none; where neither, it
            may be data whose columns were taken in order.
        rdf: rdflib's name of its format, where it is RDF; the rest does not count then.
    """

    path: Path
    separator: str
    header: Sequence[str]
    has_header: bool
    places: dict[str, int]
    header_line: int = 1
    is_sure: bool = True
    rdf: Optional[str] = None

    def describe(self) -> str:
        """How the file is understood, in one line for people."""
        if self.rdf is not None:
            return f"{self.path.name}: subject, predicate and object (RDF, {self.rdf})"
        names = {character: name for name, character in SEPARATORS.items()}
        separator = names.get(self.separator, shown(self.separator))
        columns = ", ".join(
            f"{role} = {shown(self.header[place])}"
            for role, place in self.places.items()
        )
        return f"{self.path.name}: {columns} (separator: {separator})"


def find_layout(
    path: Path,
    wanted: Sequence[WantedColumn],
    *,
    option: str,
    separator: Optional[str],
    has_header: bool,
) -> Layout:
    """Find out how a file is to be read.

    Args:
        path: the file.
        wanted: the columns that it is read for.
        option: the option that names the file, for messages.
        separator: what is between two fields; None looks for the usual one that parts
            the first lines into equally many fields.
        has_header: whether its first line names the columns.

    Returns:
        The layout.

    Raises:
        UserError: it cannot be read, is empty, or its separator or a column cannot be
            found.
    """
    numbered = _first_lines(path)
    if not numbered:
        raise UserError(f"{path} is empty; give {option} a file with content")
    sample = [text for _, text in numbered]
    where = f"{path}, line {numbered[0][0]}"
    if _SEPARATOR_OF_EXCEL.fullmatch(sample[0].rstrip()):
        raise UserError(
            f"{where}: {shown(sample[0])} says by what Excel separates; remove the line"
        )
    if has_header and separator is None:
        of_rdf = _rdf_layout(path, wanted, option, sample)
        if of_rdf is not None:
            return of_rdf
    required = sum(column.required for column in wanted)
    if separator is None:
        separator = _guess_separator(path, sample, required)
    header = [name.strip() for name in _split(sample[:1], separator)[0]]
    if not has_header:
        header = [str(place + 1) for place in range(len(header))]
    elif any(_is_number(name) for name in header):
        raise UserError(
            f"{where}: {shown(sample[0])} names no columns; if the file has no "
            f"header, give --no-header {option.removeprefix('--')}"
        )
    places = choose_columns(where, header, wanted)
    return Layout(
        path,
        separator,
        header,
        has_header,
        places,
        header_line=numbered[0][0],
        is_sure=not has_header or is_header(header, wanted, places),
    )


def _rdf_layout(
    path: Path, wanted: Sequence[WantedColumn], option: str, sample: Sequence[str]
) -> Optional[Layout]:
    """The layout of a file of triples in RDF; None where it is none."""
    roles = [column.role for column in wanted]
    if "relation" not in roles or any(column.given for column in wanted):
        return None
    form = rdf_format(path, sample)
    if form is None:
        return None
    require_rdflib(path, option)
    places = {role: place for place, role in enumerate(roles)}
    return Layout(path, " ", roles, False, places, rdf=form)


def read_fields(layout: Layout) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Read the wanted columns of a file.

    Args:
        layout: what `find_layout` gave for it.

    Yields:
        The number of the line on which a record begins, and the record's fields in the
        order of `layout.places`.

    Raises:
        UserError: a record has too many or too few fields, a quotation mark is
            misplaced, or a wanted field runs over several lines.
    """
    take = itemgetter(*layout.places.values())  # a tuple: they are always several
    width = len(layout.header)
    is_header = layout.has_header
    for number, after, row in _records(layout):
        is_blank = not row or (len(row) == 1 and not row[0].strip())
        if is_blank:
            continue
        if is_header:
            is_header = False
            continue
        if len(row) != width:
            raise UserError(
                f"{layout.path}, line {number}: {len(row)} fields, but the first line "
                f"has {width}; correct the line, or give --separator"
            )
        fields = take(row)
        if after > number + 1 and any("\n" in field for field in fields):
            raise UserError(
                f"{layout.path}, line {number}: a field runs over several lines; "
                "check its quotation marks"
            )
        yield number, fields


def _records(layout: Layout) -> Iterator[tuple[int, int, list[str]]]:
    """Give each record, the number of its first line, and that of the line after it."""
    lines = lines_with_progress(layout.path)
    if len(layout.separator) > 1:
        for number, text in lines:
            yield number, number + 1, text.split(layout.separator)
        return
    reader = csv.reader(
        (f"{text}\n" for _, text in lines),
        delimiter=layout.separator,
        quoting=_quoting(layout.separator),
        strict=True,
    )
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"{layout.path}, line {line}: {error}; check the quotation marks of "
                "the line"
            ) from None
        if row is None:
            return
        number, line = line, reader.line_num + 1
        yield number, line, row


def _first_lines(path: Path) -> list[tuple[int, str]]:
    """The first lines from the first that is not blank, with their numbers."""
    lines = numbered_lines(path, is_foreign=True)
    filled = itertools.dropwhile(lambda line: not line[1].strip(), lines)
    return list(itertools.islice(filled, _SAMPLED_LINES))


def _guess_separator(path: Path, sample: Sequence[str], required: int) -> str:
    filled = [text for text in sample if text.strip()]
    # A bad line must not hide the separator of the others: then the first one decides.
    for lines in (filled, filled[:1]):
        for separator in SEPARATORS.values():
            widths = {len(row) for row in _split(lines, separator)}
            if len(widths) == 1 and widths.pop() >= max(required, 2):
                return separator
    raise UserError(
        f"{path}: no usual separator parts its first line into {required} fields or "
        "more; give --separator"
    )


def _split(lines: Sequence[str], separator: str) -> list[list[str]]:
    if len(separator) > 1:
        return [line.split(separator) for line in lines]
    rows = csv.reader(lines, delimiter=separator, quoting=_quoting(separator))
    try:
        return list(rows) or [[""]]
    except csv.Error:
        return [[""]]


def _quoting(separator: str) -> Literal[0, 3]:
    return csv.QUOTE_MINIMAL if separator in (",", ";") else csv.QUOTE_NONE


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
