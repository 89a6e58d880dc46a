"""The facts that a trained model is extended by, and where each was given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Optional

import pandas as pd

from recbole_kgif.data.data_frames import Names, numbered_frames
from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.data.numbered import WHOLE, NumberedDataset, empty_table
from recbole_kgif.data.recipes.delimited import Layout, read_fields
from recbole_kgif.data.recipes.plain import LINKS, read_plain
from recbole_kgif.errors import UserError


@dataclass(frozen=True)
class NewFacts:
    """What a trained model is extended by.

    Attributes:
        data: the facts, with numbers of their own; links are those that were given.
        place: the beginning of a message about an id: where it is first, by what was
            given (such as "triples"), by its role there (such as "relation") and by the
            id itself.
    """

    data: NumberedDataset
    place: Callable[[str, str, str], str]


def facts_of_files(layouts: Mapping[str, Layout]) -> tuple[NewFacts, list[str]]:
    """Read new facts from plain files.

    Args:
        layouts: the layout of each file by what it holds, see `read_plain`.

    Returns:
        The facts, and what was left out of the files, for people.

    Raises:
        UserError: a file cannot be read or holds a bad line.
    """
    data, notes = read_plain(layouts)

    def place(kind: str, role: str, token: str) -> str:
        layout = layouts[kind]
        if layout.rdf is not None:
            return f"{layout.path}: "
        column = list(layout.places).index(role)
        for line, fields in read_fields(layout):
            if fields[column].strip() == token:
                return f"{layout.path}, line {line}: "
        return f"{layout.path}: "

    return NewFacts(_with_given_links(data, LINKS in layouts), place), notes


def facts_of_frames(
    interactions: Optional[pd.DataFrame] = None,
    triples: Optional[pd.DataFrame] = None,
    links: Optional[pd.DataFrame] = None,
    names: Optional[Names] = None,
) -> NewFacts:
    """New facts of data frames, as `fit` takes them.

    Items that have a name alone are among the facts, too.

    Raises:
        UserError: there is none, or one lacks a column or rows, or holds what a data
            set cannot.
    """
    frames = {"interactions": interactions, "triples": triples, "links": links}
    if all(frame is None for frame in (interactions, triples, links, names)):
        raise UserError("nothing to extend by; give interactions, triples or both")
    data = numbered_frames(interactions, triples, links, names)
    named = [item for item in data.names.get("item", {}) if item not in data.items]
    data = dataclasses.replace(data, items=[*data.items, *named])

    def place(kind: str, role: str, token: str) -> str:
        frame = frames[kind]
        if frame is None:
            return ""
        column = frame[getattr(FieldNames(), role)].map(str)
        return f"{kind}.iloc[{int((column == token).to_numpy().argmax())}]: "

    return NewFacts(_with_given_links(data, links is not None), place)


def facts_of_visitor(user: str, items: list[str]) -> NewFacts:
    """The interactions of one new user.

    Args:
        user: id of the user.
        items: ids of the items, each once.
    """
    pairs = pd.DataFrame({"user": 0, "item": range(len(items))})
    data = NumberedDataset(
        users=[user],
        items=items,
        entities=[],
        relations=[],
        parts={WHOLE: pairs},
        triples=empty_table("head", "relation", "tail"),
        links=empty_table("item", "entity"),
    )
    return NewFacts(data, lambda kind, role, token: "")


def _with_given_links(data: NumberedDataset, are_given: bool) -> NumberedDataset:
    if are_given:
        return data
    return dataclasses.replace(data, links=empty_table("item", "entity"))
