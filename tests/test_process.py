from __future__ import annotations

import os
import warnings

import pytest

from recbole_kgif.process import prepare_process


def test_waiting_threads_sleep_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with warnings.catch_warnings():
        monkeypatch.delenv("OMP_WAIT_POLICY")
        prepare_process()
        assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
        monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
        prepare_process()
        assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
