"""The shared-entity score: a recommender that uses triples and no training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recbole_kgif.baselines.item_features import unit_rows, weighted_features
from recbole_kgif.baselines.solved import Scores, SolvedRecommender


class SharedEntities(SolvedRecommender):
    """Scores an item by the entities that it shares with the user's training items.

    The features of an item are the pairs (relation, entity) of its triples, as head and
    as tail, each weighted by its inverse item frequency log(n_items / items with it).
    Those of a user are the sums over the training items. The score is the cosine of the
    two plus a weight times the item's popularity: its number of training interactions,
    divided by the largest one. The weight is chosen by the validation metric
    (`SharedEntitiesTrainer`).

    Args:
        config: RecBole's configuration.
        dataset: the training data set, with a knowledge graph.

    Attributes:
        popularity_weight: The current weight, shape: [].
    """

    popularity_weights = (0.01, 0.05, 0.1, 0.5)

    popularity: Tensor
    popularity_weight: Tensor

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        history = (dataset.inter_matrix(form="csr") > 0).astype(float)
        features = weighted_features(dataset)
        self.users = unit_rows(history @ features)
        self.items = unit_rows(features)
        self.other_parameter_name = ["users", "items"]

        count = np.asarray(history.sum(axis=0)).ravel()
        self.register_buffer("popularity", torch.from_numpy(count / count.max()))
        self.register_buffer(
            "popularity_weight", torch.tensor(self.popularity_weights[0])
        )

    def scores_of(self, users: npt.NDArray[np.int64]) -> Scores:
        """Scores of all items for some users, shape: [n_users, n_items]."""
        scores: Scores = (self.users[users] @ self.items.T).toarray()
        scores += float(self.popularity_weight) * self.popularity.cpu().numpy()
        return scores

    def predict(self, interaction: Any) -> Tensor:
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        user, item = interaction[self.USER_ID], interaction[self.ITEM_ID]
        shared = self.users[user.cpu().numpy()].multiply(self.items[item.cpu().numpy()])
        cosine = torch.from_numpy(np.asarray(shared.sum(axis=1)).ravel())
        return cosine.to(self.device) + self.popularity_weight * self.popularity[item]
