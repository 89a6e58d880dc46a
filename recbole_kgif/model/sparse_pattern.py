r"""Positions of the entries of sparse matrices, kept apart from their values."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def row_pointer(row: Tensor, n_rows: int) -> Tensor:
    """Index of the first entry of each row.

    Args:
        row: row of each entry in ascending order, shape: [n_entries]
        n_rows: number of rows

    Returns:
        The indices, followed by the number of entries, shape: [n_rows + 1]
    """
    # Counting the entries would make the CPU wait for a GPU.
    return torch.searchsorted(row, torch.arange(n_rows + 1, device=row.device))


def entries_of_rows(pointer: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """All entries of the given rows.

    Args:
        pointer: `row_pointer`, shape: [n_rows + 1]
        rows: row ids in any order, may repeat, shape: [n_selected]

    Returns:
        For each entry found, the position of its row in ``rows`` and its index among
        all entries, each of shape: [n_found]
    """
    start = pointer[rows]
    count = pointer[rows + 1] - start
    position = torch.repeat_interleave(count)
    # From the index among the entries found to the index among all entries.
    shift = (start - (count.cumsum(0) - count)).index_select(0, position)
    return position, torch.arange(len(position), device=rows.device) + shift


def compact(tensor: Tensor) -> Tensor:
    """The tensor in memory of its own: a part of a larger one would keep all of it."""
    size = tensor.numel() * tensor.element_size()
    return tensor if tensor.untyped_storage().nbytes() == size else tensor.clone()


class SparsePattern(nn.Module):
    """The entries of a sparse matrix in row order and in column order, without values.

    One pattern serves all attention weights that are computed on it, and the order of
    the transposed matrix is computed once.

    Args:
        row: row of each entry in ascending order, shape: [n_entries]
        column: column of each entry, shape: [n_entries]
        n_rows: number of rows
        n_columns: number of columns

    Attributes:
        row_pointer: index of the first entry of each row, shape: [n_rows + 1]
        transposed_order: entries sorted by column, shape: [n_entries]
        column_pointer: index of the first entry of each column in
            ``transposed_order``, shape: [n_columns + 1]
        transposed_row: ``row[transposed_order]``, shape: [n_entries]
    """

    row: Tensor
    column: Tensor
    row_pointer: Tensor
    column_pointer: Tensor
    transposed_order: Tensor
    transposed_row: Tensor

    def __init__(self, row: Tensor, column: Tensor, n_rows: int, n_columns: int):
        super().__init__()
        self.n_rows = n_rows
        self.n_columns = n_columns
        sorted_column, transposed_order = torch.sort(column, stable=True)
        # Rebuilt from the data set, hence not part of a checkpoint.
        for name, tensor in (
            ("row", row),
            ("column", column),
            ("row_pointer", row_pointer(row, n_rows)),
            ("column_pointer", row_pointer(sorted_column, n_columns)),
            ("transposed_order", transposed_order),
            ("transposed_row", row[transposed_order]),
        ):
            self.register_buffer(name, compact(tensor), persistent=False)

    @property
    def n_entries(self) -> int:
        """Number of entries; each of several at one position counts."""
        return self.column.numel()

    def matrix(self, values: Tensor) -> Tensor:
        """The sparse matrix with these values, shape: [n_rows, n_columns]."""
        return torch.sparse_csr_tensor(
            self.row_pointer,
            self.column,
            values,
            (self.n_rows, self.n_columns),
            check_invariants=False,
        )

    def transposed_matrix(self, values: Tensor) -> Tensor:
        """The transposed matrix with these values, shape: [n_columns, n_rows]."""
        return torch.sparse_csr_tensor(
            self.column_pointer,
            self.transposed_row,
            values.index_select(0, self.transposed_order),
            (self.n_columns, self.n_rows),
            check_invariants=False,
        )

    def entries_of_rows(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """`entries_of_rows` of this pattern."""
        return entries_of_rows(self.row_pointer, rows)

    def rows(self, rows: Tensor) -> SparsePattern:
        """The given rows in the given order, n_selected x n_columns."""
        position, entry = self.entries_of_rows(rows)
        column = self.column.index_select(0, entry)
        return SparsePattern(position, column, len(rows), self.n_columns)

    def first_rows(self, n_rows: int) -> SparsePattern:
        """The first rows, n_rows x n_columns; their entries are the first ones too."""
        n_entries = int(self.row_pointer[n_rows])
        return SparsePattern(
            self.row[:n_entries], self.column[:n_entries], n_rows, self.n_columns
        )

    def extra_repr(self) -> str:
        """Size, for the printed model."""
        return f"{self.n_rows} x {self.n_columns}, {self.n_entries} entries"
