"""The numbers of a tree of reasons as records, with the names of the data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from recbole_kgif.explain.explanation_records import (
    BORROWED,
    FACT,
    FILTER,
    ITSELF,
    LINK,
    LONGER,
    OWN,
    PEOPLE,
    TASTE,
    Part,
    Relation,
    ScoreShare,
    Share,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.explain.path_graph import Flags, Floats, Graph, Integers
from recbole_kgif.explain.path_records import (
    Hop,
    Path,
)
from recbole_kgif.explain.reason_tree import (
    NO_EDGE,
    ScoreTree,
    ShortWalks,
    itself_value,
    short_walks,
)

# Facts of one interaction that are listed by their relation; the rest are one part.
_LISTED_RELATIONS = 6
# Entities that a fact lists.
_LISTED_ENTITIES = 3
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Opened:
    """Interactions of a user and what they are made of, for one item.

    Attributes:
        parts: of each position the parts, largest first.
        paths: of each position the strongest paths.
    """

    parts: dict[int, list[Part]]
    paths: dict[int, list[Path]]


@dataclass(frozen=True, eq=False)
class ReasonRecords:
    """Makes records of the interactions of one user.

    Attributes:
        score: the model.
        names: names of nodes and relations.
        user: number of the user.
        n_paths: how many paths of an interaction.
        shows_users: whether paths lead through other users.
    """

    score: LinearScore
    names: NodeNames
    user: int
    n_paths: int = 0
    shows_users: bool = False

    @property
    def _graph(self) -> Graph:
        return self.score.graph

    def open(
        self, tree: ScoreTree, column: int, item: int, positions: Sequence[int]
    ) -> Opened:
        """Find what some interactions are made of.

        Args:
            tree: the numbers.
            column: position of the item in the tree.
            item: number of the item.
            positions: the interactions.
        """
        walks = short_walks(self.score, self.user, item, positions)
        opened = Opened({}, {})
        for position in positions:
            edge = int(tree.edges[position])
            through = walks.at(position)
            named = self._short_parts(through, edge, item)
            itself = itself_value(self.score, self.user, item, edge)
            shown = through.similarity.sum() + itself
            rest = {
                ITSELF: itself,
                LONGER: tree.connected[position, column] - shown,
                TASTE: tree.taste[position, column],
                FILTER: tree.filtered[position, column],
            }
            named += [Part(kind, float(value)) for kind, value in rest.items()]
            opened.parts[position] = ordered(named)
            opened.paths[position] = self._paths(through, edge)
        return opened

    def _short_parts(self, walks: ShortWalks, edge: int, item: int) -> list[Part]:
        middle, value = self._graph.tail[walks.second], walks.value
        is_link = walks.third == NO_EDGE
        is_person = ~is_link & (middle < self._graph.n_users)
        parts = [
            Part(
                LINK,
                float(value[is_link & (walks.second == link)].sum()),
                relations=(self._relation(int(link)),),
                n_nodes=1,
            )
            for link in np.unique(walks.second[is_link])
        ]
        people = len(np.unique(middle[is_person]))
        if people:
            parts.append(Part(PEOPLE, float(value[is_person].sum()), n_nodes=people))
        return parts + self._facts(walks, ~is_link & ~is_person, edge, item)

    def _facts(
        self, walks: ShortWalks, is_fact: Flags, edge: int, item: int
    ) -> list[Part]:
        graph = self._graph
        back = graph.reverse[walks.third]
        pairs = graph.relation[walks.second] * 2 * graph.n_relations
        pairs = np.where(is_fact, pairs + graph.relation[back], -1)
        sums = [
            (float(walks.value[pairs == pair].sum()), pair)
            for pair in np.unique(pairs[is_fact])
        ]
        sums.sort(key=lambda entry: -abs(entry[0]))
        parts = []
        for _, pair in sums[:_LISTED_RELATIONS]:
            chosen = np.flatnonzero(pairs == pair)
            parts.append(self._fact(walks, chosen, edge, item))
        rest = np.isin(pairs, [pair for _, pair in sums[_LISTED_RELATIONS:]])
        if rest.any():
            n_nodes = len(np.unique(graph.tail[walks.second[rest]]))
            parts.append(Part(FACT, float(walks.value[rest].sum()), n_nodes=n_nodes))
        return parts

    def _fact(self, walks: ShortWalks, chosen: Integers, edge: int, item: int) -> Part:
        """The facts of one relation of the user's item, and one of the explained."""
        graph = self._graph
        second = int(walks.second[chosen[0]])
        back = int(graph.reverse[walks.third[chosen[0]]])
        relations = dict.fromkeys((self._relation(second), self._relation(back)))
        nodes, place = np.unique(graph.tail[walks.second[chosen]], return_inverse=True)
        values = np.bincount(place.ravel(), walks.value[chosen])
        but = (int(graph.tail[edge]), graph.item_node(item))
        shares = []
        for number in np.argsort(-np.abs(values), kind="stable")[:_LISTED_ENTITIES]:
            node = int(nodes[number])
            relation = int(graph.relation[second])
            others, n_others = self.names.joined_items(node, relation, but)
            shares.append(
                Share(
                    self.names.node(node, but), float(values[number]), others, n_others
                )
            )
        return Part(
            FACT, float(values.sum()), tuple(relations), len(nodes), tuple(shares)
        )

    def _relation(self, edge: int) -> Relation:
        return Relation(*self.names.relation(int(self._graph.relation[edge])))

    def _paths(self, walks: ShortWalks, edge: int) -> list[Path]:
        """The strongest short walks of an interaction that visit no node twice."""
        graph, first = self._graph, int(self._graph.tail[edge])
        middle, has_third = graph.tail[walks.second], walks.third != NO_EDGE
        last = np.where(has_third, graph.tail[walks.third], middle)
        is_path = (middle != first) & (last != first) & ((last != middle) | ~has_third)
        if not self.shows_users:
            is_path &= middle >= graph.n_users
        listed = np.flatnonzero(is_path)
        order = np.argsort(-np.abs(walks.value[listed]), kind="stable")
        paths = []
        for number in listed[order[: self.n_paths]].tolist():
            edges = [edge, int(walks.second[number]), int(walks.third[number])]
            hops = self.hops(each for each in edges if each != NO_EDGE)
            attention = float(np.prod([hop.attention for hop in hops]))
            paths.append(Path(hops, attention, float(walks.value[number])))
        return paths

    def hops(self, edges: Iterable[int]) -> tuple[Hop, ...]:
        """The edges of a path as records."""
        return hops_of(self._graph, self.score.weight, self.names, edges)


