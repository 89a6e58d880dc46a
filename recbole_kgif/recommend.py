"""Recommendations of a trained model, by the ids and names of its data set."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from recbole.data.interaction import Interaction
from recbole.utils import ModelType
from scipy.sparse import csr_matrix
from tqdm import tqdm

from recbole_kgif.data.names import read_item_names
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.training.checkpoint import Restored, restore

# Others rank by more than a user: a sequence, or features of a situation.
_RANKING_TYPES = (ModelType.GENERAL, ModelType.KNOWLEDGE, ModelType.TRADITIONAL)
# Models whose `forward()` gives embeddings of all users and items in one space, with
# scores by their cosine.
_WITH_COSINE_SCORES = ("KGIF",)


class Recommender:
    """Ranks the items that users have not met.

    What a user has met is every interaction of the data set, be it in the training,
    the validation or the test part: recommended is what would be new. (RecBole's test
    leaves out the training and validation items alone, because it looks for the test
    items.)

    Attributes:
        users: ids of all users, in the data set's order.
        items: ids of all items, likewise.
    """

    def __init__(self, restored: Restored):
        """Take a restored checkpoint.

        Raises:
            UserError: the model ranks by more than a user.
        """
        self._config = restored.config
        self._model = restored.model
        self._dataset = restored.data.dataset
        if self._config["MODEL_TYPE"] not in _RANKING_TYPES:
            raise UserError(
                f"{self._config['model']} ranks by more than a user, such as a "
                "sequence; recommend needs a general or knowledge-aware model"
            )
        parts = (restored.data.train, restored.data.valid, restored.data.test)
        self._known = _known_items(self._dataset, [part._dataset for part in parts])
        self._names = read_item_names(
            restored.folder,
            self._config["dataset"],
            item_field=self._dataset.iid_field,
            separator=self._config["field_separator"],
        )
        # Number 0 is RecBole's padding.
        self.users, self.items = (
            [str(token) for token in self._dataset.field2id_token[field][1:]]
            for field in (self._dataset.uid_field, self._dataset.iid_field)
        )
        self._user_numbers = {user: n for n, user in enumerate(self.users, start=1)}
        self._item_numbers = {item: n for n, item in enumerate(self.items, start=1)}

    @classmethod
    def load(
        cls,
        path: Union[str, Path],
        *,
        data_path: Optional[Path] = None,
        source: Optional[Path] = None,
        trust: bool = False,
    ) -> Recommender:
        """Read a checkpoint and the data set that it was trained on.

        Args:
            path: the ``model.pth`` of a run.
            data_path: folder of the prepared data sets; None takes ``dataset``.
            source: folder with the raw or prepared files of the data set.
            trust: whether to read also a checkpoint of RecBole's own, which runs what
                its author put in.

        Raises:
            UserError: see `checkpoint.restore`.
        """
        return cls(restore(Path(path), data_path=data_path, source=source, trust=trust))

    def require_users(self, origins: Mapping[str, str]) -> None:
        """Check ids of users.

        Args:
            origins: where each id stands, with which the message begins.

        Raises:
            UserError: the data set has no such user; the nearest ids are named.
        """
        for user, origin in origins.items():
            self._number("user", self._user_numbers, user, origin)

    def require_items(self, origins: Mapping[str, str]) -> None:
        """Check ids of items as `require_users` checks those of users.

        Raises:
            UserError: the data set has no such item; the nearest ids are named.
        """
        for item, origin in origins.items():
            self._number("item", self._item_numbers, item, origin)

    def recommend(
        self, users: Optional[Iterable[object]] = None, k: int = 20
    ) -> pd.DataFrame:
        """Rank the items that users have not met.

        Args:
            users: ids as in the data set; None takes all users. Each is answered once.
            k: how many items a user gets, or fewer where there are no more.

        Returns:
            One row a user and item: ``user_id``, ``rank`` from 1 on, ``item_id``,
            ``name`` (empty where the data set has none) and ``score``.

        Raises:
            UserError: a user is unknown, or `k` is below 1.
        """
        _require_positive(k)
        asked = self.users if users is None else list(dict.fromkeys(map(str, users)))
        numbers = np.array(
            [self._number("user", self._user_numbers, user) for user in asked],
            dtype=np.int64,
        )
        cells = self._config["eval_batch_size"]
        step = max(1, cells // self._dataset.item_num)
        none = np.zeros(0, dtype=np.int64)
        frames = [self._frame(none, none, none.astype(float))]
        # disable=None: no bar where nobody watches, as in a file.
        with tqdm(total=len(numbers), unit="user", disable=None) as bar:
            for start in range(0, len(numbers), step):
                batch = numbers[start : start + step]
                scores = self._scores(batch, cells)
                scores[:, 0] = -torch.inf
                known = (torch.from_numpy(n) for n in self._known[batch].nonzero())
                scores[tuple(known)] = -torch.inf
                rows, columns, values = _best(scores, k)
                frames.append(self._frame(batch[rows], columns, values))
                bar.update(len(batch))
        return pd.concat(frames[1:] or frames, ignore_index=True)

    def recommend_from_items(
        self, items: Iterable[object], k: int = 20
    ) -> pd.DataFrame:
        """Rank items for somebody without a history, by items that they like.

        It is an approximation: the model never saw such a user. The items' embeddings
        are normalised and averaged, and the other items are ranked by their cosine with
        that mean.

        Args:
            items: ids as in the data set.
            k: how many items to return.

        Returns:
            As `recommend`, with an empty ``user_id``, the cosine as ``score`` and one
            more column, ``approximate``, that is always True.

        Raises:
            UserError: an item is unknown, none is given, `k` is below 1, or the model
                is not KGIF: others have no common space of users and items.
        """
        _require_positive(k)
        model = self._config["model"]
        if model not in _WITH_COSINE_SCORES:
            raise UserError(
                "a list of items in place of a user works for "
                f"{', '.join(_WITH_COSINE_SCORES)} alone, and this is {model}; give "
                "users"
            )
        liked = [
            self._number("item", self._item_numbers, item)
            for item in dict.fromkeys(map(str, items))
        ]
        if not liked:
            raise UserError("no items are given; name at least one")
        with torch.no_grad():
            scores = cosine_with_mean(self._model(), torch.tensor(liked))[None]
        scores[:, [0, *liked]] = -torch.inf
        _, columns, values = _best(scores, k)
        frame = self._frame(np.zeros_like(columns), columns, values)
        return frame.assign(user_id="", approximate=True)

    def _number(
        self, kind: str, known: Mapping[str, int], token: str, origin: str = ""
    ) -> int:
        return number_of(kind, known, token, self._config["dataset"], origin)

    def _scores(self, users: npt.NDArray[np.int64], cells: int) -> torch.Tensor:
        """Scores of all items, shape: [n_users, n_items]."""
        dataset, model = self._dataset, self._model
        asked = Interaction({dataset.uid_field: torch.from_numpy(users)})
        interaction = dataset.join(asked).to(model.device)
        with torch.no_grad():
            try:
                scores = model.full_sort_predict(interaction)
            except NotImplementedError:
                items = dataset.get_item_feature().to(model.device)
                scores = _scores_by_pair(model, interaction, items, cells)
        return scores.view(len(users), -1)

    def _frame(
        self,
        users: npt.NDArray[np.int64],
        items: npt.NDArray[np.int64],
        scores: npt.NDArray[Any],
    ) -> pd.DataFrame:
        """Rows with ids and names; each user's items stand together, best first."""
        dataset = self._dataset
        item_ids = dataset.field2id_token[dataset.iid_field][items]
        frame = pd.DataFrame(
            {
                "user_id": dataset.field2id_token[dataset.uid_field][users],
                "item_id": item_ids,
                "name": [self._names.get(item, "") for item in item_ids],
                "score": scores,
            }
        )
        ranks = frame.groupby("user_id", sort=False).cumcount() + 1
        frame.insert(1, "rank", ranks)
        return frame


