"""A data set as the planning of a command finds it, made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.data.reader import DatasetCounts
from recbole_kgif.experiments.planning import PlannedDataset

COUNTS = DatasetCounts(*[0] * 9)


def planned(**options: Any) -> PlannedDataset:
    """The tiny data set with some options of its own."""
    location = DatasetLocation("tiny", Path("/a"), Path("/a/tiny"), "in a test")
    return PlannedDataset(location, COUNTS, {"tiny.kg": "1"}, options)
