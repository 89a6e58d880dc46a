r"""Scores of new items: those without training interactions.

What KGIF learns about a new item is little, and on another scale than what it learns
about the others. But the facts of new items are known. So a new item borrows from known
items with the same facts, and from random walks that start at the user's items and
follow interactions and facts. With a the weights of a kernel ridge regression on facts,
and r_ji how often a walk from item j is at item i::

    y'(u, i) = (1 - m - n) y(u, i) + m x(u, i) + n w(u, i) + c
    x(u, i) = log(sum_k a_ki exp(s y(u, k))) / s
    w(u, i) = log(mean_j r_ji)

where k runs over the known items, and j over those of the user. Mixing weights and
offset c are chosen in validation; until then all are 0. All this is our choice.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, Optional

import torch
from torch import Tensor, nn

from .kgif import CollaborativeKnowledgeGraph, shared_neighbours
from .random_walks import arrivals
from .sparse_pattern import SparsePattern

# m and n, unless a validation shows others to be better beyond chance.
MIXING = (0.25, 0.125)
OTHER_MIXINGS = ((0.25, 0.25), (0.125, 0.5), (0.0, 0.5), (0.0, 0.75), (0.0, 1.0))
# The penalty of the regression, and s.
PENALTY = 0.3
SHARPNESS = 1.5
# The regression may predict less than nothing: the least share of an item, times the
# number of known items.
LEAST_SHARE = 1e-3
# No walk of so few steps may arrive.
LEAST_ARRIVALS = 1e-7
# A system of more known items is solved by conjugate gradients.
MOST_KNOWN = 8192
_TOLERANCE = 1e-4
_MOST_ITERATIONS = 200
# New items whose weights are computed at once by conjugate gradients.
_BLOCK = 512


class Regression(NamedTuple):
    """Weights a of known items in the prediction for the others.

    Known items without facts have none, and new items with equal facts have the same.

    Attributes:
        items: the known items with facts, shape: [n_with_facts]
        weights: of these items, shape: [n_with_facts, n_distinct]
        column: the column of each new item, shape: [n_new]
    """

    items: Tensor
    weights: Tensor
    column: Tensor

    def dense(self, is_known: Tensor) -> Tensor:
        """The weights of all known items for all new ones.

        Args:
            is_known: whether each item's scores are known, shape: [n_items]

        Returns:
            Shape: [n_known, n_new]
        """
        of_all = self.weights.new_zeros(len(is_known), len(self.column))
        of_all[self.items] = self.weights[:, self.column]
        return of_all[is_known]


class NewItems(nn.Module):
    """The scores of new items, by those of known ones.

    Args:
        graph: the collaborative knowledge graph of the training data
        n_users: number of users, padding included
        is_known: whether each item has training interactions, shape: [n_items]

    Attributes:
        weights: the mixing weights m and n, and the offset c; zeros leave all scores
        is_known: as given
    """

    weights: Tensor
    is_known: Tensor

    def __init__(
        self, graph: CollaborativeKnowledgeGraph, n_users: int, is_known: Tensor
    ):
        super().__init__()
        self._graph = (graph,)  # in a tuple, so that it is no part of this module
        self._n_users = n_users
        self._regression: Optional[Regression] = None
        self._arrivals: Optional[Tensor] = None
        # storage: the scores of the last prediction, and the prediction
        self._restore_expected: Optional[tuple[Tensor, Tensor]] = None
        # storage: the last users, and the scores of their walks
        self._restore_walked: Optional[tuple[Tensor, Tensor]] = None
        self.n_counted: Optional[int] = None
        self.scale: Optional[float] = None
        self.register_buffer("weights", torch.zeros(3))
        self.register_buffer("is_known", is_known, persistent=False)

    def train(self, mode: bool = True) -> NewItems:
        """Switch between training and evaluation, and clear what was stored."""
        self._restore_expected = self._restore_walked = None
        return super().train(mode)

    @property
    def regression(self) -> Regression:
        """The weights a.

        They depend on the training data alone, and are computed when first used.
        """
        if self._regression is None:
            graph, n_items = self._graph[0], len(self.is_known)
            facts = item_facts(graph, self._n_users, n_items, self.n_counted)
            self._regression = solve_regression(facts, self.is_known, self.scale)
        return self._regression

    @property
    def arrivals(self) -> Tensor:
        """How often random walks from items are at new items, [n_items, n_new].

        They depend on the graph alone, and are computed when first used.
        """
        if self._arrivals is None:
            graph, n_items = self._graph[0], len(self.is_known)
            new = torch.nonzero(~self.is_known).squeeze(1)
            self._arrivals = arrivals(graph, self._n_users, n_items, new)
        return self._arrivals

    def fact_scale(self) -> float:
        """What the products of facts are divided by."""
        if self.scale is None:
            graph, n_items = self._graph[0], len(self.is_known)
            self.scale = mean_square(item_facts(graph, self._n_users, n_items))
        return self.scale

    def fix(self, n_counted: int, scale: float, is_known: Tensor) -> None:
        """Keep the statistics of the training, in a model that was extended since.

        Args:
            n_counted: number of items of which frequencies are, padding included
            scale: `fact_scale` of the training data
            is_known: whether each item had interactions in the training, shape:
                [n_items]
        """
        self.n_counted, self.scale = n_counted, scale
        self.is_known = is_known.to(self.is_known.device)
        self.clear()

    def clear(self) -> None:
        """Clear what was computed; it will be computed again when used."""
        self._regression = self._arrivals = None
        self._restore_expected = self._restore_walked = None

    def expected_scores(self, scores: Tensor) -> Tensor:
        """The scores of new items that the regression predicts.

        Those for the scores of the last call are kept: a validation asks twice.

        Args:
            scores: of all items, shape: [n_selected, n_items]

        Returns:
            x, shape: [n_selected, n_new]
        """
        stored = self._restore_expected
        if stored is None or not torch.equal(stored[0], scores):
            stored = self._restore_expected = (scores, self._expected(scores))
        return stored[1]

    def _expected(self, scores: Tensor) -> Tensor:
        items, weights, column = self.regression
        of_known = scores.masked_fill(~self.is_known, -torch.inf)
        # The largest score cancels out; it keeps the exponentials in range.
        largest = of_known.amax(1, keepdim=True)
        exponential = of_known.sub_(largest).mul_(SHARPNESS).exp_()
        total = exponential.sum(1, keepdim=True)
        expected = exponential.index_select(1, items) @ weights.to(total.dtype)
        least = LEAST_SHARE / int(self.is_known.sum())
        expected = torch.maximum(expected, least * total)
        return (expected.log() / SHARPNESS + largest).index_select(1, column)

    def history(self, user: Tensor) -> Tensor:
        """How often each user chose each item, shape: [n_selected, n_items].

        Args:
            user: numbers of users, shape: [n_selected]
        """
        position, entry = self._choices.entries_of_rows(user)
        item = self._choices.column.index_select(0, entry)
        history = self.weights.new_zeros(len(user), len(self.is_known))
        once = history.new_ones(len(item))
        return history.index_put((position, item), once, accumulate=True)

    @cached_property
    def _choices(self) -> SparsePattern:
        """The interactions, by user."""
        head, _, tail = self._graph[0].triples()
        is_choice = head < self._n_users
        user, order = head[is_choice].sort(stable=True)
        item = tail[is_choice][order] - self._n_users
        return SparsePattern(user, item, self._n_users, len(self.is_known))

    def walk_scores(self, history: Tensor) -> Tensor:
        """The scores of new items by random walks.

        Args:
            history: how often each user chose each item, shape: [n_selected, n_items]

        Returns:
            w, shape: [n_selected, n_new]
        """
        arrived = torch.sparse.mm(history.to_sparse(), self.arrivals.to(history.dtype))
        mean = arrived / history.sum(1, keepdim=True).clamp(min=1)
        return mean.clamp(min=LEAST_ARRIVALS).log()

    def walk_scores_of(self, user: Tensor) -> Tensor:
        """`walk_scores` of users by their interactions.

        Those of the same users are kept: a validation asks up to three times.

        Args:
            user: numbers of users, shape: [n_selected]

        Returns:
            w, shape: [n_selected, n_new]
        """
        stored = self._restore_walked
        if stored is None or not torch.equal(stored[0], user):
            walked = self.walk_scores(self.history(user))
            stored = self._restore_walked = (user, walked)
        return stored[1]

    def borrowed_scores(self, scores: Tensor, walked: Optional[Tensor]) -> Tensor:
        """What new items borrow by the present weights.

        Args:
            scores: y of all items, shape: [n_selected, n_items]
            walked: w, shape: [n_selected, n_new]; None where walks have no weight

        Returns:
            m x + n w, shape: [n_selected, n_new]
        """
        of_facts, of_walks, _ = self.weights.tolist()
        borrowed = scores.new_zeros(len(scores), int((~self.is_known).sum()))
        if of_facts > 0:
            borrowed = borrowed + of_facts * self.expected_scores(scores)
        if of_walks > 0 and walked is not None:
            borrowed = borrowed + of_walks * walked
        return borrowed

    def forward(self, scores: Tensor, user: Tensor) -> Tensor:
        """Scores with those of new items replaced.

        Args:
            scores: y of all items, shape: [n_selected, n_items]
            user: whose they are, shape: [n_selected]

        Returns:
            y', of the same shape; ``scores`` itself where nothing is replaced
        """
        of_facts, of_walks, offset = self.weights.tolist()
        if of_facts == of_walks == offset == 0 or not bool(self.is_known.any()):
            return scores
        walked = self.walk_scores_of(user) if of_walks > 0 else None
        borrowed = self.borrowed_scores(scores, walked)
        new = torch.nonzero(~self.is_known).squeeze(1)
        own = (1 - of_facts - of_walks) * scores.index_select(1, new)
        return scores.index_copy(1, new, own + borrowed + offset)


def item_facts(
    graph: CollaborativeKnowledgeGraph,
    n_users: int,
    n_items: int,
    n_counted: Optional[int] = None,
) -> Tensor:
    """The facts of items: pairs of relation and entity that at least two items share.

    Args:
        graph: the collaborative knowledge graph
        n_users: number of users, padding included
        n_items: number of items, padding included
        n_counted: number of items of which frequencies are; None takes all

    Returns:
        A sparse matrix of the inverse item frequency of each fact, shape: [n_items,
        n_facts]
    """
    _, links, value, _, node = shared_neighbours(graph, n_users, n_items)
    item, fact = links[:, node[links[1]] >= n_users]
    n_linked = torch.bincount(fact, minlength=len(node)).to(value.dtype)
    inverse_frequency = ((n_counted or n_items) - 1) / n_linked
    value = inverse_frequency.clamp(min=1).log()[fact]
    facts = torch.sparse_coo_tensor(
        torch.stack([item, fact]),
        value,
        (n_items, len(node)),
        check_invariants=False,
    )
    return facts.coalesce()


def mean_square(facts: Tensor) -> float:
    """The mean over items of the squares of their facts, those without left out."""
    indices, value = facts.indices(), facts.values()
    squares = value.new_zeros(facts.shape[0]).index_add(0, indices[0], value.square())
    return float(squares[squares > 0].mean()) if bool((squares > 0).any()) else 1.0


def solve_regression(
    facts: Tensor, is_known: Tensor, scale: Optional[float] = None
) -> Regression:
    """Weights of known items in the prediction for the others.

    Kernel ridge regression: a = (K_known,known + penalty I)^-1 K_known,new, with K the
    products of the items' facts, divided by a scale.

    Args:
        facts: the result of `item_facts`
        is_known: whether each item's scores are known, shape: [n_items]
        scale: None takes `mean_square`

    Returns:
        The weights
    """
    indices, value = facts.indices(), facts.values()
    scale = mean_square(facts) if scale is None else scale
    facts = torch.sparse_coo_tensor(
        indices, value / scale**0.5, facts.shape, check_invariants=False
    )
    new = torch.nonzero(~is_known).squeeze(1)
    first, column = _distinct_rows(facts.index_select(0, new).coalesce())
    has_facts = torch.bincount(indices[0], minlength=len(is_known)) > 0
    known = torch.nonzero(is_known & has_facts).squeeze(1)
    of_known = facts.index_select(0, known).coalesce()
    of_new = facts.index_select(0, new[first]).coalesce()
    if len(known) > MOST_KNOWN:
        ids = torch.arange(of_new.shape[0], device=value.device)
        parts = [_by_gradients(of_known, of_new, block) for block in ids.split(_BLOCK)]
        return Regression(known, torch.cat(parts, dim=1), column)
    to_facts = of_known.t()
    kernel = torch.sparse.mm(of_known, to_facts).to_dense()
    kernel.diagonal().add_(PENALTY)
    between = torch.sparse.mm(of_known, of_new.t()).to_dense()
    weights = torch.cholesky_solve(between, torch.linalg.cholesky(kernel))
    return Regression(known, weights, column)


def _distinct_rows(facts: Tensor) -> tuple[Tensor, Tensor]:
    """The first of each set of items with equal facts, and the set of each item.

    A fact has the same value for all of its items.
    """
    item, fact = facts.indices()
    count = torch.bincount(item, minlength=facts.shape[0]).tolist()
    sets: dict[tuple[int, ...], int] = {}
    first: list[int] = []
    column: list[int] = []
    for position, of_item in enumerate(fact.cpu().split(count)):
        number = sets.setdefault(tuple(of_item.tolist()), len(sets))
        if number == len(first):
            first.append(position)
        column.append(number)
    return fact.new_tensor(first), fact.new_tensor(column)


def _by_gradients(of_known: Tensor, of_new: Tensor, block: Tensor) -> Tensor:
    """The weights for some new items, by conjugate gradients: [n_known, n_block].

    Every column is a system of its own with the same matrix.
    """
    to_facts = of_known.t().coalesce()
    wanted = torch.sparse.mm(
        of_known, of_new.index_select(0, block).to_dense().t().contiguous()
    )
    weights = torch.zeros_like(wanted)
    residual = direction = wanted
    error = first = wanted.square().sum(0)
    for _ in range(_MOST_ITERATIONS):
        if bool((error <= _TOLERANCE**2 * first).all()):
            break
        product = torch.sparse.mm(of_known, torch.sparse.mm(to_facts, direction))
        product = product + PENALTY * direction
        # A column that is solved, or zero, has no step left.
        step = error / (direction * product).sum(0).clamp(min=1e-30)
        weights = weights + step * direction
        residual = residual - step * product
        before, error = error, residual.square().sum(0)
        direction = residual + error / before.clamp(min=1e-30) * direction
    return weights
