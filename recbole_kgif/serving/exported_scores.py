r"""Scores of a trained KGIF from arrays, in double precision, without PyTorch.

The score of a user u and an item i is::

    y(u, i) = p s(z_u, z_i) + q w(u, i) + b_i
    w(u, .) = f_u P(K) (X r_u),  r_u = X' h_u but 0 where a neighbour is u,  K = X X'

with s the cosine or the inner product of the vectors, h_u 1 for each training item of
u, X the walk matrix (a row an item, a column a neighbour), X' its transpose and P(K) =
sum_k c_k K^k. Items without training interactions, where the model mixes their scores
with those that the known items k predict, get::

    y'(u, i) = (1 - m) y(u, i) + m log(max(sum_k a_ki e_k, l) / sum_k e_k) / s + c
    with e_k = exp(s y(u, k)), l the least share times sum_k e_k

P(K) is dense, so that no sparse matrix holds the walk term as a whole; X and the few
numbers c_k hold it exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from recbole_kgif.serving.exported_walks import Floats, Integers, Walks

# Blocks of scores, for each item of a list, whose maxima bound what is listed.
_BLOCKS_OF_A_LIST = 4
_SMALLEST_BLOCK = 8


@dataclass(frozen=True)
class ScoreForm:
    """The few numbers of the formula.

    Attributes:
        similarity: "cosine" or "dot".
        similarity_weight: p, the temperature included.
        walk_weight: q; 0 where the model has no walks.
        walk_polynomial: c_0, c_1, ...; (1,) where the walks are not filtered.
        walk_exponent: e of the factor f_u = n^-e of a user with n training items.
        visitor_normalisation: what the weights of a visitor's items are divided by: the
            "root" of their number, or their "sum".
        new_item_mixing: m.
        new_item_walk_mixing: n.
        new_item_offset: c.
        new_item_sharpness: s of new items.
        new_item_least_share: l of new items, a share of the sum.
        new_item_least_arrivals: the least r of new items.
    """

    similarity: str
    similarity_weight: float
    walk_weight: float
    walk_polynomial: tuple[float, ...]
    walk_exponent: float
    visitor_normalisation: str
    new_item_mixing: float
    new_item_walk_mixing: float
    new_item_offset: float
    new_item_sharpness: float
    new_item_least_share: float
    new_item_least_arrivals: float

    @property
    def new_item_own(self) -> float:
        """Weight of y of a new item in y'."""
        return 1 - self.new_item_mixing - self.new_item_walk_mixing

    @property
    def mixes_new_items(self) -> bool:
        """Whether y' of a new item is another number than y."""
        return self.new_item_own != 1 or self.new_item_offset != 0


@dataclass(frozen=True, eq=False)
class Askers:
    """Those whose items are scored: users of the export, or visitors.

    Attributes:
        vectors: z, shape: [n, d]
        history: h, shape: [n, n_items]
        walk_factor: f, shape: [n]
        own_neighbour: column of X that each is itself, -1 for none, shape: [n]
    """

    vectors: Floats
    history: csr_matrix
    walk_factor: Floats
    own_neighbour: Integers

    def __len__(self) -> int:
        """How many there are."""
        return len(self.vectors)


@dataclass(frozen=True, eq=False)
class Regression:
    """The weights a, without the known and the new items for which all are zero.

    Attributes:
        known: positions among the known items, shape: [n_rows]
        new: positions among the new items, shape: [n_columns]
        weights: shape: [n_rows, n_columns]
        n_new: how many new items there are.
    """

    known: Integers
    new: Integers
    weights: Floats
    n_new: int

    @classmethod
    def of(cls, weights: npt.NDArray[Any]) -> Regression:
        """By all weights, shape: [n_known, n_new]."""
        known = np.flatnonzero(weights.any(axis=1))
        new = np.flatnonzero(weights.any(axis=0))
        # Converted once, and not in each product.
        kept = weights[np.ix_(known, new)].astype(np.float64)
        return cls(known, new, kept, weights.shape[1])

    def predicted(self, of_known: Floats) -> Floats:
        """Values of known items times a: [n, n_known] -> [n, n_new]."""
        predicted = np.zeros((len(of_known), self.n_new))
        predicted[:, self.new] = of_known[:, self.known] @ self.weights
        return predicted


