"""The propagation of a trained model: over-smoothing, and what its layers keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from recbole_kgif.doctor.findings import Finding, Level
from recbole_kgif.doctor.inspected_part import InspectedPart
from recbole_kgif.doctor.inspection_figures import draw_layers
from recbole_kgif.doctor.model_arrays import GraphArrays, ModelArrays
from recbole_kgif.training.candidates import Flags, Floats, Integers

TITLE = "Propagation"
_N_PAIRS = 20_000
_SEED = 2020
# Cosines of random items above these leave little to rank by.
_SMOOTH, _VERY_SMOOTH = 0.7, 0.9
# A relation is probed where so many nodes of a kind have it, and as many do not.
_LEAST_NODES = 20
_MOST_NODES = 20_000
_RIDGE = 1.0
# Loss of AUC from the first to the last layer that is worth a note.
_FORGOTTEN = 0.1


def inspect_propagation(arrays: ModelArrays) -> InspectedPart:
    """Inspect the propagation.

    Args:
        arrays: those of the model.
    """
    graph, layers = arrays.graph, arrays.layers
    if len(layers) == 1:
        return InspectedPart(TITLE, [Finding("propagation", "none (n_layers=0)")])
    items = arrays.propagated[graph.items]
    random = np.random.default_rng(_SEED)
    pairs = random.integers(0, len(items), (2, _N_PAIRS))
    pairs = pairs[:, pairs[0] != pairs[1]]
    names = [*(f"layer {number}" for number in range(len(layers))), "result z"]
    of_items = [*(layer[graph.items] for layer in layers), items]
    table = pd.DataFrame(
        {
            "vectors": names,
            "cosine of random items": [mean_cosine(v, pairs) for v in of_items],
            "effective dimensions": [effective_dimensions(v) for v in of_items],
            "AUC of relations": [
                *(probe_relations(graph, layer) for layer in layers),
                # z is that of users and items alone.
                probe_relations(graph, arrays.propagated),
            ],
        }
    )
    return InspectedPart(
        TITLE,
        [
            _smoothness(table["cosine of random items"].iloc[-1]),
            _dimensions(table["effective dimensions"].iloc[-1], items.shape[1]),
            _memory(table["AUC of relations"].iloc[:-1]),
        ],
        {"Vectors before the propagation (layer 0), after each layer, and z": table},
        lambda figure: draw_layers(figure, table),
        "Mean cosine of random pairs of items, and how well a linear classifier tells "
        "a node's relations from its vector (AUC; 0.5 is chance).",
    )


def mean_cosine(vectors: Floats, pairs: Integers) -> float:
    """Mean cosine of pairs of vectors.

    Args:
        vectors: shape: [n, d]
        pairs: their numbers, shape: [2, n_pairs]
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(length, np.finfo(float).tiny)
    return float((unit[pairs[0]] * unit[pairs[1]]).sum(axis=1).mean())


def effective_dimensions(vectors: Floats) -> float:
    """In how many directions vectors differ: (sum of v)^2 / sum of v^2.

    Args:
        vectors: shape: [n, d]

    Returns:
        1 where all are on a line, d where they vary alike in all directions, by the
        eigenvalues v of their covariance; NaN where they are equal.
    """
    centred = vectors - vectors.mean(axis=0)
    variance = np.linalg.eigvalsh(centred.T @ centred)
    total = float((variance**2).sum())
    return float(variance.sum()) ** 2 / total if total > 0 else float("nan")


def probe_relations(graph: GraphArrays, vectors: Floats) -> float:
    """How well a linear classifier tells a node's relations from its vector.

    Items are probed, and other entities where the vectors are of them too: for each
    kind, the relations that some of its nodes have and some do not. Half of the nodes
    are learned from, the others tell the result.

    Args:
        graph: the graph.
        vectors: of the first nodes of the graph, shape: [n_first, d]

    Returns:
        Mean of the areas under the ROC curves; NaN where no relation can be probed.
    """
    has_relation = _relations_of_nodes(graph)
    areas: list[float] = []
    for kind in (graph.items, graph.entities):
        if kind.stop <= len(vectors):
            areas += probe(vectors[kind], has_relation[kind])
    return float(np.mean(areas)) if areas else float("nan")


