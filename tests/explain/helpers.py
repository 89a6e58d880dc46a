"""Small graphs with random numbers, and every walk of them by brute force."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Optional

import numpy as np
from scipy.sparse import csr_matrix

from recbole_kgif.explain.linear_score import DirectWalks, LinearScore, LongerWalks
from recbole_kgif.explain.path_graph import Graph, both_directions
from recbole_kgif.explain.score_decomposition import cosine_scale
from recbole_kgif.model.kgif import SpectralFilter

N_USERS, N_ITEMS, N_RELATIONS = 3, 4, 3


def random_score(
    seed: int,
    *,
    n_layers: int = 2,
    has_walks: bool = True,
    n_entities: int = 3,
    density: float = 0.5,
    cosine_weight: float = 2.0,
    equal_weights: bool = False,
) -> LinearScore:
    """A model on a graph with parallel edges, self loops and isolated nodes."""
    random = np.random.default_rng(seed)
    n_nodes = N_USERS + N_ITEMS + n_entities
    facts = [
        (user, N_RELATIONS - 1, N_USERS + item)
        for user, item in itertools.product(range(N_USERS), range(N_ITEMS))
        if random.random() < density
    ]
    things = range(N_USERS, n_nodes)
    facts += [
        (head, relation, tail)
        for head, relation, tail in itertools.product(
            things, range(N_RELATIONS - 1), things
        )
        if random.random() < density / 3
    ]
    if density:
        loop_and_parallel = [(N_USERS, 0, N_USERS)]
        loop_and_parallel += [(N_USERS + 1, r, n_nodes - 1) for r in range(2)]
        facts += loop_and_parallel
    columns = np.array(facts, dtype=np.int64).reshape(-1, 3).T
    graph = Graph(
        *both_directions(*columns, N_RELATIONS),
        n_users=N_USERS,
        n_items=N_ITEMS,
        n_nodes=n_nodes,
        n_relations=N_RELATIONS,
    )
    weight = random.uniform(0.05, 0.9, graph.n_edges)
    if equal_weights:
        weight[:] = 0.25
    embedding = random.normal(size=(n_nodes, 1 if equal_weights else 4))
    if equal_weights:
        embedding[:] = 1
    return LinearScore(
        graph=graph,
        weight=weight,
        embedding=embedding,
        n_layers=n_layers,
        cosine_weight=cosine_weight,
        item_bias=random.normal(size=N_ITEMS),
        walks=_direct_walks(graph, random) if has_walks else None,
    )


def _direct_walks(graph: Graph, random: Any) -> DirectWalks:
    is_item = (graph.head >= graph.n_users) & (
        graph.head < graph.n_users + graph.n_items
    )
    is_shared = is_item & (random.random(graph.n_edges) < 0.8)
    relation_weight = random.uniform(0.5, 2, 2 * graph.n_relations)
    return DirectWalks(
        user_factor=random.uniform(0.3, 1, graph.n_users),
        interaction=(graph.head < graph.n_users).astype(float),
        value=np.where(is_shared, random.random(graph.n_edges), 0.0),
        relation_weight=relation_weight[graph.relation],
        neighbour=np.unique(
            graph.relation * graph.n_nodes + graph.tail, return_inverse=True
        )[1],
    )


def with_longer_walks(score: LinearScore) -> LinearScore:
    """The same score, with a spectral filter of its direct walks."""
    graph, walks = score.graph, score.walks
    assert walks is not None
    edges = np.flatnonzero(walks.value)
    place = (graph.head[edges] - graph.n_users, walks.neighbour[edges])
    weight, node = np.zeros(walks.n_neighbours), np.zeros(walks.n_neighbours, int)
    weight[walks.neighbour] = walks.relation_weight
    node[walks.neighbour] = graph.tail
    longer = LongerWalks(
        items=csr_matrix(
            (walks.value[edges], place), shape=(graph.n_items, walks.n_neighbours)
        ),
        relation_weight=weight,
        node=node,
        spectral_filter=SpectralFilter(0.4, 3.0, (1.25, -0.7, 0.3, -0.05)),
    )
    return replace(score, walks=replace(walks, longer=longer))


def all_walks(
    graph: Graph, source: int, target: int, longest: int
) -> Iterator[list[int]]:
    """Every walk of 1 .. longest edges, as lists of edges, one step at a time."""
    partial: list[list[int]] = [[]]
    for _ in range(longest):
        partial = [
            [*walk, edge]
            for walk in partial
            for edge in range(graph.n_edges)
            if graph.head[edge] == (graph.tail[walk[-1]] if walk else source)
        ]
        yield from (walk for walk in partial if graph.tail[walk[-1]] == target)


def is_path(graph: Graph, walk: list[int]) -> bool:
    """Whether a walk visits no node twice."""
    nodes = [graph.head[walk[0]], *graph.tail[walk]]
    return len(set(nodes)) == len(nodes)


def through_embeddings(
    score: LinearScore, user: int, item: int, walk: list[int]
) -> float:
    """A walk's part of the cosine part, by the definition."""
    graph, total = score.graph, 0.0
    for met in range(len(walk) + 1):
        if met > score.n_layers or len(walk) - met > score.n_layers:
            continue
        forth, back = walk[:met], walk[met:]
        node = graph.tail[forth[-1]] if forth else user
        product = np.prod(score.weight[forth])
        product *= np.prod([score.weight[graph.reverse[edge]] for edge in back])
        total += product * (score.embedding[node] @ score.embedding[node])
    return float(cosine_scale(score, user, item) * total)


def as_direct_walk(score: LinearScore, user: int, walk: list[int]) -> float:
    """A walk's part of the direct walks, by the definition."""
    graph, walks = score.graph, score.walks
    if walks is None or len(walk) != 3:
        return 0.0
    first, second, third = walk
    back = graph.reverse[third]
    if graph.tail[second] == user or graph.relation[back] != graph.relation[second]:
        return 0.0
    return float(
        walks.user_factor[user]
        * walks.interaction[first]
        * walks.value[second]
        * walks.value[back]
        * walks.relation_weight[back]
    )


def contribution(score: LinearScore, user: int, item: int, walk: list[int]) -> float:
    """A walk's part of the score."""
    return through_embeddings(score, user, item, walk) + as_direct_walk(
        score, user, walk
    )


def strongest(
    score: LinearScore, user: int, item: int, longest: int, count: Optional[int] = None
) -> list[tuple[float, tuple[int, ...]]]:
    """Contribution and edges of the strongest paths, by trying all walks."""
    graph = score.graph
    found = [
        (contribution(score, user, item, walk), tuple(walk))
        for walk in all_walks(graph, user, graph.item_node(item), longest)
        if is_path(graph, walk)
    ]
    found = [entry for entry in found if entry[0] != 0]
    return sorted(found, key=lambda entry: (-abs(entry[0]), entry[1]))[:count]
