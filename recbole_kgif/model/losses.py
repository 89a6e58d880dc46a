r"""Losses of KGIF: softmax over shared negatives, and distances of triples."""

from __future__ import annotations

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import at_least_float32, sampled_dense_product
from .kgif import NodeVectors, RelationVectors
from .sparse_pattern import SparsePattern


def softmax_losses(score: Tensor, negative_score: Tensor, known: Tensor) -> Tensor:
    """-log softmax of each score among itself and its negatives.

    Args:
        score: of the positives, shape: [batch_size]
        negative_score: shape: [batch_size, n_negatives]
        known: rows and columns of negatives that are positives of the row's user and do
            not count, shape: [2, n_known]

    Returns:
        Shape: [batch_size]
    """
    return _SoftmaxLosses.apply(
        at_least_float32(score), at_least_float32(negative_score), known
    )


def knowledge_loss(
    relation: Tensor, nodes: NodeVectors, relations: RelationVectors
) -> Tensor:
    """-log sigmoid(distance(corrupted) - distance(true)), mean over both directions.

    The distance is TransD's, ||h^r + r - t^r||^2. In the inverse direction the
    corrupted tail is a corrupted head of the same false fact.

    Args:
        relation: relation of each triple, shape: [n_triples]
        nodes: heads, tails and corrupted tails of the triples, one after the other
        relations: vectors of all relations

    Returns:
        Shape: []
    """
    head, *tails = nodes.embeddings.view(3, -1, nodes.embeddings.shape[-1])
    difference = head - torch.stack(tails)
    coefficient = None
    if nodes.coefficients is not None:
        of_head, *of_tails = nodes.coefficients.view(3, -1)
        coefficient = of_head - torch.stack(of_tails)
    return F.softplus(
        true_minus_corrupted_distances(
            NodeVectors(difference, coefficient), relation, relations
        )
    ).mean()


def true_minus_corrupted_distances(
    differences: NodeVectors, relation: Tensor, relations: RelationVectors
) -> Tensor:
    """Distances of true triples minus those of corrupted ones, in both directions.

    The distance of a triple is ||h^r + r - t^r||^2, and that of its inverse
    ||t^r' + r' - h^r'||^2. With D = e_h - e_t and S = s_h - s_t they are::

        |D|^2 + 2 S (w_r . D) + S^2 |w_r|^2 +- 2 (r . D + S (r . w_r)) + |r|^2

    (minus for the inverse), of which |r|^2 cancels out: dot products with the few
    relations replace matrices of n_triples x d.

    Args:
        differences: D, shape: [2, n_triples, d], and S, shape: [2, n_triples], of the
            true and of the corrupted triples
        relation: relation of each triple, shape: [n_triples]
        relations: vectors of all relations

    Returns:
        The difference for each triple and for its inverse, shape: [n_triples, 2]
    """
    difference, coefficient = differences
    n_relations = len(relations.embeddings) // 2
    tables = relations.embeddings
    if relations.projections is not None:
        tables = torch.cat([relations.embeddings, relations.projections])
    # For each triple the rows r, r', w_r and w_r'.
    rows = relation.unsqueeze(-1) + n_relations * torch.arange(
        len(tables) // n_relations, device=relation.device
    )
    dot = dots_with_rows(difference, tables, rows).view(2, len(relation), -1, 2)

    along = dot[:, :, 0]
    distance = difference.pow(2).sum(-1, keepdim=True)
    if coefficient is not None and relations.projections is not None:
        coefficient = coefficient.unsqueeze(-1)
        square = _by_direction(relations.projections.pow(2).sum(-1), relation)
        overlap = _by_direction(
            (relations.embeddings * relations.projections).sum(-1), relation
        )
        distance = distance + coefficient * (2 * dot[:, :, 1] + coefficient * square)
        along = along + coefficient * overlap
    forward, inverse = along.unbind(-1)
    distance = distance + 2 * torch.stack([forward, -inverse], -1)
    return distance[0] - distance[1]


def dots_with_rows(vectors: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    """Dot products of vectors with some rows of a small table.

    Args:
        vectors: groups of equally many vectors, shape: [n_groups, n_vectors, d]
        table: shape: [n_rows, d]
        rows: rows for each vector, the same in all groups, shape: [n_vectors, n_each]

    Returns:
        Shape: [n_groups, n_vectors, n_each]
    """
    n_groups, n_vectors, _ = vectors.shape
    if vectors.device.type != "cpu":
        # On a GPU many small operations would take longer than copies of the rows.
        copies = at_least_float32(table).index_select(0, rows.flatten())
        copies = copies.view(*rows.shape, -1)
        with torch.autocast(vectors.device.type, enabled=False):
            dots = torch.bmm(
                at_least_float32(vectors).transpose(0, 1), copies.transpose(1, 2)
            )
        return dots.transpose(0, 1)
    n_each = rows.shape[1]
    row = torch.arange(n_groups * n_vectors).repeat_interleave(n_each)
    pattern = SparsePattern(
        row, rows.flatten().repeat(n_groups), n_groups * n_vectors, len(table)
    )
    dots = sampled_dense_product(pattern, vectors.flatten(0, 1), table)
    return dots.view(n_groups, n_vectors, n_each)


def _by_direction(values: Tensor, relation: Tensor) -> Tensor:
    """Values of relations and of their inverses, shape: [n_triples, 2]."""
    return values.view(2, -1).index_select(1, relation).t()


class _SoftmaxLosses(torch.autograd.Function):
    """Keeps the exponentials only; automatic differentiation would make five copies."""

    @staticmethod
    def forward(
        ctx: Any, score: Tensor, negative_score: Tensor, known: Tensor
    ) -> Tensor:
        excluded = negative_score.new_full((), -torch.inf)
        weight = negative_score.index_put(tuple(known), excluded)
        # The largest score cancels out; it keeps the exponentials in range.
        lead = score - torch.maximum(score, weight.amax(1))
        weight.sub_((score - lead).unsqueeze(1)).exp_()
        own_weight = lead.exp()
        total = weight.sum(1) + own_weight
        ctx.save_for_backward(weight, own_weight, total)
        return total.log() - lead

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Optional[Tensor], ...]:
        weight, own_weight, total = ctx.saved_tensors
        scaled = gradient / total
        return scaled * own_weight - gradient, weight * scaled.unsqueeze(1), None
