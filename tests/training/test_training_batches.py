from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from recbole.utils import KGDataLoaderState

from recbole_kgif.training.loading import loaders_of
from recbole_kgif.training.training_batches import TrainingBatches
from tests.conftest import Loaded

Batches = list[dict[str, torch.Tensor]]


def two_epochs(loaded: Loaded, batches: Any) -> tuple[Batches, list[Any]]:
    """All batches of two epochs, and the random states that they leave behind."""
    torch.manual_seed(3)
    np.random.seed(3)
    for loader in loaders_of(loaded.train_data):
        loader.generator.manual_seed(3)
    found = [dict(batch.interaction) for _ in range(2) for batch in batches]
    states = [loader.generator.get_state() for loader in loaders_of(loaded.train_data)]
    return found, [*states, torch.get_rng_state(), np.random.get_state()[1]]


@pytest.mark.parametrize("state", [KGDataLoaderState.RS, KGDataLoaderState.RSKG])
@pytest.mark.parametrize(
    "options",
    [
        {},
        # Fewer triples than interactions a batch, and the other way round.
        {"train_batch_size": 3},
        {"train_batch_size": 1000},
        {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 2}},
        {"train_neg_sample_args": {"distribution": "popularity", "sample_num": 1}},
        {"shuffle": False},
    ],
)
def test_batches_and_random_states_are_recboles(
    load_tiny: Callable[..., Loaded], state: KGDataLoaderState, options: dict[str, Any]
) -> None:
    loaded = load_tiny(**options)
    loaded.train_data.set_mode(state)
    expected, expected_states = two_epochs(loaded, loaded.train_data)
    # From here on the samplers answer faster, RecBole's loader's too.
    batches = TrainingBatches(loaded.train_data)
    found, states = two_epochs(loaded, batches)
    assert len(found) == len(expected) == 2 * len(batches)
    for one, other in zip(found, expected):
        assert list(one) == list(other)
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0)
    for one, other in zip(states, expected_states):
        np.testing.assert_array_equal(one, other)


def test_an_interaction_is_met_once_an_epoch(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny()
    loaded.train_data.set_mode(KGDataLoaderState.RSKG)
    batches = TrainingBatches(loaded.train_data)
    met = [
        pair
        for batch in batches
        for pair in zip(batch["user_id"].tolist(), batch["item_id"].tolist())
    ]
    interactions = loaded.train_data._dataset.inter_feat
    expected = zip(interactions["user_id"].tolist(), interactions["item_id"].tolist())
    assert sorted(met) == sorted(expected)
