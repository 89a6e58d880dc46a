"""The dynamic projection of a trained model: how far relations move which nodes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recbole_kgif.doctor.findings import Finding, Level
from recbole_kgif.doctor.inspected_part import InspectedPart, median, switched_off
from recbole_kgif.doctor.inspection_figures import draw_projection
from recbole_kgif.doctor.model_arrays import GraphArrays, ModelArrays, ProjectionArrays
from recbole_kgif.training.candidates import Floats

TITLE = "Dynamic projection"
# A relation that moves both ends of its edges by less than this share of their length.
_HARDLY = 0.01
_MOST = 0.5


def inspect_projection(arrays: ModelArrays) -> InspectedPart:
    """Inspect the projection.

    Args:
        arrays: those of the model.
    """
    projection = arrays.projection
    if projection is None:
        return switched_off(TITLE, "dynamic_projection=False, or no use of relations")
    stretch = stretches(projection, arrays.embedding)
    moves = moves_by_relation(arrays.graph, projection, stretch)
    used = moves.index.to_numpy()
    differences = differences_of_relations(projection.relation_vector[used], stretch)
    upper = differences[np.triu_indices(len(used), 1)]
    findings = [
        _idle_relations(moves),
        Finding(
            "movement of a node",
            f"heads {median(moves['heads'].to_numpy()):.1%}, tails "
            f"{median(moves['tails'].to_numpy()):.1%} of its length",
            meaning="Median over relations of the median over their edges.",
            number=median(moves["heads"].to_numpy()),
        ),
        Finding(
            "difference of two relations",
            f"median {median(upper):.1%} of a node's length",
            meaning="How far apart two relations project the same node.",
            number=median(upper),
        ),
        Finding(
            "projection coefficient p_n . e_n",
            f"median {median(np.abs(projection.coefficient)):.3g}",
            meaning="The factor of a relation's vector at a node, without its sign.",
            number=median(np.abs(projection.coefficient)),
        ),
    ]
    return InspectedPart(
        TITLE,
        findings,
        {"Movement of the ends of edges, in lengths of the nodes": moves},
        lambda figure: draw_projection(figure, moves, differences),
        "How far each relation moves the heads and tails of its edges, and how far "
        "apart two relations project a node, both as a share of the node's length "
        "(relations in the order of the table).",
    )


def stretches(projection: ProjectionArrays, embedding: Floats) -> Floats:
    """How far a relation vector of length 1 moves each node: |p_n . e_n| / |e_n|."""
    length = np.linalg.norm(embedding, axis=1)
    return np.abs(projection.coefficient) / np.maximum(length, np.finfo(float).tiny)


def moves_by_relation(
    graph: GraphArrays, projection: ProjectionArrays, stretch: Floats
) -> pd.DataFrame:
    """How far relations move the ends of their edges.

    Args:
        graph: the graph.
        projection: the vectors.
        stretch: of each node, shape: [n_nodes]

    Returns:
        A row for each directed relation that occurs, the most frequent first, indexed
        by its number: ``relation``, ``edges``, ``vector`` (length of w_r), and the
        medians of ``heads`` and ``tails``, as shares of their lengths.
    """
    length = np.linalg.norm(projection.relation_vector, axis=1)
    groups = pd.DataFrame(
        {"heads": stretch[graph.head], "tails": stretch[graph.tail]}
    ).groupby(graph.relation)
    moves = groups.median().mul(length[list(groups.groups)], axis=0)
    numbers = moves.index.to_numpy()
    moves.insert(0, "relation", [graph.relations[number] for number in numbers])
    moves.insert(1, "edges", groups.size())
    moves.insert(2, "vector", length[numbers])
    return moves.sort_values("edges", ascending=False, kind="stable")


def differences_of_relations(vectors: Floats, stretch: Floats) -> Floats:
    """How far apart two relations project a node, as a share of its length.

    Args:
        vectors: w_r of each relation, shape: [n, d]
        stretch: of each node, shape: [n_nodes]

    Returns:
        Mean over nodes of |n^r - n^s| / |e_n|, which is their mean stretch times |w_r -
        w_s|. Shape: [n, n]
    """
    squares = (vectors**2).sum(axis=1)
    distance = squares[:, None] + squares - 2 * vectors @ vectors.T
    distance = np.sqrt(np.maximum(distance, 0))
    np.fill_diagonal(distance, 0)
    return float(stretch.mean()) * distance


def _idle_relations(moves: pd.DataFrame) -> Finding:
    idle = int(((moves["heads"] < _HARDLY) & (moves["tails"] < _HARDLY)).sum())
    what = "relations that hardly project"
    value = f"{idle} of {len(moves)} directed relations"
    meaning = f"They move the ends of their edges by less than {_HARDLY:.0%}."
    share = idle / max(len(moves), 1)
    if share <= _MOST:
        return Finding(what, value, meaning=meaning, number=share)
    return Finding(
        what,
        value,
        Level.NOTE,
        f"{meaning} The dynamic projection idles for most relations.",
        "Compare dynamic_projection=False, or a smaller weight_decay.",
        share,
    )
