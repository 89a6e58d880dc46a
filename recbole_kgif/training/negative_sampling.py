"""RecBole's sampling of negatives, with a faster look-up of known pairs.

For each draw RecBole asks, in a loop, the set of what its user (or head) is joined to,
which takes most of the time of putting batches together. Here all draws are looked up
at once, in one sorted array. What is drawn stays RecBole's: the negatives are the same
to the last id, and so are the random states.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Ids = npt.NDArray[np.int64]


class KnownPairs:
    """The pairs of keys and values that are joined, for many look-ups at once.

    Args:
        values: of each key, which is the place in the sequence.
    """

    def __init__(self, values: Sequence[AbstractSet[int]]) -> None:
        counts = [len(of_key) for of_key in values]
        joined = np.fromiter(chain.from_iterable(values), np.int64, sum(counts))
        self._stride = int(joined.max(initial=0)) + 1
        keys = np.repeat(np.arange(len(counts)), counts)
        self._pairs = np.sort(keys * self._stride + joined)

    def hold(self, keys: Ids, values: Ids) -> npt.NDArray[np.bool_]:
        """Whether each key is joined to its value, shape of ``keys``."""
        if not len(self._pairs):
            return np.zeros(len(keys), np.bool_)
        pairs = keys * self._stride + values
        place = np.searchsorted(self._pairs, pairs)
        found = self._pairs[np.minimum(place, len(self._pairs) - 1)] == pairs
        # A larger value would pass for one of the next key.
        return found & (values < self._stride)


def sample_by_sorted_search(sampler: Any) -> None:
    """Have a sampler of RecBole's look its draws up in a sorted array from now on.

    Args:
        sampler: an `AbstractSampler` with `used_ids` of the phase that it samples for.
    """
    if "sample_by_key_ids" not in vars(sampler):
        known = KnownPairs(sampler.used_ids)
        sampler.sample_by_key_ids = functools.partial(_sample, sampler, known)


def _sample(sampler: Any, known: KnownPairs, key_ids: Any, num: int) -> torch.Tensor:
    """What `AbstractSampler.sample_by_key_ids` returns."""
    keys = np.tile(np.asarray(key_ids, np.int64), num)
    values = np.zeros(len(keys), np.int64)
    drawn = np.arange(len(keys))
    while len(drawn):
        values[drawn] = sampler.sampling(len(drawn))
        drawn = drawn[known.hold(keys[drawn], values[drawn])]
    return torch.from_numpy(values)
