"""The information fusion of a trained model: its weights, its gate, what it adds."""

from __future__ import annotations

import numpy as np

from recbole_kgif.doctor.findings import Finding, Level
from recbole_kgif.doctor.inspected_part import (
    InspectedPart,
    by_relation,
    median,
    relative_entropy,
    switched_off,
)
from recbole_kgif.doctor.inspection_figures import draw_fusion
from recbole_kgif.doctor.model_arrays import FusionArrays, ModelArrays
from recbole_kgif.training.candidates import Floats

TITLE = "Information fusion"
# Where the fusion adds less than this share of an embedding's length, it idles.
_LEAST_ADDED = 0.05
# Where so much of what it adds is the same for all nodes, it tells few of them apart.
_MOSTLY_COMMON = 0.8


def inspect_fusion(arrays: ModelArrays) -> InspectedPart:
    """Inspect the fusion.

    Args:
        arrays: those of the model.
    """
    fusion = arrays.fusion
    if fusion is None:
        return switched_off(TITLE, "fusion=False")
    n_nodes = arrays.graph.n_nodes
    added = fusion.fused - arrays.embedding
    has_tokens = np.bincount(fusion.node, minlength=n_nodes) > 0
    size = relative_size(added, arrays.embedding)[has_tokens]
    own = own_weights(fusion, n_nodes)[has_tokens]
    relations = by_relation(fusion.weight, fusion.relation, arrays.graph.relations)
    entropy = relative_entropy(fusion.weight, fusion.node, n_nodes)
    findings = [
        Finding(
            "gate",
            f"{fusion.gate:.3f}",
            meaning="beta, the factor of all that is added; it starts at 0.1.",
            number=fusion.gate,
        ),
        _size_of_added(size),
        _common(common_share(added[has_tokens])),
        Finding(
            "weight of a node itself",
            f"median {median(own):.2f}",
            meaning="The rest of the self-attention is on the node's relations.",
            number=median(own),
        ),
        Finding(
            "entropy over a node's relations",
            f"median {median(entropy):.3f} of 1",
            meaning="How evenly the self-attention weights a node's relations.",
            number=median(entropy),
        ),
    ]
    return InspectedPart(
        TITLE,
        findings,
        {"Weight a_nr of a node's relations": relations},
        lambda figure: draw_fusion(figure, size, relations),
        "How much longer or shorter what is added is than the embedding, over nodes; "
        "and the weights by relation, median and range from the 5 % to the 95 % "
        "quantile.",
    )


def relative_size(added: Floats, embedding: Floats) -> Floats:
    """Length of what is added to each embedding, divided by its own: [n_nodes]."""
    length = np.linalg.norm(embedding, axis=1)
    return np.linalg.norm(added, axis=1) / np.maximum(length, np.finfo(float).tiny)


def own_weights(fusion: FusionArrays, n_nodes: int) -> Floats:
    """a_nn of each node, what its relations leave, shape: [n_nodes]."""
    of_relations = np.bincount(fusion.node, weights=fusion.weight, minlength=n_nodes)
    return np.asarray(1 - of_relations, dtype=np.float64)


def common_share(added: Floats) -> float:
    """Share of the squared length of vectors that is that of their mean.

    Args:
        added: shape: [n, d]

    Returns:
        1 where all are equal; NaN where all are zero.
    """
    total = float((added**2).sum())
    if total == 0:
        return float("nan")
    return len(added) * float((added.mean(axis=0) ** 2).sum()) / total


def _size_of_added(size: Floats) -> Finding:
    middle = median(size)
    what, value = "size of what is added", f"median {middle:.1%} of the embedding"
    if np.isnan(middle) or middle >= _LEAST_ADDED:
        return Finding(what, value, number=middle)
    return Finding(
        what,
        value,
        Level.NOTE,
        "The fused embeddings hardly differ from the embeddings.",
        "Compare fusion=False, which is faster.",
        middle,
    )


def _common(share: float) -> Finding:
    what = "part of it that all nodes share"
    if np.isnan(share):
        return Finding(what, "nothing is added", number=share)
    if share < _MOSTLY_COMMON:
        return Finding(what, f"{share:.0%}", number=share)
    return Finding(
        what,
        f"{share:.0%}",
        Level.NOTE,
        "The fusion adds nearly the same vector to all nodes, which tells none apart.",
        "Compare fusion=False.",
        share,
    )
