"""Exports of a tiny model, before and after it was extended."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.serving.exported_model import ExportedModel
from tests.extension.conftest import Extended, extended  # noqa: F401


@dataclass(frozen=True)
class Exported:
    """A trained model and its export."""

    fitted: Any
    model: ExportedModel

    @property
    def folder(self) -> Path:
        return self.model.folder


@pytest.fixture(scope="session")
def exports(
    extended: Extended,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Exported]:
    """The exports of a model and of its extension."""
    from recbole_kgif.serving.exporting import export_model

    pairs = {}
    for name, fitted in (("trained", extended.before), ("extended", extended.after)):
        folder = tmp_path_factory.mktemp("exports") / name
        assert export_model(fitted._restored, folder) is None
        pairs[name] = Exported(fitted, ExportedModel(folder))
    return pairs


@pytest.fixture
def exported(exports: dict[str, Exported]) -> Exported:
    """The export of a trained model."""
    return exports["trained"]


@pytest.fixture
def checkpoint(exported: Exported, tmp_path: Path) -> list[str]:
    """The arguments that name the checkpoint of the exported model, and its data."""
    folder = tmp_path / "saved"
    exported.fitted.save(folder)
    return [f"--checkpoint={folder}", f"--dataset-path={folder / 'dataset'}"]
