r"""A spectral filter of the item kernel, as a Chebyshev polynomial.

The strongest directions of a matrix K of non-negative similarities are those that
nearly all items share: what is popular. With the regularisation s, K is replaced by::

    (1 + s) K (I + s K)^-1

a ridge regression on K. It keeps a direction of eigenvalue 1 and shrinks a larger one,
mu, to mu (1 + s) / (1 + s mu). Here it is approximated by a polynomial in K: so the
result is still a sum over walks, longer ones from K^2 on, and no matrix of items x
items is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

_N_POWER_ITERATIONS = 30
# By how much power iterations may underestimate the largest eigenvalue.
_MARGIN = 1.05
_N_CHEBYSHEV_NODES = 64


class SpectralFilter(NamedTuple):
    """A polynomial p(M) of a matrix, in Chebyshev form.

    scale: M is the given matrix times this factor
    largest: upper bound of M's eigenvalues, which are not negative
    coefficients: of the Chebyshev polynomials on [0, largest], from degree 0 on
    """

    scale: float
    largest: float
    coefficients: tuple[float, ...]

    def apply(self, product: Callable[[Any], Any], vectors: Any) -> Any:
        """p(M) times vectors.

        Args:
            product: multiplies vectors by the given matrix, not scaled; its result is
                overwritten
            vectors: a tensor or an array

        Returns:
            Of the type and shape of ``vectors``
        """
        step = 2 * self.scale / self.largest

        def shifted(x: Any) -> Any:
            # In place, here and below: these are as large as all scores.
            result = product(x)
            result *= step
            result -= x
            return result

        previous, current = vectors, shifted(vectors)
        first, second, *others = self.coefficients
        total = first * previous
        total += second * current
        for coefficient in others:
            following = shifted(current)
            following *= 2
            following -= previous
            previous, current = current, following
            total += coefficient * current
        return total


def ridge_filter(
    product: Callable[[Tensor], Tensor],
    diagonal: Tensor,
    regularisation: float,
    degree: int,
) -> Optional[SpectralFilter]:
    """The polynomial that approximates (1 + s) (I + s K)^-1, our choice.

    K is the given matrix divided by the mean of its diagonal, so that s means the same
    for all matrices.

    Args:
        product: multiplies vectors, shape: [n, 1], by the matrix, which is symmetric
            and has no negative entries
        diagonal: of the matrix, shape: [n]
        regularisation: s
        degree: of the polynomial, at least 1

    Returns:
        The filter, None where the matrix is zero
    """
    positive = diagonal > 0
    if not bool(positive.any()):
        return None
    scale = 1 / float(diagonal[positive].mean())
    vector = torch.ones_like(diagonal).unsqueeze(1)
    length = vector.norm()
    for _ in range(_N_POWER_ITERATIONS):
        vector = product(vector / length)
        length = vector.norm()
    largest = _MARGIN * scale * float(length)
    coefficients = chebyshev_coefficients(
        lambda x: (1 + regularisation) / (1 + regularisation * x), largest, degree
    )
    return SpectralFilter(scale, largest, coefficients)


def chebyshev_coefficients(
    function: Callable[[float], float], largest: float, degree: int
) -> tuple[float, ...]:
    """Coefficients of the Chebyshev polynomials that approximate a function.

    Args:
        function: smooth on [0, largest]
        largest: above 0
        degree: of the last polynomial

    Returns:
        ``degree + 1`` coefficients
    """
    n_nodes = _N_CHEBYSHEV_NODES
    angles = [math.pi * (n + 0.5) / n_nodes for n in range(n_nodes)]
    values = [function(largest * (math.cos(angle) + 1) / 2) for angle in angles]
    sums = [
        sum(v * math.cos(k * angle) for v, angle in zip(values, angles))
        for k in range(degree + 1)
    ]
    return tuple(total * (2 if k else 1) / n_nodes for k, total in enumerate(sums))
