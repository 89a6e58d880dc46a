r"""The graph of KGIF.

The collaborative knowledge graph (CKG): users, items and entities joined by
interactions and triples, each stored in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def row_pointer(row: Tensor, n_rows: int) -> Tensor:
    """First entry of each row.

    Args:
        row (Tensor): row of each entry in ascending order, shape: [n_entries]
        n_rows (int): number of rows

    Returns:
        Tensor: and the number of entries at the end, shape: [n_rows + 1]
    """
    # Counting the entries would have a GPU wait for the processor.
    return torch.searchsorted(row, torch.arange(n_rows + 1, device=row.device))


def entries_of_rows(pointer: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """All entries of the given rows.

    Args:
        pointer (Tensor): `row_pointer`, shape: [n_rows + 1]
        rows (Tensor): row ids in any order, repeated ones too, shape: [n_asked]

    Returns:
        tuple: for each entry found the place of its row in ``rows``, and its own place
        among all entries, both of shape: [n_found]
    """
    start = pointer[rows]
    count = pointer[rows + 1] - start
    place = torch.repeat_interleave(count)
    # Where the first entry of each asked row comes to lie among those found.
    first = count.cumsum(0) - count
    shift = (start - first).index_select(0, place)
    return place, torch.arange(len(place), device=rows.device) + shift


class SparsePattern(nn.Module):
    """Where a sparse matrix has entries, in row order and in column order.

    The values are kept apart: one pattern serves every attention that is computed on
    it, and the order of the transposed matrix is worked out once.

    Args:
        row (Tensor): row of each entry in ascending order, shape: [n_entries]
        column (Tensor): column of each entry, shape: [n_entries]
        n_rows (int): number of rows
        n_columns (int): number of columns

    Attributes:
        row_pointer (Tensor): first entry of each row, shape: [n_rows + 1]
        transposed_order (Tensor): the entries in column order, shape: [n_entries]
        column_pointer (Tensor): first place of each column in ``transposed_order``,
            shape: [n_columns + 1]
        transposed_row (Tensor): ``row[transposed_order]``, shape: [n_entries]
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
        ordered_column, transposed_order = torch.sort(column, stable=True)
        # Rebuilt from the data set, so none of it belongs into a checkpoint.
        for name, tensor in (
            ("row", row),
            ("column", column),
            ("row_pointer", row_pointer(row, n_rows)),
            ("column_pointer", row_pointer(ordered_column, n_columns)),
            ("transposed_order", transposed_order),
            ("transposed_row", row[transposed_order]),
        ):
            self.register_buffer(name, tensor, persistent=False)

    @property
    def n_entries(self) -> int:
        """Number of entries, parallel ones counted each."""
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
        """All entries of the given rows.

        Args:
            rows (Tensor): row ids in any order, repeated ones too, shape: [n_asked]

        Returns:
            tuple: for each entry found the place of its row in ``rows``, and its own
            place among all entries, both of shape: [n_found]
        """
        return entries_of_rows(self.row_pointer, rows)

    def rows(self, rows: Tensor) -> SparsePattern:
        """The pattern of the given rows alone, in the given order.

        Args:
            rows (Tensor): row ids, shape: [n_asked]

        Returns:
            SparsePattern: n_asked x n_columns
        """
        place, entry = self.entries_of_rows(rows)
        column = self.column.index_select(0, entry)
        return SparsePattern(place, column, len(rows), self.n_columns)

    def first_rows(self, n_rows: int) -> SparsePattern:
        """The pattern of the first rows alone; its entries are the first ones too.

        Args:
            n_rows (int): how many

        Returns:
            SparsePattern: n_rows x n_columns
        """
        n_entries = int(self.row_pointer[n_rows])
        return SparsePattern(
            self.row[:n_entries], self.column[:n_entries], n_rows, self.n_columns
        )

    def extra_repr(self) -> str:
        """Size, for the printed model."""
        return f"{self.n_rows} x {self.n_columns}, {self.n_entries} entries"


class Triples(NamedTuple):
    """Heads, relations and tails of equal length, ids as int64."""

    head: Tensor
    relation: Tensor
    tail: Tensor


