"""Where Optuna keeps a study: in memory, in a database or in a journal file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import (
    BaseStorage,
    InMemoryStorage,
    JournalStorage,
    RDBStorage,
)
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.exc import SQLAlchemyError

from recbole_kgif.errors import UserError


def open_storage(location: Optional[str]) -> BaseStorage:
    """Where studies are kept.

    Args:
        location: URL of a database as SQLAlchemy knows it, path of a journal file of
            Optuna's, or None for the memory of this process.

    Raises:
        UserError: there is no such database, or no driver for it, or the file is no
            journal.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if location is None:
        return InMemoryStorage()
    try:
        if "://" in location:
            return RDBStorage(location)
        return _open_journal(location)
    except (ImportError, OSError, ValueError, SQLAlchemyError) as error:
        raise UserError(
            f"--storage: cannot be used ({_first_line(error)}); give sqlite:///FILE, "
            "another URL of a database whose driver is installed, or the path of a "
            "journal file"
        ) from error


def _open_journal(path: str) -> BaseStorage:
    """A journal file as a storage, once all of it was read.

    Raises:
        ValueError: it is not a journal.
    """
    try:
        # Optuna takes a broken last line for one that is being written, and appends
        # to it.
        if os.path.exists(path) and (content := Path(path).read_bytes()):
            json.loads(content.splitlines()[-1])["op_code"]
        storage = JournalStorage(JournalFileBackend(path))
        storage.get_all_studies()
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        # What Optuna takes for granted of a line.
        raise ValueError(f"{path} is not a journal, or its last line is cut") from error
    return storage


@contextmanager
def storage_errors_reported() -> Iterator[None]:
    """Report a later failure of a storage in one line.

    Raises:
        UserError: in place of what Optuna and SQLAlchemy raise.
    """
    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        raise UserError(
            f"--storage: failed ({_first_line(error)}); once it works again, "
            "rerun the command to resume"
        ) from error


def _first_line(error: BaseException) -> str:
    """What an error says, without the statement and the link that SQLAlchemy adds."""
    return (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
