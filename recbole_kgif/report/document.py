"""A report before it has a format: sections of paragraphs, tables and plots."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union


class Mark(enum.Enum):
    """How a cell stands out."""

    NONE = "none"
    BEST = "best"
    SECOND = "second"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What stands in it.
        mark: How it stands out.
    """

    text: str
    mark: Mark = Mark.NONE


@dataclass(frozen=True)
class Table:
    """A table with one header line.

    Attributes:
        label: Short name, by which LaTeX refers to it.
        caption: What it shows, in one or more sentences.
        header: Titles of the columns; the first column holds names.
        rows: The cells of each row, as many as the header has.
        text_columns: Places of further columns of words, which are set to the left.
    """

    label: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a row that does not fit the header."""
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"table {self.label}: a row of {len(row)} cells")

    def is_text(self, column: int) -> bool:
        """Whether a column holds words, not numbers."""
        return column == 0 or column in self.text_columns


@dataclass(frozen=True)
class Plot:
    """A plot, by the name of its files.

    Attributes:
        name: File name without its ending.
        caption: What it shows.
    """

    name: str
    caption: str


Block = Union[str, Table, Plot]


@dataclass(frozen=True)
class Section:
    """A titled part of a report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    sections: Sequence[Section] = field(default_factory=tuple)
