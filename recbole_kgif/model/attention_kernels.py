r"""Operations of the attention layers, with gradients of their own.

Automatic differentiation would pass over large matrices again and again.
"""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from .graph import CollaborativeKnowledgeGraph
from .kernels import (
    at_least_float32,
    dots_at_entries,
    product,
    row_dots,
    transposed_product,
)
from .kgif import NodeVectors, RelationVectors


def by_relation(graph: CollaborativeKnowledgeGraph, values: Tensor) -> Tensor:
    """The value of each edge's relation.

    Args:
        graph: the graph
        values: a value per relation, shape: [n_relations]

    Returns:
        Shape: [n_edges]
    """
    if values.device.type == "cpu":
        return values.index_select(0, graph.edge_relation)
    # In the gradient all edges of a relation are added to one number, on which the
    # threads of a GPU contend; they are added up by pair first.
    of_pairs = values.index_select(0, graph.pair_relations.column)
    return of_pairs.index_select(0, graph.pair_tails.row)


def quadratic_form(rows: Tensor, matrix: Tensor) -> Tensor:
    """Quadratic form x . (M x) of each row x of a matrix.

    Args:
        rows: shape: [n_rows, d]
        matrix: M, shape: [d, d]

    Returns:
        Shape: [n_rows]
    """
    return _QuadraticForm.apply(at_least_float32(rows), at_least_float32(matrix))


def pair_attention_logits(
    graph: CollaborativeKnowledgeGraph, nodes: NodeVectors, relations: RelationVectors
) -> Tensor:
    """t^r . tanh(h^r + r) of each edge, the tanh computed once per pair (h, r).

    Args:
        graph: the graph
        nodes: vectors of all its nodes
        relations: vectors of its relations

    Returns:
        Shape: [n_edges]
    """
    coefficients, projections = nodes.coefficients, relations.projections
    if coefficients is not None and projections is not None:
        coefficients = at_least_float32(coefficients)
        projections = at_least_float32(projections)
    return _PairAttention.apply(
        at_least_float32(nodes.embeddings),
        at_least_float32(relations.embeddings),
        coefficients,
        projections,
        graph,
    )


class _QuadraticForm(torch.autograd.Function):
    """x . (M x) of each row x of a matrix.

    With S the symmetric part of M, the form is x . (S x) too; its gradient 2 S x then
    costs nothing.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, matrix: Tensor) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):
            image = rows @ ((matrix + matrix.t()) / 2)
        ctx.save_for_backward(rows, image)
        return row_dots(rows, image)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, image = ctx.saved_tensors
        for_matrix = rows.t() @ (rows * gradient.unsqueeze(-1))
        return image * (2 * gradient).unsqueeze(-1), for_matrix


class _PairAttention(torch.autograd.Function):
    """Attention logits of all edges, without biases.

    With s_n = p_n . e_n, k_hr = e_h + s_h w_r + r and q_hr = tanh(k_hr) of each pair,
    the logit of an edge is e_t . q_hr + s_t (w_r . q_hr). Automatic differentiation
    would pass over matrices of n_pairs x d some twenty times and keep several of them;
    here there are only q and its gradient.
    """

    @staticmethod
    def forward(
        ctx: Any,
        node_embeddings: Tensor,
        relation_embeddings: Tensor,
        coefficients: Optional[Tensor],
        projections: Optional[Tensor],
        graph: CollaborativeKnowledgeGraph,
    ) -> Tensor:
        relations, tails = graph.pair_relations, graph.pair_tails
        ones = node_embeddings.new_ones(graph.n_pairs)
        query = node_embeddings.index_select(0, graph.pair_heads.column)
        _add_product(query, relations.matrix(ones), relation_embeddings)
        if coefficients is not None and projections is not None:
            of_heads = coefficients.index_select(0, graph.pair_heads.column)
            _add_product(query, relations.matrix(of_heads), projections)
        _tanh_(query)
        logits = dots_at_entries(tails, query, node_embeddings)
        projected = None
        if coefficients is not None and projections is not None:
            projected = dots_at_entries(relations, query, projections)
            of_tails = coefficients.index_select(0, tails.column)
            logits.addcmul_(of_tails, projected.index_select(0, tails.row))
        ctx.graph = graph
        ctx.save_for_backward(
            *(node_embeddings, query, coefficients, projections, projected)
        )
        return logits

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        node_embeddings, query, coefficients, projections, projected = ctx.saved_tensors
        graph: CollaborativeKnowledgeGraph = ctx.graph
        relations, heads = graph.pair_relations, graph.pair_heads
        tails = graph.pair_tails
        gradient = gradient.contiguous()
        ones = query.new_ones(graph.n_pairs)

        # Through the dot products with the tails.
        for_nodes = transposed_product(tails, gradient, query)
        for_query = product(tails, gradient, node_embeddings)
        for_coefficients = for_projections = None
        if coefficients is not None and projections is not None:
            of_tails = coefficients.index_select(0, tails.column)
            for_projected = torch.zeros_like(ones).index_add_(
                0, tails.row, gradient * of_tails
            )
            for_coefficients = torch.zeros_like(coefficients).index_add_(
                0, tails.column, gradient * projected.index_select(0, tails.row)
            )
            for_projections = transposed_product(relations, for_projected, query)
            _add_product(for_query, relations.matrix(for_projected), projections)

        # Through the tanh, to the three terms of its argument.
        torch.ops.aten.tanh_backward.grad_input(for_query, query, grad_input=for_query)
        for_nodes += transposed_product(heads, ones, for_query)
        for_relations = transposed_product(relations, ones, for_query)
        if coefficients is not None and projections is not None:
            assert for_coefficients is not None and for_projections is not None
            for_coefficients.index_add_(
                0, heads.column, dots_at_entries(relations, for_query, projections)
            )
            of_heads = coefficients.index_select(0, heads.column)
            for_projections += transposed_product(relations, of_heads, for_query)
        return for_nodes, for_relations, for_coefficients, for_projections, None


def _tanh_(tensor: Tensor) -> None:
    """Hyperbolic tangent in place, to the absolute precision of the data type.

    As 2 sigmoid(2 x) - 1 it takes a third of the time of PyTorch's tanh.
    """
    tensor.mul_(2).sigmoid_().mul_(2).sub_(1)


def _add_product(total: Tensor, matrix: Tensor, dense: Tensor) -> None:
    """Add a sparse-dense product to a matrix in place."""
    with torch.autocast(total.device.type, enabled=False):
        torch.addmm(total, matrix, dense, out=total)
