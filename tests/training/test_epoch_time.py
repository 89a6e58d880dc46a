from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.training import epoch_time
from recbole_kgif.training.epoch_time import EpochTimeEstimator
from recbole_kgif.training.kgif_trainer import KGIFTrainer
from tests.conftest import Loaded


def paces_told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if "training epoch" in r.message]


def test_the_pace_is_told_once_and_soon(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(epoch_time, "time", SimpleNamespace(perf_counter=lambda: now))
    teller = EpochTimeEstimator(lambda interaction: interaction + 1, n_steps=2000)
    with caplog.at_level(logging.INFO):
        for step in range(60):
            assert teller(step) == step + 1
            # The first two steps are slow ones.
            now += 10 if step < 2 else 0.3
            assert len(paces_told(caplog)) == (step >= 22)
    assert paces_told(caplog) == [
        "a training epoch will take about 10.0 min (2,000 steps, 300 ms each)"
    ]


def test_the_trainer_tells_the_pace_in_its_first_epoch_alone(
    load_tiny: Callable[..., Loaded], caplog: pytest.LogCaptureFixture
) -> None:
    # The tiny data set has no more than eleven steps.
    loaded = load_tiny(train_batch_size=1)
    model = KGIF(loaded.config, loaded.train_data._dataset)
    trainer = KGIFTrainer(loaded.config, model)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(epoch_time, "_TIMED_STEPS", 3)
        for epoch in range(2):
            trainer._train_epoch(loaded.train_data, epoch)
    assert len(paces_told(caplog)) == 1
    assert "(11 steps, " in paces_told(caplog)[0]
