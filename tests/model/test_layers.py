"""Each layer compared with a loop over nodes and edges that follows its equation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Optional

import pytest
import torch
from torch import Tensor, nn

from recbole_kgif.model import attention_kernels, kgif
from recbole_kgif.model import layers as fast_layers
from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
from recbole_kgif.model.kgif import (
    NodeVectors,
    RelationVectors,
)
from recbole_kgif.model.layers import (
    EdgeAttention,
    InformationFusion,
    Propagation,
)
from tests.model.test_graph import N_NODES, N_RELATIONS, edges_of
from tests.model.test_kernels import D, dense_matrix, values

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture(params=[kgif, fast_layers], ids=["reference", "fast"])
def layers(request: pytest.FixtureRequest) -> ModuleType:
    """Both implementations of the layers."""
    found: ModuleType = request.param
    return found


class DynamicProjection(nn.Module):
    """Projection vectors, as the model holds them."""

    def __init__(self) -> None:
        super().__init__()
        self.node_vector = nn.Embedding(N_NODES, D)
        self.relation_vector = nn.Embedding(2 * N_RELATIONS, D)


def randomised(module: Any) -> Any:
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def vectors(
    projection: Optional[DynamicProjection], nodes: Tensor, relations: Tensor
) -> tuple[NodeVectors, RelationVectors]:
    if projection is None:
        return NodeVectors(nodes), RelationVectors(relations, None)
    coefficients = (projection.node_vector.weight * nodes).sum(-1)
    return (
        NodeVectors(nodes, coefficients),
        RelationVectors(relations, projection.relation_vector.weight),
    )


def test_dynamic_projection_follows_its_equation() -> None:
    projection = randomised(DynamicProjection())
    embeddings = values(N_NODES, D)
    nodes, relations = torch.tensor([4, 0, 4]), torch.tensor([1, 5, 0])
    of_nodes, of_relations = vectors(projection, embeddings, values(2 * N_RELATIONS, D))
    projected = of_nodes.rows(nodes).projected(of_relations, relations)
    for row, (n, r) in enumerate(zip(nodes, relations)):
        p, w = projection.node_vector.weight[n], projection.relation_vector.weight[r]
        torch.testing.assert_close(
            projected[row], embeddings[n] + (p @ embeddings[n]) * w
        )


@pytest.mark.parametrize("left_out", [(), (1, 4)])
def test_fusion_follows_its_equation(
    layers: ModuleType, graph: CollaborativeKnowledgeGraph, left_out: Sequence[int]
) -> None:
    fusion = randomised(layers.InformationFusion(graph, D, left_out))
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    fused = fusion(nodes, relations)
    query, key, value = (
        layer.weight for layer in (fusion.query, fusion.key, fusion.value)
    )
    for n in range(N_NODES):
        incident = [r for h, r, _ in edges_of(graph) if h == n and r not in left_out]
        own = torch.exp((query @ nodes[n]) @ (key @ nodes[n]) / math.sqrt(D))
        # One term an edge: a relation counts as often as it occurs.
        terms = [
            torch.exp((query @ nodes[n]) @ (key @ relations[r]) / math.sqrt(D))
            for r in incident
        ]
        total = own + sum(terms)
        message = sum(
            (term / total * (value @ relations[r]) for term, r in zip(terms, incident)),
            torch.zeros(D),
        )
        torch.testing.assert_close(fused[n], nodes[n] + fusion.gate * message)


def test_nodes_without_relations_stay_as_they_are_in_the_fusion(
    layers: ModuleType,
    graph: CollaborativeKnowledgeGraph,
) -> None:
    everything = range(2 * N_RELATIONS)
    fusion = randomised(layers.InformationFusion(graph, D, everything))
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    fused = fusion(nodes, relations)
    torch.testing.assert_close(fused, nodes)
    fused.sum().backward()
    torch.testing.assert_close(nodes.grad, torch.ones(N_NODES, D))


def test_fusion_starts_close_to_the_embeddings(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    gate = InformationFusion(graph, D).gate.item()
    assert 0 < gate <= 0.1


@pytest.mark.parametrize("projected", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_attention_logits_follow_their_equation(
    layers: ModuleType,
    graph: CollaborativeKnowledgeGraph,
    projected: bool,
    biased: bool,
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    projection: Optional[DynamicProjection] = None
    if projected:
        projection = randomised(DynamicProjection())
    attention = randomised(layers.EdgeAttention("modulated", 2 * N_RELATIONS, biased))

    def seen(n: int, r: int) -> Tensor:
        if projection is None:
            return nodes[n]
        of_nodes, of_relations = vectors(projection, nodes, relations)
        one = of_nodes.rows(torch.tensor([n]))
        return one.projected(of_relations, torch.tensor([r]))[0]

    expected = []
    for h, r, t in edges_of(graph):
        logit = seen(t, r) @ torch.tanh(seen(h, r) + relations[r])
        if attention.relation_bias is not None:
            logit = logit + attention.relation_bias.weight[r, 0]
        expected.append(logit)
    logits = attention.logits(graph, *vectors(projection, nodes, relations))
    torch.testing.assert_close(logits, torch.stack(expected))


@pytest.mark.parametrize("projected", [True, False])
def test_attention_logits_have_true_gradients(
    graph: CollaborativeKnowledgeGraph, projected: bool
) -> None:
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    projection = DynamicProjection() if projected else None
    parameters = [*attention.parameters()]
    if projection is not None:
        parameters += randomised(projection).parameters()

    # The parameters are checked as well: they are inputs that the function ignores.
    def logits(nodes: Tensor, relations: Tensor, *_parameters: Tensor) -> Tensor:
        return attention.logits(graph, *vectors(projection, nodes, relations))

    inputs = (values(N_NODES, D), values(2 * N_RELATIONS, D), *parameters)
    assert torch.autograd.gradcheck(logits, inputs)


def test_modulated_attention_scales_the_symmetric_normalisation(
    layers: ModuleType,
    graph: CollaborativeKnowledgeGraph,
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention = randomised(layers.EdgeAttention("modulated", 2 * N_RELATIONS))
    logits = attention.logits(graph, *vectors(None, nodes, relations))
    weights = attention(graph, *vectors(None, nodes, relations))
    expected = 2 / (1 + torch.exp(-logits)) * graph.normalisation
    torch.testing.assert_close(weights, expected)


def test_softmax_attention_adds_up_to_one_a_head(
    layers: ModuleType,
    graph: CollaborativeKnowledgeGraph,
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention = randomised(layers.EdgeAttention("softmax", 2 * N_RELATIONS))
    weights = attention(graph, *vectors(None, nodes, relations))
    logits = attention.logits(graph, *vectors(None, nodes, relations))
    for head in range(N_NODES):
        out = [e for e, (h, _, _) in enumerate(edges_of(graph)) if h == head]
        torch.testing.assert_close(weights[out], torch.softmax(logits[out], 0))


def test_attention_takes_the_tanh_once_a_pair(
    graph: CollaborativeKnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    tanh = attention_kernels._tanh_

    def counting_tanh(x: Tensor) -> None:
        rows.append(len(x))
        tanh(x)

    monkeypatch.setattr(attention_kernels, "_tanh_", counting_tanh)
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    projection = randomised(DynamicProjection())
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention(graph, *vectors(projection, nodes, relations))
    assert rows == [graph.n_pairs]


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_linear_propagation_is_a_mean_of_matrix_powers(
    layers: ModuleType, graph: CollaborativeKnowledgeGraph, n_layers: int
) -> None:
    weights, nodes = values(graph.n_edges), values(N_NODES, D)
    matrix = dense_matrix(graph, weights)
    powers = [torch.linalg.matrix_power(matrix, n) @ nodes for n in range(n_layers + 1)]
    propagated = layers.Propagation([D] * (n_layers + 1), "linear")(
        graph, weights, nodes
    )
    torch.testing.assert_close(propagated, torch.stack(powers).mean(0))


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_the_gradient_of_the_linear_propagation(
    graph: CollaborativeKnowledgeGraph, n_layers: int
) -> None:
    propagation = Propagation([D] * (n_layers + 1), "linear")
    inputs = values(graph.n_edges), values(N_NODES, D)
    assert torch.autograd.gradcheck(lambda w, x: propagation(graph, w, x), inputs)


@pytest.mark.parametrize("kind", ["linear", "bi-interaction"])
@pytest.mark.parametrize("n_layers", [0, 1, 3])
@pytest.mark.parametrize("n_returned", [0, 1, N_NODES - 2, N_NODES])
def test_the_first_nodes_alone_equal_those_among_all(
    graph: CollaborativeKnowledgeGraph,
    n_returned: int,
    n_layers: int,
    kind: str,
) -> None:
    propagation = randomised(Propagation([D] * (n_layers + 1), kind))
    selected = graph.edges.first_rows(n_returned)
    inputs = values(graph.n_edges), values(N_NODES, D)
    factor = values(n_returned, D).detach()
    alone = propagation(graph, *inputs, selected)
    among_all = propagation(graph, *inputs)[:n_returned]
    torch.testing.assert_close(alone, among_all)
    gradients = [
        torch.autograd.grad((found * factor).sum(), inputs, materialize_grads=True)
        for found in (alone, among_all)
    ]
    torch.testing.assert_close(*gradients)


def test_bi_interaction_follows_its_equation(
    layers: ModuleType,
    graph: CollaborativeKnowledgeGraph,
) -> None:
    weights, nodes = values(graph.n_edges), values(N_NODES, D)
    propagation = randomised(layers.Propagation([D] * 3, "bi-interaction"))
    matrix = dense_matrix(graph, weights)
    current, total = nodes, nodes
    for layer in propagation.aggregators:
        neighbours = matrix @ current
        added = layer.sum_transform(current + neighbours)
        joined = layer.product_transform(current * neighbours)
        leaky = torch.where(added > 0, added, 0.01 * added)
        leaky = leaky + torch.where(joined > 0, joined, 0.01 * joined)
        current = leaky / leaky.norm(dim=1, keepdim=True)
        total = total + current
    propagated = propagation(graph, weights, nodes)
    torch.testing.assert_close(propagated, total / 3)


class ChainOfLayers(nn.Module):
    """All layers of a graph, one after the other, with random parameters."""

    def __init__(self, graph: CollaborativeKnowledgeGraph):
        super().__init__()
        self.graph = graph
        self.fusion = randomised(InformationFusion(graph, D))
        self.projection = randomised(DynamicProjection())
        self.attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
        self.propagation = Propagation([D] * 3, "linear")

    def forward(self, nodes: Tensor, relations: Tensor) -> Tensor:
        of_both = vectors(self.projection, nodes, relations)
        weights = self.attention(self.graph, *of_both)
        fused = self.fusion(nodes, relations)
        propagated: Tensor = self.propagation(self.graph, weights, fused)
        return propagated


def test_the_whole_chain_of_layers_has_true_gradients(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    inputs = (values(N_NODES, D), values(2 * N_RELATIONS, D))
    assert torch.autograd.gradcheck(ChainOfLayers(graph), inputs)
