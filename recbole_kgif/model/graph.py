r"""The collaborative knowledge graph (CKG).

Users, items and entities, joined by interactions and triples, each of them stored in
both directions.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .sparse_pattern import SparsePattern, entries_of_rows, row_pointer


class Triples(NamedTuple):
    """Heads, relations and tails of equal length, ids as int64."""

    head: Tensor
    relation: Tensor
    tail: Tensor


class CollaborativeKnowledgeGraph(nn.Module):
    """All edges of the CKG, sorted by head, relation and tail.

    A fact ``(h, r, t)`` becomes the edges ``(h, r, t)`` and ``(t, r + R, h)``, with
    ``R`` the number of relations of the facts: an inverse relation is a relation of its
    own. Repeated facts count once. Several relations between two nodes are several
    edges, and a self-loop becomes two.

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

    edge_relation: Tensor
    normalisation: Tensor
    pair_count: Tensor

    def __init__(self, facts: Triples, n_nodes: int, n_relations: int):
        super().__init__()
        self.n_nodes = n_nodes
        self.n_relations = 2 * n_relations
        _check_range("node", torch.cat([facts.head, facts.tail]), n_nodes)
        _check_range("relation", facts.relation, n_relations)
        head, relation, tail = _sorted_edges(facts, n_nodes, n_relations)

        pairs, edge_pair, pair_count = torch.unique_consecutive(
            head * self.n_relations + relation, return_inverse=True, return_counts=True
        )
        pair_head = torch.div(pairs, self.n_relations, rounding_mode="floor")
        pair_relation = pairs % self.n_relations
        pair, n_pairs = torch.arange(len(pairs)), len(pairs)
        self.edges = SparsePattern(head, tail, n_nodes, n_nodes)
        self.pair_tails = SparsePattern(edge_pair, tail, n_pairs, n_nodes)
        self.node_relations = SparsePattern(
            pair_head, pair_relation, n_nodes, self.n_relations
        )
        self.pair_heads = SparsePattern(pair, pair_head, n_pairs, n_nodes)
        self.pair_relations = SparsePattern(
            pair, pair_relation, n_pairs, self.n_relations
        )
        # Every edge has its inverse, so D is above zero at both ends.
        degree = torch.bincount(head, minlength=n_nodes).to(torch.get_default_dtype())
        normalisation = (degree[head] * degree[tail]).rsqrt()
        self.register_buffer("edge_relation", relation, persistent=False)
        self.register_buffer("normalisation", normalisation, persistent=False)
        self.register_buffer("pair_count", pair_count, persistent=False)

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


def join_interactions_and_triples(
    interactions: tuple[Tensor, Tensor],
    triples: Triples,
    n_users: int,
    interaction_relation: int,
) -> Triples:
    """The facts of a CKG, whose nodes are the users followed by the entities.

    Args:
        interactions: user and item ids of the *training* interactions, each of shape:
            [n_interactions]; an item is the entity of the same id
        triples: triples of the knowledge graph, entity ids
        n_users: number of users, padding included
        interaction_relation: id of the relation ``interact``

    Returns:
        ``(user, interact, item)`` for each interaction, then the triples, as node ids
    """
    user, item = interactions
    return Triples(
        head=torch.cat([user, triples.head + n_users]),
        relation=torch.cat(
            [torch.full_like(user, interaction_relation), triples.relation]
        ),
        tail=torch.cat([item, triples.tail]) + n_users,
    )


def drop_dangling_nodes(facts: Triples, n_fixed: int) -> tuple[Triples, Tensor]:
    """Remove nodes with fewer than two distinct neighbours until none is left.

    Such a node is on no path between two other nodes: a walk that enters it can only
    turn back. In public knowledge graphs most entities are of this kind.

    Args:
        facts: facts with node ids
        n_fixed: number of nodes, those with the smallest ids, that are always kept

    Returns:
        The facts among the remaining nodes, renumbered without gaps, and the former ids
        of these nodes in ascending order, shape: [n_nodes]
    """
    head, relation, tail = facts
    while True:
        ends = torch.stack([head, tail])[:, head != tail].sort(dim=0).values
        neighbours = torch.unique(ends, dim=1).flatten()
        n_nodes = int(torch.cat([head, tail]).max()) + 1 if len(head) else 0
        dangling = torch.bincount(neighbours, minlength=n_nodes) < 2
        dangling[:n_fixed] = False
        kept = ~(dangling[head] | dangling[tail])
        if bool(kept.all()):
            break
        head, relation, tail = head[kept], relation[kept], tail[kept]
    linking = torch.unique(torch.cat([head, tail]))
    nodes = torch.cat([torch.arange(n_fixed), linking[linking >= n_fixed]])
    head, tail = torch.searchsorted(nodes, torch.stack([head, tail]))
    return Triples(head, relation, tail), nodes


def _check_range(name: str, ids: Tensor, size: int) -> None:
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        raise ValueError(
            f"{name} ids must be in 0..{size - 1}, "
            f"but they range from {int(ids.min())} to {int(ids.max())}"
        )


def _sorted_edges(
    facts: Triples, n_nodes: int, n_relations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Both directions of the distinct facts, sorted by head, relation and tail."""
    if 2 * n_relations * n_nodes * n_nodes >= 2**63:
        raise ValueError(
            f"{n_nodes} nodes and {n_relations} relations are too many to sort"
        )
    head = torch.cat([facts.head, facts.tail])
    relation = torch.cat([facts.relation, facts.relation + n_relations])
    tail = torch.cat([facts.tail, facts.head])
    key = torch.unique((head * 2 * n_relations + relation) * n_nodes + tail)
    head_relation = torch.div(key, n_nodes, rounding_mode="floor")
    return (
        torch.div(head_relation, 2 * n_relations, rounding_mode="floor"),
        head_relation % (2 * n_relations),
        key % n_nodes,
    )
