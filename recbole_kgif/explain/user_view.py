"""One user's scores, explained item by item."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Optional

import numpy as np

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.comparison import difference
from recbole_kgif.explain.explanation_records import (
    Explanation,
    Reason,
    Standing,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.path_graph import Flags, Floats
from recbole_kgif.explain.path_records import (
    Node,
    Path,
    with_hop_totals,
)
from recbole_kgif.explain.reason_records import ReasonRecords, hops_of, score_shares
from recbole_kgif.explain.reason_tree import ScoreTree, score_tree
from recbole_kgif.explain.what_if import scores_without_each
from recbole_kgif.training.candidates import best_items, rank

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

EXACT, BY_ATTENTION = "KGIF", "KGAT"


@dataclass(frozen=True)
class Detail:
    """How much an explanation lists.

    Attributes:
        n_reasons: how many of the user's interactions.
        n_paths: how many paths of each, or of the item where paths are by attention.
        shows_users: whether paths may lead through other users.
    """

    n_reasons: int = 5
    n_paths: int = 5
    shows_users: bool = False


@dataclass(frozen=True, eq=False)
class UserView(ABC):
    """One user's scores, to be explained.

    Attributes:
        explainer: the model beside its data.
        user: number of the user.
        detail: how much to list.
        scores: scores of all items, shape: [n_items]
    """

    explainer: Explainer
    user: int
    detail: Detail
    scores: Floats

    @cached_property
    def ranked(self) -> Flags:
        """Whether each item is ranked, shape: [n_items]."""
        return self.explainer.interactions.candidates(self.user)

    def best(self, k: int) -> list[int]:
        """Numbers of the items that rank best."""
        return best_items(self.scores, self.ranked, k)

    @abstractmethod
    def explanations(self, items: Sequence[int]) -> list[Explanation]:
        """One explanation an item."""

    @abstractmethod
    def comparison(self, item: int, against: int) -> Explanation:
        """One explanation of the difference of two scores."""

    def unexplained(self, item: int) -> Explanation:
        """Score and rank of an item."""
        explainer = self.explainer
        seen_in = None
        if not self.ranked[item]:
            seen_in = explainer.interactions.seen_in(self.user, item)
        return Explanation(
            model=explainer.model_name,
            dataset=explainer.dataset_name,
            user=explainer.names.node(self.user),
            item=explainer.names.node(explainer.method.graph.item_node(item)),
            score=float(self.scores[item]),
            rank=self.rank_of(item, self.scores),
            n_candidates=int(self.ranked.sum()),
            seen_in=seen_in,
        )

    def rank_of(self, item: int, scores: Floats) -> Optional[int]:
        """Rank of an item by some scores; None where it is no candidate."""
        return rank(scores, self.ranked, item) if self.ranked[item] else None


@dataclass(frozen=True, eq=False)
class AttentionView(UserView):
    """One user's scores, explained by paths of the largest attention."""

    def explanations(self, items: Sequence[int]) -> list[Explanation]:
        """One explanation an item."""
        method, graph = self.explainer.method, self.explainer.method.graph
        assert isinstance(method, AttentionGraph)
        records = []
        for item in items:
            found = method.search(self.user, item).varied(self.detail.n_paths)
            paths = [
                Path(
                    hops_of(graph, method.weight, self.explainer.names, path.edges),
                    path.strength,
                )
                for path in found
            ]
            records.append(dataclasses.replace(self.unexplained(item), paths=(*paths,)))
        return records

    def comparison(self, item: int, against: int) -> Explanation:
        """Refused: attention is no part of a score."""
        raise UserError(
            f"against: needs the exact scores of {EXACT}, and "
            f"{self.explainer.model_name} has paths by attention; leave it out"
        )


@dataclass(frozen=True, eq=False)
class ExactView(UserView):
    """One user's scores, explained by reasons that add up to them.

    Attributes:
        score: the model, without the removed interactions.
        removed: edges of these.
    """

    score: LinearScore
    removed: tuple[int, ...]

    def explanations(self, items: Sequence[int]) -> list[Explanation]:
        """One explanation an item."""
        tree = score_tree(self.score, self.user, items)
        strongest = [self._strongest(values) for values in tree.interactions.T]
        without = self._scores_without(strongest)
        return [
            self._explanation(tree, column, item, strongest[column], without)
            for column, item in enumerate(items)
        ]

    def _strongest(self, values: Floats) -> list[int]:
        order = np.argsort(-np.abs(values), kind="stable")[: self.detail.n_reasons]
        return [int(number) for number in order if values[number] != 0]

    def _scores_without(self, strongest: Sequence[Sequence[int]]) -> dict[int, Floats]:
        """Scores of all items without each interaction that is listed."""
        positions = sorted({position for listed in strongest for position in listed})
        scores = scores_without_each(self.score, self.user, positions)
        return dict(zip(positions, scores))

    def _explanation(
        self,
        tree: ScoreTree,
        column: int,
        item: int,
        listed: Sequence[int],
        without: dict[int, Floats],
    ) -> Explanation:
        values = tree.interactions[:, column]
        records = self._records()
        opened = records.open(tree, column, item, listed)
        reasons = [
            Reason(
                item=self._node(int(tree.edges[position])),
                value=float(values[position]),
                parts=tuple(opened.parts[position]),
                rank_without=self.rank_of(item, without[position]),
            )
            for position in sorted(listed, key=lambda n: -abs(values[n]))
        ]
        paths = [path for found in opened.paths.values() for path in found]
        paths.sort(key=lambda path: -abs(path.strength))
        return dataclasses.replace(
            self.unexplained(item),
            paths=with_hop_totals(paths),
            reasons=tuple(reasons),
            n_others=len(values) - len(reasons),
            others=float(np.delete(values, list(listed)).sum()),
            shares=tuple(score_shares(self.score, tree, column)),
            removed=tuple(map(self._node, self.removed)),
            before=self._before(item),
        )

    def comparison(self, item: int, against: int) -> Explanation:
        """One explanation of the difference of two scores."""
        tree = score_tree(self.score, self.user, [item, against])
        values = tree.interactions
        listed = self._strongest(values[:, 0] - values[:, 1])
        without = self._scores_without([listed])
        first = self._explanation(tree, 0, item, listed, without)
        second = self._explanation(tree, 1, against, listed, without)
        return difference(first, second)

    def _records(self) -> ReasonRecords:
        detail, names = self.detail, self.explainer.names
        return ReasonRecords(
            self.score, names, self.user, detail.n_paths, detail.shows_users
        )

    def _node(self, edge: int) -> Node:
        return self.explainer.names.node(int(self.score.graph.tail[edge]))

    @cached_property
    def _scores_before(self) -> Floats:
        """Scores of all items with the removed interactions, shape: [n_items]."""
        return self.explainer.scores(self.user)

    def _before(self, item: int) -> Optional[Standing]:
        if not self.removed:
            return None
        scores = self._scores_before
        node = self.explainer.names.node(self.score.graph.item_node(item))
        return Standing(node, float(scores[item]), self.rank_of(item, scores))
