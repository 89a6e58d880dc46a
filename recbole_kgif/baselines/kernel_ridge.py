"""Kernel ridge regression of the users' interactions on the items' triples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from recbole_kgif.baselines.item_features import weighted_features
from recbole_kgif.baselines.item_matrices import inner_products
from recbole_kgif.baselines.solved import Scores, SolvedRecommender


class KernelRidge(SolvedRecommender):
    """Predicts a user's interaction with an item from the item's features alone.

    The features of an item are the pairs (relation, entity) of its triples, weighted by
    inverse item frequency. For every user a ridge regression maps them to 1 for the
    user's training items and to 0 for the other ones with a training interaction. Items
    without one have a score by their features, too. The solution is closed: with the
    kernel K of inner products and the user's row x, the scores are
    K (K_trained + ridge I)^-1 x. It takes the memory of two matrices items x items of
    double precision.

    Args:
        config: RecBole's configuration, with the option ``ridge``.
        dataset: the training data set, with a knowledge graph.
    """

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        history = (dataset.inter_matrix(form="csr") > 0).astype(np.float32)
        trained = np.flatnonzero(history.getnnz(axis=0))
        features = weighted_features(dataset)
        kernel = inner_products(features[trained], features)
        within = kernel.T[trained].T  # in the order of columns, too
        within[np.diag_indices_from(within)] += config["ridge"]
        factor = linalg.cho_factor(within, overwrite_a=True, check_finite=False)
        solved = linalg.cho_solve(factor, kernel, overwrite_b=True, check_finite=False)
        self.history = history[:, trained]
        del within, factor
        # in the order of rows, by which sparse matrices multiply
        self.weights = np.ascontiguousarray(solved, dtype=np.float32)
        self.other_parameter_name = ["history", "weights"]

    def scores_of(self, users: npt.NDArray[np.int64]) -> Scores:
        """Scores of all items for some users, shape: [n_users, n_items]."""
        scores: Scores = np.asarray(self.history[users] @ self.weights)
        return scores
