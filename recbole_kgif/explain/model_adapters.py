"""The numbers of a trained KGIF, taken out of the model."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
from scipy.sparse import csr_matrix

from recbole_kgif.errors import UserError
from recbole_kgif.explain.linear_score import DirectWalks, LinearScore, LongerWalks
from recbole_kgif.explain.path_graph import Floats, Graph, find_edges, make_graph


def linear_score(model: Any) -> LinearScore:
    """A trained KGIF as a sum over walks.

    Args:
        model: the model, ready for evaluation.

    Raises:
        UserError: its propagation is not linear.
    """
    if model.propagation.aggregators:
        raise UserError(
            "propagation=bi-interaction is not linear, so a score of this model has no "
            "exact explanation; explain one trained with --propagation=linear"
        )
    with torch.no_grad():
        graph = graph_of(model)
        share, walk_share = model.balance.tolist()
        return LinearScore(
            graph=graph,
            weight=_doubles(model.edge_weights()),
            embedding=_doubles(model.fused_embeddings()),
            n_layers=model.n_layers,
            cosine_weight=share / model.temperature,
            item_bias=_doubles(model.item_bias.weight)[:, 0],
            walks=_direct_walks(model.walks, graph, walk_share),
        )


def graph_of(model: Any) -> Graph:
    """The model's graph as plain arrays, edges in the model's order."""
    ckg = model.graph
    return make_graph(
        ckg.edges.row.cpu().numpy(),
        ckg.edge_relation.cpu().numpy(),
        ckg.edges.column.cpu().numpy(),
        n_users=model.n_users,
        n_items=model.n_items,
        n_nodes=ckg.n_nodes,
        n_relations=ckg.n_relations // 2,
    )


def _direct_walks(
    walks: Optional[Any], graph: Graph, walk_share: float
) -> Optional[DirectWalks]:
    if walks is None:
        return None
    shared = walks.shared
    neighbour = shared.items.column
    edges = find_edges(
        graph,
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
        user_factor=walk_share * _doubles(factor),
        takes=(graph.head < graph.n_users).astype(np.float64),
        value=value,
        trust=_doubles(walks.relation_weights())[graph.relation],
        neighbour=number,
        longer=_longer_walks(walks),
    )


def _longer_walks(walks: Any) -> Optional[LongerWalks]:
    damping = walks.spectral_filter()
    if damping is None:
        return None
    shared = walks.shared
    place = (shared.items.row.cpu().numpy(), shared.items.column.cpu().numpy())
    shape = (shared.items.n_rows, shared.items.n_columns)
    return LongerWalks(
        items=csr_matrix((_doubles(shared.value), place), shape=shape),
        trust=_doubles(walks.relation_weights()[shared.relation]),
        node=shared.node.cpu().numpy(),
        damping=damping,
    )


def _doubles(tensor: torch.Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()
