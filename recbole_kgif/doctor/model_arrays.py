"""The arrays of a trained KGIF that an inspection looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import torch

from recbole_kgif.training.candidates import Floats, Integers
from recbole_kgif.training.restore import Restored

INTERACTION = "interaction"
_INVERSE = "inverse of "


@dataclass(frozen=True, eq=False)
class GraphArrays:
    """The graph of a model, an edge in each direction of a fact.

    Users are the first nodes, items the next, both with RecBole's padding at their
    beginning, and other entities follow.

    Attributes:
        head: node that gathers, shape: [n_edges]
        relation: directed relation, shape: [n_edges]
        tail: its neighbour, shape: [n_edges]
        n_users: number of users, padding included.
        n_items: number of items, padding included.
        n_nodes: number of all nodes.
        relations: name of each directed relation, length: n_relations
        ids: id of each node in the data set, length: n_nodes
    """

    head: Integers
    relation: Integers
    tail: Integers
    n_users: int
    n_items: int
    n_nodes: int
    relations: list[str]
    ids: npt.NDArray[Any]

    @property
    def degree(self) -> Integers:
        """Number of edges out of each node, shape: [n_nodes]."""
        return np.bincount(self.head, minlength=self.n_nodes)

    @property
    def items(self) -> slice:
        """The items among the nodes, without the padding."""
        return slice(self.n_users + 1, self.n_users + self.n_items)

    @property
    def entities(self) -> slice:
        """The entities among the nodes that are no items."""
        return slice(self.n_users + self.n_items, self.n_nodes)


@dataclass(frozen=True, eq=False)
class FusionArrays:
    """The information fusion.

    Attributes:
        node: node of each token, shape: [n_tokens]
        relation: its directed relation, shape: [n_tokens]
        weight: its weight a_nr, shape: [n_tokens]
        gate: beta.
        fused: f of each node, shape: [n_nodes, d]
    """

    node: Integers
    relation: Integers
    weight: Floats
    gate: float
    fused: Floats


@dataclass(frozen=True, eq=False)
class ProjectionArrays:
    """The dynamic projection.

    Attributes:
        coefficient: p_n . e_n of each node, shape: [n_nodes]
        relation_vector: w_r, shape: [n_relations, d]
    """

    coefficient: Floats
    relation_vector: Floats


@dataclass(frozen=True, eq=False)
class WalkArrays:
    """The direct walks.

    Attributes:
        relation_weight: g_r, shape: [n_relations]
        kernel_share: share of each relation in the diagonal of the item kernel,
            shape: [n_relations]
        exponent: a.
        filter_range: 0 to the largest eigenvalue of the scaled item kernel,
            shape: [n_points]; empty without a filter.
        filter_response: the filter P there, shape: [n_points]
        exact_response: the ridge regression that P approximates, shape: [n_points]
    """

    relation_weight: Floats
    kernel_share: Floats
    exponent: float
    filter_range: Floats
    filter_response: Floats
    exact_response: Floats


@dataclass(frozen=True, eq=False)
class ScoreArrays:
    """The parts of the scores of some users with all items.

    Attributes:
        balance: p and q.
        parts: for each part its scores, shape: [n_users, n_items]
    """

    balance: tuple[float, float]
    parts: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """A trained KGIF as arrays in double precision.

    Attributes:
        graph: its graph.
        embedding: e of each node, shape: [n_nodes, d]
        attention_kind: the option ``attention``.
        edge_weight: alpha of each edge, shape: [n_edges]
        normalisation: 1 / sqrt(D_h D_t) of each edge, shape: [n_edges]
        fusion: None where it is switched off.
        projection: likewise.
        layers: f^(0) to f^(L) of all nodes, each of shape: [n_nodes, size]
        propagated: z of users and items, shape: [n_users + n_items, size]
        walks: None where they are switched off.
        scores: parts of the scores of a sample of users.
    """

    graph: GraphArrays
    embedding: Floats
    attention_kind: str
    edge_weight: Floats
    normalisation: Floats
    fusion: Optional[FusionArrays]
    projection: Optional[ProjectionArrays]
    layers: list[Floats]
    propagated: Floats
    walks: Optional[WalkArrays]
    scores: ScoreArrays


@torch.no_grad()
def arrays_of(restored: Restored, users: Integers) -> ModelArrays:
    """Take the arrays out of a trained KGIF.

    Args:
        restored: the checkpoint of a KGIF and its data.
        users: numbers of the users whose scores are taken apart, shape: [n_sampled]
    """
    model = restored.model
    graph = _graph(restored)
    nodes = model.graph_nodes
    embedding = model.node_embedding.weight[nodes]
    edge_weight, fused = model.edge_weights(), model.fused_embeddings()
    propagated = torch.cat(model.forward())
    attention = model.attention
    return ModelArrays(
        graph=graph,
        embedding=_doubles(embedding),
        attention_kind="none" if attention is None else str(attention.kind),
        edge_weight=_doubles(edge_weight),
        normalisation=_doubles(model.graph.normalisation),
        fusion=None if model.fusion is None else _fusion(model, embedding, fused),
        projection=None if model.projection is None else _projection(model, embedding),
        layers=[_doubles(layer) for layer in layers_of(model, edge_weight, fused)],
        propagated=_doubles(propagated),
        walks=None if model.walks is None else _walks(model.walks),
        scores=_scores(model, propagated, torch.as_tensor(users, device=nodes.device)),
    )


def _graph(restored: Restored) -> GraphArrays:
    model, dataset = restored.model, restored.data.dataset
    head, relation, tail = (part.cpu().numpy() for part in model.graph.triples())
    tokens = dataset.field2id_token
    users, items = tokens[dataset.uid_field], tokens[dataset.iid_field]
    entities = tokens[dataset.entity_field][len(items) :]
    ids = np.concatenate([users, items, entities])[model.graph_nodes.cpu().numpy()]
    n_relations = model.graph.n_relations // 2
    names = [*tokens[dataset.relation_field][: n_relations - 1], INTERACTION]
    return GraphArrays(
        *(head, relation, tail),
        n_users=model.n_users,
        n_items=model.n_items,
        n_nodes=model.graph.n_nodes,
        relations=[*map(str, names), *(f"{_INVERSE}{name}" for name in names)],
        ids=ids,
    )


def _fusion(model: Any, embedding: torch.Tensor, fused: torch.Tensor) -> FusionArrays:
    relations = model.relation_vectors().embeddings
    tokens = model.fusion.tokens
    return FusionArrays(
        node=tokens.row.cpu().numpy(),
        relation=tokens.column.cpu().numpy(),
        weight=_doubles(model.fusion.attention(embedding, relations)),
        gate=float(model.fusion.gate),
        fused=_doubles(fused),
    )


def _projection(model: Any, embedding: torch.Tensor) -> ProjectionArrays:
    node_vector = model.projection["node_vector"].weight[model.graph_nodes]
    return ProjectionArrays(
        coefficient=_doubles((node_vector * embedding).sum(-1)),
        relation_vector=_doubles(model.projection["relation_vector"].weight),
    )


def layers_of(
    model: Any, edge_weight: torch.Tensor, fused: torch.Tensor
) -> list[torch.Tensor]:
    """The vectors of all nodes after each layer of the propagation.

    Args:
        model: a KGIF, ready for evaluation.
        edge_weight: alpha, shape: [n_edges]
        fused: f of each node, shape: [n_nodes, d]

    Returns:
        f^(0) to f^(L), as the scores use them: those of KGAT's form are of length 1.
    """
    propagation = model.propagation
    aggregators = list(propagation.aggregators) or [None] * propagation.n_layers
    layers, nodes = [fused], fused
    for aggregator in aggregators:
        reached = propagation.neighbours(model.graph, edge_weight, nodes)
        if aggregator is not None:
            by_sum = aggregator["sum_transform"](nodes + reached)
            by_product = aggregator["product_transform"](nodes * reached)
            slope = torch.nn.functional.leaky_relu
            reached = slope(by_sum) + slope(by_product)
        shown = reached
        if aggregator is not None:
            shown = torch.nn.functional.normalize(reached)
        nodes = reached if propagation.is_joined else shown
        layers.append(shown)
    return layers


def _walks(walks: Any) -> WalkArrays:
    shared, weight = walks.shared, _doubles(walks.relation_weights())
    relation = shared.relation.cpu().numpy()[shared.items.column.cpu().numpy()]
    parts = weight[relation] * _doubles(shared.value) ** 2
    by_relation = np.bincount(relation, parts, len(weight))
    spectral_filter = walks.spectral_filter()
    where = response = exact = np.zeros(0)
    if spectral_filter is not None:
        where = np.linspace(0, spectral_filter.largest, 101)
        # A diagonal matrix of these eigenvalues in place of the item kernel.
        kernel = where / spectral_filter.scale
        response = spectral_filter.apply(lambda x: kernel * x, np.ones_like(where))
        s = walks.regularisation
        exact = (1 + s) / (1 + s * where)
    return WalkArrays(
        relation_weight=weight,
        kernel_share=by_relation / max(by_relation.sum(), np.finfo(float).tiny),
        exponent=0.5 + walks.rate * float(walks.exponent),
        filter_range=where,
        filter_response=response,
        exact_response=exact,
    )


def _scores(model: Any, propagated: torch.Tensor, users: torch.Tensor) -> ScoreArrays:
    p, q = model.balance.tolist()
    vectors = propagated
    if model.similarity == "cosine":
        vectors = torch.nn.functional.normalize(propagated, dim=-1)
    items = vectors[model.n_users :]
    similarity = vectors[users] @ items.t() / model.temperature
    parts = {"embeddings": p * _doubles(similarity)}
    if model.walks is not None:
        walks = model.walks(users, model.walks.spectral_filter())
        parts["walks"] = q * _doubles(walks)
    if model.item_bias.weight.requires_grad:
        bias = _doubles(model.item_bias.weight)[:, 0]
        parts["item bias"] = np.tile(bias, (len(users), 1))
    # The first item is RecBole's padding.
    return ScoreArrays((p, q), {name: part[:, 1:] for name, part in parts.items()})


def _doubles(tensor: torch.Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()
