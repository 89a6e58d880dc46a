r"""Damping of what most items have in common.

Of a matrix K of non-negative similarities, the strongest directions are those that
nearly all items share: what is popular. With s the strength of the damping, K is
replaced by::

    (1 + s) K (I + s K)^-1

which leaves a direction of weight 1 as it is and brings a larger one, mu, down to
mu (1 + s) / (1 + s mu). It is a ridge regression on K. Here it is a polynomial in K, so
that what comes of it is still a sum over walks, K^2 and beyond being longer ones, and
no matrix of items x items is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

_N_POWER_STEPS = 30
# What power steps may fall short of the largest eigenvalue.
_MARGIN = 1.05
_N_NODES = 64


class Damping(NamedTuple):
    """A polynomial of a matrix, p(M), in Chebyshev's form.

    Attributes:
        scale: factor of the matrix at hand in M, so that M's eigenvalues lie in
            [0, largest]
        largest: bound of M's eigenvalues
        coefficients: of Chebyshev's polynomials on [0, largest], from degree 0 on
    """

    scale: float
    largest: float
    coefficients: tuple[float, ...]

    def apply(self, product: Callable[[Any], Any], vectors: Any) -> Any:
        """p(M) times vectors.

        Args:
            product: multiplies the matrix at hand, not yet scaled, with vectors; what
                it returns is changed
            vectors: what p(M) is multiplied with, a tensor or an array

        Returns:
            Of the form of ``vectors``
        """
        step = 2 * self.scale / self.largest

        def shifted(x: Any) -> Any:
            # In place, here and below: these are as large as all scores.
            result = product(x)
            result *= step
            result -= x
            return result

        before, current = vectors, shifted(vectors)
        first, second, *others = self.coefficients
        total = first * before
        total += second * current
        for coefficient in others:
            following = shifted(current)
            following *= 2
            following -= before
            before, current = current, following
            total += coefficient * current
        return total


def damping(
    product: Callable[[Tensor], Tensor],
    diagonal: Tensor,
    strength: float,
    degree: int,
) -> Optional[Damping]:
    """The polynomial that comes near (1 + s) (I + s K)^-1, our choice.

    K is the matrix at hand divided by the mean of its diagonal, so that s has the same
    meaning for all of them.

    Args:
        product: multiplies the matrix, symmetric and without negative entries, with
            vectors of shape [n, 1]
        diagonal: of the matrix, shape: [n]
        strength: s
        degree: of the polynomial, 1 at least

    Returns:
        None where the matrix is zero.
    """
    is_there = diagonal > 0
    if not bool(is_there.any()):
        return None
    scale = 1 / float(diagonal[is_there].mean())
    vector = torch.ones_like(diagonal).unsqueeze(1)
    length = vector.norm()
    for _ in range(_N_POWER_STEPS):
        vector = product(vector / length)
        length = vector.norm()
    largest = _MARGIN * scale * float(length)
    coefficients = chebyshev_coefficients(
        lambda x: (1 + strength) / (1 + strength * x), largest, degree
    )
    return Damping(scale, largest, coefficients)


def chebyshev_coefficients(
    function: Callable[[float], float], largest: float, degree: int
) -> tuple[float, ...]:
    """Coefficients of Chebyshev's polynomials that come near a function.

    Args:
        function: smooth on [0, largest]
        largest: above 0
        degree: of the last polynomial

    Returns:
        Shape: [degree + 1]
    """
    angles = [math.pi * (n + 0.5) / _N_NODES for n in range(_N_NODES)]
    values = [function(largest * (math.cos(angle) + 1) / 2) for angle in angles]
    sums = [
        sum(v * math.cos(k * angle) for v, angle in zip(values, angles))
        for k in range(degree + 1)
    ]
    return tuple(total * (2 if k else 1) / _N_NODES for k, total in enumerate(sums))
