r"""Products of sparse and dense matrices, with gradients of their own.

None of them makes a matrix of n_entries x d, neither forward nor backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import torch
from torch import Tensor

from .sparse_pattern import SparsePattern

# Rows per block where products of rows are summed: blocks of 2^13 x 64 floats stay in
# the CPU's cache.
_BLOCK_SIZE = 8192


def sparse_dense_product(
    pattern: SparsePattern, values: Tensor, dense: Tensor
) -> Tensor:
    """Product of a sparse and a dense matrix, differentiable in both.

    Args:
        pattern: entries of the sparse matrix
        values: their values, shape: [n_entries]
        dense: shape: [n_columns, d]

    Returns:
        Shape: [n_rows, d]
    """
    return _SparseDenseProduct.apply(
        at_least_float32(values), at_least_float32(dense), pattern
    )


def sampled_dense_product(
    pattern: SparsePattern, left: Tensor, right: Tensor
) -> Tensor:
    """Dot products ``left[row] . right[column]`` at the entries of a pattern only.

    Args:
        pattern: the entries
        left: shape: [n_rows, d]
        right: shape: [n_columns, d]

    Returns:
        Shape: [n_entries]
    """
    return _SampledDenseProduct.apply(
        at_least_float32(left), at_least_float32(right), pattern
    )


def linear_propagation(
    pattern: SparsePattern,
    values: Tensor,
    dense: Tensor,
    n_layers: int,
    first_rows: Optional[SparsePattern] = None,
) -> Tensor:
    """Mean of a dense matrix and its products with the powers of a sparse one.

    Args:
        pattern: entries of the sparse matrix A, which is square
        values: their values, shape: [n_entries]
        dense: X, shape: [n_rows, d]
        n_layers: the highest power L
        first_rows: ``pattern.first_rows`` of the rows to return; None returns all

    Returns:
        These rows of (X + A X + ... + A^L X) / (L + 1), shape: [n_returned, d]
    """
    return _LinearPropagation.apply(
        at_least_float32(values),
        at_least_float32(dense),
        pattern,
        n_layers,
        pattern if first_rows is None else first_rows,
    )


def transposed(pattern: SparsePattern, values: Tensor) -> Callable[[Tensor], Tensor]:
    """The function that multiplies by the transposed matrix; sorts the values once.

    Args:
        pattern: entries of the sparse matrix
        values: their values, shape: [n_entries]

    Returns:
        Maps a dense matrix of shape [n_rows, d] to the product, shape: [n_columns, d]
    """
    if values.device.type == "cpu":
        ordered = values.index_select(0, pattern.transposed_order)
        return lambda dense: _weighted_sums(
            pattern.column_pointer, pattern.transposed_row, ordered, dense
        )
    matrix = pattern.transposed_matrix(values)
    return lambda dense: _multiply(matrix, dense)


# --- without a gradient, for the gradients of other functions -------------------------


def transposed_product(pattern: SparsePattern, values: Tensor, dense: Tensor) -> Tensor:
    """The transposed matrix with these values times a dense one, [n_columns, d]."""
    return transposed(pattern, values)(dense)


def product(pattern: SparsePattern, values: Tensor, dense: Tensor) -> Tensor:
    """The sparse matrix with these values times a dense one, shape: [n_rows, d]."""
    if dense.device.type == "cpu":
        return _weighted_sums(pattern.row_pointer, pattern.column, values, dense)
    return _multiply(pattern.matrix(values), dense)


def dots_at_entries(pattern: SparsePattern, left: Tensor, right: Tensor) -> Tensor:
    """``left[row] . right[column]`` at the entries of a pattern, shape: [n_entries]."""
    if left.device.type not in ("cpu", "cuda"):
        return _dots_in_blocks(pattern, left, right)
    zeros = left.new_zeros(pattern.n_entries)
    with torch.autocast(left.device.type, enabled=False):
        sampled = torch.sparse.sampled_addmm(
            pattern.matrix(zeros), left, right.t(), beta=0.0
        )
    return sampled.values()


def row_dots(left: Tensor, right: Tensor) -> Tensor:
    """Dot product of each row of two matrices with its counterpart, block by block."""
    blocks = zip(left.split(_BLOCK_SIZE), right.split(_BLOCK_SIZE))
    return torch.cat([(a * b).sum(-1) for a, b in blocks])


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision as float32: the sparse kernels take float32 and float64."""
    if tensor.dtype in (torch.float16, torch.bfloat16):
        return tensor.float()
    return tensor


