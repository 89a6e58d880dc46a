"""The model that a service answers from, replaced while it runs by a newer export."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from recbole_kgif.errors import UserError
from recbole_kgif.serving.export_files import MANIFEST
from recbole_kgif.serving.exported_model import ExportedModel

_LOG = logging.getLogger(__name__)
# A folder that is replaced while it is read is read again.
_MOST_READINGS = 5

Signature = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Served:
    """A model that is served.

    Attributes:
        model: the model.
        signature: which file its manifest was.
        loaded_at: when it was loaded, in seconds since 1970.
    """

    model: ExportedModel
    signature: Optional[Signature]
    loaded_at: float = field(default_factory=time.time)


class ModelStore:
    """Holds one model. A request takes it once, and keeps it to its end.

    Args:
        folder: the export.
        by_index: whether lists are made by the index of the export.

    Attributes:
        current: the model for the next request.

    Raises:
        UserError: there is no export that can be read.
    """

    def __init__(self, folder: Path, *, by_index: bool = False):
        self._folder, self._by_index = folder, by_index
        self._lock = threading.Lock()
        self._refused: Optional[Signature] = None
        self.current = self._read()

    def reload_if_changed(self) -> bool:
        """Load the export if its folder was replaced.

        An export that cannot be read is logged, and the current model stays.

        Returns:
            Whether another model is served from now on.
        """
        with self._lock:
            signature = _signature(self._folder)
            if signature in (None, self.current.signature, self._refused):
                return False
            try:
                self.current = self._read()
            except UserError as error:
                self._refused = signature
                _LOG.warning("%s; the earlier export is served on", error)
                return False
            _LOG.info("%s: a newer export is served", self._folder)
            return True

    def _read(self) -> Served:
        for _ in range(_MOST_READINGS):
            signature = _signature(self._folder)
            try:
                model = ExportedModel(self._folder, by_index=self._by_index)
            except UserError:
                if signature == _signature(self._folder):
                    raise
                continue
            if signature == _signature(self._folder):
                return Served(model, signature)
        raise UserError(f"{self._folder}: is replaced again and again; wait and retry")


def _signature(folder: Path) -> Optional[Signature]:
    """Which file a manifest is: another one wherever an export was written anew."""
    try:
        status = (folder / MANIFEST).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
