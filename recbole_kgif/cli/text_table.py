"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def text_columns(columns: Mapping[str, Sequence[str]], left: int = 1) -> str:
    """A table in text: names to the left, values to the right.

    Args:
        columns: the cells below each heading.
        left: how many columns hold names.
    """
    cells = [[head, *values] for head, values in columns.items()]
    widths = [max(map(len, column)) for column in cells]
    lines = []
    for row in zip(*cells):
        texts = [
            text.ljust(width) if place < left else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(texts).rstrip())
    return "\n".join(lines)
