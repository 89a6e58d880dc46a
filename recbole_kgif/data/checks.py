"""Checking a data set's atomic files before RecBole reads them.

RecBole reads the files with pandas and then trusts them. Some mistakes it does not
notice: a line with a field too many is read shifted by one column, a field that begins
with a quotation mark swallows what follows up to the next one, an id such as NA becomes
a missing value. Others end in a KeyError far from the cause, when items and entities
are merged. All of them are refused here, with the file and the line. The files are
read once, line by line; only the distinct ids are kept in memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Optional

from recbole_kgif.data.dataset_files import DatasetFiles, FieldNames
from recbole_kgif.data.textfiles import numbered_lines, shown
from recbole_kgif.errors import UserError

_FIELD_TYPES = ("token", "token_seq", "float", "float_seq")
_READ_AS_MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan"),
        *("1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None"),
        *("n/a", "nan", "null"),
    )
)
_RECBOLE_OWN_TOKENS = frozenset(("[PAD]", "[UI-Relation]"))
_REFUSED_IDS = _READ_AS_MISSING | _RECBOLE_OWN_TOKENS | {""}
# Ids are printed: to a terminal such a character is an order.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class DatasetCounts:
    """What the files of a data set hold, before anything is left out.

    Attributes:
        users: Distinct users of the interactions.
        items: Distinct items of the interactions.
        interactions: Lines of the interaction files.
        entities: Distinct entities of the triples; 0 where they were not needed.
        relations: Distinct relations of the triples.
        triples: Lines of the triple file.
        linked_items: Items of the interactions with an entity of the triples.
        unlinked_items: The other items of the interactions.
        unlinked_interactions: Interactions with those other items.
    """

    users: int
    items: int
    interactions: int
    entities: int
    relations: int
    triples: int
    linked_items: int
    unlinked_items: int
    unlinked_interactions: int


@dataclass(frozen=True)
class _Link:
    """A line of the link file."""

    number: int
    entity: str


@dataclass
class _Interactions:
    """What was seen so far of the interaction files."""

    users: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    lines: int = 0
    unlinked_items: set[str] = field(default_factory=set)
    unlinked_lines: int = 0
    first_unlinked: Optional[tuple[Path, int, str]] = None


@dataclass
class _Graph:
    """What was seen so far of the triple file."""

    entities: set[str] = field(default_factory=set)
    relations: set[str] = field(default_factory=set)
    triples: int = 0


def check_dataset(
    files: DatasetFiles, *, needs_knowledge_graph: bool = True
) -> DatasetCounts:
    """Check that RecBole will read a data set as it is meant, and count it.

    Args:
        files: The data set's files.
        needs_knowledge_graph: Whether the `.kg` and `.link` files are needed; without
            them the interactions alone are checked.

    Returns:
        The counts.

    Raises:
        UserError: A file is missing or unreadable, or holds what RecBole cannot read or
            would misread; the message names the file, the line and the value.
    """
    needed = files.paths if needs_knowledge_graph else files.inter_paths
    _require_files(files.folder, needed)
    separator, names = files.separator, files.fields
    if not needs_knowledge_graph:
        interactions = _read_interactions(
            files.inter_paths, separator, names, linked=None
        )
        return _counts(interactions, _Graph())

    graph_path, link_path = files.kg_path, files.link_path
    links = _read_links(link_path, separator, names)
    graph = _read_graph(graph_path, separator, names)
    linked = {item for item, link in links.items() if link.entity in graph.entities}
    interactions = _read_interactions(
        files.inter_paths, separator, names, linked=linked
    )
    _judge_unlinked(
        interactions,
        links,
        link_path,
        graph_path,
        may_drop=files.unlinked_items == "drop" and not files.is_split,
        is_split=files.is_split,
    )
    if files.is_split:
        _require_useful_links(links, link_path, graph_path, interactions, linked)
    return _counts(interactions, graph)


def _require_files(folder: Path, paths: Sequence[Path]) -> None:
    if not folder.is_dir():
        raise UserError(
            f"the data set's folder {folder} does not exist; "
            f"check --dataset and --data_path"
        )
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}; put the file there or choose "
            f"another data set"
        )


def _read_links(path: Path, separator: str, names: FieldNames) -> dict[str, _Link]:
    links: dict[str, _Link] = {}
    entity_lines: dict[str, int] = {}
    for number, (item, entity) in rows(path, (names.item, names.entity), separator):
        if item in links:
            raise UserError(
                f"{path}, line {number}: item {shown(item)} is linked a second time, "
                f"after line {links[item].number}; keep one of the two lines"
            )
        if entity in entity_lines:
            raise UserError(
                f"{path}, line {number}: entity {shown(entity)} is linked a second "
                f"time, after line {entity_lines[entity]}; keep one of the two lines"
            )
        links[item] = _Link(number, entity)
        entity_lines[entity] = number
    return links


def _read_graph(path: Path, separator: str, names: FieldNames) -> _Graph:
    graph = _Graph()
    wanted = (names.head, names.relation, names.tail)
    for _, (head, relation, tail) in rows(path, wanted, separator):
        graph.entities.add(head)
        graph.entities.add(tail)
        graph.relations.add(relation)
        graph.triples += 1
    return graph


def _read_interactions(
    paths: Sequence[Path],
    separator: str,
    names: FieldNames,
    *,
    linked: Optional[Collection[str]],
) -> _Interactions:
    """Read the files; with `linked` None every item counts as linked."""
    seen = _Interactions()
    for path in paths:
        for number, (user, item) in rows(path, (names.user, names.item), separator):
            seen.users.add(user)
            seen.items.add(item)
            seen.lines += 1
            if linked is not None and item not in linked:
                seen.unlinked_items.add(item)
                seen.unlinked_lines += 1
                if seen.first_unlinked is None:
                    seen.first_unlinked = (path, number, item)
    return seen


def _judge_unlinked(
    interactions: _Interactions,
    links: Mapping[str, _Link],
    link_path: Path,
    graph_path: Path,
    *,
    may_drop: bool,
    is_split: bool,
) -> None:
    if interactions.first_unlinked is None:
        return
    path, number, item = interactions.first_unlinked
    if item in links:
        problem = (
            f"is linked to entity {shown(links[item].entity)} (line "
            f"{links[item].number} of {link_path.name}), which no triple of "
            f"{graph_path.name} names"
        )
    else:
        problem = f"is not in {link_path.name}"
    place = f"{path}, line {number}: item {shown(item)} {problem}"
    if interactions.unlinked_lines == interactions.lines:
        raise UserError(
            f"{place}, nor has any other item an entity, so that none of the "
            f"{interactions.lines} interactions would remain; check that all files "
            f"use the same item and entity ids"
        )
    if may_drop:
        return
    extent = (
        f"this concerns {len(interactions.unlinked_items)} items with "
        f"{interactions.unlinked_lines} interactions"
    )
    if is_split:
        raise UserError(
            f"{place}; {extent}; RecBole does not filter a split data set "
            f"(benchmark_filename), so --unlinked_items=drop cannot help: link the "
            f"items or remove their lines"
        )
    raise UserError(
        f"{place}; {extent}; --unlinked_items=drop leaves them out, or link them"
    )


def _require_useful_links(
    links: Mapping[str, _Link],
    link_path: Path,
    graph_path: Path,
    interactions: _Interactions,
    linked: Collection[str],
) -> None:
    """Refuse links on which RecBole's merging of items and entities breaks.

    RecBole takes such links out of a data set that it splits itself; in one that is
    split already they stay, and the merge ends in a KeyError.
    """
    for item, link in links.items():
        if item not in interactions.items:
            raise UserError(
                f"{link_path}, line {link.number}: item {shown(item)} is in no "
                f"interaction, which RecBole cannot load together with "
                f"benchmark_filename; remove the line"
            )
        if item not in linked:
            raise UserError(
                f"{link_path}, line {link.number}: no triple of {graph_path.name} "
                f"names entity {shown(link.entity)}, which RecBole cannot load "
                f"together with benchmark_filename; correct or remove the line"
            )


def _counts(interactions: _Interactions, graph: _Graph) -> DatasetCounts:
    unlinked = len(interactions.unlinked_items)
    return DatasetCounts(
        users=len(interactions.users),
        items=len(interactions.items),
        interactions=interactions.lines,
        entities=len(graph.entities),
        relations=len(graph.relations),
        triples=graph.triples,
        linked_items=len(interactions.items) - unlinked,
        unlinked_items=unlinked,
        unlinked_interactions=interactions.unlinked_lines,
    )


def rows(
    path: Path, wanted: Sequence[str], separator: str
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Read the ids of an atomic file, each line checked.

    Args:
        path: The file.
        wanted: Names of its id columns.
        separator: The character between two fields.

    Yields:
        The line number, counted from 1, and the ids in the order of `wanted`.

    Raises:
        UserError: The file or a line is none that RecBole reads as it is meant.
    """
    lines = numbered_lines(path)
    header = next(lines, None)
    if header is None:
        raise UserError(f"{path} is empty; its first line must name the fields")
    types = _field_types(path, header[1], wanted, separator)
    names = list(types)
    take_ids = itemgetter(*(names.index(wanted_name) for wanted_name in wanted))
    numeric = [
        (index, kind)
        for index, kind in enumerate(types.values())
        if kind.startswith("float")
    ]
    row_count = 0
    for number, line in lines:
        fields = line.split(separator)
        if len(fields) != len(names):
            if len(fields) == 1 and not line.strip():
                continue
            raise UserError(
                f"{path}, line {number}: {len(fields)} fields, but the header names "
                f"{len(names)}, in {shown(line)}; correct the line"
            )
        if '"' in line:
            _refuse_quoted(path, number, names, fields)
        ids = take_ids(fields)
        if not _REFUSED_IDS.isdisjoint(ids) or not "".join(ids).isprintable():
            _refuse_id(path, number, wanted, ids)
        for index, kind in numeric:
            if not _is_numeric(fields[index], kind):
                raise UserError(
                    f"{path}, line {number}: {names[index]} is "
                    f"{shown(fields[index])}, not a finite number; correct it or "
                    f"declare the column a token"
                )
        row_count += 1
        yield number, ids
    if row_count == 0:
        raise UserError(f"{path} has no line after its header; fill it")


