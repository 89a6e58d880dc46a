"""The model of a checkpoint, restored: `restore` and what it returns."""

from __future__ import annotations

from recbole_kgif.training.restore import Restored, restore

__all__ = ["Restored", "restore"]
