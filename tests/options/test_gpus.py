"""The GPUs that a run takes, told where there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

import pytest
import torch

from recbole_kgif.options import gpus
from recbole_kgif.options.gpus import gpu_id_for, warn_of_missing_gpu
from recbole_kgif.training import checkpoint
from recbole_kgif.training.configuration import make_config


@pytest.mark.parametrize(
    ("options", "visible", "expected"),
    [
        ({}, None, None),
        ({}, "3", "3"),
        ({}, "5, 6", "5,6"),
        ({}, "", ""),
        ({"gpu_id": 1}, "3", "1"),
        ({"gpu_id": (1, 0)}, None, "1,0"),
        ({"gpu_id": ""}, "3", ""),
        ({"gpu_id": None}, "3", ""),
        ({"use_gpu": True}, "3", "3"),
        ({"use_gpu": False}, "3", ""),
        ({"use_gpu": False, "gpu_id": "1"}, None, ""),
    ],
)
def test_options_go_before_the_environment(
    options: dict[str, Any],
    visible: Optional[str],
    expected: Optional[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "_VISIBLE", visible)
    assert gpu_id_for(options) == expected


@pytest.mark.parametrize(
    ("options", "visible", "expected"),
    [
        ({}, None, "0"),
        ({}, "3", "3"),
        ({}, "GPU-7f2a", "GPU-7f2a"),
        ({"gpu_id": "2,1"}, "3", "2,1"),
        ({"use_gpu": False}, "3", ""),
        ({"use_gpu": "False"}, "3", ""),
    ],
)
def test_recbole_is_told(
    options: dict[str, Any],
    visible: Optional[str],
    expected: str,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gpus, "_VISIBLE", visible)
    config = make_config("KGIF", "ml-100k", {**options, "state": "ERROR"})
    assert os.environ["CUDA_VISIBLE_DEVICES"] == expected
    stored = checkpoint.portable_options(config.final_config_dict)
    assert "gpu_id" not in stored


@pytest.mark.parametrize(
    ("options", "visible", "device", "named"),
    [
        ({"gpu_id": 9}, None, "cpu", "gpu_id=9"),
        ({}, "9", "cpu", "CUDA_VISIBLE_DEVICES=9"),
        ({"gpu_id": 9}, None, "cuda", None),
        ({"gpu_id": ""}, "9", "cpu", None),
        ({"use_gpu": False, "gpu_id": 9}, None, "cpu", None),
        ({}, "-1", "cpu", None),
        ({}, None, "cpu", None),
    ],
)
def test_a_gpu_that_is_not_there_is_told(
    options: dict[str, Any],
    visible: Optional[str],
    device: str,
    named: Optional[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(gpus, "_VISIBLE", visible)
    warn_of_missing_gpu(options, torch.device(device))
    told = [record.getMessage().split(":")[0] for record in caplog.records]
    assert told == ([] if named is None else [named])
