"""Each operation compared with a loop or a dense product; its gradient is checked."""

from __future__ import annotations

from typing import Callable

import pytest
import torch
from torch import Tensor

from recbole_kgif.model import attention_kernels, kernels
from recbole_kgif.model.attention_kernels import (
    by_relation,
    quadratic_form,
)
from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
from recbole_kgif.model.kernels import (
    sampled_dense_product,
    sparse_dense_product,
    transposed_product,
)
from recbole_kgif.model.kgif import segment_softmax
from recbole_kgif.model.look_up import look_up
from recbole_kgif.model.sparse_pattern import SparsePattern
from tests.model.test_graph import N_NODES, edges_of

D = 4

pytestmark = pytest.mark.usefixtures("double_precision")


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


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


def sparse_operators(
    pattern: SparsePattern, values: Callable[..., Tensor]
) -> list[tuple[Callable[..., Tensor], tuple[Tensor, ...]]]:
    """Each operator on a pattern, with inputs of its shape."""
    left, right = values(pattern.n_rows, D), values(pattern.n_columns, D)
    weights = values(pattern.n_entries)
    return [
        (lambda w, x: sparse_dense_product(pattern, w, x), (weights, right)),
        (lambda x, y: sampled_dense_product(pattern, x, y), (left, right)),
        (lambda w: segment_softmax(w, pattern.row, pattern.n_rows), (weights,)),
    ]


@pytest.mark.parametrize("name", ["edges", "pair_tails", "node_relations"])
def test_gradients_of_the_sparse_operators(
    graph: CollaborativeKnowledgeGraph, name: str
) -> None:
    for function, inputs in sparse_operators(getattr(graph, name), values):
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
    monkeypatch.setattr(kernels, "_BLOCK_SIZE", block_size)
    left, right = values(N_NODES, D), values(N_NODES, D)
    torch.testing.assert_close(
        kernels._dots_in_blocks(graph.edges, left, right),
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
        kernels.product(pattern, weights, right),
        kernels._multiply(pattern.matrix(weights), right),
    )
    torch.testing.assert_close(
        transposed_product(pattern, weights, left),
        kernels._multiply(pattern.transposed_matrix(weights), left),
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
        torch.testing.assert_close(found.coefficients, expected)
    assert len(looked_up(*tables)) == len(groups) * len(tables)
    assert torch.autograd.gradcheck(looked_up, tuple(tables))


@pytest.mark.parametrize("block_size", [1, 2, 100])
def test_the_gradient_of_a_quadratic_form(
    block_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_BLOCK_SIZE", block_size)
    rows, matrix = values(5, D), values(D, D)
    form = quadratic_form(rows, matrix)
    torch.testing.assert_close(form, (rows * (rows @ matrix)).sum(-1))
    assert torch.autograd.gradcheck(quadratic_form, (rows, matrix))


def test_the_tanh_in_place_is_the_tanh() -> None:
    for dtype, tolerance in ((torch.float64, 1e-15), (torch.float32, 2e-7)):
        x = torch.linspace(-100, 100, 4001, dtype=dtype)
        expected = x.tanh()
        attention_kernels._tanh_(x)
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


def test_each_edge_has_the_value_of_its_relation(
    graph: CollaborativeKnowledgeGraph,
) -> None:
    of_relations = values(graph.n_relations)
    of_edges = by_relation(graph, of_relations)
    assert of_edges.tolist() == [of_relations[r].item() for _, r, _ in edges_of(graph)]
    assert torch.autograd.gradcheck(lambda v: by_relation(graph, v), (of_relations,))


def test_segment_softmax_takes_every_member_by_itself() -> None:
    logits = torch.tensor([1.0, 2.0, 5.0, -800.0, 900.0])
    weights = segment_softmax(logits, torch.tensor([0, 0, 2, 3, 3]), 4)
    first = torch.softmax(torch.tensor([1.0, 2.0]), 0)
    expected = torch.cat([first, torch.tensor([1.0, 0.0, 1.0])])
    torch.testing.assert_close(weights, expected)
