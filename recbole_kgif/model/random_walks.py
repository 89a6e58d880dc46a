r"""Where random walks from items end: personalised PageRank, seen from its targets."""

from __future__ import annotations

import torch
from torch import Tensor

from .kgif import CollaborativeKnowledgeGraph

# The usual probability of a return to the start, and steps from an item: with that from
# the user to the item, a walk has seven.
RESTART = 0.15
N_STEPS = 6
# Targets whose walks are followed at once: a column of all nodes each.
_CELLS_AT_ONCE = 2**24


def arrivals(
    graph: CollaborativeKnowledgeGraph, n_users: int, n_items: int, targets: Tensor
) -> Tensor:
    """How often a random walk from each item is at each target.

    A walk goes along interactions and triples in both directions, each edge of a node
    being equally likely, and before each step it returns to its start with probability
    `RESTART`. Of a walk from a user, this is what each of the user's interactions
    brings, up to one factor.

    Args:
        graph: the collaborative knowledge graph
        n_users: number of users, padding included
        n_items: number of items, padding included
        targets: numbers of items, shape: [n_targets]

    Returns:
        Probabilities, shape: [n_items, n_targets]
    """
    head, _, tail = graph.triples()
    value = torch.ones(len(head), device=head.device)
    degree = value.new_zeros(graph.n_nodes).index_add(0, head, value)
    step = torch.sparse_coo_tensor(
        torch.stack([head, tail]),
        (1 - RESTART) / degree[head],
        (graph.n_nodes, graph.n_nodes),
        check_invariants=False,
    )
    step = step.coalesce().to_sparse_csr()  # twice as fast
    arrived = value.new_empty(n_items, len(targets))
    n_at_once = max(1, _CELLS_AT_ONCE // graph.n_nodes)
    for first in range(0, len(targets), n_at_once):
        columns = slice(first, first + n_at_once)
        nodes = targets[columns] + n_users
        at_target = value.new_zeros(graph.n_nodes, len(nodes))
        at_target[nodes, torch.arange(len(nodes), device=nodes.device)] = 1
        reached, returned = at_target, RESTART * at_target
        for _ in range(N_STEPS):
            reached = step @ reached + returned
        arrived[:, columns] = reached[n_users : n_users + n_items]
    return arrived
