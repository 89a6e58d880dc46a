r"""The collaborative knowledge graph (CKG) as sparse patterns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import kgif
from .kgif import Triples
from .sparse_pattern import SparsePattern, compact, entries_of_rows, row_pointer


class CollaborativeKnowledgeGraph(kgif.CollaborativeKnowledgeGraph):
    """All edges of the CKG, sorted by head, relation and tail.

    A *pair* is a distinct (head, relation) of the edges. Pairs are far fewer than
    edges: whatever depends on ``(h, r)`` alone is computed once per pair.

    Args:
        facts: the facts in their own direction, node ids below ``n_nodes`` and relation
            ids below ``n_relations``
        n_nodes: number of nodes, padding included
        n_relations: number of relations of the facts, padding included

    Raises:
        ValueError: an id is out of range, or the graph is too large to be sorted by
            64-bit keys

    Attributes:
        edges: pattern heads x tails, an entry per edge
        pair_tails: pattern pairs x tails, the same entries in the same order
        node_relations: pattern nodes x relations, an entry per pair
        pair_heads: pattern pairs x nodes, the head of each pair
        pair_relations: pattern pairs x relations, the relation of each pair
        edge_relation: relation of each edge, shape: [n_edges]
        normalisation: 1 / sqrt(D_h D_t) of each edge, with D the number of edges out of
            a node, shape: [n_edges]
        pair_count: number of edges of each pair, c_nr, shape: [n_pairs]
    """

    edges: Any
    edge_relation: Tensor
    normalisation: Tensor
    pair_count: Tensor

    def __init__(self, facts: Triples, n_nodes: int, n_relations: int):
        _check_range("node", torch.cat([facts.head, facts.tail]), n_nodes)
        _check_range("relation", facts.relation, n_relations)
        if 2 * n_relations * n_nodes * n_nodes >= 2**63:
            raise ValueError(
                f"{n_nodes} nodes and {n_relations} relations are too many to sort"
            )
        super().__init__(facts, n_nodes, n_relations)
        head, relation, tail = self.edges
        del self.edges  # the patterns hold them
        n_relations = self.n_relations
        pairs, edge_pair, pair_count = torch.unique_consecutive(
            head * n_relations + relation, return_inverse=True, return_counts=True
        )
        pair_head = torch.div(pairs, n_relations, rounding_mode="floor")
        pair_relation = pairs % n_relations
        pair, n_pairs = torch.arange(len(pairs)), len(pairs)
        self.edges = SparsePattern(head, tail, n_nodes, n_nodes)
        self.pair_tails = SparsePattern(edge_pair, tail, n_pairs, n_nodes)
        self.node_relations = SparsePattern(
            pair_head, pair_relation, n_nodes, n_relations
        )
        self.pair_heads = SparsePattern(pair, pair_head, n_pairs, n_nodes)
        self.pair_relations = SparsePattern(pair, pair_relation, n_pairs, n_relations)
        self.register_buffer("edge_relation", compact(relation), persistent=False)
        self.register_buffer("pair_count", pair_count, persistent=False)

    def triples(self) -> Triples:
        """All edges."""
        return Triples(self.edges.row, self.edge_relation, self.edges.column)

    @property
    def n_edges(self) -> int:
        """Number of edges, both directions counted."""
        return self.edges.n_entries

    @property
    def n_pairs(self) -> int:
        """Number of distinct (head, relation) pairs."""
        return self.node_relations.n_entries

    def linked_pairs(self, heads: Tensor, tails: Tensor) -> Tensor:
        """Which of the given tails an edge leads to from which of the given heads.

        Args:
            heads: node ids, may repeat, shape: [n_heads]
            tails: distinct node ids, shape: [n_tails]

        Returns:
            Positions in ``heads`` and in ``tails``, shape: [2, n_linked]
        """
        tail_position = tails.new_full((self.n_nodes,), -1)
        tail_position[tails] = torch.arange(len(tails), device=tails.device)
        distinct_heads, head_index = heads.unique(return_inverse=True)
        row, edge = self.edges.entries_of_rows(distinct_heads)
        column = tail_position.index_select(0, self.edges.column.index_select(0, edge))
        linked = torch.nonzero(column >= 0).squeeze(-1)
        pointer = row_pointer(row.index_select(0, linked), len(distinct_heads))
        position, entry = entries_of_rows(pointer, head_index)
        return torch.stack(
            [position, column.index_select(0, linked.index_select(0, entry))]
        )


def _check_range(name: str, ids: Tensor, size: int) -> None:
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        raise ValueError(
            f"{name} ids must be in 0..{size - 1}, "
            f"but they range from {int(ids.min())} to {int(ids.max())}"
        )
