r"""KGIF with kernels for sparse matrices in place of plain operations.

A subclass of the reference in `kgif.py` with the same name, parameters and results: it
replaces the layers by faster equivalents, and shares the gradients of look-ups. This is
the model that RecBole gets by the name ``KGIF``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor

from recbole_kgif.common.hyperparameters import check_options

from . import kgif, layers, losses
from .graph import CollaborativeKnowledgeGraph
from .kgif import NodeVectors
from .look_up import look_up
from .neighbour_walks import NeighbourWalks
from .new_items import NewItems
from .training_statistics import TrainingStatistics


class StepFunctions(NamedTuple):
    """Faster equivalents of what a training step calls; None where there is none.

    learned_propagation: maps vectors of nodes to `KGIF.edge_weights`, without a
        gradient, and to what `KGIF._propagate` makes of them, with all gradients
    fixed_propagation: of `KGIF._propagate`, for edge weights without a gradient
    knowledge_loss: of `losses.knowledge_loss`, without the vectors of relations
    """

    learned_propagation: Callable[[NodeVectors], tuple[Tensor, Tensor]]
    fixed_propagation: Optional[Callable[[Tensor, NodeVectors], Tensor]]
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

    # storage: the users who were scored last, with the parts of their scores
    restore_parts: Optional[tuple[Tensor, tuple[Tensor, Optional[Tensor]]]]
    # What replaces parts of a training step (`cuda_graphs`).
    captured: Optional[StepFunctions] = None
    # Those of the training, in a model that was extended since.
    statistics: Optional[TrainingStatistics] = None

    def __init__(self, config: Any, dataset: Any):
        check_options(config)
        super().__init__(config, dataset)
        # The last layer is computed for users and items only.
        self.scored_edges = self.graph.edges.first_rows(self.n_users + self.n_items)
        item = dataset.inter_feat[self.ITEM_ID]
        n_interactions = torch.bincount(item, minlength=self.n_items)
        self.new_items = NewItems(self.graph, self.n_users, n_interactions > 0)
        self.new_items_cost = config["new_items_cost"]

    def _look_up(self, *groups: Tensor) -> list[NodeVectors]:
        projections = None
        if self.projection is not None:
            projections = self.projection.node_vector.weight
        return look_up(self.node_embedding.weight, projections, *groups)

    def node_vectors(self, ids: Tensor) -> NodeVectors:
        """Vectors of the given nodes."""
        return self._look_up(ids)[0]

    def _propagate(self, edge_weights: Tensor, nodes: NodeVectors) -> Tensor:
        fused = self.dropout(self.fused_embeddings(nodes))
        return self.propagation(self.graph, edge_weights, fused, self.scored_edges)

    def learned_propagation(self, nodes: NodeVectors) -> tuple[Tensor, Tensor]:
        """Edge weights, without a gradient, and what is propagated along them."""
        edge_weights = self.edge_weights(nodes)
        return edge_weights.detach(), self._propagate(edge_weights, nodes)

    def propagated_vectors(self, nodes: NodeVectors) -> Tensor:
        """Z of users, then items, by the vectors of all nodes of the graph."""
        captured = self.captured
        if captured is None or not self.training:
            return super().propagated_vectors(nodes)
        is_due = self.n_steps % self.attention_interval == 0
        self.n_steps += 1
        if captured.fixed_propagation is not None and not is_due:
            return captured.fixed_propagation(self.last_edge_weights, nodes)
        self.last_edge_weights, propagated = captured.learned_propagation(nodes)
        return propagated

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        """Losses of a batch, with one look-up for all of them."""
        if self.knowledge_weight == 0 or self.knowledge_update == "alternate":
            return super().calculate_loss(interaction)
        relation, *ends = self._triples(interaction)
        nodes, of_triples = self._look_up(self.graph_nodes, torch.cat(ends))
        recommendation_losses = self._recommendation_losses(nodes, interaction)
        return (*recommendation_losses, self._knowledge_loss(relation, of_triples))

    def calculate_kg_loss(self, interaction: Any) -> Tensor:
        """Knowledge loss of a batch of triples, or of interactions."""
        relation, *ends = self._triples(interaction)
        return self._knowledge_loss(relation, self.node_vectors(torch.cat(ends)))

    def _knowledge_loss(self, relation: Tensor, nodes: NodeVectors) -> Tensor:
        if self.captured is not None and self.captured.knowledge_loss is not None:
            loss = self.captured.knowledge_loss(relation, nodes)
        else:
            loss = losses.knowledge_loss(relation, nodes, self.relation_vectors())
        return self.knowledge_weight * loss

    def _softmax_losses(self, score: Tensor, others: Tensor, known: Tensor) -> Tensor:
        return losses.softmax_losses(score, others, known)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Load parameters and buffers, and clear what was stored."""
        self.train(self.training)
        state_dict, name = dict(state_dict), "new_items.weights"
        # Checkpoints of 0.1.0 have none, and some later ones no weight of walks.
        weights = state_dict.get(name, torch.zeros_like(self.new_items.weights))
        if len(weights) == 2:
            of_facts, offset = weights
            weights = torch.stack([of_facts, torch.zeros_like(offset), offset])
        state_dict[name] = weights
        state_dict.pop("new_items.next_weights", None)
        return super().load_state_dict(state_dict, *args, **kwargs)

    def training_statistics(self) -> TrainingStatistics:
        """What the model took from all of its training data."""
        if self.statistics is not None:
            return self.statistics
        walks = self.walks
        return TrainingStatistics(
            self.n_items,
            walks and walks.spectral_filter(),
            self.new_items.fact_scale(),
            self.new_items.is_known,
        )

    def fix_statistics(self, statistics: TrainingStatistics) -> None:
        """Keep the statistics of the training, on a graph that was extended since.

        Args:
            statistics: those of the training, with the items of this model
        """
        self.statistics = statistics
        if self.walks is not None:
            shared = kgif.shared_neighbours(
                self.graph, self.n_users, self.n_items, statistics.n_items
            )
            # They are stored on the CPU, as in the construction of a model.
            on_cpu = [tensor.cpu() for tensor in shared]
            self.walks.store(self.n_users, self.n_items, *on_cpu)
            self.walks.to(self.node_embedding.weight.device)
            self.walks.fixed_filter = statistics.spectral_filter
        self.new_items.fix(
            statistics.n_items, statistics.fact_scale, statistics.is_known
        )
        self.train(self.training)

    def other_parameter(self) -> dict[str, Any]:
        """The statistics of the training, if the model was extended since."""
        if self.statistics is None:
            return {"statistics": None}
        return {"statistics": self.statistics.to_plain()}

    def load_other_parameter(self, para: Optional[Mapping[str, Any]]) -> None:
        """Keep the statistics of the training that a checkpoint has."""
        if para and para.get("statistics"):
            self.fix_statistics(TrainingStatistics.of_plain(para["statistics"]))

    def train(self, mode: bool = True) -> KGIF:
        """Switch between training and evaluation, and clear what was stored."""
        self.restore_parts = None
        return super().train(mode)

    def _score_parts(self, user: Tensor) -> tuple[Tensor, Optional[Tensor]]:
        """Those of the same users are kept, for scoring them by other weights."""
        if self.restore_parts is None or not torch.equal(self.restore_parts[0], user):
            self.restore_parts = (user, super()._score_parts(user))
        return self.restore_parts[1]

    def learned_scores(self, user: Tensor) -> Tensor:
        """Scores of all items without those of new items replaced."""
        return super()._scores(user)

    def _scores(self, user: Tensor) -> Tensor:
        scores: Tensor = self.new_items(self.learned_scores(user), user)
        return scores

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
