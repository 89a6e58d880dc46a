"""EASE with the items' triples as rows beside those of the users."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recbole_kgif.baselines.item_features import unit_rows, weighted_features
from recbole_kgif.baselines.item_matrices import inner_products, inverse
from recbole_kgif.baselines.solved import Scores, SolvedRecommender


class EntityEASE(SolvedRecommender):
    """EASE, a linear model of items by items, that learns from the triples as well.

    EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019) finds
    the matrix of item-item weights, zero on the diagonal, that reproduces the users'
    rows best under a ridge. Here each pair (relation, entity) is a row of items too,
    weighted by its inverse item frequency, an item's rows of unit length, and all
    multiplied by ``feature_weight`` (the collective form of Jeunen et al., "Closed-Form
    Models for Collaborative Filtering with Side-Information", RecSys 2020). It takes
    the memory of one matrix items x items of double precision, and of a copy in single
    precision.

    Args:
        config: RecBole's configuration, with ``reg_weight`` and ``feature_weight``.
        dataset: the training data set, with a knowledge graph.
    """

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        history = (dataset.inter_matrix(form="csr") > 0).astype(np.float32)
        features = config["feature_weight"] * unit_rows(weighted_features(dataset))
        rows = sparse.vstack([history, features.T]).T.tocsr()
        gram = inner_products(rows, rows)
        gram[np.diag_indices_from(gram)] += config["reg_weight"]
        weights = inverse(gram)
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0)
        self.history = history
        self.weights = weights.astype(np.float32)
        self.other_parameter_name = ["history", "weights"]

    def scores_of(self, users: npt.NDArray[np.int64]) -> Scores:
        """Scores of all items for some users, shape: [n_users, n_items]."""
        scores: Scores = np.asarray(self.history[users] @ self.weights)
        return scores
