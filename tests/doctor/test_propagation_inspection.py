from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from recbole_kgif.doctor.findings import Level
from recbole_kgif.doctor.propagation_inspection import (
    area_under_curve,
    effective_dimensions,
    inspect_propagation,
    mean_cosine,
    probe,
    probe_relations,
)
from tests.conftest import Loaded
from tests.doctor.helpers import findings_by_name
from tests.doctor.inspection_helpers import arrays, graph_arrays

RANDOM = np.random.default_rng(0)


def test_area_under_curve_counts_pairs() -> None:
    scores = RANDOM.integers(0, 5, 30).astype(float)
    truth = RANDOM.random(30) < 0.4
    wins = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i, j in itertools.product(np.flatnonzero(truth), np.flatnonzero(~truth))
    ]
    assert area_under_curve(scores, truth) == pytest.approx(np.mean(wins))


def test_mean_cosine_and_dimensions_by_hand() -> None:
    vectors = np.array([[2.0, 0.0], [0.0, 5.0], [1.0, 1.0], [0.0, 0.0]])
    pairs = np.array([[0, 0], [1, 2]])
    assert mean_cosine(vectors, pairs) == pytest.approx(np.sqrt(0.5) / 2)
    line = np.outer(np.arange(5.0), [1, 2, 3])
    assert effective_dimensions(line) == pytest.approx(1)
    corners = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    assert effective_dimensions(corners) == pytest.approx(3)


def test_a_probe_finds_what_is_in_the_vectors_and_nothing_else() -> None:
    labels = RANDOM.random((2000, 3)) < [0.3, 0.5, 0.001]
    vectors = RANDOM.normal(size=(2000, 6))
    chance = probe(vectors, labels)
    assert len(chance) == 2  # the third label is too rare
    assert all(abs(area - 0.5) < 0.06 for area in chance)
    vectors[:, 4] += 3 * labels[:, 1]
    known = probe(vectors, labels)
    assert known[1] > 0.95
    assert abs(known[0] - 0.5) < 0.06


def test_relations_are_probed_among_nodes_of_a_kind() -> None:
    n_nodes = 404  # the first four are padding, one user and one item
    edges = [(node, node % 2, 3) for node in range(4, n_nodes)]
    graph = graph_arrays(edges, n_nodes)
    vectors = RANDOM.normal(size=(n_nodes, 3))
    vectors[:, 0] += 10 * (np.arange(n_nodes) % 2)
    assert probe_relations(graph, vectors) > 0.99
    assert np.isnan(probe_relations(graph, vectors[:4]))


def test_vectors_that_are_alike_are_a_warning(
    load_tiny: Callable[..., Loaded],
) -> None:
    found = arrays(load_tiny)
    findings = findings_by_name(inspect_propagation(found).findings)
    assert findings["over-smoothing"].level is Level.OK
    alike = replace(found, propagated=found.propagated * 1e-3 + 1)
    findings = findings_by_name(inspect_propagation(alike).findings)
    assert findings["over-smoothing"].level is Level.WARNING


def test_no_layer_is_said_to_be_none(load_tiny: Callable[..., Loaded]) -> None:
    (finding,) = inspect_propagation(arrays(load_tiny, n_layers=0)).findings
    assert finding.value == "none (n_layers=0)"
