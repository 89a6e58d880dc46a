"""Reading the files of features that RecBole loads: `.item`, `.user`, additional ones.

RecBole leaves out interactions of users and items without a row in `.user` or `.item`,
keeps the first row of an id, and reads a quotation mark as the start of a text that may
run over several lines, all without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recbole_kgif.data.atomic_file import (
    AtomicFile,
    FieldFormat,
    field_types,
    read_atomic_file,
)
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.numbered import BoolArray, NumberedDataset
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.data.vocabulary import Vocabulary, checked_id
from recbole_kgif.errors import UserError


@dataclass(frozen=True)
class MissingRows:
    """Users or items of interactions that a loaded file of features has no row of.

    Attributes:
        kind: "user" or "item".
        file_name: Name of the file.
        ids: How many users or items.
        interactions: How many interactions are theirs.
        place: The first of them: file, line and id.
        consequence: What RecBole does with them.
    """

    kind: str
    file_name: str
    ids: int
    interactions: int
    place: str
    consequence: str

    def __str__(self) -> str:
        """What is missing, and what comes of it, for people."""
        return (
            f"{self.place} has no row in {self.file_name}, as {self.ids:,} "
            f"{self.kind}s with {self.interactions:,} interactions have none; "
            f"{self.consequence}"
        )


def read_features(
    files: DatasetFiles,
) -> dict[str, tuple[AtomicFile, Sequence[str]]]:
    """Read the files of features that are loaded, and check each line.

    Args:
        files: The data set's files.

    Returns:
        What was read of each file, and the ids that its rows have, by suffix.

    Raises:
        UserError: A file is missing or unreadable, or holds what RecBole cannot read or
            would misread; the message names the file, the line and the value.
    """
    found: dict[str, tuple[AtomicFile, Sequence[str]]] = {}
    for suffix, columns in files.features.items():
        path = files.feature_path(suffix)
        if not columns.is_additional and not path.is_file():
            continue
        _, header = next(numbered_lines(path), (1, ""))
        names = field_types(path, header, files.separator)
        ids = Vocabulary(suffix, checked_id)
        fields = columns.id_fields
        if columns.is_additional:
            fields = tuple(
                name
                for name in fields
                if names.get(name) == "token" and columns.loads(name)
            )
        wanted = {"id": (fields[0], ids)} if fields else {}
        form = FieldFormat(files.separator, files.sequence_separator, columns)
        file = read_atomic_file(path, wanted, form)
        if wanted and columns.is_unique:
            _refuse_second_row(file, ids.tokens)
        found[suffix] = (file, ids.tokens)
    return found


def _refuse_second_row(file: AtomicFile, ids: Sequence[str]) -> None:
    """Refuse an id with two rows, of which RecBole would use one."""
    column = file.table["id"]
    for row in np.flatnonzero(column.duplicated())[:1].tolist():
        first = int(np.argmax(column == column[row]))
        raise UserError(
            f"{file.path}, line {file.line_of(row)}: {shown(ids[column[row]])} has a "
            f"second row, after line {file.line_of(first)}; keep one of the two lines"
        )


def missing_rows(
    files: DatasetFiles,
    content: NumberedDataset,
    inter: Sequence[AtomicFile],
    features: Mapping[str, tuple[AtomicFile, Sequence[str]]],
    is_kept: BoolArray,
) -> list[MissingRows]:
    """Find users and items of interactions without a row in `.user` or `.item`.

    Args:
        files: The data set's files.
        content: What was read of the others.
        inter: The interaction files.
        features: What `read_features` gave.
        is_kept: Whether the interactions of each item are loaded at all,
            shape: [n_items].

    Raises:
        UserError: RecBole would leave their interactions out, and nobody asked for
            that; or none would remain.
    """
    return list(_missing_rows(files, content, inter, features, is_kept))


def _missing_rows(
    files: DatasetFiles,
    content: NumberedDataset,
    inter: Sequence[AtomicFile],
    features: Mapping[str, tuple[AtomicFile, Sequence[str]]],
    is_kept: BoolArray,
) -> Iterator[MissingRows]:
    for kind, ids in (("user", content.users), ("item", content.items)):
        if kind not in features:
            continue
        present = set(features[kind][1])
        is_missing = np.array([id_ not in present for id_ in ids], dtype=np.bool_)
        columns = [f.table[kind].to_numpy() for f in inter]
        rows = [
            np.flatnonzero(is_missing[column] & is_kept[file.table["item"]])
            for file, column in zip(inter, columns)
        ]
        total = sum(map(len, rows))
        if not total:
            continue
        file, row = next((f, int(r[0])) for f, r in zip(inter, rows) if len(r))
        missing = MissingRows(
            kind,
            features[kind][0].path.name,
            len(np.unique(np.concatenate([c[r] for c, r in zip(columns, rows)]))),
            total,
            f"{file.path}, line {file.line_of(row)}: {kind} "
            f"{shown(ids[file.table[kind][row]])}",
            _consequence(files),
        )
        kept = sum(int(is_kept[file.table["item"]].sum()) for file in inter)
        _judge(files, missing, total == kept)
        yield missing


def _consequence(files: DatasetFiles) -> str:
    if files.is_split or files.filters_by_features is False:
        return "RecBole takes the mean for numbers and a padding for words"
    return "their interactions are left out"


def _judge(files: DatasetFiles, missing: MissingRows, is_all: bool) -> None:
    """Refuse missing rows that cost interactions, unless that is asked for.

    Raises:
        UserError: they cost all interactions, or it is not.
    """
    if files.is_split or files.filters_by_features is False:
        return
    if is_all:
        raise UserError(
            f"{missing}, so that none remains; check that both files use the same ids"
        )
    if files.filters_by_features is None:
        raise UserError(
            f"{missing}: add the rows, or give --filter_inter_by_user_or_item=True to "
            "leave the interactions out, or =False to keep them without features"
        )
