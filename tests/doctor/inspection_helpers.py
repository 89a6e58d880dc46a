"""A KGIF of the tiny data set with random parameters, as an inspection gets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from recbole_kgif.doctor.model_arrays import GraphArrays, ModelArrays, arrays_of
from tests.conftest import Loaded
from tests.model.helpers import build

# 0 is the padding of users, 3 of items.
USERS = np.array([1, 2])


def random_model(load_tiny: Callable[..., Loaded], **options: Any) -> Any:
    """What `restore` gives, but for the checkpoint; no parameter is zero."""
    loaded = load_tiny(**options)
    model = build(loaded)
    random = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=random)
            parameter.data.add_(0.05 * noise)
    data = SimpleNamespace(
        dataset=loaded.train_data._dataset,
        train=loaded.train_data,
        valid=loaded.valid_data,
        test=loaded.test_data,
    )
    return SimpleNamespace(
        config=loaded.config, model=model.eval(), data=data, folder=Path("dataset/tiny")
    )


def arrays(load_tiny: Callable[..., Loaded], **options: Any) -> ModelArrays:
    return arrays_of(random_model(load_tiny, **options), USERS)


def graph_arrays(edges: list[tuple[int, int, int]], n_nodes: int) -> GraphArrays:
    """A graph of these edges; one user and one item, both after padding."""
    head, relation, tail = np.array(sorted(edges)).T
    return GraphArrays(
        *(head, relation, tail),
        n_users=2,
        n_items=2,
        n_nodes=n_nodes,
        relations=[f"r{number}" for number in range(relation.max() + 1)],
        ids=np.array([f"n{number}" for number in range(n_nodes)]),
    )
