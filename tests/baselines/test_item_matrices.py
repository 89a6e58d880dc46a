"""Matrices items x items, against dense computations in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recbole_kgif.baselines import item_matrices
from recbole_kgif.baselines.item_matrices import inner_products, inverse


def rows(count: int, seed: int) -> sparse.csr_matrix:
    # The fourth one is empty, as those of items without features.
    is_kept = (np.arange(count) != 3).astype(float)
    made = sparse.random(count, 90, 0.1, "csr", random_state=seed)
    return (sparse.diags(is_kept) @ made).tocsr()


def test_inner_products_are_the_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_matrices, "_ROWS_AT_ONCE", 16)
    left, right = rows(40, seed=0), rows(50, seed=1)
    expected = left.toarray() @ right.toarray().T
    products = inner_products(left, right)
    np.testing.assert_allclose(products, expected, rtol=1e-12)
    assert products.flags.f_contiguous


def test_the_inverse_takes_the_place_of_the_matrix() -> None:
    matrix = inner_products(rows(60, seed=0), rows(60, seed=0))
    matrix[np.diag_indices(60)] += 0.5
    expected = np.linalg.inv(matrix)
    inverted = inverse(matrix)
    np.testing.assert_allclose(inverted, expected, atol=1e-12)
    assert np.shares_memory(inverted, matrix)
    assert inverted.flags.c_contiguous