@dataclass(frozen=True, eq=False)
class ItemScores:
    """All that belongs to the items.

    Attributes:
        form: the numbers of the formula.
        vectors: z, shape: [n_items, d]
        bias: b, shape: [n_items]
        is_new: whether each item has no training interactions, shape: [n_items]
        walks: the walk term; None where the model has none.
        regression: a; None where nothing is predicted.
        arrivals: r, shape: [n_items, n_new]; None where random walks have no weight.
    """

    form: ScoreForm
    vectors: Floats
    bias: Floats
    is_new: npt.NDArray[np.bool_]
    walks: Optional[Walks] = None
    regression: Optional[Regression] = None
    arrivals: Optional[npt.NDArray[Any]] = None

    @classmethod
    def of(
        cls, form: ScoreForm, tensors: Mapping[str, Any], n_neighbours: int
    ) -> ItemScores:
        """Take the arrays of an export, see docs/export.md for their names."""
        vectors = tensors["item_vectors"].astype(np.float64)
        walks = None
        if form.walk_weight:
            parts = (tensors[f"walk_{name}"] for name in ("value", "column", "pointer"))
            shape = (len(vectors), n_neighbours)
            walks = Walks(csr_matrix(tuple(parts), shape=shape), form.walk_polynomial)
            walks.prepare()
        regression = tensors.get("new_item_regression")
        return cls(
            form=form,
            vectors=vectors,
            bias=tensors["item_bias"],
            is_new=tensors["item_is_new"].astype(bool),
            walks=walks,
            regression=None if regression is None else Regression.of(regression),
            arrivals=tensors.get("new_item_arrivals"),
        )

    @cached_property
    def scaled_vectors(self) -> Floats:
        """What the vectors of users are multiplied by, shape: [n_items, d]."""
        return self.form.similarity_weight * self.compared(self.vectors)

    def compared(self, vectors: Floats) -> Floats:
        """Vectors as their products are taken: of length 1 for the cosine."""
        return normalised(vectors) if self.form.similarity == "cosine" else vectors

    def scores(self, askers: Askers) -> Floats:
        """Scores of all items, shape: [n_askers, n_items]."""
        return self.with_new_items(self.learned_scores(askers), askers)

    def learned_scores(self, askers: Askers) -> Floats:
        """Y, before the scores of new items are mixed: [n_askers, n_items]."""
        scores: Floats = self.compared(askers.vectors) @ self.scaled_vectors.T
        scores += self.bias
        if self.walks is not None:
            of_walks = self.walks.scores(askers.history, askers.own_neighbour)
            of_walks *= (self.form.walk_weight * askers.walk_factor)[:, None]
            scores += of_walks
        return scores

    def with_new_items(self, scores: Floats, askers: Askers) -> Floats:
        """Y' by y, shape of both: [n_askers, n_items]."""
        form = self.form
        if not form.mixes_new_items:
            return scores
        borrowed = self.borrowed_scores(scores[:, ~self.is_new], askers)
        own = form.new_item_own * scores[:, self.is_new]
        scores[:, self.is_new] = own + borrowed + form.new_item_offset
        return scores

    def borrowed_scores(self, of_known: Floats, askers: Askers) -> Floats:
        """M x + n w of the new items by y of the known ones: [n_askers, n_new]."""
        borrowed = np.zeros((len(of_known), int(self.is_new.sum())))
        if self.regression is not None:
            borrowed += self.form.new_item_mixing * self.expected_scores(of_known)
        if self.arrivals is not None:
            borrowed += self.form.new_item_walk_mixing * self.walk_scores(askers)
        return borrowed

    def walk_scores(self, askers: Askers) -> Floats:
        """W, the scores of new items by random walks: [n_askers, n_new]."""
        assert self.arrivals is not None
        history = askers.history
        chosen = np.split(history.indices, history.indptr[1:-1])
        sums = [self.arrivals[items].sum(axis=0, dtype=np.float64) for items in chosen]
        n_chosen = np.diff(history.indptr)[:, None].clip(min=1)
        mean: Floats = np.array(sums) / n_chosen
        return np.log(mean.clip(min=self.form.new_item_least_arrivals))

    def expected_scores(self, of_known: Floats) -> Floats:
        """What the scores of the known items predict: [n_askers, n_new]."""
        assert self.regression is not None
        sharpness = self.form.new_item_sharpness
        largest = sharpness * of_known.max(axis=1, keepdims=True)
        powers = np.exp(sharpness * of_known - largest)
        total = powers.sum(axis=1, keepdims=True)
        least = self.form.new_item_least_share
        share = self.regression.predicted(powers / total).clip(min=least)
        predicted: Floats = (np.log(share * total) + largest) / sharpness
        return predicted


def normalised(vectors: Floats) -> Floats:
    """Vectors of length 1 and the same directions."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # As PyTorch's `normalize` bounds it.
    directions: Floats = vectors / lengths.clip(min=1e-12)
    return directions


def best(scores: Floats, k: int) -> Integers:
    """The k largest of some scores, largest first, ties by their order.

    Args:
        scores: minus infinity for what is not ranked, shape: [n]
        k: how many, or fewer where fewer are ranked.
    """
    ranked = np.flatnonzero(scores >= _lower_bound(scores, k))
    values = scores[ranked]
    if k < len(values):
        # All that are as large as the last one, so that ties are broken by order.
        least = np.partition(values, len(values) - k)[len(values) - k]
        ranked = ranked[values >= least]
        values = scores[ranked]
    order = np.argsort(-values, kind="stable")[:k]
    return ranked[order].astype(np.int64)


def _lower_bound(scores: Floats, k: int) -> float:
    """At least k scores are as large, unless fewer are ranked: it is fast, not tight.

    Each of the k largest among the maxima of blocks is such a score.
    """
    n_blocks = _BLOCKS_OF_A_LIST * k
    size = len(scores) // n_blocks if k else 0
    if size < _SMALLEST_BLOCK:
        return float(np.finfo(np.float64).min)
    maxima = scores[: n_blocks * size].reshape(n_blocks, size).max(axis=1)
    least = np.partition(maxima, n_blocks - k)[n_blocks - k]
    return max(float(least), float(np.finfo(np.float64).min))


def one_hot_rows(rows: Sequence[npt.NDArray[Any]], n_columns: int) -> csr_matrix:
    """A matrix with ones at some columns of each row."""
    pointer = np.cumsum([0, *map(len, rows)])
    columns = np.concatenate([*rows, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    shape = (len(rows), n_columns)
    return csr_matrix((np.ones(len(columns)), columns, pointer), shape=shape)
