from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from recbole_kgif.doctor.attention_inspection import (
    SATURATED_LOGIT,
    attention_factors,
    inspect_attention,
    sampled_pairs,
    saturated_edges,
)
from recbole_kgif.doctor.findings import Level
from recbole_kgif.doctor.model_arrays import ModelArrays, arrays_of
from tests.conftest import Loaded
from tests.doctor.helpers import findings_by_name
from tests.doctor.inspection_helpers import USERS, arrays, graph_arrays, random_model


def test_factors_are_those_of_the_logits(load_tiny: Callable[..., Loaded]) -> None:
    restored = random_model(load_tiny)
    model = restored.model
    nodes = model.node_vectors(model.graph_nodes)
    with torch.no_grad():
        logits = model.attention.logits(model.graph, nodes, model.relation_vectors())
    found = attention_factors(arrays_of(restored, USERS))
    np.testing.assert_allclose(found, 2 * logits.sigmoid(), rtol=1e-5)


def test_factors_of_a_softmax_have_mean_one_at_each_node(
    load_tiny: Callable[..., Loaded],
) -> None:
    found = arrays(load_tiny, attention="softmax")
    factor = attention_factors(found)
    for node in np.unique(found.graph.head):
        assert factor[found.graph.head == node].mean() == pytest.approx(1, rel=1e-5)


def test_the_saturated_logit_is_where_the_slope_is_a_tenth_of_the_largest() -> None:
    sigmoid = 1 / (1 + np.exp(-SATURATED_LOGIT))
    assert sigmoid * (1 - sigmoid) == pytest.approx(0.025, rel=0.01)


def _modulated(found: ModelArrays, factor: float, last: float) -> ModelArrays:
    """The same model with one factor at all edges but one."""
    factors = np.full(len(found.edge_weight), factor)
    factors[-1] = last
    return replace(found, edge_weight=factors * found.normalisation)


@pytest.mark.parametrize(
    ("factor", "share", "level"),
    [(1.94, 0, Level.OK), (1.96, 1, Level.WARNING), (0.04, 1, Level.WARNING)],
)
def test_saturation(
    load_tiny: Callable[..., Loaded], factor: float, share: float, level: Level
) -> None:
    found = _modulated(arrays(load_tiny), factor, factor)
    assert saturated_edges(found, attention_factors(found)).mean() == share
    findings = findings_by_name(inspect_attention(found, []).findings)
    assert findings["saturated edges"].level is level
    # Equal factors modulate nothing, and have no variance.
    assert findings["attention factor"].level is Level.NOTE
    assert findings["variance between relations"].level is Level.OK


def test_a_softmax_is_saturated_where_one_edge_has_nearly_all(
    load_tiny: Callable[..., Loaded],
) -> None:
    found = arrays(load_tiny, attention="softmax")
    graph = found.graph
    node = int(np.flatnonzero(graph.degree > 1)[0])
    weight = np.full(len(graph.head), 1e-3)
    weight[np.flatnonzero(graph.head == node)[0]] = 0.96
    found = replace(found, edge_weight=weight)
    saturated = saturated_edges(found, attention_factors(found))
    assert set(graph.head[saturated]) == {node}


def test_sampled_pairs_by_hand() -> None:
    graph = graph_arrays([(1, 0, 3), (3, 1, 1), (3, 2, 4), (4, 0, 3)], 5)
    factor = np.array([2.0, 0.5, 1.5, 1.0])
    entropy = np.arange(5) / 10
    frame = sampled_pairs(graph, factor, entropy, [(1, 3), (0, 2)])
    first, padding = frame.to_dict("records")
    assert (first["user"], first["item"]) == ("n1", "n3")
    assert (first["edges (user)"], first["factor (user)"]) == (1, 2.0)
    assert (first["edges (item)"], first["factor (item)"]) == (2, 1.0)
    assert (first["entropy (user)"], first["entropy (item)"]) == (0.1, 0.3)
    assert (first["strongest (item)"], first["its factor"]) == ("r2", 1.5)
    assert (padding["edges (item)"], padding["strongest (item)"]) == (0, "-")
