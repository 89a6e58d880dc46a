"""What a shim is, and what its checks look at."""

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
        patch: Name of the patch of RecBole that makes the shim unnecessary, without
            ending; the patches are in ``docs/upstream``.
        is_needed: Whether the installed RecBole has the defect in this environment.
        apply: Applies the workaround. Called at most once a process.
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


def recbole_source(module: str) -> str:
    """The source of a module of RecBole, which is not imported for it.

    Args:
        module: Name below ``recbole``, such as ``"trainer.trainer"``.

    Returns:
        The text, empty where RecBole has no such module.
    """
    package = Path(str(importlib.import_module("recbole").__file__)).parent
    path = package.joinpath(*module.split(".")).with_suffix(".py")
    return path.read_text("utf-8") if path.exists() else ""
