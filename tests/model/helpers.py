"""What the tests of the model share."""

from __future__ import annotations

from typing import Any

import torch

from recbole_kgif.model.fast_kgif import KGIF
from tests.conftest import Loaded

# Each option of the method away from its default, and all layers switched off.
ABLATIONS: list[dict[str, Any]] = [
    {},
    {"fusion": False},
    {"dynamic_projection": False},
    {"attention": "softmax"},
    {"attention": "none"},
    {"attention_update": "epoch"},
    {"attention_update": 2},
    {"propagation": "bi-interaction"},
    {"loss": "bpr"},
    {"knowledge_weight": 0},
    {"dropout": 0.5},
    {"walks": False},
    {"fusion": False, "attention": "none", "walks": False, "knowledge_weight": 0},
]


def build(loaded: Loaded) -> KGIF:
    torch.manual_seed(0)
    return KGIF(loaded.config, loaded.train_data._dataset)


def one_batch(loaded: Loaded) -> Any:
    from recbole.utils import KGDataLoaderState

    loaded.train_data.set_mode(KGDataLoaderState.RSKG)
    return next(iter(loaded.train_data))


def interaction(**fields: list[int]) -> Any:
    from recbole.data.interaction import Interaction

    return Interaction({name: torch.tensor(ids) for name, ids in fields.items()})


def node(loaded: Loaded, field: str, token: str) -> int:
    """Node of a user, item or entity, by name, before any node was dropped."""
    number = int(loaded.dataset.token2id(field, token))
    return number if field == "user_id" else number + loaded.dataset.user_num


def named_edges(model: KGIF) -> set[tuple[int, int, int]]:
    """Edges of the model's graph with the ids that nodes had before any was dropped."""
    graph = model.graph
    heads, tails = (model.graph_nodes[n] for n in (graph.edges.row, graph.edges.column))
    columns = (heads, graph.edge_relation, tails)
    return set(zip(*(column.tolist() for column in columns)))
