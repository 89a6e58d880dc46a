"""Fixtures of the tests with malformed files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recbole_kgif.training.run import run_experiment
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.specs import spec_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, below one that is watched, with the tiny data set."""
    folder = tmp_path / "around" / "here"
    shutil.copytree(TINY_FOLDER, folder / "dataset" / "tiny")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    return folder


@pytest.fixture(scope="module")
def checkpoint(workplace: Path) -> bytes:
    """The checkpoint of a run on the tiny data set."""
    shutil.copytree(TINY_FOLDER, workplace / "dataset" / "tiny")
    output = workplace / "run"
    output.mkdir()
    options = {**TINY_OPTIONS, "data_path": str(workplace / "dataset"), "epochs": 1}
    run_experiment(spec_of("KGIF", "tiny", options), output)
    return (output / "model.pth").read_bytes()
