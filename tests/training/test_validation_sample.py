from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_kgif.training import validation_sample as module
from recbole_kgif.training.loading import training_batch_size
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.validation_sample import validation_sample
from tests.conftest import TINY_OPTIONS, Loaded
from tests.specs import spec_of


def test_a_sample_has_all_interactions_of_its_users(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_tiny()
    assert validation_sample(loaded.valid_data) is None
    n_items = loaded.dataset.item_num
    monkeypatch.setattr(module, "MOST_SCORES", 2 * n_items + 1)
    sample = validation_sample(loaded.valid_data)
    assert sample is not None
    assert len(sample.uid_list) == 2 < len(loaded.valid_data.uid_list)
    again = validation_sample(loaded.valid_data)
    assert torch.equal(again.uid_list, sample.uid_list)  # type: ignore[union-attr]
    for user in sample.uid_list.tolist():
        for name in ("uid2positive_item", "uid2history_item"):
            of_all = getattr(loaded.valid_data, name)[user].tolist()
            assert sorted(getattr(sample, name)[user].tolist()) == sorted(of_all)
    # Pairs are no lists of all items.
    assert validation_sample(loaded.train_data) is None


def test_the_result_is_that_of_all_users(
    data_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[dict[str, Any]] = []
    for name, most in (("all", 10**9), ("some", 8)):
        monkeypatch.setattr(module, "MOST_SCORES", most)
        output = tmp_path / name
        output.mkdir()
        options = {**TINY_OPTIONS, "data_path": str(data_path), "epochs": 1}
        records.append(run_experiment(spec_of("KGIF", "tiny", options), output))
    of_all, of_some = records
    assert of_some["validation_sample"] == {"users": 1}
    assert "validation_sample" not in of_all
    assert of_some["valid"] == of_all["valid"]
    assert of_some["test"] == of_all["test"]
    assert of_some["epochs"][0]["valid"] != of_all["epochs"][0]["valid"]


@pytest.mark.parametrize(
    ("n_interactions", "size"),
    [(80_000, 2048), (2**18 - 1, 2048), (2**18, 2048), (300_000, 4096), (2**20, 8192)],
)
def test_batches_of_many_interactions(n_interactions: int, size: int) -> None:
    assert training_batch_size(2048, n_interactions) == size
    assert training_batch_size(10**6, n_interactions) == 10**6
