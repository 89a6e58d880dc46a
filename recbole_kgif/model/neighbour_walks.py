r"""Direct walks of KGIF by the kernels of sparse matrices."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Optional

from torch import Tensor

from . import kgif
from .kernels import sparse_dense_product, transposed
from .kgif import SpectralFilter, ridge_filter
from .shared_neighbours import SharedNeighbours
from .sparse_pattern import SparsePattern


class NeighbourWalks(kgif.NeighbourWalks):
    """Walks by sparse patterns, with the leave-one-out sums computed once.

    Attributes:
        shared: what the items have in common
        fixed_filter: P of the training, in a model that was extended since
    """

    n_users_at_once = 64
    # What replaces `leave_one_out_scores` in a training step (`cuda_graphs`).
    captured: Optional[Callable[..., tuple[Tensor, Tensor]]] = None
    fixed_filter: Optional[SpectralFilter] = None

    _leave_one_out: Optional[SparsePattern]
    _leave_one_out_value: Tensor

    def store(self, n_users: int, n_items: int, *shared: Tensor) -> None:
        """Keep what the items have in common."""
        self.shared = SharedNeighbours(n_users, n_items, *shared)
        self._leave_one_out = None

    def leave_one_out(self) -> tuple[SparsePattern, Tensor]:
        """What other items lead to each interaction, for training.

        It is computed when it is first asked for.

        Returns:
            Pattern interactions x relations, and the sum of x_jn x_in of each entry,
            shape: [n_entries]
        """
        if self._leave_one_out is None:
            n_relations = self.relation_trust.num_embeddings
            shared, device = self.shared, self.shared.value.device
            if device.type != "cpu":  # whose sums are always the same
                shared = copy.deepcopy(shared).cpu()
            pattern, value = shared.leave_one_out_walks(n_relations)
            self._leave_one_out, value = pattern.to(device), value.to(device)
            self.register_buffer("_leave_one_out_value", value, persistent=False)
        return self._leave_one_out, self._leave_one_out_value

    def n_items_of(self, users: Tensor) -> Tensor:
        """|N(u)| of the given users, of the same shape."""
        pointer = self.shared.history.row_pointer
        return pointer[users + 1] - pointer[users]

    def forward(self, users: Tensor, by: Optional[SpectralFilter] = None) -> Tensor:
        """Score all items for the given users.

        Args:
            users: shape: [n_selected]
            by: the result of `spectral_filter`; None leaves P out

        Returns:
            Shape: [n_selected, n_items]
        """
        shared = self.shared
        scores = shared.value.new_empty(len(users), shared.items.n_rows)
        product = self._item_kernel(self.relation_weights()[shared.relation])
        # On a CPU a few users at a time, whose vectors stay in its cache.
        is_cached = users.device.type == "cpu"
        n_at_once = self.n_users_at_once if is_cached else max(len(users), 1)
        for first in range(0, len(users), n_at_once):
            selected = users[first : first + n_at_once]
            user, interaction = shared.history.entries_of_rows(selected)
            seen = shared.value.new_zeros(shared.history.n_columns, len(selected))
            seen[shared.history.column[interaction], user] = 1
            of_items = product(seen, without=selected)
            if by is not None:
                of_items = by.apply(product, of_items)
            of_items = of_items * self.user_factor(self.n_items_of(selected))
            scores[first : first + n_at_once] = of_items.t()
        return scores

    def spectral_filter(self) -> Optional[SpectralFilter]:
        """P for the current relation weights, None where no item has a neighbour."""
        if self.fixed_filter is not None:
            return self.fixed_filter
        items, value = self.shared.items, self.shared.value
        weights = self.relation_weights().detach()[self.shared.relation]
        of_entries = value.square() * weights.index_select(0, items.column)
        diagonal = value.new_zeros(items.n_rows).index_add(0, items.row, of_entries)
        return ridge_filter(
            self._item_kernel(weights),
            diagonal,
            self.regularisation,
            self.filter_degree,
        )

    def _item_kernel(self, weights: Tensor) -> Callable[..., Tensor]:
        """The function that multiplies by the item kernel K.

        Args:
            weights: g of each neighbour, shape: [n_neighbours]

        Returns:
            Maps vectors, shape: [n_items, n], to their products of the same shape; with
            users as ``without``, shape: [n], each product leaves out what that user
            adds to K as a neighbour
        """
        items, value = self.shared.items, self.shared.value
        to_neighbours = transposed(items, value)

        def product(of_items: Tensor, without: Optional[Tensor] = None) -> Tensor:
            reached = to_neighbours(of_items)
            if without is not None:
                self.shared.zero_own_neighbour_(reached, without)
            reached *= weights.unsqueeze(-1)
            return sparse_dense_product(items, value, reached)

        return product

    def leave_one_out_scores(
        self, user: Tensor, item: Tensor, other_items: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores v with each of the given interactions left out of the graph.

        Args:
            user: shape: [batch_size]
            item: an item that each user has interacted with, shape: [batch_size]
            other_items: items that they have not, shape: [n_others]

        Returns:
            Scores of the interactions, shape: [batch_size], and of their users with the
            other items, shape: [batch_size, n_others]
        """
        if self.captured is not None:
            return self.captured(user, item, other_items)
        interaction = self.shared.interaction_of(user, item)
        pattern, value = self.leave_one_out()
        position, entry = pattern.entries_of_rows(interaction)
        weights = self.relation_weights().index_select(0, pattern.column[entry])
        part = value[entry] * weights
        of_item = part.new_zeros(len(item)).index_add(0, position, part)
        between_items = self._between_items(other_items)
        users, row = user.unique(return_inverse=True)
        history = self.shared.history
        if 2 * len(users) > history.n_rows:
            # The sums of all users take less time than a pattern of their own.
            row = user
        else:
            history = history.rows(users)
        of_user = _sums_of_rows(history, between_items).index_select(0, row)
        return self._without_item(user, item, of_item, of_user, between_items)

    def fixed_size_leave_one_out_scores(
        self, user: Tensor, item: Tensor, other_items: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`leave_one_out_scores` by operations of the same sizes for every batch.

        CUDA graphs need that. The sums of all interactions and users are computed, and
        those of the batch are taken from them.
        """
        weights, items = self.relation_weights(), self.shared.items
        history = self.shared.history
        pattern, value = self.leave_one_out()
        of_all = sparse_dense_product(pattern, value, weights.unsqueeze(-1))
        interaction = self.shared.interaction_of(user, item)
        of_item = of_all.squeeze(-1).index_select(0, interaction)
        selected = weights.new_zeros(items.n_rows, len(other_items))
        selected.scatter_(0, other_items.unsqueeze(0), 1)
        product = self._item_kernel(weights.index_select(0, self.shared.relation))
        between_items = product(selected)
        of_user = _sums_of_rows(history, between_items).index_select(0, user)
        return self._without_item(user, item, of_item, of_user, between_items)

    def _between_items(self, items: Tensor) -> Tensor:
        """sum_n g_{r(n)} x_jn x_in of all items j, given i: [n_items, n_selected]."""
        pattern, value = self.shared.items, self.shared.value
        position, entry = pattern.entries_of_rows(items)
        neighbour = pattern.column[entry]
        weights = self.relation_weights().index_select(
            0, self.shared.relation[neighbour]
        )
        reached = value.new_zeros(pattern.n_columns, len(items))
        reached[neighbour, position] = value[entry] * weights
        return sparse_dense_product(pattern, value, reached)

    def _without_item(
        self,
        user: Tensor,
        item: Tensor,
        of_item: Tensor,
        of_user: Tensor,
        between_items: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Leave-one-out scores from sums over interactions, users and all items.

        Those of the users still count the item, which ``between_items`` takes out.
        """
        of_others = of_user - between_items.index_select(0, item)
        factor = self.user_factor(self.n_items_of(user) - 1)
        return of_item * factor, of_others * factor.unsqueeze(-1)


def _sums_of_rows(pattern: SparsePattern, vectors: Tensor) -> Tensor:
    """The sum of the vectors at the columns of each row, shape: [n_rows, d]."""
    return sparse_dense_product(pattern, vectors.new_ones(pattern.n_entries), vectors)
