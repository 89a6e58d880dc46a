"""The form of a shim, and what the checks of shims use."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shim:
    """A workaround for one defect of RecBole.

    Attributes:
        name: Short identifier, used in records and reports.
        reason: What breaks, and where.
        removable_when: The condition under which the shim can be deleted.
        patch: Stem of the patch in ``docs/upstream`` that makes the shim unnecessary.
        is_needed: Whether the installed RecBole has the defect in this environment.
        apply: Applies the workaround. Called at most once per process.
    """

    name: str
    reason: str
    removable_when: str
    patch: str
    is_needed: Callable[[], bool]
    apply: Callable[[], None]


def release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``"2.13.0+cpu"`` gives ``(2, 13, 0)``.

    Raises:
        ValueError: The text does not begin with a number.
    """
    match = re.match(r"\d+(?:\.\d+)*", version)
    if match is None:
        raise ValueError(f"not a version number: {version!r}")
    return tuple(int(part) for part in match.group().split("."))


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution, or None where there is none."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def can_import(module: str) -> bool:
    """Whether a module can be imported: it may be missing, or not fit its dependencies.

    Any exception counts: a compiled extension that does not fit raises OSError or
    RuntimeError, an old package AttributeError.
    """
    try:
        importlib.import_module(module)
    except Exception:
        return False
    return True


def recbole_source(module: str) -> str:
    """The source of a module of RecBole, without importing it.

    Args:
        module: Name below ``recbole``, such as ``"trainer.trainer"``.

    Returns:
        The text, empty if RecBole has no such module.
    """
    package = Path(str(importlib.import_module("recbole").__file__)).parent
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    return path.read_text("utf-8") if path.exists() else ""
