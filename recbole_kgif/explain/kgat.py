"""The attention of a trained KGAT of RecBole's, on a graph for looking for paths."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix

from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.path_graph import both_directions, make_graph

# user - item - entity or user - item
_SHORTEST_TO_NEW_ITEM = 3


def attention_graph(model: Any) -> AttentionGraph:
    """The graph of a trained KGAT with its attention.

    RecBole's KGAT has each triple in one direction, so an entity hands nothing to its
    heads. A hop against that direction gets the attention that its other end gives it:
    the two sides of a path meet where they turn round. Parallel edges have one
    attention together, because RecBole's softmax adds up their logits.

    A checkpoint does not carry the attention; it is computed anew from the parameters,
    as RecBole's trainer does after each epoch.

    Args:
        model: the model, ready for evaluation.
    """
    with torch.no_grad():
        model.update_attentive_A()
        attention = model.A_in.coalesce().cpu()
    n_nodes, n_relations = model.matrix_size[0], model.n_relations
    head, relation, tail = (
        column.cpu().numpy() for column in (model.all_hs, model.all_rs, model.all_ts)
    )
    # The interactions are there in both directions by the same relation.
    is_fact = (relation < n_relations - 1) | (head < model.n_users)
    graph = make_graph(
        *both_directions(
            head[is_fact], relation[is_fact], tail[is_fact], n_relations, n_nodes
        ),
        n_users=model.n_users,
        n_items=model.n_items,
        n_nodes=n_nodes,
        n_relations=n_relations,
    )
    matrix = csr_matrix(
        (attention.values().double().numpy(), attention.indices().numpy()),
        shape=(n_nodes, n_nodes),
    )
    forth = np.asarray(matrix[graph.head, graph.tail]).ravel()
    weight = np.where(forth > 0, forth, forth[graph.reverse])
    longest = max(_SHORTEST_TO_NEW_ITEM, len(model.aggregator_layers))
    return AttentionGraph(graph, weight, longest)