def _relations_of_nodes(graph: GraphArrays) -> Flags:
    flags = np.zeros((graph.n_nodes, len(graph.relations)), dtype=bool)
    flags[graph.head, graph.relation] = True
    return flags


def probe(vectors: Floats, labels: Flags) -> list[float]:
    """Areas under the ROC curves of a ridge classifier for each label.

    Args:
        vectors: shape: [n, d]
        labels: whether each has each label, shape: [n, n_labels]

    Returns:
        One for each label that enough of both halves have, and enough do not.
    """
    random = np.random.default_rng(_SEED)
    order = random.permutation(len(vectors))[:_MOST_NODES]
    half = len(order) // 2
    learned, tested = order[:half], order[half:]
    probed = np.ones(labels.shape[1], dtype=bool)
    for part in (learned, tested):
        count = labels[part].sum(axis=0)
        probed &= (count >= _LEAST_NODES) & (len(part) - count >= _LEAST_NODES)
    if not probed.any():
        return []
    mean, deviation = vectors[learned].mean(axis=0), vectors[learned].std(axis=0)
    scaled = (vectors - mean) / np.where(deviation > 0, deviation, 1)
    known = scaled[learned]
    targets = labels[learned][:, probed].astype(float)
    penalty = _RIDGE * np.eye(known.shape[1])
    weights = np.linalg.solve(
        known.T @ known + penalty, known.T @ (targets - targets.mean(axis=0))
    )
    scores = scaled[tested] @ weights
    truth = labels[tested][:, probed]
    return [area_under_curve(scores[:, k], truth[:, k]) for k in range(scores.shape[1])]


def area_under_curve(scores: Floats, truth: Flags) -> float:
    """Share of pairs of a true and a false case with the larger score at the true one.

    Args:
        scores: shape: [n]
        truth: of both kinds, shape: [n]
    """
    n_true = int(truth.sum())
    n_false = len(truth) - n_true
    ranks = float(rankdata(scores)[truth].sum())
    return (ranks - n_true * (n_true + 1) / 2) / (n_true * n_false)


def _smoothness(cosine: float) -> Finding:
    what, value = "over-smoothing", f"mean cosine of random items {cosine:.3f}"
    if cosine < _SMOOTH:
        return Finding(what, value, number=cosine)
    return Finding(
        what,
        value,
        Level.WARNING if cosine > _VERY_SMOOTH else Level.NOTE,
        "The propagated items are nearly alike, so that little is left to rank by.",
        "Try fewer layers (n_layers), or a smaller weight_decay.",
        cosine,
    )


def _dimensions(effective: float, size: int) -> Finding:
    what, value = "effective dimensions of items", f"{effective:.1f} of {size}"
    if effective >= max(2, size / 16):
        return Finding(what, value, number=effective)
    return Finding(
        what,
        value,
        Level.NOTE,
        "The items differ in few directions.",
        "Try fewer layers (n_layers), or a smaller weight_decay.",
        effective,
    )


def _memory(areas: Sequence[float]) -> Finding:
    areas = list(areas)
    first, last = areas[0], areas[-1]
    what = "relations told from a node's vector"
    if np.isnan(first):
        return Finding(what, "no relation is frequent enough to be probed")
    value = f"AUC {first:.3f} before, {last:.3f} after {len(areas) - 1} layers"
    if first - last <= _FORGOTTEN:
        return Finding(what, value, number=last)
    return Finding(
        what,
        value,
        Level.NOTE,
        "The propagation blurs which relations a node has.",
        "Try fewer layers (n_layers).",
        last,
    )
