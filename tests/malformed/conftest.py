"""Fixtures of the tests with malformed files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import TINY_FOLDER


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, below one that is watched, with the tiny data set."""
    folder = tmp_path / "around" / "here"
    shutil.copytree(TINY_FOLDER, folder / "dataset" / "tiny")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    return folder
