"""Reading a data set that RecBole can load already, to split it anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.names import read_names
from recbole_kgif.data.numbered import NumberedDataset
from recbole_kgif.data.reader import read_dataset


def read_atomic(files: DatasetFiles) -> tuple[NumberedDataset, list[Path]]:
    """Read the atomic files of a data set, split or not.

    Args:
        files: the data set's files.

    Returns:
        The data set with the names of its files but without their split, and the files
        that were read.

    Raises:
        UserError: a file is missing or unreadable, or holds a bad line.
    """
    data = read_dataset(files).content
    named = {kind: files.feature_path(kind) for kind in ("user", "item", "entity")}
    names = {
        kind: read_names(
            path, id_field=getattr(files.fields, kind), separator=files.separator
        )
        for kind, path in named.items()
    }
    used = [path for kind, path in named.items() if names[kind]]
    whole = data.with_interactions(data.interactions[["user", "item"]])
    return dataclasses.replace(whole, names=_filled(names)), [*files.paths, *used]


def _filled(names: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {kind: of_kind for kind, of_kind in names.items() if of_kind}
