r"""An index for large catalogues: all items are screened, and few of them scored.

The exact walks of a user need products by all of X. Their filter P(K) works on the
strongest eigenvectors U of K, and on a rest whose spectrum is narrow, so that P is
nearly a line on it. With L the eigenvalues of U, and v = X r the direct walks::

    P(K) v  ~  c_0 v + c_1 K v + U (P(L) - c_0 - c_1 L) U' v

Of v and of U' v only the neighbourhood of the user's items is needed, and of K v only
that of the items that are scored. Items are screened by a constant in place of the
line and by fewer eigenvectors, in single precision: one product of vectors for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial.polynomial import polyfit, polyval
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import LinearOperator, eigsh

from recbole_kgif.errors import UserError
from recbole_kgif.serving.exported_scores import Askers, ItemScores, best
from recbole_kgif.serving.exported_walks import Floats, Integers, Walks

DIRECTIONS, EIGENVALUES = "walk_directions", "walk_eigenvalues"
_N_DIRECTIONS = 128
_N_SCREENING = 64
# Items that are scored: at least, and for each one that is listed.
_FEWEST_SCORED, _SCORED = 100, 5
_TOLERANCE = 1e-3
# So many items have all eigenvectors computed at once.
_FEW_ITEMS = 1_000
# Points at which the polynomial is fitted by a simpler one.
_POINTS = 200
_SMALLEST_EDGE = 1e-9

Singles = npt.NDArray[np.float32]


def index_of(items: ItemScores) -> dict[str, npt.NDArray[Any]]:
    """The tensors of an index, `DIRECTIONS` and `EIGENVALUES`.

    Raises:
        UserError: lists need all scores, or no more than one product of vectors: the
            model mixes the scores of new items, or has no walks.
    """
    if items.walks is None:
        raise UserError(
            "--index: this model has no walks, which the index is for; leave it out"
        )
    if items.form.mixes_new_items and items.is_new.any():
        raise UserError(
            "--index: this model has items without training interactions, whose scores "
            "depend on those of all others, so that no index saves anything; leave it "
            "out"
        )
    return strongest_directions(items.walks)


def strongest_directions(walks: Walks) -> dict[str, npt.NDArray[Any]]:
    """The strongest eigenvectors of K and their eigenvalues, largest first.

    Returns:
        `DIRECTIONS`, shape: [n_items, n], and `EIGENVALUES`, shape: [n].
    """
    n_items = walks.matrix.shape[0]
    if n_items <= _FEW_ITEMS:
        values, vectors = np.linalg.eigh(walks.kernel(np.eye(n_items)))
    else:
        kernel = LinearOperator((n_items, n_items), walks.kernel, dtype=np.float64)
        start = np.ones(n_items)  # the same result each time
        values, vectors = eigsh(kernel, _N_DIRECTIONS, tol=_TOLERANCE, v0=start)
    order = np.argsort(-values)[: min(_N_DIRECTIONS, -(-n_items // 2))]
    return {
        DIRECTIONS: vectors[:, order].astype(np.float32),
        EIGENVALUES: values[order],
    }


@dataclass(frozen=True, eq=False)
class SpectralIndex:
    """Lists of askers by few exact terms.

    Attributes:
        items: the items; none of them is scored as a new item.
        directions: U, shape: [n_items, n]
        eigenvalues: L, shape: [n]
    """

    items: ItemScores
    directions: Singles
    eigenvalues: Floats

    @property
    def walks(self) -> Walks:
        """The walks, which every model with an index has."""
        assert self.items.walks is not None
        return self.items.walks

    @cached_property
    def screened(self) -> Singles:
        """Vectors, biases and the strongest directions, for one product."""
        items = self.items
        directions = self.directions[:, :_N_SCREENING]
        parts: list[Any] = [items.scaled_vectors, items.bias[:, None], directions]
        return np.hstack([part.astype(np.float32) for part in parts])

    @cached_property
    def _constant(self) -> float:
        """What P is taken for while items are screened, but for their directions."""
        edge = self.eigenvalues[:_N_SCREENING][-1]
        return float(self._fitted(edge, 0)[0])

    @cached_property
    def _line(self) -> Floats:
        """c_0 and c_1."""
        return self._fitted(self.eigenvalues[-1], 1)

    def _fitted(self, edge: float, degree: int) -> Floats:
        """A fit of P on the spectrum below an eigenvalue.

        Eigenvalues are rarer towards the edge, and direct walks have passed K once.
        """
        share = np.linspace(0, 1, _POINTS)
        at = max(edge, _SMALLEST_EDGE) * share
        weights = np.sqrt(share * (1 - share))
        values = self._polynomial(at)
        fit: Floats = polyfit(at, values, degree, w=weights)
        return fit

    def _polynomial(self, values: Floats) -> Floats:
        """P."""
        coefficients = self.walks.polynomial
        result: Floats = np.asarray(polyval(values, coefficients))
        return result

    def prepare(self) -> None:
        """Compute what all lists share, before threads share it."""
        _ = self.screened, self._constant, self._line

    def lists(
        self, askers: Askers, seen: Sequence[Integers], k: int
    ) -> Iterator[tuple[Integers, Floats]]:
        """The best items of some askers.

        Args:
            askers: users or visitors.
            seen: rows of the items that are left out of each one's list.
            k: how many items.

        Yields:
            For each asker the rows of items, best first, ties by row, and their scores.
        """
        vectors = self.items.compared(askers.vectors)
        factors = self.items.form.walk_weight * askers.walk_factor
        reached = self.walks.reached(askers.history, askers.own_neighbour)
        along = self._along(askers)
        filtered = self._polynomial(self.eigenvalues)
        parts = along[:, :_N_SCREENING] * (filtered[:_N_SCREENING] - self._constant)
        ones = np.ones((len(vectors), 1))
        asked = np.hstack([vectors, ones, factors[:, None] * parts])
        screened = asked.astype(np.float32) @ self.screened.T
        along *= filtered - polyval(self.eigenvalues, self._line)
        for row, screening in enumerate(screened):
            direct = self.walks.direct(reached[row])
            screening += (factors[row] * self._constant * direct).astype(np.float32)
            screening[seen[row]] = -np.inf
            rows = np.sort(best(screening, max(_FEWEST_SCORED, _SCORED * k)))
            scores = self.items.scaled_vectors[rows] @ vectors[row]
            scores += self.items.bias[rows]
            scores += factors[row] * self._walks_of(rows, direct, along[row])
            chosen = best(scores, k)
            yield rows[chosen], scores[chosen]

    def _along(self, askers: Askers) -> Floats:
        """U' v, from the items of each asker, shape: [n_askers, n]."""
        history = askers.history
        along = self.eigenvalues * self._sums(history)
        returning = self.walks.returning(history, askers.own_neighbour)
        along -= self._sums(returning)
        return along

    def _sums(self, weights: csr_matrix) -> Floats:
        """Weighted sums of the directions of items, shape: [n_askers, n]."""
        bounds = zip(weights.indptr, weights.indptr[1:])
        parts = [
            weights.data[start:end] @ self.directions[weights.indices[start:end]]
            for start, end in bounds
        ]
        return np.array(parts, dtype=np.float64)

    def _walks_of(self, rows: Integers, direct: Floats, along: Floats) -> Floats:
        """P(K) v of some items.

        Args:
            rows: the items, shape: [n_rows]
            direct: v, shape: [n_items]
            along: (P(L) - c_0 - c_1 L) U' v, shape: [n]
        """
        links = self.walks.matrix[rows]
        columns, position = np.unique(links.indices, return_inverse=True)
        reached = self.walks.transposed[columns] @ direct
        shape = (len(rows), len(columns))
        near = csr_matrix((links.data, position, links.indptr), shape=shape)
        constant, slope = self._line
        walks: Floats = self.directions[rows] @ along
        walks += constant * direct[rows] + slope * (near @ reached)
        return walks
