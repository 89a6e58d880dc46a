"""Plain CSV and TSV files as arguments: which they are, and how they are read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from recbole_kgif.data.recipes.columns import WantedColumn
from recbole_kgif.data.recipes.delimited import SEPARATORS, Layout, find_layout
from recbole_kgif.errors import UserError

# The columns of plain files, by what a file holds: whether it must have each of them.
Columns = Mapping[str, Mapping[str, bool]]
COLUMNS: Columns = {
    "interactions": {"user": True, "item": True, "rating": False, "time": False},
    "triples": {"head": True, "relation": True, "tail": True},
    "links": {"link-item": True, "link-entity": True},
    "names": {"names-item": True, "names-name": True},
    "entity-names": {"entity-names-entity": True, "entity-names-name": True},
}


def attribute(role: str) -> str:
    """Where the namespace has the column of a role."""
    return f"{role.replace('-', '_')}_column"


def _attribute_of_file(kind: str) -> str:
    return kind.replace("-", "_")


def add_plain_file_arguments(
    parser: argparse.ArgumentParser, columns: Columns = COLUMNS
) -> None:
    """How plain files are read.

    Args:
        parser: gets the arguments.
        columns: the files that a command reads, and their columns.
    """
    for roles in columns.values():
        for role in roles:
            parser.add_argument(f"--{role}-column", metavar="NAME")
    parser.add_argument(
        "--separator",
        type=_separator,
        metavar="CHARACTER",
        help=f"between two fields: {', '.join(SEPARATORS)}, or any character "
        "(default: the usual one that fits)",
    )
    parser.add_argument(
        "--no-header",
        nargs="+",
        action="extend",
        choices=tuple(columns),
        default=[],
        help="files whose first line names no columns; these are then 1, 2, ...",
    )


def refuse_columns_of_no_file(
    namespace: argparse.Namespace, columns: Columns = COLUMNS
) -> None:
    """Refuse columns of a file that is not given.

    Raises:
        UserError: there is one.
    """
    for file, roles in columns.items():
        if getattr(namespace, _attribute_of_file(file)) is not None:
            continue
        for role in roles:
            if getattr(namespace, attribute(role)) is not None:
                raise UserError(f"--{role}-column: needs --{file}; give it too")
        if file in namespace.no_header:
            raise UserError(f"--no-header {file}: needs --{file}; give it too")


def find_layouts(
    namespace: argparse.Namespace, columns: Columns = COLUMNS
) -> dict[str, Layout]:
    """Find out, and print, how each plain file is read.

    Raises:
        UserError: a file cannot be read, or one of its columns cannot be found.
    """
    layouts = {}
    for kind, roles in columns.items():
        path = getattr(namespace, _attribute_of_file(kind))
        if path is None:
            continue
        wanted = [
            WantedColumn(
                role.rpartition("-")[2],
                f"--{role}-column",
                getattr(namespace, attribute(role)),
                required,
            )
            for role, required in roles.items()
        ]
        layouts[kind] = find_layout(
            path,
            wanted,
            option=f"--{kind}",
            separator=namespace.separator,
            has_header=kind not in namespace.no_header,
        )
        print(layouts[kind].describe())
    return layouts


def _separator(text: str) -> str:
    character = SEPARATORS.get(text, "\t" if text == r"\t" else text)
    if character in SEPARATORS.values():
        return character
    if len(character) != 1 or character in '"\r\n\0':
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one of {', '.join(SEPARATORS)}, nor a character that can "
            "separate fields"
        )
    return character
