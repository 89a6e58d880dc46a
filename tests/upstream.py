"""Copies of the installed RecBole with patches of `docs/upstream` applied."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

PATCHES = Path(__file__).parents[1] / "docs" / "upstream"
ALL_PATCHES = tuple(sorted(path.stem for path in PATCHES.glob("*.patch")))


def patched_recbole(folder: Path, patches: Iterable[str] = ALL_PATCHES) -> Path:
    """Copy RecBole into a folder and apply patches to the copy.

    Args:
        folder: an existing folder.
        patches: their names, in the order in which they are applied.

    Returns:
        The package in the folder.
    """
    spec = find_spec("recbole")
    assert spec is not None and spec.origin is not None
    copy = shutil.copytree(
        Path(spec.origin).parent,
        folder / "recbole",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for patch in patches:
        # The installed package has no setup.py, which a patch may change too.
        completed = subprocess.run(
            ["git", "apply", "--include=recbole/*", str(PATCHES / f"{patch}.patch")],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr
    return Path(copy)