def _weighted_sums(
    pointer: Tensor, column: Tensor, values: Tensor, dense: Tensor
) -> Tensor:
    """A sparse-dense product on a CPU, each row as a weighted sum of dense rows.

    PyTorch's kernel for bags of embeddings prefetches the rows; it was measured to be
    four times as fast as the sparse product. For tensors that need a gradient it would
    also prepare its own.
    """
    bags, *_ = torch.embedding_bag(
        dense.detach(),
        column,
        pointer,
        mode=0,
        per_sample_weights=values.detach(),
        include_last_offset=True,
    )
    return bags


def _multiply(matrix: Tensor, dense: Tensor) -> Tensor:
    # Autocast would cast the operands to a precision without sparse kernels.
    with torch.autocast(dense.device.type, enabled=False):
        return matrix @ dense


def _dots_in_blocks(pattern: SparsePattern, left: Tensor, right: Tensor) -> Tensor:
    """`dots_at_entries` on a device without a sampled product, at bounded memory."""
    blocks = zip(pattern.row.split(_BLOCK_SIZE), pattern.column.split(_BLOCK_SIZE))
    dots = [(left[row] * right[column]).sum(-1) for row, column in blocks]
    return torch.cat(dots) if dots else left.new_zeros(0)


# --- gradients ------------------------------------------------------------------------


class _SparseDenseProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, values: Tensor, dense: Tensor, pattern: SparsePattern
    ) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(values, dense if values.requires_grad else None)
        return product(pattern, values, dense)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        values, dense = ctx.saved_tensors
        gradient = gradient.contiguous()
        for_values = for_dense = None
        if ctx.needs_input_grad[0]:
            for_values = dots_at_entries(ctx.pattern, gradient, dense)
        if ctx.needs_input_grad[1]:
            for_dense = transposed_product(ctx.pattern, values, gradient)
        return for_values, for_dense, None


class _SampledDenseProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, left: Tensor, right: Tensor, pattern: SparsePattern
    ) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(left, right)
        return dots_at_entries(pattern, left, right)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        left, right = ctx.saved_tensors
        gradient = gradient.contiguous()
        for_left = for_right = None
        if ctx.needs_input_grad[0]:
            for_left = product(ctx.pattern, gradient, right)
        if ctx.needs_input_grad[1]:
            for_right = transposed_product(ctx.pattern, gradient, left)
        return for_left, for_right, None


class _LinearPropagation(torch.autograd.Function):
    """Mean over the layers of a linear propagation, with one gradient for all layers.

    With f the rows of a layer and g the gradient of what follows, an edge (h, t) gets
    g_h . f_t from each layer, and the layer below gets A^T g plus its own part of the
    mean. The last layer has the returned rows only, as no layer follows it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        dense: Tensor,
        pattern: SparsePattern,
        n_layers: int,
        first_rows: SparsePattern,
    ) -> Tensor:
        n_returned = first_rows.n_rows
        layers = [dense]
        total = dense[:n_returned].clone()
        for _ in range(n_layers - 1):
            layers.append(product(pattern, values, layers[-1]))
            total += layers[-1][:n_returned]
        if n_layers > 0:
            total += product(first_rows, values[: first_rows.n_entries], layers[-1])
        ctx.pattern, ctx.first_rows, ctx.n_layers = pattern, first_rows, n_layers
        ctx.save_for_backward(values, *layers[:n_layers])
        return total.div_(n_layers + 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        values, *layers = ctx.saved_tensors
        pattern: SparsePattern = ctx.pattern
        first_rows: SparsePattern = ctx.first_rows
        n_returned, n_entries = first_rows.n_rows, first_rows.n_entries
        part = gradient / (ctx.n_layers + 1)
        if ctx.n_layers == 0:
            for_dense = part.new_zeros(pattern.n_rows, part.shape[1])
            for_dense[:n_returned] = part
            return None, for_dense, None, None, None
        for_values = None
        if ctx.needs_input_grad[0]:
            for_values = torch.zeros_like(values)
            for_values[:n_entries] = dots_at_entries(first_rows, part, layers[-1])
        for_dense = transposed_product(first_rows, values[:n_entries], part)
        for_dense[:n_returned] += part
        transposed_times = transposed(pattern, values)
        for layer in reversed(layers[:-1]):
            if for_values is not None:
                for_values += dots_at_entries(pattern, for_dense, layer)
            for_dense = transposed_times(for_dense)
            for_dense[:n_returned] += part
        return for_values, for_dense, None, None, None
