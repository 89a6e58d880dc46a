"""Reading one atomic file: every line checked, its ids as numbers."""

from __future__ import annotations

import csv
import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from recbole_kgif.data.dataset_files import FeatureColumns
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.data.vocabulary import Vocabulary
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_FIELD_TYPES = ("token", "token_seq", "float", "float_seq")


@dataclass(frozen=True)
class AtomicFile:
    """What was read of an atomic file.

    Attributes:
        path: the file.
        table: numbers of the ids in columns of 32-bit integers.
        blank_lines: numbers of the lines that hold nothing.
        sha256: hash of the file, in hexadecimal digits.
    """

    path: Path
    table: pd.DataFrame
    blank_lines: Sequence[int]
    sha256: str

    def line_of(self, row: int) -> int:
        """Number of the line, from 1 on, that holds a row, from 0 on."""
        line = row + 2
        for blank in self.blank_lines:
            line += blank <= line
        return line


@dataclass(frozen=True)
class FieldFormat:
    """How the fields of a line are written.

    Attributes:
        separator: The character between two fields.
        sequence_separator: The one between two values of a sequence.
        features: Set for a file of features, in which fields may be quoted as CSV
            files have them and numbers may be missing, for which RecBole takes the
            mean. Only its loaded columns are checked for numbers.
    """

    separator: str
    sequence_separator: str = " "
    features: Optional[FeatureColumns] = None


def read_atomic_file(
    path: Path, wanted: Mapping[str, tuple[str, Vocabulary]], form: FieldFormat
) -> AtomicFile:
    """Read the ids of an atomic file, and check each line.

    Args:
        path: The file.
        wanted: For each column of the table the name of the field in the file and the
            vocabulary that numbers its ids.
        form: How its lines are written.

    Returns:
        What was read.

    Raises:
        UserError: RecBole cannot read the file or would misread it; the message names
            the line.
    """
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    lines = numbered_lines(path, digest)
    header = next(lines, None)
    if header is None:
        raise UserError(f"{path} is empty; its first line must name the fields")
    types = field_types(path, header[1], form.separator)
    names = [name for name, _ in wanted.values()]
    _require_ids(path, types, names)
    columns, blank_lines = _read_rows(path, lines, types, list(wanted.values()), form)
    if columns and not columns[0]:
        raise UserError(f"{path} has no line after its header; fill it")
    arrays = [np.frombuffer(column, dtype=np.int32) for column in columns]
    table = pd.DataFrame(dict(zip(wanted, arrays)), copy=False)
    return AtomicFile(path, table, blank_lines, digest.hexdigest())


def _read_rows(
    path: Path,
    lines: Iterable[tuple[int, str]],
    types: Mapping[str, str],
    wanted: Sequence[tuple[str, Vocabulary]],
    form: FieldFormat,
) -> tuple[list[array[int]], list[int]]:
    """The numbers of each wanted column, and the numbers of the blank lines."""
    names = list(types)
    columns = [array("i") for _ in wanted]
    ids = [
        (names.index(name), vocabulary, column.append)
        for (name, vocabulary), column in zip(wanted, columns)
    ]
    features = form.features
    floats = [
        (place, form.sequence_separator if kind == "float_seq" else None)
        for place, (name, kind) in enumerate(types.items())
        if "float" in kind and (features is None or features.loads(name))
    ]
    separator, width, longest = form.separator, len(names), csv.field_size_limit()
    blank_lines = []
    missing: Counter[str] = Counter()
    for number, line in lines:
        fields = line.split(separator)
        if len(fields) != width or '"' in line or len(line) > longest:
            if len(fields) == 1 and not line.strip():
                blank_lines.append(number)
                continue
            fields = _checked_fields(path, number, line, names, form)
        for index, vocabulary, append in ids:
            try:
                append(vocabulary[fields[index]])
            except ValueError as error:
                place = f"{path}, line {number}: {names[index]}"
                if not fields[index]:
                    raise UserError(f"{place} is empty; give it a value") from None
                raise UserError(
                    f"{place} is {shown(fields[index])}, which {error}; "
                    "choose another id"
                ) from None
        for index, parts in floats:
            if not _is_numeric(fields[index], parts):
                if features is not None and not fields[index]:
                    missing[names[index]] += 1
                    continue
                many = f" or several between {shown(parts)}" if parts else ""
                raise UserError(
                    f"{path}, line {number}: {names[index]} is "
                    f"{shown(fields[index])}, not a finite number{many}; correct it or "
                    f"declare the column a token"
                )
    for name, count in missing.items():
        if count == sum(map(len, columns[:1])):
            raise UserError(
                f"{path}: {name} has no value in any line; leave it out of load_col"
            )
    return columns, blank_lines


def _checked_fields(
    path: Path, number: int, line: str, names: Sequence[str], form: FieldFormat
) -> list[str]:
    """The fields of a line that RecBole may misread."""
    fields, limit = line.split(form.separator), csv.field_size_limit()
    for field in fields:
        if len(field) > limit:
            raise UserError(
                f"{path}, line {number}: {shown(field)} has {len(field):,} characters, "
                f"and RecBole reads {limit:,} at most; shorten it"
            )
    if form.features is not None:
        fields = _unquoted_fields(path, number, line, form.separator)
    if len(fields) != len(names):
        raise UserError(
            f"{path}, line {number}: {len(fields)} fields, but the header names "
            f"{len(names)}, in {shown(line)}; correct the line"
        )
    for name, value in zip(names, fields):
        if form.features is None and value.startswith('"'):
            raise UserError(
                f"{path}, line {number}: {name} {shown(value)} begins with a "
                "quotation mark, which RecBole takes for the start of a quoted text "
                "that may run over several lines; remove the mark"
            )
    return fields


def _unquoted_fields(path: Path, number: int, line: str, separator: str) -> list[str]:
    """The fields of a line with quotation marks, as pandas reads them."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        mark = next(f for f in line.split(separator) if f.startswith('"'))
        raise UserError(
            f"{path}, line {number}: {shown(mark)} begins with a quotation mark, which "
            "RecBole takes for the start of a quoted text, and none ends it where the "
            "field ends; remove the mark, or quote the field as CSV files do"
        ) from None


def field_types(path: Path, header: str, separator: str) -> dict[str, str]:
    """Read the header of an atomic file.

    Returns:
        Each field's type by its name, in the order of the columns.

    Raises:
        UserError: It is not a header as RecBole needs it.
    """
    types: dict[str, str] = {}
    for column in header.split(separator):
        name, colon, kind = column.partition(":")
        if not name or not colon or kind not in _FIELD_TYPES or name.startswith('"'):
            raise UserError(
                f"{path}, line 1: the header field {shown(column)} is not name:type "
                f"with one of the types {', '.join(_FIELD_TYPES)}; correct it, or set "
                f"field_separator if {shown(separator)} does not separate the fields"
            )
        if name in types:
            raise UserError(
                f"{path}, line 1: the header names {shown(name)} twice; rename one"
            )
        types[name] = kind
    return types


def _require_ids(path: Path, types: Mapping[str, str], names: Sequence[str]) -> None:
    for name in names:
        if types.get(name) != "token":
            found = f"has {name}:{types[name]}" if name in types else "lacks it"
            raise UserError(
                f"{path}, line 1: the header needs {name}:token but {found}; correct it"
            )


def _is_numeric(value: str, separator: Optional[str]) -> bool:
    """Whether a value, or each part of one with a separator, is a finite number."""
    parts = [value] if separator is None else filter(None, value.split(separator))
    try:
        return all(math.isfinite(float(part)) for part in parts)
    except ValueError:
        return False
