"""Trained models as arrays: KGIF as a sum over walks, KGAT as attention."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
from scipy.sparse import csr_matrix

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.linear_score import DirectWalks, LinearScore, LongerWalks
from recbole_kgif.explain.path_graph import Floats, Graph, both_directions

# user - item - entity or user - item
_SHORTEST_TO_NEW_ITEM = 3


def linear_score(model: Any) -> LinearScore:
    """A trained KGIF as a sum over walks.

    Args:
        model: the model, ready for evaluation.

    Raises:
        UserError: its propagation is not linear, or its scores are no cosines.
    """
    if model.propagation.aggregators:
        raise UserError(
            "propagation=bi-interaction is not linear, so a score of this model has no "
            "exact explanation; explain one trained with --propagation=linear"
        )
    if model.similarity != "cosine":
        raise UserError(
            f"similarity={model.similarity}: explanations are of scores by cosines; "
            "explain a model trained with --similarity=cosine"
        )
    with torch.no_grad():
        graph = graph_of(model)
        cosine_weight, walk_weight = model.balance.tolist()
        return LinearScore(
            graph=graph,
            weight=_doubles(model.edge_weights()),
            embedding=_doubles(model.fused_embeddings()),
            n_layers=model.n_layers,
            cosine_weight=cosine_weight / model.temperature,
            item_bias=_doubles(model.item_bias.weight)[:, 0],
            walks=_direct_walks(model.walks, graph, walk_weight),
        )


def graph_of(model: Any) -> Graph:
    """KGIF's graph as plain arrays, edges in the model's order."""
    ckg = model.graph
    return Graph(
        ckg.edges.row.cpu().numpy(),
        ckg.edge_relation.cpu().numpy(),
        ckg.edges.column.cpu().numpy(),
        n_users=model.n_users,
        n_items=model.n_items,
        n_nodes=ckg.n_nodes,
        n_relations=ckg.n_relations // 2,
    )


def _direct_walks(
    walks: Optional[Any], graph: Graph, walk_weight: float
) -> Optional[DirectWalks]:
    if walks is None:
        return None
    shared = walks.shared
    neighbour = shared.items.column
    edges = graph.find(
        graph.n_users + shared.items.row.cpu().numpy(),
        shared.relation[neighbour].cpu().numpy(),
        shared.node[neighbour].cpu().numpy(),
    )
    value = np.zeros(graph.n_edges)
    value[edges] = _doubles(shared.value)
    number = np.zeros(graph.n_edges, dtype=np.int64)
    number[edges] = neighbour.cpu().numpy()
    users = torch.arange(graph.n_users, device=shared.history.row.device)
    factor = walks.user_factor(walks.n_items_of(users))
    return DirectWalks(
        user_factor=walk_weight * _doubles(factor),
        interaction=(graph.head < graph.n_users).astype(np.float64),
        value=value,
        relation_weight=_doubles(walks.relation_weights())[graph.relation],
        neighbour=number,
        longer=_longer_walks(walks),
    )


def _longer_walks(walks: Any) -> Optional[LongerWalks]:
    spectral_filter = walks.spectral_filter()
    if spectral_filter is None:
        return None
    shared = walks.shared
    place = (shared.items.row.cpu().numpy(), shared.items.column.cpu().numpy())
    shape = (shared.items.n_rows, shared.items.n_columns)
    return LongerWalks(
        items=csr_matrix((_doubles(shared.value), place), shape=shape),
        relation_weight=_doubles(walks.relation_weights()[shared.relation]),
        node=shared.node.cpu().numpy(),
        spectral_filter=spectral_filter,
    )


def attention_graph(model: Any) -> AttentionGraph:
    """The graph of a trained KGAT of RecBole's with its attention.

    RecBole's KGAT has each triple in one direction, so an entity passes nothing to its
    heads. A hop against that direction gets the attention that its other end pays: the
    two sides of a path meet where the directions turn. Parallel edges share one
    attention, because RecBole's softmax adds up their logits.

    A checkpoint does not contain the attention; it is computed from the parameters, as
    RecBole's trainer does after each epoch.

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
    # The interactions are in both directions already, by the same relation.
    is_fact = (relation < n_relations - 1) | (head < model.n_users)
    facts = (head[is_fact], relation[is_fact], tail[is_fact])
    graph = Graph(
        *both_directions(*facts, n_relations),
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


def _doubles(tensor: torch.Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()
