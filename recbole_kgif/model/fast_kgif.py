r"""KGIF with kernels for sparse matrices in place of plain operations.

A subclass of the reference in `kgif.py` with the same name, parameters and results: it
replaces the layers by faster equivalents, and shares the gradients of look-ups. This is
the model that RecBole gets by the name ``KGIF``.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from recbole_kgif.common.hyperparameters import check_options

from . import kgif, layers, losses
from .graph import CollaborativeKnowledgeGraph
from .kgif import NodeVectors
from .look_up import look_up
from .neighbour_walks import NeighbourWalks


class StepFunctions(NamedTuple):
    """Faster equals of what a training step calls; None where there is none.

    propagation: of `KGIF.propagated_vectors`
    knowledge_loss: of `losses.knowledge_loss`, without the vectors of relations
    """

    propagation: Callable[[NodeVectors], Tensor]
    knowledge_loss: Optional[Callable[[Tensor, NodeVectors], Tensor]]


class KGIF(kgif.KGIF):
    """The fast equivalent of the reference.

    Args:
        config (Config): the options of ``KGIF.yaml``
        dataset (Dataset): the *training* data set

    Raises:
        ValueError: an option has a value that is not allowed
    """

    graph_class = CollaborativeKnowledgeGraph
    fusion_class = layers.InformationFusion
    attention_class = layers.EdgeAttention
    propagation_class = layers.Propagation
    walks_class = NeighbourWalks

    # storage: the users who were scored last with their walks
    restore_walks: Optional[tuple[Tensor, Tensor]]
    # What replaces parts of a training step (`cuda_graphs`).
    captured: Optional[StepFunctions] = None

    def __init__(self, config: Any, dataset: Any):
        check_options(config)
        super().__init__(config, dataset)
        # The last layer is computed for users and items only.
        self.scored_edges = self.graph.edges.first_rows(self.n_users + self.n_items)

    def _look_up(self, *groups: Tensor) -> list[NodeVectors]:
        projections = None
        if self.projection is not None:
            projections = self.projection.node_vector.weight
        return look_up(self.node_embedding.weight, projections, *groups)

    def _propagate(self, edge_weights: Tensor, fused: Tensor) -> Tensor:
        return self.propagation(self.graph, edge_weights, fused, self.scored_edges)

    uncaptured_propagation = kgif.KGIF.propagated_vectors

    def propagated_vectors(self, nodes: NodeVectors) -> Tensor:
        """Z of users, then items, by the vectors of all nodes of the graph."""
        if self.training and self.captured is not None:
            return self.captured.propagation(nodes)
        return self.uncaptured_propagation(nodes)

    def _knowledge_loss(self, relation: Tensor, nodes: NodeVectors) -> Tensor:
        if self.captured is not None and self.captured.knowledge_loss is not None:
            loss = self.captured.knowledge_loss(relation, nodes)
        else:
            loss = losses.knowledge_loss(relation, nodes, self.relation_vectors())
        return self.knowledge_weight * loss

    def _softmax_losses(self, score: Tensor, others: Tensor, known: Tensor) -> Tensor:
        return losses.softmax_losses(score, others, known)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Load parameters and buffers, and clear what was stored."""
        self.train(self.training)
        return super().load_state_dict(*args, **kwargs)

    def train(self, mode: bool = True) -> KGIF:
        """Switch between training and evaluation, and clear what was stored."""
        self.restore_walks = None
        return super().train(mode)

    def _walk_scores(self, user: Tensor) -> Tensor:
        """Those of the same users are kept, for scoring them by other weights."""
        if self.restore_walks is None or not torch.equal(self.restore_walks[0], user):
            self.restore_walks = (user, super()._walk_scores(user))
        return self.restore_walks[1]

    def predict(self, interaction: Any) -> Tensor:
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        user, position = interaction[self.USER_ID].unique(return_inverse=True)
        item = interaction[self.ITEM_ID]
        scores = item.new_empty(len(item), dtype=self.node_embedding.weight.dtype)
        # As many users at a time as have about 16 MiB of scores.
        n_at_once = max(1, 2**22 // self.n_items)
        for first in range(0, len(user), n_at_once):
            pairs = (position >= first) & (position < first + n_at_once)
            of_users = self._scores(user[first : first + n_at_once])
            scores[pairs] = of_users[position[pairs] - first, item[pairs]]
        return scores