def hops_of(
    graph: Graph, weight: Floats, names: NodeNames, edges: Iterable[int]
) -> tuple[Hop, ...]:
    """The edges of a path as records.

    Args:
        graph: the graph.
        weight: attention of each edge.
        names: names of nodes and relations.
        edges: the path's edges.
    """
    numbers = list(edges)
    ends = {int(graph.tail[numbers[0]]), int(graph.tail[numbers[-1]])}
    hops = []
    for edge in numbers:
        relation, is_inverse = names.relation(int(graph.relation[edge]))
        hops.append(
            Hop(
                source=names.node(int(graph.head[edge]), ends),
                relation=relation,
                inverse=is_inverse,
                target=names.node(int(graph.tail[edge]), ends),
                attention=float(weight[edge]),
            )
        )
    return tuple(hops)


def ordered(parts: Iterable[Part]) -> list[Part]:
    """Parts without those that are zero, largest first."""
    kept = [part for part in parts if abs(part.value) > _ROUNDING]
    return sorted(kept, key=lambda part: -abs(part.value))


def score_shares(score: LinearScore, tree: ScoreTree, column: int) -> list[ScoreShare]:
    """The parts of a score that belong to no interaction, the user's own one first."""
    shares = [ScoreShare(OWN, float(tree.own[column]))]
    for bias, values in zip(score.biases, tree.biases):
        share = ScoreShare(bias.name, float(values[column]))
        if share.value or bias is score.biases[0]:
            shares.append(share)
    if tree.borrowed[column]:
        shares.append(ScoreShare(BORROWED, float(tree.borrowed[column])))
    return shares
