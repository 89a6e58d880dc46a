"""Recommendations of a trained model, by the ids and names of its data set."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from recbole.utils import ModelType
from tqdm import tqdm

from recbole_kgif.data.names import read_names
from recbole_kgif.errors import UserError
from recbole_kgif.extension.extended_model import MODEL, extend_model
from recbole_kgif.extension.new_facts import facts_of_visitor
from recbole_kgif.training.candidates import Integers
from recbole_kgif.training.restore import Restored
from recbole_kgif.training.trained_model import TrainedModel

# Ids of users or items, or one of them.
Ids = Union[str, int, Iterable[object]]

# Others rank by more than a user: a sequence, or features of a situation.
_RANKING_TYPES = (ModelType.GENERAL, ModelType.KNOWLEDGE, ModelType.TRADITIONAL)
# The unknown user of a list of items, unless the data set has this id.
_VISITOR = "visitor"


class Recommender(TrainedModel):
    """Ranks the items that are new to users.

    New is what a user has not interacted with in the training, the validation or the
    test set. (RecBole's test leaves out the training and validation items alone,
    because it looks for the test items.)

    Args:
        restored: the checkpoint and its data.

    Attributes:
        seen: what each user has interacted with, shape: [n_users, n_items]
        names: names of items by their ids.

    Raises:
        UserError: the model ranks by more than a user.
    """

    def __init__(self, restored: Restored):
        super().__init__(restored)
        if self.config["MODEL_TYPE"] not in _RANKING_TYPES:
            raise UserError(
                f"{self.model_name} ranks by more than a user, such as a "
                "sequence; recommend needs a general or knowledge-aware model"
            )
        self._restored = restored
        self.seen = self.interactions.of_any_set
        self.names = read_names(
            restored.folder / f"{self.dataset_name}.item",
            id_field=self.dataset.iid_field,
            separator=self.config["field_separator"],
        )

    def recommend(self, users: Optional[Ids] = None, k: int = 20) -> pd.DataFrame:
        """Rank the items that are new to users.

        Args:
            users: ids as in the data set, or a single one; None takes all users. Each
                is answered once.
            k: how many items a user gets, or fewer where there are no more.

        Returns:
            One row a user and item: ``user_id``, ``rank`` from 1 on, ``item_id``,
            ``name`` (empty where the data set has none) and ``score``. If some of the
            users are `untrained`, one more column, ``approximate``, is True for them.

        Raises:
            UserError: a user is unknown, or `k` is below 1.
        """
        _require_positive(k)
        asked = self.users if users is None else _distinct(users)
        numbers = np.array(
            [self._number("user", user) for user in asked], dtype=np.int64
        )
        # RecBole's eval_batch_size counts pairs of user and item.
        step = max(1, self.config["eval_batch_size"] // self.dataset.item_num)
        none = np.zeros(0, dtype=np.int64)
        frames = [self._frame(none, none, none.astype(float))]
        # disable=None: no bar where nobody watches, as in a file.
        with tqdm(total=len(numbers), unit="user", disable=None) as bar:
            for start in range(0, len(numbers), step):
                batch = numbers[start : start + step]
                scores = self._scores(batch)
                scores[:, 0] = -torch.inf
                seen = (torch.from_numpy(n) for n in self.seen[batch].nonzero())
                scores[tuple(seen)] = -torch.inf
                rows, columns, values = _best(scores, k)
                frames.append(self._frame(batch[rows], columns, values))
                bar.update(len(batch))
        frame = pd.concat(frames[1:] or frames, ignore_index=True)
        untrained = self.untrained(asked)
        if untrained:
            frame["approximate"] = frame["user_id"].isin(untrained)
        return frame

    @cached_property
    def _scoring_model(self) -> Any:
        """The model; KGIF in double precision."""
        is_doubled = self.model_name == MODEL
        return in_double_precision(self._model) if is_doubled else self._model

    def untrained(self, users: Optional[Ids] = None) -> list[str]:
        """Those of some users who have no training interaction.

        All their interactions are in the validation or the test set, so that the model
        learned nothing of them: what is ranked for them is little but the items' own
        biases and how their embeddings were initialised.

        Args:
            users: as for `recommend`.

        Raises:
            UserError: a user is unknown.
        """
        asked = self.users if users is None else _distinct(users)
        trained = set(self.interactions.users_with_history().tolist())
        return [user for user in asked if self._number("user", user) not in trained]

    def recommend_from_items(self, items: Ids, k: int = 20) -> pd.DataFrame:
        """Rank items for an unknown user, by the items of that user.

        The scores are those of the user in the graph: the model is extended by the
        interactions, in memory and without training.

        Args:
            items: ids as in the data set, or a single one.
            k: how many items to return.

        Returns:
            As `recommend`, with an empty ``user_id``.

        Raises:
            UserError: an item is unknown, none is given, `k` is below 1, or the model
                is not KGIF: others cannot be extended.
        """
        _require_positive(k)
        self._require_kgif("a list of items in place of a user", "give users")
        seen = [self._number("item", item) for item in _distinct(items)]
        if not seen:
            raise UserError("no items are given; name at least one")
        visitor = _VISITOR
        while visitor in self._numbers["user"]:
            visitor += "_"
        facts = facts_of_visitor(visitor, [self.items[number - 1] for number in seen])
        extension = extend_model(self._restored, facts)
        frame = Recommender(extension.restored).recommend(visitor, k)
        names = [self.names.get(item, "") for item in frame["item_id"]]
        return frame.assign(user_id="", name=names)

    def similar_items(self, item: object, k: int = 20) -> pd.DataFrame:
        """The items whose embeddings have the largest cosine with that of an item.

        Returns:
            `rank`, `item_id`, `name` and `cosine` of each of the k best.

        Raises:
            UserError: the item is unknown, `k` is below 1, or the model is not KGIF.
        """
        _require_positive(k)
        self._require_kgif("the similarity of items", f"give a model of {MODEL}")
        number = self._number("item", item)
        with torch.no_grad():
            embeddings = F.normalize(self._model()[1], dim=-1)
            cosines = (embeddings @ embeddings[number])[None]
        cosines[:, [0, number]] = -torch.inf
        _, columns, values = _best(cosines, k)
        frame = self._frame(np.zeros_like(columns), columns, values)
        frame = frame.rename(columns={"score": "cosine"})
        return frame[["rank", "item_id", "name", "cosine"]]

    def _require_kgif(self, what: str, advice: str) -> None:
        if self.model_name != MODEL:
            raise UserError(
                f"{what} works for {MODEL} alone, and this is {self.model_name}; "
                f"{advice}"
            )

    def _frame(
        self, users: Integers, items: Integers, scores: npt.NDArray[Any]
    ) -> pd.DataFrame:
        """Rows with ids and names; each user's items are adjacent, best first."""
        dataset = self.dataset
        item_ids = dataset.field2id_token[dataset.iid_field][items]
        frame = pd.DataFrame(
            {
                "user_id": dataset.field2id_token[dataset.uid_field][users],
                "item_id": item_ids,
                "name": [self.names.get(item, "") for item in item_ids],
                "score": scores,
            }
        )
        ranks = frame.groupby("user_id", sort=False).cumcount() + 1
        frame.insert(1, "rank", ranks)
        return frame


