"""Fixtures of the tests of `prepare`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.recipes.helpers import KGAT_FILES, PLAIN_FILES, write_files


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the recipes in both forms in `kgat` and `plain`."""
    write_files(tmp_path / "kgat", KGAT_FILES)
    write_files(tmp_path / "plain", PLAIN_FILES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    return tmp_path
