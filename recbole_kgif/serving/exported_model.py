"""A trained model, read from its export: ranked items by ids, without PyTorch."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from recbole_kgif.common.files import AnyPath
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.serving.export_files import (
    ITEMS,
    USERS,
    read_manifest,
    read_table,
    read_tensor_file,
    require_libraries,
)
from recbole_kgif.serving.exported_scores import (
    Floats,
    Integers,
    ItemScores,
    ScoreForm,
    best,
    normalised,
)
from recbole_kgif.serving.exported_users import ExportedUsers

# About 64 MiB of scores at a time.
_CELLS = 2**23


class ExportedModel:
    """The model of an export.

    Args:
        folder: the folder that `export` has written.

    Attributes:
        manifest: what ``manifest.json`` holds.
        tensors: all arrays, by their names.
        user_ids: ids of all users.
        item_ids: ids of all items.
        names: name of each item, empty where it has none.
        items: what scores are made of.
        users: vectors and interactions of the users.

    Raises:
        UserError: there is no export, it is damaged, or a library is missing.
    """

    def __init__(self, folder: AnyPath):
        require_libraries("pyarrow", "safetensors")
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.tensors = read_tensor_file(self.folder)
        self.form = _form(self.folder, self.manifest)
        self.users = ExportedUsers.of(self.tensors)
        self.items = ItemScores.of(
            self.form, self.tensors, self.manifest["counts"]["neighbours"]
        )
        items = read_table(self.folder, ITEMS, ["item_id", "name"])
        self.item_ids: list[str] = items["item_id"].to_pylist()
        self.names: list[str] = items["name"].to_pylist()
        users = read_table(self.folder, USERS, ["user_id"])
        self.user_ids: list[str] = users["user_id"].to_pylist()
        self._rows = {
            kind: {token: row for row, token in enumerate(tokens)}
            for kind, tokens in (("user", self.user_ids), ("item", self.item_ids))
        }

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.manifest["dataset"])

    def row(self, kind: str, token: object) -> int:
        """Row of a user or an item.

        Args:
            kind: "user" or "item".
            token: the id.

        Raises:
            UserError: there is none; the nearest ids are named.
        """
        rows = self._rows[kind]
        if str(token) in rows:
            return rows[str(token)]
        near = difflib.get_close_matches(str(token), rows, n=3)
        advice = f"the nearest {kind}s are {', '.join(near)}"
        if not near:
            advice = f"its {kind}s are such as {', '.join(list(rows)[:3])}"
        raise UserError(
            f"{kind} {shown(str(token))} is not in {self.dataset}; {advice}"
        )

    def has_history(self, user: int) -> bool:
        """Whether a user has training interactions."""
        return len(self.users.history.of(user)) > 0

    def ranked(self, users: Integers, k: int) -> Iterator[tuple[Integers, Floats]]:
        """The best new items of users.

        Args:
            users: rows of the users.
            k: how many items.

        Yields:
            For each user the rows of items, best first, ties by row, and their scores.
        """
        step = max(1, _CELLS // max(1, len(self.item_ids)))
        for start in range(0, len(users), step):
            batch = users[start : start + step]
            for scores in self.users.ranked_scores(self.items, batch):
                items = best(scores, k)
                yield items, scores[items]

    def recommend(
        self, users: Optional[Iterable[object]] = None, k: int = 20
    ) -> pd.DataFrame:
        """Rank the items that are new to users.

        Args:
            users: ids; None takes all users.
            k: how many items a user gets, or fewer where there are no more.

        Returns:
            The same table as `Recommender.recommend`: ``user_id``, ``rank``,
            ``item_id``, ``name`` and ``score``, and ``approximate`` where some users
            have no training interactions.

        Raises:
            UserError: a user is unknown.
        """
        rows = np.arange(len(self.user_ids))
        if users is not None:
            asked = dict.fromkeys(map(str, users))
            rows = np.array([self.row("user", user) for user in asked], dtype=np.int64)
        found = list(self.ranked(rows, k))
        frame = self._frame(rows, found)
        has_history = {row: self.has_history(row) for row in rows.tolist()}
        if not all(has_history.values()):
            frame["approximate"] = np.repeat(
                [not has_history[row] for row in rows.tolist()],
                [len(items) for items, _ in found],
            )
        return frame

    def _frame(
        self, users: Integers, found: Sequence[tuple[Integers, Floats]]
    ) -> pd.DataFrame:
        lengths = [len(items) for items, _ in found]
        none = np.zeros(0, dtype=np.int64)
        items = np.concatenate([none, *(items for items, _ in found)])
        scores = np.concatenate([none.astype(float), *(each for _, each in found)])
        ranks = np.concatenate([none, *(np.arange(1, n + 1) for n in lengths)])
        return pd.DataFrame(
            {
                "user_id": self._user_ids[np.repeat(users, lengths)],
                "rank": ranks,
                "item_id": self._item_ids[items],
                "name": self._names[items],
                "score": scores,
            }
        )

    @cached_property
    def _user_ids(self) -> npt.NDArray[Any]:
        return np.array(self.user_ids, dtype=object)

    @cached_property
    def _item_ids(self) -> npt.NDArray[Any]:
        return np.array(self.item_ids, dtype=object)

    @cached_property
    def _names(self) -> npt.NDArray[Any]:
        return np.array(self.names, dtype=object)

    def similar_items(self, item: int, k: int) -> tuple[Integers, Floats]:
        """The items whose vectors have the largest cosine with that of an item.

        Args:
            item: its row.
            k: how many.

        Returns:
            Rows, most similar first, ties by row, and cosines.
        """
        cosines = self._directions @ self._directions[item]
        cosines[item] = -np.inf
        rows = best(cosines, k)
        return rows, cosines[rows]

    @cached_property
    def _directions(self) -> Floats:
        return normalised(self.items.vectors)


def _form(folder: Path, manifest: dict[str, Any]) -> ScoreForm:
    try:
        given = dict(manifest["score"])
        polynomial = tuple(map(float, given.pop("walk_polynomial")))
        return ScoreForm(walk_polynomial=polynomial, **given)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder}: its manifest describes no score ({error}); export the model "
            "again"
        ) from None
