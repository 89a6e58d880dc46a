r"""What items have in common in the collaborative knowledge graph."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .sparse_pattern import SparsePattern

# Bounds of what `SharedNeighbours.leave_one_out_walks` holds at once, about 64 MiB for
# each kind of array.
_MOST_CELLS = 2**24
_MOST_ENTRIES = 2**21


class SharedNeighbours(nn.Module):
    """What items have in common, as sparse patterns.

    Args:
        n_users: number of users, padding included
        n_items: number of items, padding included
        shared: the result of `kgif.shared_neighbours`

    Attributes:
        items: pattern items x neighbours, an entry per edge from an item to a neighbour
        value: x, the value of each entry, shape: [n_entries]
        relation: relation of each neighbour, shape: [n_neighbours]
        node: node of each neighbour, shape: [n_neighbours]
        neighbour_of_user: index of each user among the neighbours, -1 for users that
            are none, shape: [n_users]
        history: pattern users x items, an entry per interaction
        history_key: user * n_items + item of each interaction, ascending, shape:
            [n_interactions]
    """

    history_key: Tensor
    value: Tensor
    relation: Tensor
    node: Tensor
    neighbour_of_user: Tensor

    def __init__(self, n_users: int, n_items: int, *shared: Tensor):
        super().__init__()
        history, links, value, relation, node = shared
        self.history = SparsePattern(history[0], history[1], n_users, n_items)
        self.items = SparsePattern(links[0], links[1], n_items, len(node))
        neighbour_of_user = torch.full((n_users,), -1)
        is_user = node < n_users
        neighbour_of_user[node[is_user]] = torch.arange(len(node))[is_user]
        history_key = self.history.row * n_items + self.history.column
        for name, tensor in (
            ("history_key", history_key),
            ("value", value),
            ("relation", relation),
            ("node", node),
            ("neighbour_of_user", neighbour_of_user),
        ):
            self.register_buffer(name, tensor, persistent=False)

    @property
    def n_neighbours(self) -> int:
        """Number of neighbours that at least two items share."""
        return self.items.n_columns

    def zero_own_neighbour_(self, by_neighbour: Tensor, users: Tensor) -> None:
        """Set to zero, in place, what each user reaches through the user itself.

        Args:
            by_neighbour: a column per user, shape: [n_neighbours, n_selected]
            users: shape: [n_selected]
        """
        own = self.neighbour_of_user[users]
        column = torch.nonzero(own >= 0).squeeze(-1)
        by_neighbour[own[column], column] = 0

    def interaction_of(self, user: Tensor, item: Tensor) -> Tensor:
        """Index in ``history`` of the given interactions, shape of ``user``."""
        key = user * self.history.n_columns + item
        return torch.searchsorted(self.history_key, key)

    def leave_one_out_walks(self, n_relations: int) -> tuple[SparsePattern, Tensor]:
        """How strongly a user's other items lead to each interaction, by relation.

        For the interaction of u and i, the entry at relation r is the sum of
        x_jn x_in over the other items j of u and the neighbours n with relation r. The
        neighbour that u itself is does not count: no walk leads through it to an item
        that u has not interacted with.

        Args:
            n_relations: number of relations of the graph

        Returns:
            Pattern interactions x relations, and the value of each entry
        """
        row, column, value = [], [], []
        for users in self._user_batches():
            user, interaction = self.history.entries_of_rows(users)
            item = self.history.column[interaction]
            position, entry = self.items.entries_of_rows(item)
            neighbour, own = self.items.column[entry], self.value[entry]
            cell = neighbour * len(users) + user[position]
            reached = self.value.new_zeros(self.n_neighbours * len(users))
            reached.index_add_(0, cell, own)
            is_self = self.neighbour_of_user[users][user[position]] == neighbour
            product = own * (reached[cell] - own)
            key = interaction[position] * n_relations + self.relation[neighbour]
            found, group = torch.unique(key[~is_self], return_inverse=True)
            total = product.new_zeros(len(found)).index_add(0, group, product[~is_self])
            row.append(torch.div(found, n_relations, rounding_mode="floor"))
            column.append(found % n_relations)
            value.append(total)
        pattern = SparsePattern(
            torch.cat(row), torch.cat(column), self.history.n_entries, n_relations
        )
        return pattern, torch.cat(value)

    def _user_batches(self) -> Iterator[Tensor]:
        """All users, in batches of bounded memory."""
        pointer = self.items.row_pointer
        n_entries = (pointer[1:] - pointer[:-1])[self.history.column]
        before = F.pad(n_entries.cumsum(0), (1, 0))[self.history.row_pointer]
        most_users = max(1, _MOST_CELLS // max(1, self.n_neighbours))
        first, n_users = 0, self.history.n_rows
        while first < n_users:
            limit = before[first] + _MOST_ENTRIES
            fits = int(torch.searchsorted(before, limit, right=True))
            last = min(max(fits - 1, first + 1), first + most_users, n_users)
            yield torch.arange(first, last, device=self.value.device)
            first = last
