"""Matrices items x items, which are as large as the memory allows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

# Double precision, so that items with equal features have equal scores in single one.
Matrix = npt.NDArray[np.float64]

# Rows that are multiplied at once: their sparse products take more than dense ones.
_ROWS_AT_ONCE = 512


def inner_products(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Matrix:
    """The inner products of two sets of sparse rows.

    Args:
        left: shape: [n_left, n_columns]
        right: shape: [n_right, n_columns]

    Returns:
        The products, in the order of columns that LAPACK overwrites, shape: [n_left,
        n_right]
    """
    products = np.empty((left.shape[0], right.shape[0]), dtype=np.float64, order="F")
    to_columns = right.T.tocsr()
    for first in range(0, left.shape[0], _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        products[rows] = (left[rows] @ to_columns).toarray()
    return products


def inverse(matrix: Matrix) -> Matrix:
    """The inverse of a symmetric, positive definite matrix, in its place.

    Args:
        matrix: in the order of columns, shape: [n, n]; overwritten.

    Returns:
        The inverse in the order of rows, of the same shape.

    Raises:
        LinAlgError: the matrix is not positive definite.
    """
    factor, _ = linalg.cho_factor(
        matrix, lower=True, overwrite_a=True, check_finite=False
    )
    invert = linalg.get_lapack_funcs("potri", (factor,))
    lower, _ = invert(factor, lower=True, overwrite_c=True)
    # What is above the diagonal was never written.
    for row in range(len(lower)):
        lower[row, row + 1 :] = lower[row + 1 :, row]
    inverted: Matrix = lower.T
    return inverted
