"""Validation on some users, where all would take longer than an epoch of training."""

from __future__ import annotations

from typing import Any, Optional

import torch
from recbole.data.dataloader import FullSortEvalDataLoader

# Scores of users and items in the largest validation of all users: some half a minute
# on two cores.
MOST_SCORES = 4 * 10**8
# The sample is the same in every run, so that runs can be compared.
_SEED = 2020


def validation_sample(loader: Any) -> Optional[Any]:
    """A validation of fewer users, drawn at random.

    Args:
        loader: RecBole's loader of the validation interactions.

    Returns:
        A loader of the same kind; None where all users can be validated, or no lists of
        all items are ranked.
    """
    if not isinstance(loader, FullSortEvalDataLoader) or loader.is_sequential:
        return None
    dataset, users = loader._dataset, loader.uid_list
    n_users = max(1, MOST_SCORES // dataset.item_num)
    if len(users) <= n_users:
        return None
    order = torch.randperm(len(users), generator=torch.Generator().manual_seed(_SEED))
    is_drawn = torch.zeros(dataset.user_num, dtype=torch.bool)
    is_drawn[users[order[:n_users]]] = True
    interactions = dataset.inter_feat
    drawn = dataset.copy(interactions[is_drawn[interactions[dataset.uid_field]]])
    return type(loader)(loader.config, drawn, loader._sampler, shuffle=False)
