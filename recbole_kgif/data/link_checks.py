"""Checks that items, links and triples of a data set fit together for RecBole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    from recbole_kgif.data.atomic_file import AtomicFile
    from recbole_kgif.data.dataset_files import DatasetFiles
    from recbole_kgif.data.numbered import NumberedDataset


def refuse_repeated_link(
    link: AtomicFile, items: Sequence[str], entities: Sequence[str]
) -> None:
    """Refuse an item or an entity that is linked twice.

    Raises:
        UserError: There is one; the message names both lines.
    """
    is_item, is_entity = (link.table[kind].duplicated() for kind in link.table)
    for row in np.flatnonzero(is_item | is_entity)[:1].tolist():
        kind, tokens = ("item", items) if is_item[row] else ("entity", entities)
        column = link.table[kind]
        first = int(np.argmax(column == column[row]))
        advice = "keep one of the two lines"
        if kind == "entity":
            advice = (
                "RecBole takes one item an entity: to keep both, link this item to an "
                "entity id of its own, and repeat the triples with that id"
            )
        raise UserError(
            f"{link.path}, line {link.line_of(row)}: {kind} "
            f"{shown(tokens[column[row]])} is linked a second time, after line "
            f"{link.line_of(first)}; {advice}"
        )


def check_links(
    files: DatasetFiles,
    content: NumberedDataset,
    inter: Sequence[AtomicFile],
    link: AtomicFile,
) -> None:
    """Check that each item has an entity of the triples, or may be dropped.

    Args:
        files: The data set's files.
        content: What was read of them.
        inter: The interaction files.
        link: The link file.

    Raises:
        UserError: Items without an entity may not be dropped, or none has one.
    """
    if files.is_split and files.unlinked_items == "keep":
        return
    is_linked = content.is_linked
    unlinked = [np.flatnonzero(~is_linked[file.table["item"]]) for file in inter]
    for file, rows in zip(inter, unlinked):
        if len(rows):
            place = _place_of_unlinked(files, content, file, int(rows[0]), link)
            _judge_unlinked(files, inter, unlinked, place)
            break


def _place_of_unlinked(
    files: DatasetFiles,
    content: NumberedDataset,
    file: AtomicFile,
    row: int,
    link: AtomicFile,
) -> str:
    item = file.table["item"][row]
    place = f"{file.path}, line {file.line_of(row)}: item {shown(content.items[item])}"
    links = np.flatnonzero(link.table["item"] == item)
    if len(links) == 0:
        return f"{place} is not in {link.path.name}"
    entity = content.entities[link.table["entity"][links[0]]]
    return (
        f"{place} is linked to entity {shown(entity)} (line "
        f"{link.line_of(int(links[0]))} of {link.path.name}), which no triple of "
        f"{files.kg_path.name} names"
    )


def _judge_unlinked(
    files: DatasetFiles,
    inter: Sequence[AtomicFile],
    unlinked: Sequence[npt.NDArray[np.intp]],
    place: str,
) -> None:
    """Refuse unlinked interactions, the rows `unlinked` of each file."""
    total, count = sum(len(file.table) for file in inter), sum(map(len, unlinked))
    if count == total:
        raise UserError(
            f"{place}, nor has any other item an entity, so that none of the "
            f"{total} interactions would remain; check that all files "
            f"use the same item and entity ids"
        )
    items = [file.table["item"].iloc[rows] for file, rows in zip(inter, unlinked)]
    extent = (
        f"this concerns {len(np.unique(np.concatenate(items)))} items with "
        f"{count} interactions"
    )
    if files.is_split:
        raise UserError(
            f"{place}; {extent}; RecBole does not filter a split data set "
            f"(benchmark_filename), so --unlinked_items=drop cannot help: link the "
            f"items or remove their lines"
        )
    if files.unlinked_items != "drop":
        raise UserError(
            f"{place}; {extent}; --unlinked_items=drop leaves them out, or link them"
        )
