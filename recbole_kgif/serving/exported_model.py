"""A trained model, read from its export: ranked items by ids, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from recbole_kgif.common.files import AnyPath
from recbole_kgif.data.names import advise_ids
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.serving.export_files import (
    INDEX,
    ITEMS,
    NEIGHBOURS,
    USERS,
    read_manifest,
    read_table,
    read_tensor_file,
    require_libraries,
)
from recbole_kgif.serving.exported_reasons import ScoreParts, score_parts
from recbole_kgif.serving.exported_scores import (
    Askers,
    Floats,
    Integers,
    ItemScores,
    ScoreForm,
    best,
    normalised,
)
from recbole_kgif.serving.exported_users import ExportedUsers, visitor, visitor_weights
from recbole_kgif.serving.spectral_index import DIRECTIONS, EIGENVALUES, SpectralIndex

# About 64 MiB of scores at a time.
_CELLS = 2**23
_OF_A_NEIGHBOUR = ["kind", "id", "name", "relation", "inverse"]


@dataclass(frozen=True, eq=False)
class Asker:
    """Somebody whose items are ranked: a user of the export, or a visitor.

    Attributes:
        scored: vector and items, as `ItemScores` takes them.
        weights: weight of each item in the vector; None where the propagation is not
            linear, shape: [n_chosen]
        seen: rows of the items that are left out of lists.
    """

    scored: Askers
    weights: Optional[Floats]
    seen: Integers


class UnknownId(UserError):
    """There is no user or item of this id.

    Args:
        message: what is unknown.
        advice: ids that there are.

    Attributes:
        message: the message without the advice.
    """

    def __init__(self, message: str, advice: str):
        super().__init__(f"{message}; {advice}")
        self.message = message


class ExportedModel:
    """The model of an export.

    Args:
        folder: the folder that `export` has written.
        by_index: whether lists are made by the index of the export.

    Attributes:
        manifest: what ``manifest.json`` holds.
        tensors: all arrays, by their names.
        user_ids: ids of all users.
        item_ids: ids of all items.
        names: name of each item, empty where it has none.
        items: what scores are made of.
        users: vectors and interactions of the users.
        index: what makes the lists; None where they are exact.

    Raises:
        UserError: there is no export or no index, a file is damaged, or a library is
            missing.
    """

    def __init__(self, folder: AnyPath, *, by_index: bool = False):
        require_libraries("pyarrow", "safetensors")
        self.folder = Path(folder)
        self.manifest = read_manifest(self.folder)
        self.tensors = read_tensor_file(self.folder)
        self.form = _form(self.folder, self.manifest)
        self.users = ExportedUsers.of(self.tensors)
        self.items = ItemScores.of(
            self.form, self.tensors, self.manifest["counts"]["neighbours"]
        )
        self.index = self._read_index() if by_index else None
        items = read_table(self.folder, ITEMS, ["item_id", "name"])
        self.item_ids: list[str] = items["item_id"].to_pylist()
        self.names: list[str] = items["name"].to_pylist()
        users = read_table(self.folder, USERS, ["user_id"])
        self.user_ids: list[str] = users["user_id"].to_pylist()
        # All is read now: the folder may be replaced while this model answers.
        self._neighbours = read_table(self.folder, NEIGHBOURS, _OF_A_NEIGHBOUR)
        self._rows = {
            kind: {token: row for row, token in enumerate(tokens)}
            for kind, tokens in (("user", self.user_ids), ("item", self.item_ids))
        }

    def _read_index(self) -> SpectralIndex:
        if INDEX not in self.manifest["files"]:
            raise UserError(
                f"{self.folder}: holds no index; export the model with --index, or ask "
                "without it"
            )
        read = read_tensor_file(self.folder, INDEX)
        index = SpectralIndex(self.items, read[DIRECTIONS], read[EIGENVALUES])
        index.prepare()
        return index

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
            UnknownId: there is none; the nearest ids are named.
        """
        rows = self._rows[kind]
        if str(token) in rows:
            return rows[str(token)]
        message = f"{kind} {shown(str(token))} is not in {self.dataset}"
        raise UnknownId(message, advise_ids(kind, str(token), rows))

    def has_history(self, user: int) -> bool:
        """Whether a user has training interactions."""
        return len(self.users.history.of(user)) > 0

    def user(self, row: int) -> Asker:
        """A user, to be scored and explained."""
        users = self.users
        weights = users.history_weight
        if weights is not None:
            weights = weights[users.history.entries(row)]
        of_user = users.askers(np.array([row]), len(self.item_ids))
        return Asker(of_user, weights, users.seen.of(row).astype(np.int64))

    def visitor(self, rows: Sequence[int]) -> Asker:
        """Somebody without an account, by distinct rows of items.

        Raises:
            UserError: the model has no linear propagation, on which this relies.
        """
        if "visitor_weight" not in self.tensors:
            raise UserError(
                "this model's propagation is not linear, so lists of items have no "
                "scores; ask for a user"
            )
        items = np.array(sorted(rows), dtype=np.int64)
        weights = visitor_weights(self.tensors, self.form, items)
        return Asker(visitor(self.tensors, self.form, items, weights), weights, items)

    def best_of(
        self, asker: Asker, k: int, *, exactly: bool = False
    ) -> tuple[Integers, Floats]:
        """Rows and scores of the best items that are new to somebody, best first.

        Args:
            asker: a user or a visitor.
            k: how many items.
            exactly: whether to do without the index.
        """
        if self.index is not None and not exactly:
            return next(self.index.lists(asker.scored, [asker.seen], k))
        scores = self.items.scores(asker.scored)[0]
        scores[asker.seen] = -np.inf
        rows = best(scores, k)
        return rows, scores[rows]

    def parts(self, asker: Asker, rows: Sequence[int]) -> ScoreParts:
        """The exact parts of the scores of some items.

        Raises:
            UserError: the model has no linear propagation, on which this relies.
        """
        if asker.weights is None:
            raise UserError(
                "this model's propagation is not linear, so no sum of reasons is equal "
                "to its scores"
            )
        contribution = self.tensors["item_contribution"]
        return score_parts(self.items, asker.scored, asker.weights, contribution, rows)

    @cached_property
    def searched(self) -> list[tuple[str, str]]:
        """Id and name of each item, in lower case."""
        pairs = zip(self.item_ids, self.names)
        return [(token.casefold(), name.casefold()) for token, name in pairs]

    @cached_property
    def n_interactions(self) -> Integers:
        """How many training interactions each item has."""
        items = self.users.history.item
        return np.bincount(items, minlength=len(self.item_ids)).astype(np.int64)

    @cached_property
    def neighbour_is_user(self) -> npt.NDArray[np.bool_]:
        """Whether each column of the walk matrix is a user."""
        kinds = self._neighbours.column("kind").to_numpy(zero_copy_only=False)
        is_user: npt.NDArray[np.bool_] = np.asarray(kinds == "user", dtype=bool)
        return is_user

    def items_of_neighbour(self, column: int) -> Integers:
        """Rows of the items with a neighbour, the best known first."""
        assert self.items.walks is not None
        links = self.items.walks.transposed
        rows = links.indices[links.indptr[column] : links.indptr[column + 1]]
        counts = self.n_interactions[rows]
        return rows[np.argsort(-counts, kind="stable")].astype(np.int64)

    def neighbour(self, column: int) -> dict[str, Any]:
        """Kind, id, name, relation and direction of a column of the walk matrix."""
        row: dict[str, Any] = self._neighbours.slice(column, 1).to_pylist()[0]
        return row

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
            if self.index is not None:
                askers = self.users.askers(batch, len(self.item_ids))
                seen = [self.users.seen.of(user) for user in batch]
                yield from self.index.lists(askers, seen, k)
                continue
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

    def parts_of_lists(self, users: Iterable[object], k: int) -> pd.DataFrame:
        """`recommend`, always with the column ``approximate``: parts fit together."""
        frame = self.recommend(users, k)
        if "approximate" not in frame:
            frame["approximate"] = False
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
