"""The attention of a trained model on all edges of its graph, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from recbole_kgif.errors import UserError
from recbole_kgif.explain.model_adapters import attention_graph, graph_of
from recbole_kgif.explain.path_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
)
from recbole_kgif.training.restore import Restored

_KINDS = pd.Index([USER, ITEM, ENTITY])


def attention_table(restored: Restored) -> pd.DataFrame:
    """The weight of each edge, in both directions.

    Args:
        restored: a KGIF, or RecBole's KGAT, and its data.

    Returns:
        One row an edge: `head_kind` and `head`, the node that gathers; `relation`, and
        `inverse` for a fact (tail, relation, head); `tail_kind` and `tail`, the
        neighbour; `weight`.

    Raises:
        UserError: the model has no attention on a graph.
    """
    name, model = str(restored.config["model"]), restored.model
    if name == "KGIF":
        graph = graph_of(model)
        with torch.no_grad():
            weight = model.edge_weights().cpu().double().numpy()
        original = model.graph_nodes.cpu().numpy()
    elif name == "KGAT":
        by_attention = attention_graph(model)
        graph, weight = by_attention.graph, by_attention.weight
        original = np.arange(graph.n_nodes)
    else:
        raise UserError(
            f"{name} has no attention on a knowledge graph; train KGIF or KGAT"
        )
    dataset = restored.data.dataset
    tokens = dataset.field2id_token
    users, items = tokens[dataset.uid_field], tokens[dataset.iid_field]
    entities = tokens[dataset.entity_field][len(items) :]
    ids = np.concatenate([users, items, entities])[original]
    kinds = np.repeat(range(3), [len(users), len(items), len(entities)])[original]
    is_inverse, relation = np.divmod(graph.relation, graph.n_relations)
    names = tokens[dataset.relation_field][: graph.n_relations - 1]
    relations = pd.Index([*map(str, names), INTERACTION])
    return pd.DataFrame(
        {
            "head_kind": pd.Categorical.from_codes(kinds[graph.head], _KINDS),
            "head": ids[graph.head],
            "relation": pd.Categorical.from_codes(relation, relations),
            "inverse": is_inverse.astype(bool),
            "tail_kind": pd.Categorical.from_codes(kinds[graph.tail], _KINDS),
            "tail": ids[graph.tail],
            "weight": weight,
        }
    )