def _field_types(
    path: Path, header: str, wanted: Sequence[str], separator: str
) -> dict[str, str]:
    """Read the header: each field's type by its name, in the order of the columns."""
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
    for name in wanted:
        if types.get(name) != "token":
            found = f"has {name}:{types[name]}" if name in types else "lacks it"
            raise UserError(
                f"{path}, line 1: the header needs {name}:token but {found}; correct it"
            )
    return types


def _refuse_quoted(
    path: Path, number: int, names: Sequence[str], fields: Sequence[str]
) -> None:
    for name, value in zip(names, fields):
        if value.startswith('"'):
            raise UserError(
                f"{path}, line {number}: {name} {shown(value)} begins with a quotation "
                f"mark, which RecBole takes for the start of a quoted text that may "
                f"run over several lines; remove the mark"
            )


def problem_of_id(value: str) -> Optional[str]:
    """Tell whether RecBole, or a terminal, would misread an id.

    Args:
        value: The id.

    Returns:
        What is wrong with it, in words that go on after the id; None for a good id.
    """
    if value == "":
        return "is empty"
    if value in _READ_AS_MISSING:
        return "is read as a missing value by RecBole"
    if value in _RECBOLE_OWN_TOKENS:
        return "is used by RecBole itself"
    if _CONTROL_CHARACTER.search(value):
        return "holds a control character"
    return None


def _refuse_id(
    path: Path, number: int, wanted: Sequence[str], ids: Sequence[str]
) -> None:
    for name, value in zip(wanted, ids):
        if value == "":
            raise UserError(f"{path}, line {number}: {name} is empty; give it a value")
        problem = problem_of_id(value)
        if problem is not None:
            raise UserError(
                f"{path}, line {number}: {name} is {shown(value)}, which {problem}; "
                f"choose another id"
            )


def _is_numeric(value: str, kind: str) -> bool:
    if kind == "float":
        return _is_finite(value)
    return all(_is_finite(part) for part in value.split(" ") if part)


def _is_finite(value: str) -> bool:
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False
