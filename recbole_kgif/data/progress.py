"""Progress bars of the long steps, shown in a terminal alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional, TypeVar

Entry = TypeVar("Entry")


def progress(
    entries: Iterable[Entry], what: str, unit: str, total: Optional[int] = None
) -> Iterator[Entry]:
    """Pass entries on, and show how many there were.

    Args:
        entries: anything.
        what: label of the bar.
        unit: what an entry is.
        total: number of entries; None where it is not known.

    Yields:
        The entries.
    """
    from tqdm import tqdm

    yield from tqdm(
        entries, desc=what, unit=f" {unit}", unit_scale=True, total=total, disable=None
    )
