"""Lists for many users: part by part, on several cores, resumed where it was ended."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from recbole_kgif.common.files import read_object, write_atomic
from recbole_kgif.data.textfiles import file_sha256
from recbole_kgif.errors import UserError
from recbole_kgif.serving.export_files import MANIFEST
from recbole_kgif.serving.exported_model import ExportedModel

SETTINGS = "settings.json"
USERS_OF_A_PART = 1_000


@dataclass(frozen=True)
class Batch:
    """Lists to write.

    Attributes:
        export: folder of the export.
        output: folder that gets a Parquet file for each part of the users.
        k: how many items a user gets.
        users: ids; None for all users.
        by_index: whether lists are made by the index of the export.
    """

    export: Path
    output: Path
    k: int
    users: Optional[tuple[str, ...]] = None
    by_index: bool = False

    def model(self) -> ExportedModel:
        """What makes the lists."""
        return ExportedModel(self.export, by_index=self.by_index)

    def settings(self) -> dict[str, Any]:
        """What all parts of the output have in common."""
        users = None if self.users is None else "\n".join(self.users).encode()
        return {
            "format": "recbole_kgif lists",
            "export": file_sha256(self.export / MANIFEST),
            "k": self.k,
            "by_index": self.by_index,
            "users": None if users is None else hashlib.sha256(users).hexdigest(),
            "users_of_a_part": USERS_OF_A_PART,
        }

    def part(self, number: int) -> Path:
        """The file of a part."""
        return self.output / f"part-{number:05}.parquet"


def write_lists(batch: Batch, jobs: int = 1) -> Iterator[int]:
    """Write what is missing of the lists.

    A part is written atomically. If this is ended at any time, the same call writes the
    parts that are missing.

    Args:
        batch: the lists.
        jobs: how many processes compute; each holds the export in memory.

    Yields:
        The number of users of each part, as parts are finished; first those of parts
        that were there already.

    Raises:
        UserError: the export cannot be read, a user is unknown, or the folder holds
            other lists.
    """
    model = batch.model()
    rows = _rows(batch, model)
    _prepare(batch)
    numbers = range(-(-len(rows) // USERS_OF_A_PART))
    missing = [number for number in numbers if not batch.part(number).exists()]
    there = set(numbers).difference(missing)
    yield from (len(_of_part(rows, number)) for number in sorted(there))
    if jobs == 1:
        for number in missing:
            yield _write_part(model, batch, rows, number)
        return
    del model  # each process has its own
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, context, initializer=_begin, initargs=(batch,)
    ) as pool:
        waiting = {pool.submit(_write_numbered, number) for number in missing}
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for each in finished:
                yield each.result()


def _rows(batch: Batch, model: ExportedModel) -> Any:
    if batch.users is None:
        return np.arange(len(model.user_ids))
    asked = dict.fromkeys(batch.users)
    return np.array([model.row("user", user) for user in asked], dtype=np.int64)


def _prepare(batch: Batch) -> None:
    """Make the folder, or check that it holds parts of the same lists."""
    settings, path = batch.settings(), batch.output / SETTINGS
    if not path.exists():
        if batch.output.exists() and (
            not batch.output.is_dir() or any(batch.output.iterdir())
        ):
            raise UserError(
                f"--output {batch.output}: holds other files than lists; name a new "
                "folder"
            )
        batch.output.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(settings, indent=1) + "\n")
        return
    if read_object(path) != settings:
        raise UserError(
            f"--output {batch.output}: holds lists of another export, of other users, "
            "of another length or made with or without --index; name a new folder"
        )
    for left_over in batch.output.glob(".part-*"):
        left_over.unlink()


def _of_part(rows: Sequence[int], number: int) -> Any:
    return rows[number * USERS_OF_A_PART : (number + 1) * USERS_OF_A_PART]


def _write_part(model: ExportedModel, batch: Batch, rows: Any, number: int) -> int:
    users = _of_part(rows, number)
    ids = [model.user_ids[row] for row in users]
    frame = model.parts_of_lists(ids, batch.k)
    content = frame.to_parquet(engine="pyarrow", index=False)
    write_atomic(batch.part(number), content)
    return len(ids)


_worker: dict[str, Any] = {}


def _begin(batch: Batch) -> None:
    """Load the export in a process that will write parts."""
    model = batch.model()
    _worker.update(model=model, batch=batch, rows=_rows(batch, model))


def _write_numbered(number: int) -> int:
    return _write_part(_worker["model"], _worker["batch"], _worker["rows"], number)
