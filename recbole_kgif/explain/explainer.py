"""Explanations of a trained model, by the ids and names of its data set."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Union

import numpy as np
import torch
from recbole.data.interaction import Interaction

from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph, attention_paths
from recbole_kgif.explain.contribution_paths import exact_paths, met_after
from recbole_kgif.explain.explanation_records import (
    Evidence,
    Explanation,
    Hop,
    Part,
    Shares,
    with_hop_totals,
)
from recbole_kgif.explain.explanation_records import Path as PathRecord
from recbole_kgif.explain.kgat import attention_graph
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.model_adapters import linear_score
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.explain.path_graph import Floats, Graph
from recbole_kgif.explain.path_search import FoundPath
from recbole_kgif.explain.score_decomposition import shares, walks_by_first_edge
from recbole_kgif.recommend import number_of
from recbole_kgif.trained_model import Candidates, best_items, rank
from recbole_kgif.training.checkpoint import Restored, restore

EXACT, BY_ATTENTION = "KGIF", "KGAT"


class Explainer:
    """Explains what a trained model recommends, or does not.

    Of KGIF each path has its exact share of the score; see `linear`. Of KGAT the paths
    are those of the largest attention, which is no share, and marked as not exact.

    The paths listed begin with different interactions, as far as these have paths of
    some strength (`search.varied_paths`), so that five paths are five reasons and not
    one in five variations. Those that are not listed count among all other walks.

    Items are ranked as RecBole's evaluation ranks them for the test: a user's training
    and validation items are left out, and test items are not. (`Recommender` leaves
    those out too, because it looks for what would be new.) Paths run through training
    interactions and triples alone, which is all that the model knows.

    Attributes:
        model_name: the model's name.
        dataset_name: the data set's name.
        users: ids of all users, in the data set's order.
        items: ids of all items, likewise.
        candidates: which items are ranked for whom.
        method: the numbers of the model that the explanations are made from.
    """

    def __init__(self, restored: Restored):
        """Take a restored checkpoint.

        Raises:
            UserError: the model is neither KGIF with linear propagation nor KGAT.
        """
        self._model = restored.model
        self._dataset = restored.data.dataset
        self.model_name = str(restored.config["model"])
        self.dataset_name = str(restored.config["dataset"])
        self.method: Union[LinearScore, AttentionGraph]
        if self.model_name == EXACT:
            self.method = linear_score(self._model)
            former = self._model.graph_nodes.cpu().numpy()
        elif self.model_name == BY_ATTENTION:
            self.method = attention_graph(self._model)
            former = np.arange(self.method.graph.n_nodes)
        else:
            raise UserError(
                f"{self.model_name} has no paths to show; explain a checkpoint of "
                f"{EXACT}, or of {BY_ATTENTION} for paths by attention"
            )
        self.candidates = Candidates(restored.data)
        self._names = NodeNames(
            self._dataset,
            self.dataset_name,
            restored.folder,
            restored.config["field_separator"],
            self._graph,
            former,
        )
        # Number 0 is RecBole's padding.
        self.users, self.items = (
            [str(token) for token in self._dataset.field2id_token[field][1:]]
            for field in (self._dataset.uid_field, self._dataset.iid_field)
        )
        self._numbers = {
            "user": {user: n for n, user in enumerate(self.users, start=1)},
            "item": {item: n for n, item in enumerate(self.items, start=1)},
        }

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        *,
        data_path: Optional[Path] = None,
        source: Optional[Path] = None,
        trust: bool = False,
    ) -> Explainer:
        """Read a checkpoint and the data set that it was trained on.

        Args:
            path: the ``model.pth`` of a run.
            data_path: folder of the prepared data sets; None takes ``dataset``.
            source: folder with the raw or prepared files of the data set.
            trust: whether to read also a checkpoint of RecBole's own, which runs what
                its author put in.

        Raises:
            UserError: see `checkpoint.restore`, or the model has no explanations.
        """
        return cls(restore(Path(path), data_path=data_path, source=source, trust=trust))

    @property
    def _graph(self) -> Graph:
        return self.method.graph

    def explain(self, user: object, item: object, paths: int = 5) -> Explanation:
        """Explain the score of any item for a user, however low it ranks.

        Args:
            user: id as in the data set.
            item: likewise; one that the user has met already has no rank.
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
        scores = self.scores(number)
        best = best_items(scores, self.candidates.of(number), k)
        return self._explain(number, best, paths)

    def scores(self, user: int) -> Floats:
        """The model's own scores of all items, by the number of the user."""
        asked = Interaction({self._dataset.uid_field: torch.tensor([user])})
        with torch.no_grad():
            found = self._model.full_sort_predict(asked.to(self._model.device))
        doubles: Floats = found.view(-1).double().cpu().numpy()
        return doubles

    def _user(self, user: object) -> int:
        number = self._number("user", user)
        if not len(self.candidates.history(number)):
            raise UserError(
                f"user {user} has no training interactions, so no path begins there; "
                "give a user with a history"
            )
        return number

    def _number(self, kind: str, token: object) -> int:
        known = self._numbers[kind]
        return number_of(kind, known, str(token), self.dataset_name)

    def _explain(self, user: int, items: list[int], n_paths: int) -> list[Explanation]:
        scores = self.scores(user)
        ranked = self.candidates.of(user)
        parts: list[Optional[Shares]] = [None] * len(items)
        if isinstance(self.method, LinearScore):
            parts = [*shares(self.method, user, items)]
        return [
            Explanation(
                model=self.model_name,
                dataset=self.dataset_name,
                user=self._names.node(user),
                item=self._names.node(self._graph.item_node(item)),
                score=float(scores[item]),
                rank=rank(scores, ranked, item) if ranked[item] else None,
                n_candidates=int(ranked.sum()),
                met_in=self.candidates.met_in(user, item),
                paths=self._paths(user, item, n_paths),
                shares=share,
                evidence=self._evidence(user, item, n_paths),
            )
            for item, share in zip(items, parts)
        ]

    def _paths(self, user: int, item: int, count: int) -> tuple[PathRecord, ...]:
        if isinstance(self.method, LinearScore):
            exact = exact_paths(self.method, user, item, count, varied=True)
            return with_hop_totals([self._exact_record(found) for found in exact])
        found = attention_paths(self.method, user, item, count, varied=True)
        return tuple(
            PathRecord(hops=self._hops(path), attention=path.strength) for path in found
        )

    def _exact_record(self, found: FoundPath) -> PathRecord:
        hops = self._hops(found)
        return PathRecord(
            hops=hops,
            attention=float(np.prod([hop.attention for hop in hops])),
            contribution=found.strength,
            parts=tuple(Part(met_after(name), value) for name, value in found.parts),
        )

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
        """The items of the user that all walks together speak for most."""
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