class CollaborativeKnowledgeGraph(nn.Module):
    """All edges of the CKG, sorted by head, relation and tail.

    A fact ``(h, r, t)`` becomes the edges ``(h, r, t)`` and ``(t, r + R, h)``, with
    ``R`` the number of relations of the facts: an inverse relation is a relation of its
    own. Facts are a set: a repeated one counts once, while several relations between
    one pair of nodes stay several edges, and a self loop becomes two.

    A *pair* is a distinct (node, relation) of an edge's head. There are far fewer pairs
    than edges; whatever depends on ``(h, r)`` alone is computed once for each.

    Args:
        facts (Triples): the facts in their own direction, node ids below ``n_nodes``
            and relation ids below ``n_relations``
        n_nodes (int): number of nodes, padding included
        n_relations (int): number of relations of the facts, padding included

    Raises:
        ValueError: an id is out of range, or the graph is too large to be sorted by
            64-bit keys

    Attributes:
        edges (SparsePattern): heads x tails, an entry for each edge
        pair_tails (SparsePattern): pairs x tails, the same entries in the same order
        node_relations (SparsePattern): nodes x relations, an entry for each pair
        pair_heads (SparsePattern): pairs x nodes, the head of each pair
        pair_relations (SparsePattern): pairs x relations, the relation of each pair
        edge_relation (Tensor): relation of each edge, shape: [n_edges]
        normalisation (Tensor): 1 / sqrt(D_h D_t) of each edge with D the number of
            edges out of a node, shape: [n_edges]
        pair_count (Tensor): edges of each pair, c_nr, shape: [n_pairs]
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

        pair_key = head * self.n_relations + relation
        pairs, edge_pair, pair_count = torch.unique_consecutive(
            pair_key, return_inverse=True, return_counts=True
        )
        pair_head = torch.div(pairs, self.n_relations, rounding_mode="floor")
        self.edges = SparsePattern(head, tail, n_nodes, n_nodes)
        self.pair_tails = SparsePattern(edge_pair, tail, len(pairs), n_nodes)
        self.node_relations = SparsePattern(
            pair_head, pairs % self.n_relations, n_nodes, self.n_relations
        )
        pair = torch.arange(len(pairs))
        self.pair_heads = SparsePattern(pair, pair_head, len(pairs), n_nodes)
        self.pair_relations = SparsePattern(
            pair, self.node_relations.column, len(pairs), self.n_relations
        )
        # An edge is there in both directions: D is never zero at either end.
        degree = torch.bincount(head, minlength=n_nodes).to(torch.get_default_dtype())
        normalisation = (degree[head] * degree[tail]).rsqrt()
        for name, tensor in (
            ("edge_relation", relation),
            ("normalisation", normalisation),
            ("pair_count", pair_count),
        ):
            self.register_buffer(name, tensor, persistent=False)

    @property
    def n_edges(self) -> int:
        """Number of edges, both directions counted."""
        return self.edges.n_entries

    @property
    def n_pairs(self) -> int:
        """Number of distinct (node, relation) pairs."""
        return self.node_relations.n_entries


class RelationTokens(nn.Module):
    """The distinct relations of each node, with how often each occurs.

    Args:
        graph (CollaborativeKnowledgeGraph): the graph
        left_out (sequence): ids of relations that are no tokens

    Attributes:
        pattern (SparsePattern): nodes x relations, an entry for each token
        count (Tensor): edges of the node by the relation, c_nr, shape: [n_tokens]
    """

    count: Tensor

    def __init__(
        self, graph: CollaborativeKnowledgeGraph, left_out: Sequence[int] = ()
    ):
        super().__init__()
        pairs = graph.node_relations
        stays = ~torch.isin(pairs.column, pairs.column.new_tensor(left_out))
        self.pattern = SparsePattern(
            pairs.row[stays], pairs.column[stays], pairs.n_rows, pairs.n_columns
        )
        self.register_buffer("count", graph.pair_count[stays], persistent=False)


class SharedNeighbours(nn.Module):
    """What items have in common in the CKG, as a sparse matrix items x neighbours.

    A *neighbour* here is a pair (relation, node): an entity that at least two items
    reach by one relation, or a user who has interacted with at least two items. An
    entry is the inverse item frequency of the neighbour, log(items / items that
    reach it), divided by the norm of all entries of the item under the same relation:
    the product of two items' rows is the sum, over the relations, of the cosines of
    what they reach by each.

    Args:
        graph (CollaborativeKnowledgeGraph): the graph, whose nodes are the users
            followed by the items and by other entities
        n_users (int): number of users, padding included
        n_items (int): number of items, padding included

    Attributes:
        items (SparsePattern): items x neighbours, an entry for each edge out of an item
            to a neighbour
        value (Tensor): x, the value of each entry, shape: [n_entries]
        relation (Tensor): relation of each neighbour, shape: [n_neighbours]
        node (Tensor): node of each neighbour, shape: [n_neighbours]
        neighbour_of_user (Tensor): the neighbour that each user is, or -1 for a user
            who is none, shape: [n_users]
        history (SparsePattern): users x items, an entry for each interaction
        history_key (Tensor): user * n_items + item of each, ascending, shape:
            [n_interactions]
    """

    history_key: Tensor
    value: Tensor
    relation: Tensor
    node: Tensor
    neighbour_of_user: Tensor

    def __init__(self, graph: CollaborativeKnowledgeGraph, n_users: int, n_items: int):
        super().__init__()
        head, tail = graph.edges.row, graph.edges.column
        is_interaction = head < n_users
        self.history = SparsePattern(
            head[is_interaction], tail[is_interaction] - n_users, n_users, n_items
        )
        from_item = (head >= n_users) & (head < n_users + n_items)
        key = graph.edge_relation[from_item] * graph.n_nodes + tail[from_item]
        pairs, place, count = torch.unique(key, return_inverse=True, return_counts=True)
        is_shared = count > 1
        number = is_shared.cumsum(0) - 1
        stays = is_shared[place]
        item = head[from_item][stays] - n_users
        neighbour = number[place[stays]]
        self.items = SparsePattern(item, neighbour, n_items, int(is_shared.sum()))

        relation = torch.div(pairs, graph.n_nodes, rounding_mode="floor")[is_shared]
        node = (pairs % graph.n_nodes)[is_shared]
        # The padding item reaches nothing, and counts for none.
        n_linked = count[is_shared].to(graph.normalisation.dtype)
        rarity = ((n_items - 1) / n_linked).log()
        value = rarity[neighbour]
        group = item * graph.n_relations + relation[neighbour]
        square = value.new_zeros(n_items * graph.n_relations)
        norm = square.index_add(0, group, value.square()).sqrt()[group]
        # What all items reach is worth nothing, also to an item that reaches no more.
        value = torch.where(norm > 0, value / norm, value)
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

    def forget_users(self, users: Tensor, by_neighbour: Tensor) -> Tensor:
        """Set to zero, in place, what users reach by way of themselves.

        Args:
            users (Tensor): shape: [n_asked_users]
            by_neighbour (Tensor): a column for each of them, shape: [n_neighbours,
                n_asked_users]

        Returns:
            Tensor: ``by_neighbour``
        """
        own = self.neighbour_of_user[users]
        column = torch.nonzero(own >= 0).squeeze(-1)
        by_neighbour[own[column], column] = 0
        return by_neighbour

    def interaction_of(self, user: Tensor, item: Tensor) -> Tensor:
        """Place in ``history`` of interactions that are in it, shape of ``user``."""
        key = user * self.history.n_columns + item
        return torch.searchsorted(self.history_key, key)

    def _users_at_once(self) -> Iterator[Tensor]:
        """All users, in such groups that no more is held at once than need be.

        What the items of a group reach takes some 64 MiB as a dense matrix, and about
        as much each as list of entries.
        """
        pointer = self.items.row_pointer
        n_entries = (pointer[1:] - pointer[:-1])[self.history.column]
        before = F.pad(n_entries.cumsum(0), (1, 0))[self.history.row_pointer]
        n_at_most = max(1, 2**24 // max(1, self.n_neighbours))
        first, n_users = 0, self.history.n_rows
        while first < n_users:
            fits = int(torch.searchsorted(before, before[first] + 2**21, right=True))
            last = min(max(fits - 1, first + 1), first + n_at_most, n_users)
            yield torch.arange(first, last, device=self.value.device)
            first = last

    def held_out_interactions(self, n_relations: int) -> tuple[SparsePattern, Tensor]:
        """How far each interaction follows from the user's others, by relation.

        Of the interaction of u and i, the entry at relation r is the sum, over the
        other items j of u and the neighbours n of relation r, of x_jn x_in. What u
        contributes as a neighbour of both is left out: no walk leads through it to an
        item that u has not met yet.

        Args:
            n_relations (int): number of relations of the graph

        Returns:
            tuple: interactions x relations, and the value of each entry
        """
        row, column, value = [], [], []
        for users in self._users_at_once():
            user, interaction = self.history.entries_of_rows(users)
            item = self.history.column[interaction]
            place, entry = self.items.entries_of_rows(item)
            neighbour, own = self.items.column[entry], self.value[entry]
            cell = neighbour * len(users) + user[place]
            reached = self.value.new_zeros(self.n_neighbours * len(users))
            reached.index_add_(0, cell, own)
            is_self = self.neighbour_of_user[users][user[place]] == neighbour
            share = own * (reached[cell] - own)
            key = interaction[place] * n_relations + self.relation[neighbour]
            found, group = torch.unique(key[~is_self], return_inverse=True)
            total = share.new_zeros(len(found)).index_add(0, group, share[~is_self])
            row.append(torch.div(found, n_relations, rounding_mode="floor"))
            column.append(found % n_relations)
            value.append(total)
        pattern = SparsePattern(
            torch.cat(row), torch.cat(column), self.history.n_entries, n_relations
        )
        return pattern, torch.cat(value)


def join_interactions_and_triples(
    interactions: tuple[Tensor, Tensor],
    triples: Triples,
    n_users: int,
    interaction_relation: int,
) -> Triples:
    """The facts of a CKG: nodes are the users followed by the entities.

    Args:
        interactions (tuple): user and item ids of the *training* interactions, each of
            shape: [n_interactions]; an item is the entity of the same id
        triples (Triples): triples of the knowledge graph, entity ids
        n_users (int): number of users, padding included
        interaction_relation (int): id of the relation ``interact``

    Returns:
        Triples: ``(user, interact, item)`` for each interaction, then the triples, all
        with node ids
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
    """Leave out nodes that link nothing, again and again until none is left.

    A node with fewer than two distinct neighbours lies on no way from one node to
    another; all that a walk can do there is to turn round. In public knowledge graphs
    most entities are of this kind. The first ``n_fixed`` nodes always stay.

    Args:
        facts (Triples): facts with node ids
        n_fixed (int): number of nodes, those of the smallest ids, that always stay

    Returns:
        tuple: the facts among the remaining nodes, which are numbered anew without
        gaps, and the former ids of these nodes, ascending, shape: [n_nodes]
    """
    head, relation, tail = facts
    while True:
        is_link = head != tail
        ends = torch.stack([head, tail])[:, is_link].sort(dim=0).values
        neighbours = torch.unique(ends, dim=1).flatten()
        n_nodes = int(torch.cat([head, tail]).max()) + 1 if len(head) else 0
        dangling = torch.bincount(neighbours, minlength=n_nodes) < 2
        dangling[:n_fixed] = False
        stays = ~(dangling[head] | dangling[tail])
        if bool(stays.all()):
            break
        head, relation, tail = head[stays], relation[stays], tail[stays]
    linking = torch.unique(torch.cat([head, tail]))
    nodes = torch.cat([torch.arange(n_fixed), linking[linking >= n_fixed]])
    renumbered = torch.searchsorted(nodes, torch.stack([head, tail]))
    return Triples(renumbered[0], relation, renumbered[1]), nodes


def _check_range(name: str, ids: Tensor, size: int) -> None:
    if ids.numel() and (int(ids.min()) < 0 or int(ids.max()) >= size):
        raise ValueError(
            f"{name} ids must lie in 0..{size - 1}, "
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
