"""What the baselines have in common that are computed once, without training."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from recbole.model.abstract_recommender import GeneralRecommender
from recbole.utils import InputType, ModelType
from torch import Tensor, nn

Scores = npt.NDArray[np.floating[Any]]


class SolvedRecommender(GeneralRecommender):
    """A recommender that is computed from interactions and triples, and not trained.

    Args:
        config: RecBole's configuration.
        dataset: the training data set, with a knowledge graph.
    """

    input_type = InputType.POINTWISE
    type = ModelType.TRADITIONAL

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        # RecBole needs a parameter to optimise and a loss that depends on it.
        self.unused = nn.Parameter(torch.zeros(()))

    @abstractmethod
    def scores_of(self, users: npt.NDArray[np.int64]) -> Scores:
        """Scores of all items for some users, shape: [n_users, n_items]."""

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Nothing to learn, shape: []."""
        return self.unused * 0

    def predict(self, interaction: Any) -> Tensor:
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        users, row = np.unique(
            interaction[self.USER_ID].cpu().numpy(), return_inverse=True
        )
        item = interaction[self.ITEM_ID].cpu().numpy()
        scores = self.scores_of(users)[row, item]
        return torch.from_numpy(scores).to(self.device)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all items for the given users, shape: [batch_size * n_items]."""
        scores = self.scores_of(interaction[self.USER_ID].cpu().numpy())
        return torch.from_numpy(scores).to(self.device).view(-1)
