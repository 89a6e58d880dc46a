"""PyTorch's anomaly mode stays as its user wants it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.compat import anomaly_mode
from tests.compat.helpers import python

pytestmark = pytest.mark.versions


def test_the_anomaly_mode_is_off_after_a_model_was_found_and_can_be_turned_on() -> None:
    printed = python(
        "import torch, recbole_kgif",
        "from recbole.utils import get_model",
        "get_model('SINE')",
        "print(torch.is_anomaly_enabled())",
        "torch.autograd.set_detect_anomaly(True)",
        "get_model('KGIF')",
        "print(torch.is_anomaly_enabled())",
    )
    assert printed.splitlines()[-2:] == ["False", "True"]


def test_gate_of_the_anomaly_shim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # True of RecBole 1.2.1; a package without that file needs no workaround.
    assert anomaly_mode._sine_turns_on_anomaly_mode()
    monkeypatch.setattr("recbole.__file__", str(tmp_path / "__init__.py"))
    assert not anomaly_mode._sine_turns_on_anomaly_mode()
