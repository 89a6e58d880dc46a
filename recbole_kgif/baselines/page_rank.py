"""Personalised PageRank over interactions and triples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from recbole_kgif.baselines.solved import Scores, SolvedRecommender

# Users whose walks are followed at a time: a column of all nodes each.
_USERS_AT_A_TIME = 64


class PageRank(SolvedRecommender):
    """Scores an item by how often a random walk from the user is at it.

    The walk goes along training interactions and triples in both directions, each edge
    of a node being equally likely, and returns to the user with probability
    ``restart`` before each step. Its distribution is found by power iteration.

    Args:
        config: RecBole's configuration, with ``restart`` and ``n_iterations``.
        dataset: the training data set, with a knowledge graph.
    """

    def __init__(self, config: Any, dataset: Any):
        super().__init__(config, dataset)
        self.restart: float = config["restart"]
        self.n_iterations: int = config["n_iterations"]
        self.steps = _steps(dataset)
        self.other_parameter_name = ["steps"]

    def scores_of(self, users: npt.NDArray[np.int64]) -> Scores:
        """Scores of all items for some users, shape: [n_users, n_items]."""
        chunks = np.split(users, range(_USERS_AT_A_TIME, len(users), _USERS_AT_A_TIME))
        return np.concatenate([self._walk(chunk) for chunk in chunks])

    def _walk(self, users: npt.NDArray[np.int64]) -> Scores:
        start = np.zeros((self.steps.shape[0], len(users)), dtype=np.float32)
        start[users, np.arange(len(users))] = 1
        at = start
        for _ in range(self.n_iterations):
            at = (1 - self.restart) * (self.steps @ at) + self.restart * start
        items: Scores = at[self.n_users : self.n_users + self.n_items].T
        return np.ascontiguousarray(items)


def _steps(dataset: Any) -> sparse.csr_matrix:
    """Probability of a step from each column's node to each row's.

    Nodes are the users, then the entities, of which the items are the first.
    """
    n_users = dataset.user_num
    n_nodes = n_users + dataset.entity_num
    user, item = (
        dataset.inter_feat[field].numpy()
        for field in (dataset.uid_field, dataset.iid_field)
    )
    source = np.concatenate([user, n_users + dataset.head_entities])
    target = np.concatenate([n_users + item, n_users + dataset.tail_entities])
    ends = (np.concatenate([target, source]), np.concatenate([source, target]))
    edges = sparse.csr_matrix(
        (np.ones(len(ends[0]), dtype=np.float32), ends), shape=(n_nodes, n_nodes)
    )
    degree = np.asarray(edges.sum(axis=0)).ravel()
    inverse = np.divide(1, degree, out=np.zeros_like(degree), where=degree > 0)
    return (edges @ sparse.diags(inverse)).tocsr().astype(np.float32)
