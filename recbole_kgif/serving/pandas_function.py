"""Lists for data frames of users, for engines that distribute data frames.

Spark runs it as it is::

    function = RecommendInPandas("/shared/export", k=20)
    lists = users.mapInPandas(function, function.SCHEMA)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from recbole_kgif.common.files import AnyPath
from recbole_kgif.data.textfiles import file_sha256
from recbole_kgif.serving.export_files import MANIFEST
from recbole_kgif.serving.exported_model import ExportedModel


class RecommendInPandas:
    """Maps data frames with the column ``user_id`` to the lists of these users.

    Each process of the engine loads the export once. Rows are those that
    `ExportedModel.recommend` gives for the same users, in the same order.

    Args:
        export: folder of the export, where every process of the engine can read it.
        k: how many items a user gets.
        by_index: whether lists are made by the index of the export.

    Raises:
        UserError: when it is called, if the export cannot be read or a user is unknown.
    """

    SCHEMA = (
        "user_id string, rank long, item_id string, name string, score double, "
        "approximate boolean"
    )

    def __init__(self, export: AnyPath, k: int = 20, *, by_index: bool = False):
        self._export, self._k, self._by_index = str(export), k, by_index

    def __call__(self, frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Lists of the users of each frame, a frame each."""
        checksum = file_sha256(Path(self._export) / MANIFEST)
        model = _loaded(self._export, checksum, self._by_index)
        for frame in frames:
            yield model.parts_of_lists(frame["user_id"], self._k)


@lru_cache(maxsize=1)
def _loaded(export: str, _checksum: str, by_index: bool) -> Any:
    """The export, read again where another one has taken its place."""
    return ExportedModel(export, by_index=by_index)
