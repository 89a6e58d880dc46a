"""How often each test item is found; RecBole's metrics tell it for users alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


class ItemHits:
    """Counts, while a part is evaluated, how often each of its items is found.

    Args:
        n_items: number of items, padding included.
        lengths: the lengths k of the lists.
    """

    def __init__(self, n_items: int, lengths: Sequence[int]):
        self.lengths = tuple(lengths)
        self.interactions = torch.zeros(n_items, dtype=torch.int64)
        self.hits = torch.zeros(len(self.lengths), n_items, dtype=torch.int64)

    def add(self, scores: Tensor, row: Tensor, item: Tensor) -> None:
        """Count a batch.

        Args:
            scores: of all items, minus infinity for those that are no candidates,
                shape: [n_users, n_items]
            row: row of each evaluated interaction, shape: [n_interactions]
            item: item of each evaluated interaction, shape: [n_interactions]
        """
        # As RecBole's collector takes it, so that equal scores are ranked alike.
        ranked = torch.topk(scores, max(self.lengths), dim=-1).indices.cpu()
        row, item = row.cpu(), item.cpu()
        is_found = ranked[row] == item.unsqueeze(1)
        self.interactions += torch.bincount(item, minlength=len(self.interactions))
        for place, length in enumerate(self.lengths):
            found = item[is_found[:, :length].any(dim=1)]
            self.hits[place] += torch.bincount(found, minlength=len(self.interactions))

    def to_record(self, train_dataset: Any) -> dict[str, Any]:
        """The counts as JSON knows them.

        Args:
            train_dataset: RecBole's data set of the training interactions.

        Returns:
            For the items with an evaluated interaction, in equal order: `items`, their
            original ids, `training_interactions`, `test_interactions`, and `hits`, a
            list for each k.
        """
        evaluated = torch.nonzero(self.interactions).squeeze(1)
        field = train_dataset.iid_field
        degree = torch.bincount(
            train_dataset.inter_feat[field], minlength=len(self.interactions)
        )
        names = train_dataset.id2token(field, evaluated.numpy())
        return {
            "items": [str(name) for name in names],
            "training_interactions": degree[evaluated].tolist(),
            "test_interactions": self.interactions[evaluated].tolist(),
            "hits": {
                str(length): self.hits[place][evaluated].tolist()
                for place, length in enumerate(self.lengths)
            },
        }


@contextlib.contextmanager
def item_hits(collector: Any, n_items: int) -> Iterator[ItemHits]:
    """Count the hits of the items beside RecBole's own metrics.

    Args:
        collector: RecBole's collector, which sees each evaluated batch.
        n_items: number of items, padding included.

    Yields:
        The counts, complete after an evaluation.
    """
    counts = ItemHits(n_items, collector.topk)
    collect = collector.eval_batch_collect

    def collect_and_count(scores: Tensor, batch: Any, row: Tensor, item: Tensor) -> Any:
        if scores.dim() == 2:  # else pairs are valued, not ranked
            counts.add(scores, row, item)
        return collect(scores, batch, row, item)

    collector.eval_batch_collect = collect_and_count
    try:
        yield counts
    finally:
        del collector.eval_batch_collect  # uncovers the class's own
