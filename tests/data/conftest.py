"""Fixtures of the data tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.data_helpers import TINY_RAW_FILES, LocalServer


@pytest.fixture
def tiny_raw(tmp_path: Path) -> Path:
    """A folder in the layout of the real raw files, with four artists."""
    folder = tmp_path / "tiny-raw"
    for name, content in TINY_RAW_FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture
def local_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    """A running local web server, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    server = LocalServer()
    yield server
    server.close()
