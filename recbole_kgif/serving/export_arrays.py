"""The arrays of an export, taken from a trained KGIF."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from recbole_kgif.explain.model_adapters import linear_score
from recbole_kgif.model.new_items import LEAST_ARRIVALS, LEAST_SHARE, SHARPNESS
from recbole_kgif.recommend import Recommender
from recbole_kgif.serving.exported_scores import ScoreForm

Arrays = dict[str, Any]


def tensors_of(model: Any, recommender: Recommender) -> Arrays:
    """All arrays of the scores; the first row is that of number 1, not the padding.

    Args:
        model: the model in double precision.
        recommender: the model beside its data.
    """
    users, items = model()
    tensors = {
        "user_vectors": array_of(users)[1:],
        "item_vectors": array_of(items)[1:],
        "item_bias": array_of(model.item_bias.weight)[1:, 0],
        "item_is_new": ~array_of(model.new_items.is_known)[1:],
        **_interactions(model, recommender),
        **_walks(model),
    }
    is_new = tensors["item_is_new"]
    of_facts, of_walks, _ = model.new_items.weights.tolist()
    if is_new.any() and not is_new.all():
        # The padding is the first of the new items.
        if of_facts > 0:
            weights = model.new_items.regression.dense(model.new_items.is_known)
            tensors["new_item_regression"] = array_of(weights)[:, 1:]
        if of_walks > 0:
            tensors["new_item_arrivals"] = array_of(model.new_items.arrivals)[1:, 1:]
    tensors["item_is_new"] = is_new.astype(np.uint8)
    return tensors


def _interactions(model: Any, recommender: Recommender) -> Arrays:
    """Training interactions with their weights, and all that are left out of lists."""
    head, _, tail = (array_of(part) for part in model.graph.triples())
    chosen = np.flatnonzero(head < model.n_users)
    user, item = head[chosen] - 1, tail[chosen] - model.n_users - 1
    arrays = {
        "history_pointer": _pointer(user, model.n_users - 1),
        "history_item": item.astype(np.int32),
    }
    if not model.propagation.aggregators:
        # What an item brings to the vector of a user, per weight.
        score, first = linear_score(model), model.n_users + 1
        brought = score.brought[first : first + model.n_items - 1]
        arrays["history_weight"] = score.weight[chosen]
        arrays["item_contribution"] = brought / (model.n_layers + 1)
        arrays["visitor_weight"] = _visitor_weights(model)
    seen = recommender.seen[1:, 1:].tocsr()
    seen.sort_indices()
    arrays["seen_pointer"] = seen.indptr.astype(np.int64)
    arrays["seen_item"] = seen.indices.astype(np.int32)
    return arrays


def _visitor_weights(model: Any) -> Any:
    """Weight of each item in the vector of a visitor, but for its normalisation.

    A visitor is a user without an embedding of its own: the attention of its edges
    depends on the items alone. An item counts the visitor as one more neighbour.
    """
    nodes = torch.arange(model.n_users + 1, model.n_users + model.n_items)
    weight = np.ones(len(nodes))
    if model.attention is not None:
        relation = nodes.new_full((len(nodes),), model.interaction_relation)
        vectors = model.relation_vectors()
        item = model.node_vectors(model.graph_nodes[nodes]).projected(vectors, relation)
        query = vectors.embeddings[model.interaction_relation].tanh()
        logits = item @ query
        if model.attention.relation_bias is not None:
            logits = logits + model.attention.relation_bias(relation[0])
        if model.attention.kind == "softmax":
            return array_of(logits.exp())
        weight = array_of(2 * torch.sigmoid(logits))
    head, _, _ = (array_of(part) for part in model.graph.triples())
    degree = np.bincount(head, minlength=model.graph.n_nodes)[array_of(nodes)]
    return weight / np.sqrt(degree + 1)


def _pointer(rows: Any, n_rows: int) -> Any:
    return np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int64)


def _walks(model: Any) -> Arrays:
    """The walk matrix X, with a column a neighbour, and what belongs to the users."""
    walks = model.walks
    if walks is None or not float(model.balance[1]):
        return {}
    shared = walks.shared
    trust = walks.relation_weights()[shared.relation].sqrt()
    value = array_of(shared.value * trust[shared.items.column])
    item, neighbour = array_of(shared.items.row), array_of(shared.items.column)
    users = torch.arange(1, shared.history.n_rows)
    return {
        "walk_pointer": _pointer(item - 1, shared.items.n_rows - 1),
        "walk_column": neighbour.astype(np.int32),
        "walk_value": value,
        "walk_factor": array_of(walks.user_factor(walks.n_items_of(users))),
        "own_neighbour": array_of(shared.neighbour_of_user)[1:].astype(np.int64),
    }


def form_of(model: Any) -> ScoreForm:
    """The numbers of the formula."""
    similarity_weight, walk_weight = model.balance.tolist()
    mixing, walk_mixing, offset = model.new_items.weights.tolist()
    by = None if model.walks is None else model.walks.spectral_filter()
    polynomial = (1.0,)
    if by is not None:
        polynomial = tuple(
            value * by.scale**power for power, value in enumerate(by.coefficients)
        )
    is_softmax = model.attention is not None and model.attention.kind == "softmax"
    return ScoreForm(
        similarity="cosine" if model.similarity == "cosine" else "dot",
        similarity_weight=similarity_weight / model.temperature,
        walk_weight=0.0 if model.walks is None else walk_weight,
        walk_polynomial=polynomial,
        walk_exponent=0.0 if model.walks is None else _walk_exponent(model.walks),
        visitor_normalisation="sum" if is_softmax else "root",
        new_item_mixing=mixing,
        new_item_walk_mixing=walk_mixing,
        new_item_offset=offset,
        new_item_sharpness=SHARPNESS,
        new_item_least_share=LEAST_SHARE / max(1, int(model.new_items.is_known.sum())),
        new_item_least_arrivals=LEAST_ARRIVALS,
    )


def _walk_exponent(walks: Any) -> float:
    """A of the factor |N(u)|^-a."""
    return 0.5 + walks.rate * float(walks.exponent)


def array_of(tensor: torch.Tensor) -> Any:
    """A tensor as an array."""
    return tensor.detach().cpu().numpy()
