from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recbole_kgif.doctor.findings import Level
from recbole_kgif.doctor.fusion_inspection import (
    common_share,
    inspect_fusion,
    own_weights,
    relative_size,
)
from recbole_kgif.doctor.projection_inspection import (
    differences_of_relations,
    inspect_projection,
    moves_by_relation,
    stretches,
)
from tests.conftest import Loaded
from tests.doctor.helpers import findings_by_name
from tests.doctor.inspection_helpers import arrays


def test_moves_are_those_of_projected_nodes(load_tiny: Callable[..., Loaded]) -> None:
    found = arrays(load_tiny)
    graph, projection = found.graph, found.projection
    assert projection is not None
    moves = moves_by_relation(graph, projection, stretches(projection, found.embedding))

    def moved(node: int, relation: int) -> float:
        projected = found.embedding[node] + (
            projection.coefficient[node] * projection.relation_vector[relation]
        )
        change = np.linalg.norm(projected - found.embedding[node])
        return float(change / np.linalg.norm(found.embedding[node]))

    assert set(moves.index) == set(graph.relation)
    for relation, row in moves.iterrows():
        of_relation = graph.relation == relation
        heads = [moved(node, int(relation)) for node in graph.head[of_relation]]
        tails = [moved(node, int(relation)) for node in graph.tail[of_relation]]
        assert row["heads"] == pytest.approx(np.median(heads))
        assert row["tails"] == pytest.approx(np.median(tails))
        assert row["edges"] == of_relation.sum()


def test_differences_are_those_of_projected_nodes(
    load_tiny: Callable[..., Loaded],
) -> None:
    found = arrays(load_tiny)
    projection, length = found.projection, np.linalg.norm(found.embedding, axis=1)
    assert projection is not None
    vectors = projection.relation_vector
    stretch = stretches(projection, found.embedding)
    result = differences_of_relations(vectors, stretch)
    for first, second in ((0, 1), (2, 5), (3, 3)):
        apart = projection.coefficient[:, None] * (vectors[first] - vectors[second])
        expected = (np.linalg.norm(apart, axis=1) / length).mean()
        assert result[first, second] == pytest.approx(expected, abs=1e-9)


def test_a_projection_that_idles_is_noted(load_tiny: Callable[..., Loaded]) -> None:
    found = arrays(load_tiny)
    assert found.projection is not None
    idle = replace(found.projection, coefficient=found.projection.coefficient * 1e-6)
    what = "relations that hardly project"
    noted = findings_by_name(
        inspect_projection(replace(found, projection=idle)).findings
    )
    assert noted[what].level is Level.NOTE
    busy = replace(found.projection, coefficient=found.projection.coefficient + 10)
    fine = findings_by_name(
        inspect_projection(replace(found, projection=busy)).findings
    )
    assert fine[what].level is Level.OK


def test_fusion_by_hand(load_tiny: Callable[..., Loaded]) -> None:
    found = arrays(load_tiny)
    fusion = found.fusion
    assert fusion is not None
    own = own_weights(fusion, found.graph.n_nodes)
    for node in range(found.graph.n_nodes):
        assert own[node] == pytest.approx(1 - fusion.weight[fusion.node == node].sum())
    assert relative_size(np.array([[3.0, 4.0]]), np.array([[0.0, 10.0]])) == [0.5]
    assert common_share(np.array([[1.0, 2.0], [1.0, 2.0]])) == pytest.approx(1)
    assert common_share(np.array([[1.0, 0.0], [-1.0, 0.0]])) == pytest.approx(0)


def test_a_fusion_that_adds_little_is_noted(load_tiny: Callable[..., Loaded]) -> None:
    found = arrays(load_tiny)
    assert found.fusion is not None
    hardly = found.embedding + 0.01 * (found.fusion.fused - found.embedding)
    idle = replace(found, fusion=replace(found.fusion, fused=hardly))
    what = "size of what is added"
    assert findings_by_name(inspect_fusion(idle).findings)[what].level is Level.NOTE
    far = found.embedding + 100 * (found.fusion.fused - found.embedding)
    fine = replace(found, fusion=replace(found.fusion, fused=far))
    assert findings_by_name(inspect_fusion(fine).findings)[what].level is Level.OK