def in_double_precision(model: Any) -> Any:
    """A copy of a trained KGIF that computes in double precision.

    The walks add up terms of opposite signs. In single precision what is left of them
    depends on the order of the sums, and the order of near-equal items with it.

    Args:
        model: the model, ready for evaluation; it stays as it is.
    """
    # Those of the training, for both precisions; they take long to compute.
    new_items = model.new_items
    if float(new_items.weights[0]) > 0:
        _ = new_items.regression
    if float(new_items.weights[1]) > 0:
        _ = new_items.arrivals
    return copy.deepcopy(model).double().eval()


def _best(
    scores: torch.Tensor, k: int
) -> tuple[Integers, Integers, npt.NDArray[np.float64]]:
    """The k best items of each row that may be recommended at all.

    Args:
        scores: minus infinity for what may not, shape: [n_rows, n_items]
        k: how many.

    Returns:
        Row, column and score of each, rows together, best first, ties by column.
    """
    values, columns = scores.sort(dim=1, descending=True, stable=True)
    values, columns = values[:, :k], columns[:, :k]
    allowed = values > -torch.inf
    rows = torch.arange(len(scores), device=scores.device)[:, None].expand_as(columns)
    return (
        rows[allowed].cpu().numpy(),
        columns[allowed].cpu().numpy(),
        values[allowed].cpu().numpy(),
    )


def _distinct(ids: Ids) -> list[str]:
    """Ids as texts, each once; a text or a number is one id."""
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        ids = [ids]
    return list(dict.fromkeys(map(str, ids)))


def _require_positive(k: int) -> None:
    if k < 1:
        raise UserError(f"k={k} must be at least 1")