def number_of(
    kind: str, known: Mapping[str, int], token: str, dataset: str, origin: str = ""
) -> int:
    """Number of an id.

    Args:
        kind: "user" or "item", for the message.
        known: numbers of all ids of that kind.
        token: the id.
        dataset: name of the data set, for the message.
        origin: where the id stands, with which the message begins.

    Raises:
        UserError: the data set has no such id; the nearest are named.
    """
    if token in known:
        return known[token]
    near = difflib.get_close_matches(token, known, n=3)
    advice = f"the nearest {kind}s are {', '.join(near)}"
    if not near:
        advice = f"its {kind}s are such as {', '.join(list(known)[:3])}"
    raise UserError(f"{origin}{kind} {shown(token)} is not in {dataset}; {advice}")


def cosine_with_mean(
    embeddings: tuple[torch.Tensor, torch.Tensor], items: torch.Tensor
) -> torch.Tensor:
    """Cosine of every item with the mean of the normalised embeddings of some.

    Args:
        embeddings: of the users, shape: [n_users, d], and of the items, shape:
            [n_items, d], as KGIF's ``forward()`` returns them.
        items: numbers of the items to average, shape: [n_liked]

    Returns:
        Cosines, shape: [n_items]
    """
    _, item_e = embeddings
    item_e = F.normalize(item_e, dim=-1)
    mean = item_e[items.to(item_e.device)].mean(dim=0)
    return item_e @ F.normalize(mean, dim=-1)


def _known_items(dataset: Any, parts: Sequence[Any]) -> csr_matrix:
    """Which items which users have met, shape: [n_users, n_items]."""
    users, items = (
        np.concatenate([part.inter_feat[field].numpy() for part in parts])
        for field in (dataset.uid_field, dataset.iid_field)
    )
    return csr_matrix(
        (np.ones(len(users), dtype=bool), (users, items)),
        shape=(dataset.user_num, dataset.item_num),
    )


def _scores_by_pair(
    model: Any, interaction: Any, items: Any, cells: int
) -> torch.Tensor:
    """Scores of all items by a model that scores pairs alone."""
    pairs = interaction.repeat_interleave(len(items))
    pairs.update(items.repeat(len(interaction)))
    parts = [
        model.predict(pairs[slice(start, start + cells)]).view(-1)
        for start in range(0, len(pairs), cells)
    ]
    return torch.cat(parts)


def _best(
    scores: torch.Tensor, k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The k best items of each row that may be recommended at all.

    Args:
        scores: minus infinity for what may not, shape: [n_rows, n_items]
        k: how many.

    Returns:
        Row, column and score of each, rows together, best first.
    """
    values, columns = scores.topk(min(k, scores.shape[1]), dim=1)
    allowed = values > -torch.inf
    rows = torch.arange(len(scores), device=scores.device)[:, None].expand_as(columns)
    return (
        rows[allowed].cpu().numpy(),
        columns[allowed].cpu().numpy(),
        values[allowed].cpu().numpy(),
    )


def _require_positive(k: int) -> None:
    if k < 1:
        raise UserError(f"k={k} must be at least 1")
