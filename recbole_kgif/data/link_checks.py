"""Checks that items, links and triples of a data set fit together for RecBole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    from recbole_kgif.data.atomic_file import AtomicFile
    from recbole_kgif.data.dataset_files import DatasetFiles
    from recbole_kgif.data.numbered import BoolArray, NumberedDataset


def refuse_repeated_link(
    link: AtomicFile, items: Sequence[str], entities: Sequence[str]
) -> None:
    """Refuse an item or an entity that is linked twice.

    Raises:
        UserError: There is one; the message names both lines.
    """
    repeated = []
    for kind, tokens, column in zip(
        ("item", "entity"), (items, entities), link.columns
    ):
        _, first_rows = np.unique(column, return_index=True)
        rows = np.setdiff1d(np.arange(len(column)), first_rows)
        repeated += [(int(row), kind, tokens[column[row]], column) for row in rows[:1]]
    if not repeated:
        return
    row, kind, token, column = min(repeated, key=lambda found: found[0])
    first = int(np.argmax(column == column[row]))
    raise UserError(
        f"{link.path}, line {link.line_of(row)}: {kind} {shown(token)} is linked a "
        f"second time, after line {link.line_of(first)}; keep one of the two lines"
    )


def check_links(
    files: DatasetFiles,
    content: NumberedDataset,
    is_linked: BoolArray,
    inter: Sequence[AtomicFile],
    link: AtomicFile,
) -> None:
    """Check that each item has an entity of the triples, or may be dropped.

    Args:
        files: The data set's files.
        content: What was read of them.
        is_linked: Whether an item has an entity of the triples, shape: [n_items]
        inter: The interaction files.
        link: The link file.

    Raises:
        UserError: Items without an entity may not be dropped, or none has one. Or a
            pre-split data set has a link on which RecBole fails.
    """
    _judge_unlinked(files, content, is_linked, inter, link)
    if files.is_split:
        _require_useful_links(files, content, is_linked, link)


def _judge_unlinked(
    files: DatasetFiles,
    content: NumberedDataset,
    is_linked: BoolArray,
    inter: Sequence[AtomicFile],
    link: AtomicFile,
) -> None:
    items = content.interactions.items
    unlinked = np.flatnonzero(~is_linked[items])
    if len(unlinked) == 0:
        return
    row = int(unlinked[0])
    item = int(items[row])
    for file in inter:
        if row < len(file.columns[0]):
            break
        row -= len(file.columns[0])
    links = np.flatnonzero(content.links.items == item)
    if len(links):
        entity = content.entities[content.links.entities[links[0]]]
        problem = (
            f"is linked to entity {shown(entity)} (line {link.line_of(int(links[0]))} "
            f"of {link.path.name}), which no triple of {files.kg_path.name} names"
        )
    else:
        problem = f"is not in {link.path.name}"
    place = (
        f"{file.path}, line {file.line_of(row)}: item {shown(content.items[item])} "
        f"{problem}"
    )
    if len(unlinked) == len(items):
        raise UserError(
            f"{place}, nor has any other item an entity, so that none of the "
            f"{len(items)} interactions would remain; check that all files "
            f"use the same item and entity ids"
        )
    extent = (
        f"this concerns {len(np.unique(items[unlinked]))} items with "
        f"{len(unlinked)} interactions"
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


def _require_useful_links(
    files: DatasetFiles,
    content: NumberedDataset,
    is_linked: BoolArray,
    link: AtomicFile,
) -> None:
    """Refuse links on which RecBole's merging of items and entities breaks.

    RecBole takes such links out of a data set that it splits itself; in one that is
    split already they stay, and the merge ends in a KeyError.
    """
    items, entities = content.links.items, content.links.entities
    is_used = content.is_used
    for row in np.flatnonzero(~(is_used[items] & is_linked[items]))[:1].tolist():
        line = f"{link.path}, line {link.line_of(row)}"
        if not is_used[items[row]]:
            raise UserError(
                f"{line}: item {shown(content.items[items[row]])} is in no "
                f"interaction, which RecBole cannot load together with "
                f"benchmark_filename; remove the line"
            )
        raise UserError(
            f"{line}: no triple of {files.kg_path} names entity "
            f"{shown(content.entities[entities[row]])}, which RecBole cannot load "
            f"together with benchmark_filename; correct or remove the line"
        )
