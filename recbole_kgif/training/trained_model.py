"""A trained model beside its data: ids of users and items, interactions, scores."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Optional, TypeVar

import torch
from recbole.data.interaction import Interaction

from recbole_kgif.common.files import AnyPath
from recbole_kgif.data.names import advise_ids
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.training.candidates import Integers, Interactions
from recbole_kgif.training.restore import Restored, restore

_Model = TypeVar("_Model", bound="TrainedModel")


class TrainedModel:
    """What recommendations and explanations of a checkpoint have in common.

    Args:
        restored: the checkpoint and its data.

    Attributes:
        config: RecBole's configuration.
        model_name: name of the model.
        dataset: RecBole's data set.
        dataset_name: its name.
        users: ids of all users, in the data set's order.
        items: ids of all items, likewise.
        interactions: who interacted with what.
    """

    def __init__(self, restored: Restored):
        self.config = restored.config
        self.model_name = str(restored.config["model"])
        self.dataset_name = str(restored.config["dataset"])
        self.interactions = Interactions(restored.data)
        self._model = restored.model
        self.dataset = restored.data.dataset
        # Number 0 is RecBole's padding.
        self.users, self.items = (
            [str(token) for token in self.dataset.field2id_token[field][1:]]
            for field in (self.dataset.uid_field, self.dataset.iid_field)
        )
        self._numbers = {
            "user": {user: n for n, user in enumerate(self.users, start=1)},
            "item": {item: n for n, item in enumerate(self.items, start=1)},
        }

    @classmethod
    def load(
        cls: type[_Model],
        path: AnyPath,
        *,
        data_path: Optional[AnyPath] = None,
        source: Optional[AnyPath] = None,
        trust: bool = False,
    ) -> _Model:
        """Read a checkpoint and the data set that it was trained on.

        Args:
            path: the ``model.pth`` of a run.
            data_path: folder of the prepared data sets; None takes ``dataset``.
            source: folder with the raw or prepared files of the data set.
            trust: whether to read also a checkpoint of RecBole's own, which runs what
                its author put in.

        Raises:
            UserError: see `checkpoint.restore`, or the model cannot do what the class
                is for.
        """
        return cls(restore(path, data_path=data_path, source=source, trust=trust))

    def require(self, kind: str, origins: Mapping[str, str]) -> None:
        """Check ids of users or items.

        Args:
            kind: "user" or "item".
            origins: the ids, each with where it was given; messages begin with it.

        Raises:
            UserError: the data set has no such id; the nearest ids are named.
        """
        for token, origin in origins.items():
            self._number(kind, token, origin)

    def _number(self, kind: str, token: object, origin: str = "") -> int:
        """Number of an id; raises the error of `require`."""
        known = self._numbers[kind]
        if str(token) in known:
            return known[str(token)]
        advice = advise_ids(kind, str(token), known)
        raise UserError(
            f"{origin}{kind} {shown(str(token))} is not in {self.dataset_name}; "
            f"{advice}"
        )

    @cached_property
    def _scoring_model(self) -> Any:
        """The model that gives the scores."""
        return self._model

    def _scores(self, users: Integers) -> torch.Tensor:
        """Scores of all items, shape: [n_users, n_items]."""
        dataset, model = self.dataset, self._scoring_model
        asked = Interaction({dataset.uid_field: torch.from_numpy(users)})
        interaction = dataset.join(asked).to(model.device)
        with torch.no_grad():
            try:
                scores = model.full_sort_predict(interaction)
            except NotImplementedError:
                items = dataset.get_item_feature().to(model.device)
                batch_size = self.config["eval_batch_size"]
                scores = _scores_by_pair(model, interaction, items, batch_size)
        return scores.view(len(users), -1)


def _scores_by_pair(
    model: Any, interaction: Any, items: Any, batch_size: int
) -> torch.Tensor:
    """Scores of all items by a model that scores pairs alone."""
    pairs = interaction.repeat_interleave(len(items))
    pairs.update(items.repeat(len(interaction)))
    parts = [
        model.predict(pairs[slice(start, start + batch_size)]).view(-1)
        for start in range(0, len(pairs), batch_size)
    ]
    return torch.cat(parts)
