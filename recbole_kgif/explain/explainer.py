"""Explanations of a trained model, by the ids and names of its data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.explain.attention_paths import AttentionGraph
from recbole_kgif.explain.explanation_records import Explanation, UserSummary
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.explain.model_adapters import attention_graph, linear_score
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.explain.path_graph import Floats
from recbole_kgif.explain.reason_tree import score_tree
from recbole_kgif.explain.user_summary import summarise
from recbole_kgif.explain.user_view import (
    BY_ATTENTION,
    EXACT,
    AttentionView,
    Detail,
    ExactView,
    UserView,
)
from recbole_kgif.training.restore import Restored
from recbole_kgif.training.trained_model import TrainedModel


class Explainer(TrainedModel):
    """Explains scores of a trained model, of recommended items and of others.

    A score of KGIF is an exact sum over the user's interactions, the user's own vector
    and the item's biases (`reason_tree`). Paths of KGAT are those of the largest
    attention, which is no contribution, and are marked as not exact.

    Items are ranked as in RecBole's evaluation of the test: without a user's training
    and validation items, and with the test items. (`Recommender` leaves those out too,
    because it looks for what would be new.) Reasons are training interactions and
    triples alone, which is all that the model knows.

    Args:
        restored: the checkpoint and its data.

    Attributes:
        method: the arrays of the model that the explanations are made from.
        names: names of nodes and relations.

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
                f"{self.model_name} has no reasons to show; explain a checkpoint of "
                f"{EXACT}, or of {BY_ATTENTION} for paths by attention"
            )
        self._graph = self.method.graph
        self.names = NodeNames(self, restored.folder, self._graph, original)

    def explain(
        self,
        user: object,
        item: object,
        paths: int = 5,
        *,
        detail: Optional[Detail] = None,
        without: Sequence[object] = (),
    ) -> Explanation:
        """Explain the score of any item for a user, however low it ranks.

        Args:
            user: id as in the data set.
            item: id, or name in any case; an item that the user has seen has no rank.
            paths: how many paths of each reason, or fewer where there are no more.
            detail: how much to list, in place of `paths`.
            without: training items of the user, by id or name, to explain the score
                that the item would have without them.

        Raises:
            UserError: the user or an item is unknown, the user has no training
                interactions, or an item of `without` is none of them.
        """
        view = self._view(user, detail or Detail(n_paths=paths), without)
        return view.explanations([self.item_number(item)])[0]

    def explain_top(
        self,
        user: object,
        k: int = 10,
        paths: int = 5,
        *,
        detail: Optional[Detail] = None,
        without: Sequence[object] = (),
    ) -> list[Explanation]:
        """Explain the items that rank best for a user.

        Args:
            user: id as in the data set.
            k: how many items.
            paths: how many paths of each reason.
            detail: as for `explain`.
            without: as for `explain`.

        Returns:
            One explanation an item, best item first.

        Raises:
            UserError: as for `explain`.
        """
        view = self._view(user, detail or Detail(n_paths=paths), without)
        return view.explanations(view.best(k))

    def compare(
        self,
        user: object,
        item: object,
        against: object,
        *,
        detail: Optional[Detail] = None,
        without: Sequence[object] = (),
    ) -> Explanation:
        """Explain why an item's score differs from that of another item.

        Args:
            user: id as in the data set.
            item: the item to explain, by id or name.
            against: the item to compare it with.
            detail: as for `explain`.
            without: as for `explain`.

        Returns:
            The reasons add up to the difference of the two scores.

        Raises:
            UserError: as for `explain`, or the two items are the same.
        """
        numbers = self.item_number(item), self.item_number(against)
        if numbers[0] == numbers[1]:
            raise UserError(
                f"item {shown(str(against))} cannot be compared with itself; name "
                "another item"
            )
        return self._view(user, detail or Detail(), without).comparison(*numbers)

    def summarise(
        self,
        user: object,
        k: int = 10,
        *,
        detail: Optional[Detail] = None,
        without: Sequence[object] = (),
    ) -> Optional[UserSummary]:
        """What drives the best items of a user together; None without exact parts.

        Args:
            user: id as in the data set.
            k: how many items.
            detail: as for `explain`.
            without: as for `explain`.
        """
        if not isinstance(self.method, LinearScore):
            return None
        view = self._view(user, detail or Detail(), without)
        assert isinstance(view, ExactView)
        items = view.best(k)
        tree = score_tree(view.score, view.user, items)
        n_reasons = view.detail.n_reasons
        return summarise(view.score, self.names, view.user, items, tree, n_reasons)

    def scores(self, user: int) -> Floats:
        """The model's own scores of all items, by the number of the user."""
        scores: Floats = self._scores(np.array([user]))[0].double().cpu().numpy()
        return scores

    def item_number(self, item: object) -> int:
        """Number of an item by its id, or by its name in any case.

        Raises:
            UserError: there is no such item, or several; the nearest are named.
        """
        text = str(item)
        if text in self._numbers["item"]:
            return self._numbers["item"][text]
        token = self.names.item_named(text)
        if token is not None:
            return self._numbers["item"][token]
        near = self.names.nearest_items(text)
        if near:
            raise UserError(
                f"item {shown(text)} is not in {self.dataset_name}, by id or by name; "
                f"the nearest are {', '.join(near)}"
            )
        return self._number("item", text)

    def _view(
        self, user: object, detail: Detail, without: Sequence[object]
    ) -> UserView:
        number = self._number("user", user)
        if not len(self.interactions.history(number)):
            raise UserError(
                f"user {user} has no training interactions, so there is no reason to "
                "show; give a user with a history"
            )
        if isinstance(self.method, AttentionGraph):
            if without:
                raise UserError(
                    f"without: needs the exact scores of {EXACT}, and "
                    f"{self.model_name} has paths by attention; leave it out"
                )
            return AttentionView(self, number, detail, self.scores(number))
        return self._exact_view(number, detail, without)

    def _exact_view(
        self, user: int, detail: Detail, without: Sequence[object]
    ) -> ExactView:
        assert isinstance(self.method, LinearScore)
        edges = self._interactions(user, without)
        score = self.method.without(edges) if edges else self.method
        scores = score.scores(user) if edges else self.scores(user)
        return ExactView(self, user, detail, scores, score, tuple(edges))

    def _interactions(self, user: int, items: Sequence[object]) -> list[int]:
        """Edges from a user to some of its training items."""
        edges = self._graph.edges_of(user)
        by_item = dict(zip((self._graph.tail[edges]).tolist(), edges.tolist()))
        found = []
        for item in items:
            node = self._graph.item_node(self.item_number(item))
            if node not in by_item:
                raise UserError(
                    f"item {shown(str(item))} is not in the training set of this user, "
                    "so the score does not depend on it; name one that is"
                )
            found.append(by_item[node])
        return list(dict.fromkeys(found))
