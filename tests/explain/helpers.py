"""Small graphs with random numbers, and every walk of them by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.explanation_records import NEW, POPULARITY
from recbole_kgif.explain.linear_score import (
    Bias,
    BorrowedScores,
    LinearScore,
    WalkTerm,
)
from recbole_kgif.explain.path_graph import Floats, Graph, both_directions
from recbole_kgif.model.kgif import SpectralFilter

N_USERS, N_ITEMS, N_RELATIONS = 3, 4, 3


def random_graph(seed: int, *, n_entities: int = 3, density: float = 0.5) -> Graph:
    """A graph with parallel edges, self loops and isolated nodes."""
    random = np.random.default_rng(seed)
    n_nodes = N_USERS + N_ITEMS + n_entities
    facts = [
        (user, N_RELATIONS - 1, N_USERS + item)
        for user, item in itertools.product(range(N_USERS), range(N_ITEMS))
        if random.random() < density
    ]
    things = range(N_USERS, n_nodes - 1)  # the last one stays isolated
    facts += [
        (head, relation, tail)
        for head, relation, tail in itertools.product(
            things, range(N_RELATIONS - 1), things
        )
        if random.random() < density / 3
    ]
    if density:
        facts += [(N_USERS, 0, N_USERS), (0, N_RELATIONS - 1, N_USERS + 1)]
        facts += [(N_USERS + 1, r, n_nodes - 2) for r in range(2)]
    columns = np.array(facts, dtype=np.int64).reshape(-1, 3).T
    return Graph(
        *both_directions(*columns, N_RELATIONS),
        n_users=N_USERS,
        n_items=N_ITEMS,
        n_nodes=n_nodes,
        n_relations=N_RELATIONS,
    )


def random_score(
    seed: int,
    *,
    n_layers: int = 2,
    n_terms: int = 1,
    is_cosine: bool = True,
    density: float = 0.5,
    has_new_item: bool = False,
) -> LinearScore:
    """A model on such a graph, whose items have weights of their own."""
    graph = random_graph(seed, density=density)
    random = np.random.default_rng(seed + 1)
    biases = [Bias(name, random.normal(size=N_ITEMS)) for name in (POPULARITY, NEW)]
    return LinearScore(
        graph=graph,
        weight=random.uniform(0.05, 0.9, graph.n_edges),
        embedding=random.normal(size=(graph.n_nodes, 4)),
        n_layers=n_layers,
        is_cosine=is_cosine,
        similarity_weight=random.uniform(0.5, 3, N_ITEMS),
        walks=tuple(_walk_term(graph, random) for _ in range(n_terms)),
        biases=tuple(biases),
        borrowed=borrowed_scores() if has_new_item else None,
    )


def borrowed_scores() -> BorrowedScores:
    """The last item is new, and gets something by scores and by the user's items."""
    is_new = np.arange(N_ITEMS) == N_ITEMS - 1
    return BorrowedScores(is_new, lambda y, h: borrowed_by_last(y, h)[:, None])


def borrowed_by_last(scores: Floats, history: Floats) -> Floats:
    """A quarter of the others' largest score, and a tenth for each item of the user."""
    part: Floats = 0.25 * scores[..., :-1].max(axis=-1) + 0.1 * history.sum(axis=-1)
    return part


def _walk_term(graph: Graph, random: Any) -> WalkTerm:
    """A term with some of the neighbours of items, sorted as the model sorts them."""
    is_item = (graph.head >= graph.n_users) & (
        graph.head < graph.n_users + graph.n_items
    )
    edges = np.flatnonzero(is_item & (random.random(graph.n_edges) < 0.8))
    key = graph.relation[edges] * graph.n_nodes + graph.tail[edges]
    known, column = np.unique(key, return_inverse=True)
    place = (graph.head[edges] - graph.n_users, column.ravel())
    shape = (graph.n_items, len(known))
    weights = random.uniform(0.5, 2, 2 * graph.n_relations)
    return WalkTerm(
        item_weight=random.uniform(0.2, 2, graph.n_items),
        user_factor=random.uniform(0.3, 1, graph.n_users),
        items=csr_matrix((random.random(len(edges)), place), shape=shape),
        relation=known // graph.n_nodes,
        node=known % graph.n_nodes,
        relation_weight=weights[known // graph.n_nodes],
        spectral_filter=SpectralFilter(0.4, 3.0, (1.25, -0.7, 0.3, -0.05)),
    )


def all_walks(graph: Graph, source: int, longest: int) -> Iterator[list[int]]:
    """Every walk of 1 .. longest edges from a node, one step at a time."""
    partial: list[list[int]] = [[]]
    for _ in range(longest):
        partial = [
            [*walk, edge]
            for walk in partial
            for edge in range(graph.n_edges)
            if graph.head[edge] == (graph.tail[walk[-1]] if walk else source)
        ]
        yield from partial


def is_path(graph: Graph, walk: list[int]) -> bool:
    """Whether a walk visits no node twice."""
    nodes = [graph.head[walk[0]], *graph.tail[walk]]
    return len(set(nodes)) == len(nodes)


def product_scale(score: LinearScore, user: int, item: int) -> float:
    """Factor of each pair of walks, by the definition."""
    graph = score.graph
    matrix = np.zeros((graph.n_nodes, graph.n_nodes))
    np.add.at(matrix, (graph.head, graph.tail), score.weight)
    powers = [np.linalg.matrix_power(matrix, n) for n in range(score.n_layers + 1)]
    z = sum(powers) @ score.embedding / (score.n_layers + 1)
    lengths = 1.0
    if score.is_cosine:
        ends = z[[user, graph.item_node(item)]]
        lengths = np.linalg.norm(ends, axis=1).prod()
    return float(score.similarity_weight[item] / lengths / (score.n_layers + 1) ** 2)


def through_embeddings(score: LinearScore, scale: float, walk: list[int]) -> float:
    """A walk's part of the similarity, by the definition and its `product_scale`."""
    graph, total = score.graph, 0.0
    for met in range(1, len(walk) + 1):
        if met > score.n_layers or len(walk) - met > score.n_layers:
            continue
        forth, back = walk[:met], walk[met:]
        node = graph.tail[forth[-1]]
        product = np.prod(score.weight[forth])
        product *= np.prod([score.weight[graph.reverse[edge]] for edge in back])
        total += product * (score.embedding[node] @ score.embedding[node])
    return float(scale * total)


def as_direct_walk(score: LinearScore, user: int, item: int, walk: list[int]) -> float:
    """A walk's part of the walk terms without their filters, by the definition."""
    if len(walk) != 3:
        return 0.0
    graph, total = score.graph, 0.0
    _, second, third = walk
    back = graph.reverse[third]
    if graph.tail[second] == user or graph.relation[back] != graph.relation[second]:
        return 0.0
    for term in score.walks:
        for n, (relation, node) in enumerate(zip(term.relation, term.node)):
            if (relation, node) != (graph.relation[second], graph.tail[second]):
                continue
            chosen = graph.head[second] - graph.n_users
            value = term.items[chosen, n] * term.items[item, n]
            value *= term.relation_weight[n] * term.user_factor[user]
            total += value * term.item_weight[item]
    return float(total)
