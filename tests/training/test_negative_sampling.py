"""Sampling by sorted search beside RecBole's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recbole.sampler.sampler import AbstractSampler

from recbole_kgif.training.negative_sampling import KnownPairs, sample_by_sorted_search

N_VALUES = 6
# No key is joined to all values: there is one left to draw.
JOINED = st.lists(st.sets(st.integers(1, N_VALUES - 1), max_size=N_VALUES - 2))


class SomeSampler(AbstractSampler):
    """RecBole's rejection of draws, for a data set that needs no files."""

    def __init__(self, joined: list[set[int]]) -> None:
        self.joined = joined
        super().__init__("uniform", 1.0)

    def get_used_ids(self) -> Any:
        return np.array([*self.joined, set()])[: len(self.joined)]

    def _uni_sampling(self, sample_num: int) -> Any:
        return np.random.randint(1, N_VALUES, sample_num)


@given(JOINED)
def test_pairs_are_known_as_their_sets_say(joined: list[set[int]]) -> None:
    known = KnownPairs(joined)
    keys, values = (
        ids.ravel() for ids in np.indices((len(joined), N_VALUES + 3), np.int64)
    )
    expected = [value in joined[key] for key, value in zip(keys, values)]
    assert known.hold(keys, values).tolist() == expected


@given(JOINED.filter(bool), st.integers(0, 2**32 - 1), st.integers(1, 3), st.data())
def test_draws_and_random_state_are_recboles(
    joined: list[set[int]], seed: int, num: int, data: st.DataObject
) -> None:
    some_keys = st.lists(st.integers(0, len(joined) - 1), min_size=1, max_size=9)
    keys = np.array(data.draw(some_keys))
    sampler = SomeSampler(joined)
    np.random.seed(seed)
    expected = sampler.sample_by_key_ids(keys, num)
    expected_state = np.random.get_state()[1]
    sample_by_sorted_search(sampler)
    np.random.seed(seed)
    found = sampler.sample_by_key_ids(keys, num)
    assert torch.equal(found, expected)
    np.testing.assert_array_equal(np.random.get_state()[1], expected_state)


@pytest.mark.parametrize("times", [1, 2])
def test_the_pairs_are_sorted_once(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(
        "recbole_kgif.training.negative_sampling.KnownPairs",
        lambda ids: made.append(ids),
    )
    sampler = SomeSampler([{1}, {2}])
    for _ in range(times):
        sample_by_sorted_search(sampler)
    assert len(made) == 1
