"""Training and validation interactions joined, for a model that is fitted anew."""

from __future__ import annotations

from typing import Any

import torch
from recbole.data.dataloader import KnowledgeBasedDataLoader
from recbole.data.interaction import Interaction
from recbole.sampler import Sampler


def with_validation(config: Any, parts: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Let the training loader yield the validation interactions too.

    Args:
        config: RecBole's configuration.
        parts: RecBole's loaders of the training, validation and test interactions.

    Returns:
        The loaders; the last two are as given. Negatives are drawn from what a user
        chose in neither set.
    """
    train, valid, test = parts
    dataset = train._dataset.copy(
        _joined(train._dataset.inter_feat, valid._dataset.inter_feat)
    )
    is_of_graph = isinstance(train, KnowledgeBasedDataLoader)
    loader = train.general_dataloader if is_of_graph else train
    sampler = loader._sampler
    if isinstance(sampler, Sampler):
        sampler = Sampler(["train"], [dataset], sampler.distribution, sampler.alpha)
        sampler = sampler.set_phase("train")
    samplers = [sampler]
    if is_of_graph:
        samplers.append(train.kg_dataloader._sampler)
    joined = type(train)(config, dataset, *samplers, shuffle=loader.shuffle)
    return joined, valid, test


def _joined(first: Interaction, second: Interaction) -> Interaction:
    """The rows of both; they have the same columns."""
    return Interaction(
        {name: torch.cat([first[name], second[name]]) for name in first.columns}
    )
