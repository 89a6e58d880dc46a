"""Explanations of a trained model, by the ids and names of its data set."""

from __future__ import annotations

from typing import Optional, Union

import numpy as np

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.contribution_paths import contribution_search
from recbole_kgif.explain.explanation_records import (
    Decomposition,
    Evidence,
    Explanation,
    Hop,
    Part,
    Path,
    with_hop_totals,
)
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.model_adapters import attention_graph, linear_score
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.explain.path_graph import Floats
from recbole_kgif.explain.path_search import FoundPath
from recbole_kgif.explain.score_decomposition import decompose, walks_by_first_edge
from recbole_kgif.training.candidates import best_items, rank
from recbole_kgif.training.restore import Restored
from recbole_kgif.training.trained_model import TrainedModel

EXACT, BY_ATTENTION = "KGIF", "KGAT"


class Explainer(TrainedModel):
    """Explains scores of a trained model, of recommended items and of others.

    Paths of KGIF have their exact contributions to the score; see `linear_score`. Paths
    of KGAT are those of the largest attention, which is no contribution, and are marked
    as not exact.

    The paths listed begin with different interactions, as far as these have paths of
    some strength (`PathSearch.varied`), so that five paths are five reasons and
    not one in five variations. Paths not listed count among all other walks.

    Items are ranked as in RecBole's evaluation of the test: without a user's training
    and validation items, and with the test items. (`Recommender` leaves those out too,
    because it looks for what would be new.) Paths consist of training interactions and
    triples alone, which is all that the model knows.

    Args:
        restored: the checkpoint and its data.

    Attributes:
        method: the arrays of the model that the explanations are made from.

    Raises:
        UserError: the model is neither KGIF with linear propagation nor KGAT.
    """

    method: Union[LinearScore, AttentionGraph]

    def __init__(self, restored: Restored):
        super().__init__(restored)
        if self.model_name == EXACT:
            self.method = linear_score(restored.model)
            original = restored.model.graph_nodes.cpu().numpy()
        elif self.model_name == BY_ATTENTION:
            self.method = attention_graph(restored.model)
            original = np.arange(self.method.graph.n_nodes)
        else:
            raise UserError(
                f"{self.model_name} has no paths to show; explain a checkpoint of "
                f"{EXACT}, or of {BY_ATTENTION} for paths by attention"
            )
        self._graph = self.method.graph
        self._names = NodeNames(self, restored.folder, self._graph, original)

    def explain(self, user: object, item: object, paths: int = 5) -> Explanation:
        """Explain the score of any item for a user, however low it ranks.

        Args:
            user: id as in the data set.
            item: likewise; one that the user has seen has no rank.
            paths: how many paths, or fewer where there are no more.

        Returns:
            The explanation; without paths where none leads to the item.

        Raises:
            UserError: the user or the item is unknown, or the user has no training
                interactions.
        """
        numbers = self._user(user), self._number("item", item)
        return self._explain(numbers[0], [numbers[1]], paths)[0]

    def explain_top(
        self, user: object, k: int = 10, paths: int = 5
    ) -> list[Explanation]:
        """Explain the items that rank best for a user.

        Args:
            user: id as in the data set.
            k: how many items.
            paths: how many paths an item.

        Returns:
            One explanation an item, best item first.

        Raises:
            UserError: the user is unknown, or has no training interactions.
        """
        number = self._user(user)
        candidates = self.interactions.candidates(number)
        return self._explain(
            number, best_items(self.scores(number), candidates, k), paths
        )

    def scores(self, user: int) -> Floats:
        """The model's own scores of all items, by the number of the user."""
        scores: Floats = self._scores(np.array([user]))[0].double().cpu().numpy()
        return scores

    def _user(self, user: object) -> int:
        number = self._number("user", user)
        if not len(self.interactions.history(number)):
            raise UserError(
                f"user {user} has no training interactions, so no path begins there; "
                "give a user with a history"
            )
        return number

    def _explain(self, user: int, items: list[int], n_paths: int) -> list[Explanation]:
        scores = self.scores(user)
        ranked = self.interactions.candidates(user)
        parts: list[Optional[Decomposition]] = [None] * len(items)
        if isinstance(self.method, LinearScore):
            parts = [*decompose(self.method, user, items)]
        return [
            Explanation(
                model=self.model_name,
                dataset=self.dataset_name,
                user=self._names.node(user),
                item=self._names.node(self._graph.item_node(item)),
                score=float(scores[item]),
                rank=rank(scores, ranked, item) if ranked[item] else None,
                n_candidates=int(ranked.sum()),
                seen_in=self.interactions.seen_in(user, item),
                paths=self._paths(user, item, n_paths),
                decomposition=decomposition,
                evidence=self._evidence(user, item, n_paths),
            )
            for item, decomposition in zip(items, parts)
        ]

    def _paths(self, user: int, item: int, count: int) -> tuple[Path, ...]:
        if isinstance(self.method, AttentionGraph):
            found = self.method.search(user, item).varied(count)
            return tuple(Path(self._hops(path), path.strength) for path in found)
        found = contribution_search(self.method, user, item).varied(count)
        return with_hop_totals([self._exact_path(path) for path in found])

    def _exact_path(self, found: FoundPath) -> Path:
        hops = self._hops(found)
        attention = float(np.prod([hop.attention for hop in hops]))
        parts = tuple(Part(met_after, value) for met_after, value in found.parts)
        return Path(hops, attention, found.strength, parts)

    def _hops(self, found: FoundPath) -> tuple[Hop, ...]:
        graph, hops = self._graph, []
        for edge in found.edges:
            relation, is_inverse = self._names.relation(int(graph.relation[edge]))
            hops.append(
                Hop(
                    source=self._names.node(int(graph.head[edge])),
                    relation=relation,
                    inverse=is_inverse,
                    target=self._names.node(int(graph.tail[edge])),
                    attention=float(self.method.weight[edge]),
                )
            )
        return tuple(hops)

    def _evidence(self, user: int, item: int, count: int) -> tuple[Evidence, ...]:
        """The user's items of the largest absolute sums of walks."""
        if not isinstance(self.method, LinearScore):
            return ()
        totals = walks_by_first_edge(self.method, user, item)
        first = self._graph.first[user]
        strongest = np.argsort(-np.abs(totals), kind="stable")[:count]
        return tuple(
            Evidence(
                self._names.node(int(self._graph.tail[first + place])),
                float(totals[place]),
            )
            for place in strongest
            if totals[place] != 0
        )
