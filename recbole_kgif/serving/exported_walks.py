"""The walk term of the scores, by sparse products or, for few items, by two tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Numbers in double precision that a processor's cache holds.
_CACHED = 2**18
# Cells of a table of items x items that is kept: 32 MiB.
_TABLE_CELLS = 2**22
# A neighbour of at most so many items is multiplied out: this many entries of K cost
# less than twice those of X, one row of X' included.
_FEW_ITEMS = 4


@dataclass(frozen=True, eq=False)
class Walks:
    """W = P(K) X R by user, without the users' factors; see `exported_scores`.

    Attributes:
        matrix: X, shape: [n_items, n_neighbours]
        polynomial: c_0, c_1, ...
    """

    matrix: csr_matrix
    polynomial: tuple[float, ...]

    def prepare(self) -> None:
        """Compute what all scores share, before threads share it."""
        if self.tables is None:
            _ = self._factors

    @cached_property
    def transposed(self) -> csr_matrix:
        """X', shape: [n_neighbours, n_items]."""
        return self.matrix.T.tocsr()

    @cached_property
    def tables(self) -> Optional[tuple[Floats, Floats]]:
        """P(K) and P(K) K, where they are small, shape: [n_items, n_items] each."""
        n_items = self.matrix.shape[0]
        if n_items**2 > _TABLE_CELLS:
            return None
        kernel: Floats = (self.matrix @ self.transposed).toarray()
        *others, last = self.polynomial
        polynomial: Floats = last * np.eye(n_items)
        by_kernel = last * kernel
        for coefficient in reversed(others):
            polynomial = by_kernel
            polynomial.flat[:: n_items + 1] += coefficient
            by_kernel = polynomial @ kernel
        return polynomial, by_kernel

    @cached_property
    def _factors(self) -> tuple[csr_matrix, csr_matrix, csr_matrix]:
        """A matrix H, H' and a rest of K = H H' + rest, made to be multiplied by.

        Neighbours of many items are the columns of H. Frequent ones are adjacent, so
        that most of what a product reads is in a cache.
        """
        n_items_of = np.diff(self.transposed.indptr)
        is_rare = n_items_of <= _FEW_ITEMS
        frequent = np.argsort(-n_items_of, kind="stable")[: np.count_nonzero(~is_rare)]
        often = self.matrix[:, frequent].tocsr()
        seldom = self.matrix[:, np.flatnonzero(is_rare)]
        return often, often.T.tocsr(), (seldom @ seldom.T).tocsr()

    def kernel(self, of_items: Floats) -> Floats:
        """K times values of all items, shape: [n_items] or [n_items, n]."""
        often, often_transposed, rest = self._factors
        product: Floats = often @ (often_transposed @ of_items)
        product += rest @ of_items
        return product

    def filtered(self, of_items: Floats) -> Floats:
        """P(K) times values of all items, shape: [n_items] or [n_items, n]."""
        *others, last = self.polynomial
        total: Floats = last * of_items
        for coefficient in reversed(others):
            total = self.kernel(total)
            total += coefficient * of_items
        return total

    def reached(self, history: csr_matrix, own_neighbour: Integers) -> csr_matrix:
        """R', how often users reach each neighbour, shape: [n, n_neighbours].

        Args:
            history: h, shape: [n, n_items]
            own_neighbour: column of X that each user is, -1 for none, shape: [n]
        """
        reached = history @ self.matrix
        of_row = np.repeat(own_neighbour, np.diff(reached.indptr))
        reached.data[reached.indices == of_row] = 0
        return reached

    def direct(self, reached: csr_matrix) -> Floats:
        """X r of one user, who reaches few of the neighbours: [n_items]."""
        near = self.transposed[reached.indices]
        direct: Floats = near.T @ reached.data
        return direct

    def returning(self, history: csr_matrix, own_neighbour: Integers) -> csr_matrix:
        """What users would reach through themselves, by the arguments of `reached`.

        It is in X X' h and not in X r, shape: [n, n_items]
        """
        links = self.transposed
        is_chosen = np.zeros(history.shape[1], dtype=bool)
        parts = []
        # For one user, products of sparse matrices would take longer.
        for row, column in enumerate(own_neighbour.tolist()):
            of_column = slice(links.indptr[column], links.indptr[column + 1])
            entries = of_column if column >= 0 else slice(0)
            items, values = links.indices[entries], links.data[entries]
            chosen = history.indices[history.indptr[row] : history.indptr[row + 1]]
            is_chosen[chosen] = True
            times = values[is_chosen[items]].sum()
            is_chosen[chosen] = False
            parts.append((items, times * values))
        items, values = (np.concatenate(each) for each in zip(*parts))
        pointer = np.cumsum([0, *(len(each) for each, _ in parts)])
        return csr_matrix((values, items, pointer), shape=history.shape)

    def scores(self, history: csr_matrix, own_neighbour: Integers) -> Floats:
        """W by the arguments of `reached`, shape: [n, n_items]."""
        if self.tables is not None:
            return self._by_tables(history, own_neighbour)
        step = min(16, max(1, _CACHED // self.matrix.shape[1]))
        parts = [
            self._by_products(
                self.reached(
                    history[start : start + step], own_neighbour[start:][:step]
                )
            )
            for start in range(0, history.shape[0], step)
        ]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _by_products(self, reached: csr_matrix) -> Floats:
        if reached.shape[0] > 1:
            return self.filtered(self.matrix @ reached.toarray().T).T
        return self.filtered(self.direct(reached))[None]

    def _by_tables(self, history: csr_matrix, own_neighbour: Integers) -> Floats:
        """P K h, less P times what users reach through themselves."""
        assert self.tables is not None
        polynomial, by_kernel = self.tables
        scores: Floats = history @ by_kernel
        if (own_neighbour >= 0).any():
            scores -= self.returning(history, own_neighbour) @ polynomial
        return scores
