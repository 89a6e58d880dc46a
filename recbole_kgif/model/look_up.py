r"""Look-ups of nodes with one gradient per table."""

from __future__ import annotations

from typing import Any, Optional

import torch
from torch import Tensor

from .kernels import row_dots
from .kgif import NodeVectors


def look_up(
    embeddings: Tensor, projections: Optional[Tensor], *groups: Tensor
) -> list[NodeVectors]:
    """Vectors of several groups of nodes, with a single gradient per table.

    Args:
        embeddings: e of all nodes, shape: [n_nodes, d]
        projections: p of all nodes, None where nodes are not projected, shape:
            [n_nodes, d]
        groups: node ids of each group, shape of each: [n_selected]

    Returns:
        The vectors of each group
    """
    found = _LookUp.apply(embeddings, projections, *groups)
    rows = found[: len(groups)]
    coefficients = found[len(groups) :] or [None] * len(groups)
    return [NodeVectors(*each) for each in zip(rows, coefficients)]


class _LookUp(torch.autograd.Function):
    """Rows of a table for groups of nodes, and their dot products with another table.

    Automatic differentiation would make and add up a gradient of the size of the table
    for each look-up; here each table has one.
    """

    @staticmethod
    def forward(
        ctx: Any, embeddings: Tensor, projections: Optional[Tensor], *groups: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.groups = groups
        ctx.save_for_backward(embeddings, projections)
        rows = [embeddings.index_select(0, group) for group in groups]
        if projections is None:
            return tuple(rows)
        coefficients = row_dots(embeddings, projections)
        return (*rows, *(coefficients.index_select(0, group) for group in groups))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Optional[Tensor], ...]:
        embeddings, projections = ctx.saved_tensors
        n_groups = len(ctx.groups)
        for_projections = None
        if projections is None:
            for_embeddings = torch.zeros_like(embeddings)
        else:
            for_coefficients = embeddings.new_zeros(len(embeddings), 1)
            for group, gradient in zip(ctx.groups, gradients[n_groups:]):
                for_coefficients.index_add_(0, group, gradient.unsqueeze(-1))
            for_embeddings = projections * for_coefficients
            for_projections = embeddings * for_coefficients
        for group, gradient in zip(ctx.groups, gradients[:n_groups]):
            for_embeddings.index_add_(0, group, gradient)
        return (for_embeddings, for_projections, *[None] * n_groups)
