"""The training batches of RecBole's loader, put together without a loop over rows.

RecBole's loader turns every row number into a Python integer and back, and asks a set
for every negative that it draws, which together takes as long as a tenth of an epoch of
KGIF on a small data set. Shuffling and draws stay RecBole's: the batches are the same
to the last id, and so are the random states.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from recbole.data.interaction import Interaction
from recbole.utils import KGDataLoaderState
from torch import Tensor

from recbole_kgif.training.negative_sampling import sample_by_sorted_search


class TrainingBatches:
    """Iterates over what RecBole's `KnowledgeBasedDataLoader` would give.

    Features of users and items are left out: KGIF reads none.

    Args:
        loader (KnowledgeBasedDataLoader): RecBole's, in the mode ``RS`` (interactions)
            or ``RSKG`` (interactions, each batch joined by triples), which loads in
            this process (``worker`` is 0)
    """

    # RecBole's trainer asks: the loaders inside are shuffled, not the one around them.
    shuffle = False

    def __init__(self, loader: Any):
        self.loader = loader
        for part in (loader.general_dataloader, loader.kg_dataloader):
            sample_by_sorted_search(part._sampler)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Interaction]:
        """The batches of an epoch."""
        interactions = self.loader.general_dataloader
        triples = self.loader.kg_dataloader
        if self.loader.state != KGDataLoaderState.RSKG:
            for rows in _rows(interactions):
                yield _interactions(interactions, rows)
            return
        # Like RecBole's, this draws triples for one batch more than there is.
        interaction_rows = _rows(interactions)
        for triple_rows in _endless_rows(triples):
            joined = _triples(triples, triple_rows)
            own_rows = next(interaction_rows, None)
            if own_rows is None:
                return
            batch = _interactions(interactions, own_rows)
            batch.update(joined)
            yield batch


def _rows(loader: Any) -> Iterator[Tensor]:
    """Row numbers of each batch of a pass over the data, shape: [batch_size]."""
    # A seed for processes that load, which PyTorch draws although there are none.
    torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
    for rows in loader.batch_sampler:
        yield torch.from_numpy(np.fromiter(rows, np.int64, len(rows)))


def _endless_rows(loader: Any) -> Iterator[Tensor]:
    while True:
        yield from _rows(loader)


def _interactions(loader: Any, rows: Tensor) -> Interaction:
    """Interactions and their negative items."""
    dataset = loader._dataset
    found = _selected(dataset.inter_feat, rows)
    return loader._neg_sampling(loader.transform(dataset, found))


def _triples(loader: Any, rows: Tensor) -> Interaction:
    """Triples and their corrupted tails."""
    found = _selected(loader._dataset.kg_feat, rows)
    heads = found[loader.hid_field].numpy()
    corrupted = loader._sampler.sample_by_entity_ids(heads, loader.neg_sample_num)
    found.update(Interaction({loader.neg_tid_field: corrupted}))
    return found


def _selected(table: Interaction, rows: Tensor) -> Interaction:
    return Interaction({name: table[name][rows] for name in table.columns})
