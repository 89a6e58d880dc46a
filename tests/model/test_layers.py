"""Each layer beside a loop over nodes and edges that follows its equation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Callable, Optional

import pytest
import torch
from torch import Tensor, nn

from recbole_kgif.model import layers
from recbole_kgif.model.graph import (
    CollaborativeKnowledgeGraph,
    RelationTokens,
    SharedNeighbours,
)
from recbole_kgif.model.layers import (
    BiInteraction,
    DynamicProjection,
    EdgeAttention,
    InformationFusion,
    NeighbourWalks,
    ProjectionVectors,
    Propagation,
    look_up,
    sampled_dense_product,
    segment_softmax,
    softmax_losses,
    sparse_dense_product,
)
from tests.model.test_graph import (
    FACTS,
    N_ITEMS,
    N_NODES,
    N_RELATIONS,
    N_USERS,
    edges_of,
    graph_of,
    linked_graph,
    shared_by_hand,
)

D = 4


@pytest.fixture(autouse=True)
def double_precision() -> Any:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def graph() -> CollaborativeKnowledgeGraph:
    return graph_of(FACTS)


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def randomised(module: Any) -> Any:
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    return module


def vectors(
    projection: Optional[DynamicProjection], nodes: Tensor
) -> Optional[ProjectionVectors]:
    if projection is None:
        return None
    return ProjectionVectors(
        projection.strength(torch.arange(N_NODES), nodes),
        projection.relation_vector.weight,
    )


def dense_matrix(graph: CollaborativeKnowledgeGraph, weights: Tensor) -> Tensor:
    matrix = torch.zeros(N_NODES, N_NODES)
    for (head, _, tail), weight in zip(edges_of(graph), weights):
        matrix[head, tail] = matrix[head, tail] + weight
    return matrix


def test_sparse_dense_product_adds_parallel_edges(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    weights, dense = values(graph.n_edges), values(N_NODES, D)
    product = sparse_dense_product(graph.edges, weights, dense)
    torch.testing.assert_close(product, dense_matrix(graph, weights) @ dense)


@pytest.mark.parametrize("name", ["edges", "pair_tails", "node_relations"])
def test_gradients_of_the_sparse_operators(
    graph: CollaborativeKnowledgeGraph, name: str
) -> None:
    pattern = getattr(graph, name)
    left, right = values(pattern.n_rows, D), values(pattern.n_columns, D)
    weights = values(pattern.n_entries)
    checks: list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = [
        (lambda w, x: sparse_dense_product(pattern, w, x), (weights, right)),
        (lambda x, y: sampled_dense_product(pattern, x, y), (left, right)),
        (lambda w: segment_softmax(w, pattern.row, pattern.n_rows), (weights,)),
    ]
    for function, inputs in checks:
        assert torch.autograd.gradcheck(function, inputs)


def test_sampled_dense_product_is_a_dot_product_an_edge(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    left, right = values(N_NODES, D), values(N_NODES, D)
    expected = torch.stack([left[h] @ right[t] for h, _, t in edges_of(graph)])
    torch.testing.assert_close(
        sampled_dense_product(graph.edges, left, right), expected
    )


@pytest.mark.parametrize("block_size", [1, 5, 100])
def test_the_sampled_product_in_blocks_is_the_same(
    graph: CollaborativeKnowledgeGraph,
    block_size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layers, "_BLOCK_SIZE", block_size)
    left, right = values(N_NODES, D), values(N_NODES, D)
    torch.testing.assert_close(
        layers._dot_at_entries_in_blocks(graph.edges, left, right),
        sampled_dense_product(graph.edges, left, right),
    )


@pytest.mark.parametrize("name", ["edges", "pair_tails", "node_relations"])
def test_the_products_of_a_cpu_are_those_of_other_devices(
    graph: CollaborativeKnowledgeGraph, name: str
) -> None:
    pattern = getattr(graph, name)
    weights = values(pattern.n_entries).detach()
    right, left = torch.randn(pattern.n_columns, D), torch.randn(pattern.n_rows, D)
    torch.testing.assert_close(
        layers._product(pattern, weights, right),
        layers._multiply(pattern.matrix(weights), right),
    )
    torch.testing.assert_close(
        layers._transposed_product(pattern, weights, left),
        layers._multiply(pattern.transposed_matrix(weights), left),
    )


@pytest.mark.parametrize("projected", [True, False])
def test_looking_up_groups_adds_up_their_gradients(projected: bool) -> None:
    tables = [values(6, D), values(6, D)][: 1 + projected]
    groups = torch.tensor([0, 2, 5]), torch.tensor([2, 2, 4, 0])

    def looked_up(*tables: Tensor) -> tuple[Tensor, ...]:
        nodes = look_up(tables[0], tables[1] if projected else None, *groups)
        return tuple(x for each in nodes for x in each if x is not None)

    for found, group in zip(look_up(tables[0], tables[-1], *groups), groups):
        assert torch.equal(found.embeddings, tables[0][group])
        expected = (tables[0] * tables[-1]).sum(-1)[group]
        torch.testing.assert_close(found.strength, expected)
    assert len(looked_up(*tables)) == len(groups) * len(tables)
    assert torch.autograd.gradcheck(looked_up, tuple(tables))


@pytest.mark.parametrize("block_size", [1, 2, 100])
def test_the_gradient_of_a_quadratic_form(
    block_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "_BLOCK_SIZE", block_size)
    rows, matrix = values(5, D), values(D, D)
    form = layers._QuadraticForm.apply(rows, matrix)
    torch.testing.assert_close(form, (rows * (rows @ matrix)).sum(-1))
    assert torch.autograd.gradcheck(layers._QuadraticForm.apply, (rows, matrix))


def test_the_tanh_in_place_is_the_tanh() -> None:
    for dtype, tolerance in ((torch.float64, 1e-15), (torch.float32, 2e-7)):
        x = torch.linspace(-100, 100, 4001, dtype=dtype)
        expected = x.tanh()
        layers._tanh_(x)
        torch.testing.assert_close(x, expected, rtol=0, atol=tolerance)


def test_half_precision_is_computed_in_float32(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    weights = torch.rand(graph.n_edges, dtype=torch.bfloat16)
    dense = torch.rand(N_NODES, D, dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        product = sparse_dense_product(graph.edges, weights, dense)
    assert product.dtype == torch.float32
    expected = sparse_dense_product(graph.edges, weights.float(), dense.float())
    assert torch.equal(product, expected)


def test_segment_softmax_takes_every_member_by_itself() -> None:
    logits = torch.tensor([1.0, 2.0, 5.0, -800.0, 900.0])
    weights = segment_softmax(logits, torch.tensor([0, 0, 2, 3, 3]), 4)
    first = torch.softmax(torch.tensor([1.0, 2.0]), 0)
    expected = torch.cat([first, torch.tensor([1.0, 0.0, 1.0])])
    torch.testing.assert_close(weights, expected)


def softmax_losses_by_hand(
    score: Tensor, negative_score: Tensor, known: Tensor
) -> Tensor:
    losses = []
    for row in range(len(score)):
        none = known[1, known[0] == row].tolist()
        kept = [n for n in range(negative_score.shape[1]) if n not in none]
        scores = torch.cat([score[row, None], negative_score[row, kept]])
        losses.append(-torch.log_softmax(scores, 0)[0])
    return torch.stack(losses)


@pytest.mark.parametrize("largest", [1.0, 1e4])
def test_softmax_losses_leave_known_items_out(largest: float) -> None:
    generator = torch.Generator().manual_seed(1)
    # The last row knows all but one; in the first a known item scores by far highest.
    known = torch.tensor([[0, 0, 2, 2, 2], [1, 3, 0, 1, 3]])
    score = torch.randn(3, generator=generator, dtype=torch.float64)
    negative_score = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    negative_score[0, 1] = largest
    score[1] = -largest
    inputs = [score.requires_grad_(), negative_score.requires_grad_()]
    losses = softmax_losses(*inputs, known)
    expected = softmax_losses_by_hand(*inputs, known)
    torch.testing.assert_close(losses, expected)
    found, by_hand = (
        torch.autograd.grad(each.pow(2).sum(), inputs) for each in (losses, expected)
    )
    torch.testing.assert_close(found, by_hand)


def test_softmax_losses_have_true_gradients() -> None:
    known = torch.tensor([[0, 2], [1, 3]])
    score, negative_score = (
        torch.randn(3, dtype=torch.float64),
        torch.randn(3, 4, dtype=torch.float64),
    )
    assert torch.autograd.gradcheck(
        lambda *scores: softmax_losses(*scores, known),
        (score.requires_grad_(), negative_score.requires_grad_()),
    )


def test_dynamic_projection_follows_its_equation() -> None:
    projection = randomised(DynamicProjection(N_NODES, 2 * N_RELATIONS, D))
    embeddings = values(N_NODES, D)
    nodes, relations = torch.tensor([4, 0, 4]), torch.tensor([1, 5, 0])
    strength = projection.strength(nodes, embeddings[nodes])
    projected = projection(embeddings[nodes], strength, relations)
    for row, (n, r) in enumerate(zip(nodes, relations)):
        p, w = projection.node_vector.weight[n], projection.relation_vector.weight[r]
        torch.testing.assert_close(
            projected[row], embeddings[n] + (p @ embeddings[n]) * w
        )


@pytest.mark.parametrize("left_out", [(), (1, 4)])
def test_fusion_follows_its_equation(
    graph: CollaborativeKnowledgeGraph, left_out: Sequence[int]
) -> None:
    fusion = randomised(InformationFusion(RelationTokens(graph, left_out), D))
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
    graph: CollaborativeKnowledgeGraph,
) -> None:
    everything = range(2 * N_RELATIONS)
    fusion = randomised(InformationFusion(RelationTokens(graph, everything), D))
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    fused = fusion(nodes, relations)
    torch.testing.assert_close(fused, nodes)
    fused.sum().backward()
    torch.testing.assert_close(nodes.grad, torch.ones(N_NODES, D))


def test_fusion_starts_close_to_the_embeddings(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    gate = InformationFusion(RelationTokens(graph), D).gate.item()
    assert 0 < gate <= 0.1


@pytest.mark.parametrize("projected", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_attention_logits_follow_their_equation(
    graph: CollaborativeKnowledgeGraph, projected: bool, biased: bool
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    projection: Optional[DynamicProjection] = None
    if projected:
        projection = randomised(DynamicProjection(N_NODES, 2 * N_RELATIONS, D))
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS, biased))

    def seen(n: int, r: int) -> Tensor:
        if projection is None:
            return nodes[n]
        strength = projection.strength(torch.tensor([n]), nodes[n : n + 1])
        return projection(nodes[n : n + 1], strength, torch.tensor([r]))[0]

    expected = []
    for h, r, t in edges_of(graph):
        logit = seen(t, r) @ torch.tanh(seen(h, r) + relations[r])
        if attention.relation_bias is not None:
            logit = logit + attention.relation_bias.weight[r, 0]
        expected.append(logit)
    logits = attention.logits(graph, nodes, relations, vectors(projection, nodes))
    torch.testing.assert_close(logits, torch.stack(expected))


@pytest.mark.parametrize("projected", [True, False])
def test_attention_logits_have_true_gradients(
    graph: CollaborativeKnowledgeGraph, projected: bool
) -> None:
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    projection = DynamicProjection(N_NODES, 2 * N_RELATIONS, D) if projected else None
    parameters = [*attention.parameters()]
    if projection is not None:
        parameters += randomised(projection).parameters()

    # The parameters are checked as well: they are inputs that the function ignores.
    def logits(nodes: Tensor, relations: Tensor, *_parameters: Tensor) -> Tensor:
        return attention.logits(graph, nodes, relations, vectors(projection, nodes))

    inputs = (values(N_NODES, D), values(2 * N_RELATIONS, D), *parameters)
    assert torch.autograd.gradcheck(logits, inputs)


def test_modulated_attention_scales_the_symmetric_normalisation(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    logits = attention.logits(graph, nodes, relations, None)
    weights = attention(graph, nodes, relations, None)
    expected = 2 / (1 + torch.exp(-logits)) * graph.normalisation
    torch.testing.assert_close(weights, expected)


def test_softmax_attention_adds_up_to_one_a_head(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention = randomised(EdgeAttention("softmax", 2 * N_RELATIONS))
    weights = attention(graph, nodes, relations, None)
    logits = attention.logits(graph, nodes, relations, None)
    for head in range(N_NODES):
        out = [e for e, (h, _, _) in enumerate(edges_of(graph)) if h == head]
        torch.testing.assert_close(weights[out], torch.softmax(logits[out], 0))


def test_attention_takes_the_tanh_once_a_pair(
    graph: CollaborativeKnowledgeGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    tanh = layers._tanh_

    def counting_tanh(x: Tensor) -> None:
        rows.append(len(x))
        tanh(x)

    monkeypatch.setattr(layers, "_tanh_", counting_tanh)
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    projection = randomised(DynamicProjection(N_NODES, 2 * N_RELATIONS, D))
    nodes, relations = values(N_NODES, D), values(2 * N_RELATIONS, D)
    attention(graph, nodes, relations, vectors(projection, nodes))
    assert rows == [graph.n_pairs]


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_linear_propagation_is_a_mean_of_matrix_powers(
    graph: CollaborativeKnowledgeGraph, n_layers: int
) -> None:
    weights, nodes = values(graph.n_edges), values(N_NODES, D)
    matrix = dense_matrix(graph, weights)
    powers = [torch.linalg.matrix_power(matrix, n) @ nodes for n in range(n_layers + 1)]
    propagated = Propagation(n_layers, D, False)(graph, weights, nodes)
    torch.testing.assert_close(propagated, torch.stack(powers).mean(0))


@pytest.mark.parametrize("n_layers", [0, 1, 3])
def test_the_gradient_of_the_linear_propagation(
    graph: CollaborativeKnowledgeGraph, n_layers: int
) -> None:
    propagation = Propagation(n_layers, D, False)
    inputs = values(graph.n_edges), values(N_NODES, D)
    assert torch.autograd.gradcheck(lambda w, x: propagation(graph, w, x), inputs)


def test_bi_interaction_follows_its_equation(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    weights, nodes = values(graph.n_edges), values(N_NODES, D)
    propagation = randomised(Propagation(2, D, True))
    matrix = dense_matrix(graph, weights)
    current, total = nodes, nodes
    for layer in propagation.aggregators:
        assert isinstance(layer, BiInteraction)
        neighbours = matrix @ current
        added = layer.sum_transform(current + neighbours)
        joined = layer.product_transform(current * neighbours)
        leaky = torch.where(added > 0, added, 0.01 * added)
        leaky = leaky + torch.where(joined > 0, joined, 0.01 * joined)
        current = leaky / leaky.norm(dim=1, keepdim=True)
        total = total + current
    propagated = propagation(graph, weights, nodes)
    torch.testing.assert_close(propagated, total / 3)


def test_the_whole_chain_of_layers_has_true_gradients(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    fusion = randomised(InformationFusion(RelationTokens(graph), D))
    projection = randomised(DynamicProjection(N_NODES, 2 * N_RELATIONS, D))
    attention = randomised(EdgeAttention("modulated", 2 * N_RELATIONS))
    propagation = Propagation(2, D, False)

    def chain(nodes: Tensor, relations: Tensor) -> Tensor:
        weights = attention(graph, nodes, relations, vectors(projection, nodes))
        return propagation(graph, weights, fusion(nodes, relations))

    inputs = (values(N_NODES, D), values(2 * N_RELATIONS, D))
    assert torch.autograd.gradcheck(chain, inputs)


# --- direct walks -------------------------------------------------------------------

HISTORIES = {0: [0, 1, 2], 1: [0, 1], 2: [2]}


def walks_with_values() -> NeighbourWalks:
    shared = SharedNeighbours(linked_graph(), N_USERS, N_ITEMS)
    walks = randomised(NeighbourWalks(shared, 2 * N_RELATIONS))
    with torch.no_grad():
        walks.relation_trust.weight.mul_(0.1)
        walks.exponent.fill_(0.03)
    return walks


def walk_score(
    walks: NeighbourWalks, user: int, item: int, history: list[int]
) -> float:
    """w from its definition, for a user with these items."""
    x, trust = shared_by_hand(), walks.trust().tolist()
    exponent = 0.5 + 10 * walks.exponent.item()
    total = sum(
        trust[relation] * x[other][relation, node] * x[item][relation, node]
        for other in history
        for relation, node in set(x[other]) & set(x[item])
        if node != user
    )
    return max(len(history), 1) ** -exponent * total


def test_direct_walks_follow_their_equation() -> None:
    walks = walks_with_values()
    scores = walks(torch.tensor([2, 0, 1, 0]))
    assert scores.shape == (4, N_ITEMS)
    for row, user in enumerate([2, 0, 1, 0]):
        for item in set(range(N_ITEMS)) - set(HISTORIES[user]):
            expected = walk_score(walks, user, item, HISTORIES[user])
            assert scores[row, item].item() == pytest.approx(expected)
    assert scores[0, 1] > 0


def test_a_held_out_item_is_no_evidence_of_itself() -> None:
    walks = walks_with_values()
    users, items = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 0, 2, 2])
    others = torch.tensor([3, 2])
    own, of_others = walks.held_out_scores(users, items, others)
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist())):
        history = [j for j in HISTORIES[user] if j != item]
        expected = walk_score(walks, user, item, history)
        assert own[row].item() == pytest.approx(expected)
        for column, other in enumerate(others.tolist()):
            if other in HISTORIES[user]:
                continue  # masked by the loss: it is no negative
            expected = walk_score(walks, user, other, history)
            assert of_others[row, column].item() == pytest.approx(expected)
    assert own[2] == 0 and own[0] > 0


def test_gradients_of_the_direct_walks() -> None:
    walks = walks_with_values()
    arguments = (torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([3, 2]))

    def scores(trust: Tensor, exponent: Tensor) -> Tensor:
        state = {"relation_trust.weight": trust, "exponent": exponent}
        found = torch.func.functional_call(HeldOut(walks), prefixed(state), arguments)
        return torch.cat([part.flatten() for part in found])

    trust = walks.relation_trust.weight.detach().clone().requires_grad_()
    exponent = walks.exponent.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(scores, (trust, exponent))


class HeldOut(nn.Module):
    """What training computes, as a forward pass."""

    def __init__(self, walks: NeighbourWalks):
        super().__init__()
        self.walks = walks

    def forward(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        return self.walks.held_out_scores(*arguments)


def prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"walks.{name}": value for name, value in state.items()}
