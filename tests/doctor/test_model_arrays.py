"""The arrays of a model beside the model's own results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recbole_kgif.doctor.model_arrays import arrays_of
from tests.conftest import Loaded
from tests.doctor.inspection_helpers import USERS, arrays, random_model

PAPER = {
    "attention": "softmax",
    "propagation": "bi-interaction",
    "layer_sizes": [8, 4],
    "dropout": 0.1,
    "similarity": "inner-product",
    "walks": False,
    "item_bias": False,
}


@pytest.mark.parametrize("form", [{}, {"propagation": "bi-interaction"}, PAPER])
def test_layers_give_the_vectors_that_the_model_scores_with(
    load_tiny: Callable[..., Loaded], form: dict[str, Any]
) -> None:
    found = arrays(load_tiny, **form)
    layers = [layer[: len(found.propagated)] for layer in found.layers]
    if "layer_sizes" in form:
        joined = np.concatenate(layers, axis=1)
    else:
        joined = np.mean(layers, axis=0)
    np.testing.assert_allclose(found.propagated, joined, atol=1e-6)


@pytest.mark.parametrize("form", [{}, {"similarity": "inner-product"}, PAPER])
def test_parts_add_up_to_the_score(
    load_tiny: Callable[..., Loaded], form: dict[str, Any]
) -> None:
    restored = random_model(load_tiny, **form)
    restored.model.balance.copy_(torch.tensor([0.5, 2.0]))
    parts = arrays_of(restored, USERS).scores.parts
    scores = restored.model._scores(torch.as_tensor(USERS)).detach()[:, 1:]
    assert ("walks" in parts, "item bias" in parts) == (form != PAPER,) * 2
    np.testing.assert_allclose(sum(parts.values()), scores, atol=1e-5)


def test_projection_and_fusion_are_the_models(load_tiny: Callable[..., Loaded]) -> None:
    restored = random_model(load_tiny)
    found, model = arrays_of(restored, USERS), restored.model
    graph, projection, fusion = found.graph, found.projection, found.fusion
    assert projection is not None and fusion is not None
    nodes = model.node_vectors(model.graph_nodes)
    relation = torch.as_tensor(graph.relation, dtype=torch.int64)
    with torch.no_grad():
        expected = nodes.rows(torch.as_tensor(graph.head, dtype=torch.int64)).projected(
            model.relation_vectors(), relation
        )
    moved = projection.coefficient[graph.head, None]
    moved = found.embedding[graph.head] + (
        moved * projection.relation_vector[graph.relation]
    )
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    value = model.fusion.value(model.relation_vectors().embeddings).detach().numpy()
    fused = found.embedding.copy()
    for node, r, weight in zip(fusion.node, fusion.relation, fusion.weight):
        fused[node] += fusion.gate * weight * value[r]
    np.testing.assert_allclose(found.fusion.fused, fused, atol=1e-6)


def test_the_filter_is_that_of_a_dense_kernel(load_tiny: Callable[..., Loaded]) -> None:
    restored = random_model(load_tiny)
    walks, found = restored.model.walks, arrays_of(restored, USERS).walks
    assert found is not None
    shared, identity = walks.shared, torch.eye(restored.model.n_items)
    weights = walks.relation_weights().detach()[shared.relation]
    kernel = walks._item_kernel(weights)(identity).double().numpy()
    by_filter = walks.spectral_filter().apply(lambda x: kernel @ x, identity.numpy())
    values, vectors = np.linalg.eigh(kernel)
    scaled = values * walks.spectral_filter().scale
    response = np.interp(scaled, found.filter_range, found.filter_response)
    dense = vectors @ np.diag(response) @ vectors.T
    np.testing.assert_allclose(by_filter, dense, atol=2e-3)
    # The diagonal of the kernel, relation by relation.
    items = np.zeros((shared.items.n_rows, shared.items.n_columns))
    items[shared.items.row.numpy(), shared.items.column.numpy()] = shared.value.numpy()
    parts = (items**2).sum(axis=0) * weights.numpy()
    for relation, share in enumerate(found.kernel_share):
        own = parts[shared.relation.numpy() == relation].sum()
        assert share == pytest.approx(own / np.trace(kernel), abs=1e-6)
