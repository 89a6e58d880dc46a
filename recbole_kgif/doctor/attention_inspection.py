"""The attention of a trained model: its spread, saturation, and what it tells apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from recbole_kgif.doctor.findings import Finding, Level
from recbole_kgif.doctor.inspected_part import (
    InspectedPart,
    by_relation,
    median,
    relative_entropy,
    share_between,
    switched_off,
)
from recbole_kgif.doctor.inspection_figures import draw_factors
from recbole_kgif.doctor.model_arrays import GraphArrays, ModelArrays
from recbole_kgif.training.candidates import Flags, Floats

TITLE = "Attention on edges"
# Where a sigmoid's slope is below a tenth of its largest, 1/4: log((1 + sqrt(0.9)) / (1
# - sqrt(0.9))). Training hardly moves such a logit.
SATURATED_LOGIT = 3.64
# A softmax that leaves less than this to all other edges of a node.
_LEFT_TO_OTHERS = 0.05
_SOME, _MOST = 0.2, 0.5
_NEARLY_ALL = 0.8
# Factors that differ by less modulate nothing.
_LEAST_DEVIATION = 0.02


def inspect_attention(
    arrays: ModelArrays, pairs: Sequence[tuple[int, int]]
) -> InspectedPart:
    """Inspect the attention.

    Args:
        arrays: those of the model.
        pairs: sampled users and items, as nodes of the graph.
    """
    if arrays.attention_kind == "none":
        return switched_off(TITLE, "attention=none")
    graph, factor = arrays.graph, attention_factors(arrays)
    saturated = saturated_edges(arrays, factor)
    entropy = relative_entropy(factor, graph.head, graph.n_nodes)
    relations = by_relation(factor, graph.relation, graph.relations)
    groups = pd.Series(saturated).groupby(graph.relation).mean()
    relations["saturated"] = groups.loc[relations.index]
    findings = [
        _spread(factor, arrays.attention_kind),
        _saturation(saturated, arrays.attention_kind),
        _between_relations(factor, graph),
        _entropy(entropy),
    ]
    return InspectedPart(
        TITLE,
        findings,
        {
            "Attention factor by relation": relations,
            "Attention around sampled pairs of a user and the best new item": (
                sampled_pairs(graph, factor, entropy, pairs)
            ),
        },
        lambda figure: draw_factors(figure, factor, relations),
        "Attention factors of all edges, and by relation: median, and the range from "
        "the 5 % to the 95 % quantile of the relations with most edges.",
    )


def attention_factors(arrays: ModelArrays) -> Floats:
    """What the attention multiplies an edge's weight by: 1 where it changes nothing.

    Returns:
        2 sigmoid(pi) for modulated attention; for a softmax, the weight times the
        number of the head's edges. Shape: [n_edges]
    """
    if arrays.attention_kind == "softmax":
        return arrays.edge_weight * arrays.graph.degree[arrays.graph.head]
    return arrays.edge_weight / arrays.normalisation


def saturated_edges(arrays: ModelArrays, factor: Floats) -> Flags:
    """Edges whose attention training can hardly change, shape: [n_edges].

    Those of modulated attention have a logit beyond `SATURATED_LOGIT`; those of a
    softmax are the edges of nodes where one of several edges has nearly all the weight.
    """
    if arrays.attention_kind != "softmax":
        low = 2 / (1 + np.exp(SATURATED_LOGIT))
        return (factor < low) | (factor > 2 - low)
    graph = arrays.graph
    largest = np.zeros(graph.n_nodes)
    np.maximum.at(largest, graph.head, arrays.edge_weight)
    is_saturated = (largest > 1 - _LEFT_TO_OTHERS) & (graph.degree > 1)
    return is_saturated[graph.head]


def sampled_pairs(
    graph: GraphArrays,
    factor: Floats,
    entropy: Floats,
    pairs: Sequence[tuple[int, int]],
) -> pd.DataFrame:
    """The attention around pairs of a user and an item.

    Args:
        graph: the graph.
        factor: of each edge, shape: [n_edges]
        entropy: relative entropy of each node, shape: [n_nodes]
        pairs: users and items, as nodes.

    Returns:
        A row a pair: ids; number of edges, mean factor and relative entropy of each
        end; relation and factor of the item's edge with the largest one.
    """
    first = np.searchsorted(graph.head, np.arange(graph.n_nodes + 1))
    rows = []
    for user, item in pairs:
        of_user = factor[first[user] : first[user + 1]]
        of_item = factor[first[item] : first[item + 1]]
        relation, largest = "-", float("nan")
        if len(of_item):
            strongest = first[item] + int(np.argmax(of_item))
            relation = graph.relations[int(graph.relation[strongest])]
            largest = float(factor[strongest])
        rows.append(
            {
                "user": str(graph.ids[user]),
                "item": str(graph.ids[item]),
                **_around("user", of_user, entropy[user]),
                **_around("item", of_item, entropy[item]),
                "strongest (item)": relation,
                "its factor": largest,
            }
        )
    return pd.DataFrame(rows)


def _around(node: str, factor: Floats, entropy: float) -> dict[str, float]:
    mean = float(factor.mean()) if len(factor) else float("nan")
    return {
        f"edges ({node})": len(factor),
        f"factor ({node})": mean,
        f"entropy ({node})": float(entropy),
    }


def _spread(factor: Floats, kind: str) -> Finding:
    low, high = np.quantile(factor, [0.05, 0.95])
    most = " (2 at most)" if kind == "modulated" else ""
    value = f"mean {factor.mean():.2f}, 90 % in {low:.2f} to {high:.2f}{most}"
    number = float(factor.std())
    meaning = "What the attention multiplies an edge's weight by; 1 changes nothing."
    if number >= _LEAST_DEVIATION:
        return Finding("attention factor", value, meaning=meaning, number=number)
    return Finding(
        "attention factor",
        value,
        Level.NOTE,
        "All edges have nearly the same factor, so that the attention does nothing.",
        "Train longer or with a larger learning_rate, or compare attention=none, which "
        "is faster.",
        number,
    )


def _saturation(saturated: Flags, kind: str) -> Finding:
    share = float(saturated.mean())
    what, value = "saturated edges", f"{share:.1%}"
    meaning = "The attention of these edges is at an end of its range."
    if kind == "softmax":
        meaning = "One edge of a node has over 95 % of the attention of all its edges."
    if share < _SOME:
        return Finding(what, value, meaning=meaning, number=share)
    return Finding(
        what,
        value,
        Level.WARNING if share > _MOST else Level.NOTE,
        f"{meaning} There it acts as a constant, and training hardly changes it.",
        "Compare attention=none, and a smaller learning_rate or initial_std.",
        share,
    )


def _between_relations(factor: Floats, graph: GraphArrays) -> Finding:
    share = share_between(factor, graph.relation)
    what, value = "variance between relations", f"{share:.0%}"
    if np.isnan(share):
        return Finding(what, "none: all factors are equal", number=share)
    meaning = "The rest is between edges of the same relation."
    if share <= _NEARLY_ALL:
        return Finding(what, value, meaning=meaning, number=share)
    return Finding(
        what,
        value,
        Level.NOTE,
        f"{meaning} The attention is little more than one weight for each relation.",
        "Compare dynamic_projection=False, which has fewer parameters.",
        share,
    )


def _entropy(entropy: Floats) -> Finding:
    middle = median(entropy)
    few = int((entropy < 0.5).sum())
    return Finding(
        "entropy per node",
        f"median {middle:.3f} of 1; below 0.5 at {few:,} nodes",
        meaning="How evenly a node's edges share its attention factors; 1 is evenly.",
        number=middle,
    )
