from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_kgif.model.kgif import ridge_filter


def similarities(n: int = 6, seed: int = 0) -> Tensor:
    """A symmetric matrix without negative entries or eigenvalues."""
    factor = torch.rand(n, 4, generator=torch.Generator().manual_seed(seed)).double()
    return factor @ factor.T


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_the_polynomial_is_applied_without_the_matrix(degree: int) -> None:
    matrix, vectors = similarities(), torch.eye(6, 2).double()
    found = ridge_filter(matrix.matmul, matrix.diagonal(), 0.25, degree)
    assert found is not None and len(found.coefficients) == degree + 1
    values, basis = np.linalg.eigh(matrix.numpy() * found.scale)
    assert 0 < values.max() <= found.largest
    weights = sum(c * values**power for power, c in enumerate(found.coefficients))
    dense = basis @ np.diag(weights) @ basis.T
    np.testing.assert_allclose(
        found.apply(matrix.matmul, vectors), dense[:, :2], atol=1e-12
    )
    # Arrays are multiplied as tensors are.
    np.testing.assert_allclose(
        found.apply(matrix.numpy().__matmul__, vectors.numpy()),
        dense[:, :2],
        atol=1e-12,
    )


def test_strong_directions_are_shrunk_and_those_of_weight_one_are_not() -> None:
    matrix = torch.diag(torch.tensor([20.0, 1, 1, 0.5])).double()
    found = ridge_filter(matrix.matmul, torch.ones(4).double(), 0.25, 12)
    assert found is not None and found.scale == 1
    weights = found.apply(matrix.matmul, torch.eye(4).double()).diagonal()
    expected = 1.25 / (1 + 0.25 * matrix.diagonal())
    torch.testing.assert_close(weights, expected, atol=1e-3, rtol=0)


def test_the_scale_of_the_similarities_does_not_matter() -> None:
    matrix = similarities()
    one = ridge_filter(matrix.matmul, matrix.diagonal(), 0.25, 3)
    other = ridge_filter((8 * matrix).matmul, 8 * matrix.diagonal(), 0.25, 3)
    assert one is not None and other is not None
    torch.testing.assert_close(
        one.apply(matrix.matmul, torch.eye(6).double()),
        other.apply((8 * matrix).matmul, torch.eye(6).double()),
    )


def test_the_diagonal_is_a_mean_over_items_that_have_neighbours() -> None:
    eigenvalues = torch.tensor([0.0, 4, 2]).double()
    matrix = torch.diag(eigenvalues)
    found = ridge_filter(matrix.matmul, matrix.diagonal(), 0.25, 12)
    assert found is not None
    weights = found.apply(matrix.matmul, torch.eye(3).double()).diagonal()
    expected = 1.25 / (1 + 0.25 * eigenvalues / 3)
    torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)


def test_without_similarities_there_is_nothing_to_filter() -> None:
    matrix = torch.zeros(3, 3)
    assert ridge_filter(matrix.matmul, matrix.diagonal(), 0.25, 2) is None
