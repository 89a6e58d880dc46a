"""Trained models as arrays: KGIF by the terms of its score, KGAT by its attention."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
from scipy.sparse import csr_matrix

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.explanation_records import NEW, POPULARITY
from recbole_kgif.explain.linear_score import (
    Bias,
    BorrowedScores,
    LinearScore,
    WalkTerm,
)
from recbole_kgif.explain.path_graph import Flags, Floats, Graph, both_directions

# user - item - entity or user - item
_SHORTEST_TO_NEW_ITEM = 3


def linear_score(model: Any) -> LinearScore:
    """A trained KGIF as a score that is linear in the user's interactions.

    This is the one place that asks a model for the terms of its score.

    Args:
        model: the model, ready for evaluation.

    Raises:
        UserError: its propagation is not linear.
    """
    if model.propagation.aggregators:
        raise UserError(
            "propagation=bi-interaction is not linear, so no sum of reasons is equal "
            "to a score of this model; explain one trained with --propagation=linear"
        )
    with torch.no_grad():
        similarity_weight, walk_weight = model.balance.tolist()
        *mixing, offset = model.new_items.weights.tolist()
        is_new = ~model.new_items.is_known.cpu().numpy()
        # The rest of a new item's score is borrowed from known ones.
        every_item = np.where(is_new, 1 - sum(mixing), 1.0)
        popularity = every_item * _doubles(model.item_bias.weight)[:, 0]
        return LinearScore(
            graph=graph_of(model),
            weight=_doubles(model.edge_weights()),
            embedding=_doubles(model.fused_embeddings()),
            n_layers=model.n_layers,
            is_cosine=model.similarity == "cosine",
            similarity_weight=similarity_weight / model.temperature * every_item,
            walks=_walk_terms(model.walks, walk_weight * every_item),
            biases=(Bias(POPULARITY, popularity), Bias(NEW, offset * is_new)),
            borrowed=_borrowed(model, is_new),
        )


def _borrowed(model: Any, is_new: Flags) -> Optional[BorrowedScores]:
    new_items = model.new_items
    if not bool(new_items.weights[:2].any()) or is_new.all():
        return None

    def predict(scores: Floats, history: Floats) -> Floats:
        weight = model.item_bias.weight
        of_all, chosen = (
            torch.from_numpy(part).to(weight.device, weight.dtype)
            for part in (scores, history)
        )
        with torch.no_grad():
            walked = None
            if float(new_items.weights[1]) > 0:
                walked = new_items.walk_scores(chosen)
            return _doubles(new_items.borrowed_scores(of_all, walked))

    return BorrowedScores(is_new, predict)


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


def _walk_terms(walks: Optional[Any], item_weight: Floats) -> tuple[WalkTerm, ...]:
    if walks is None:
        return ()
    shared = walks.shared
    place = (shared.items.row.cpu().numpy(), shared.items.column.cpu().numpy())
    shape = (shared.items.n_rows, shared.items.n_columns)
    users = torch.arange(shared.history.n_rows, device=shared.history.row.device)
    term = WalkTerm(
        item_weight=item_weight,
        user_factor=_doubles(walks.user_factor(walks.n_items_of(users))),
        items=csr_matrix((_doubles(shared.value), place), shape=shape),
        relation=shared.relation.cpu().numpy(),
        node=shared.node.cpu().numpy(),
        relation_weight=_doubles(walks.relation_weights()[shared.relation]),
        spectral_filter=walks.spectral_filter(),
    )
    return (term,)


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
