# -*- coding: utf-8 -*-
# @Time   : 2026/11/22
# @Author : The recbole_kgif authors

r"""
KGIF
##################################################
Reference:
    Dong Hyun Jeon et al. "KGIF: Optimizing Relation-Aware Recommendations with
    Knowledge Graph Information Fusion." in IEEE BigData 2024.

The paper describes four layers: initial embedding with dynamic projection vectors,
information fusion by self-attention, attentive propagation, recommendation. Its text
does not give every equation; those used here are our reading and are given in the
docstrings of the layers.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import torch
import torch.nn.functional as F
from recbole.model.abstract_recommender import KnowledgeRecommender
from recbole.utils import InputType
from torch import Tensor, nn

from .graph import (
    CollaborativeKnowledgeGraph,
    Triples,
    drop_dangling_nodes,
    join_interactions_and_triples,
)
from .hyperparameters import check_options
from .layers import DynamicProjection, EdgeAttention, InformationFusion, Propagation
from .losses import TripleBatch, knowledge_loss, softmax_losses
from .neighbour_walks import NeighbourWalks
from .score_weights import after_step, step_factors
from .shared_neighbours import SharedNeighbours
from .spectral_filter import SpectralFilter
from .vectors import NodeVectors, RelationVectors, look_up


class StepFunctions(NamedTuple):
    """Faster equals of what a training step calls; None where there is none.

    propagation: of `KGIF.propagated_vectors`
    leave_one_out_scores: of `NeighbourWalks.leave_one_out_scores`
    knowledge_loss: of `losses.knowledge_loss`, without the vectors of relations
    """

    propagation: Callable[[NodeVectors], Tensor]
    leave_one_out_scores: Optional[Callable[..., tuple[Tensor, Tensor]]]
    knowledge_loss: Optional[Callable[[Tensor, NodeVectors], Tensor]]


class KGIF(KnowledgeRecommender):
    r"""KGIF joins users, items and entities into one collaborative knowledge graph
    (CKG), fuses every node with its relations by self-attention, and propagates the
    fused embeddings along edges that are weighted by relation-aware attention on
    dynamically projected nodes. For given weights the propagation is linear, so a score
    is a sum over walks of the graph.

    The score of a user and an item is::

        y(u, i) = p cos(z_u, z_i) / temperature + q w(u, i) + b_i

    with z the propagated embeddings, w the direct walks user - item - neighbour - item
    (`NeighbourWalks`) and b_i a learned item bias. Embeddings and walks are trained
    together, each by a loss of its own. The score weights (p, q) are chosen by the
    validation metric, in a coordinate search: embeddings fit their training
    interactions far better than others, whereas the walks are trained on leave-one-out
    scores, so no training loss can compare the two.
    """

    input_type = InputType.PAIRWISE
    n_walk_negatives = 128

    # storage: edge weights of an epoch; while evaluating, embeddings, the spectral
    # filter, and the users who were scored last with their walks
    epoch_edge_weights: Optional[Tensor]
    restore_user_e: Optional[Tensor]
    restore_item_e: Optional[Tensor]
    restore_filter: Optional[SpectralFilter]
    restore_walks: Optional[tuple[Tensor, Tensor]]
    # storage: what replaces parts of a training step (`cuda_graphs`)
    captured: Optional[StepFunctions] = None

    def __init__(self, config: Any, dataset: Any):
        """
        Args:
            config (Config): the options of ``KGIF.yaml``
            dataset (Dataset): the *training* data set; its interactions and triples
                make the CKG

        Raises:
            ValueError: an option has a value that is not allowed
        """
        super().__init__(config, dataset)
        check_options(config)

        # load parameters info
        self.embedding_size = config["embedding_size"]
        self.n_layers = config["n_layers"]
        self.attention_update = config["attention_update"]
        self.loss = config["loss"]
        self.n_negatives = config["n_negatives"]
        self.temperature = config["temperature"]
        self.knowledge_weight = config["knowledge_weight"]
        self.initial_std = config["initial_std"]

        # generate intermediate data
        self.interaction_relation = self.n_relations - 1
        facts, graph_nodes = drop_dangling_nodes(
            join_interactions_and_triples(
                (dataset.inter_feat[self.USER_ID], dataset.inter_feat[self.ITEM_ID]),
                Triples(
                    dataset.kg_feat[self.HEAD_ENTITY_ID],
                    dataset.kg_feat[self.RELATION_ID],
                    dataset.kg_feat[self.TAIL_ENTITY_ID],
                ),
                self.n_users,
                self.interaction_relation,
            ),
            n_fixed=self.n_users + self.n_items,
        )
        # Users and items are the first nodes, whichever entities follow.
        self.register_buffer("graph_nodes", graph_nodes, persistent=False)
        self.graph = CollaborativeKnowledgeGraph(
            facts, len(graph_nodes), self.n_relations
        )
        # The last layer is computed for users and items only.
        self.scored_edges = self.graph.edges.first_rows(self.n_users + self.n_items)

        # define layers and loss
        self._define_layers(config)

        # parameters initialization
        self._initialise_parameters()
        # The score weights (p, q), which checkpoints of version 0.1.0 call the balance,
        # and the state of their search.
        self.register_buffer("balance", torch.ones(2))
        self.register_buffer("next_step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("n_failed_steps", torch.zeros((), dtype=torch.int64))

        _clear_storage(self)
        self.register_load_state_dict_post_hook(_clear_storage)

    def _define_layers(self, config: Any) -> None:
        """Make the layers; one that is switched off is None and has no parameters."""
        d = self.embedding_size
        n_nodes, n_relations = self.n_users + self.n_entities, 2 * self.n_relations
        uses_attention = config["attention"] != "none"
        learns_relations = uses_attention or self.knowledge_weight > 0
        self.node_embedding = nn.Embedding(n_nodes, d)
        self.item_bias = nn.Embedding(self.n_items, 1)
        self.relation_embedding: Optional[nn.Embedding] = None
        if learns_relations or config["fusion"]:
            self.relation_embedding = nn.Embedding(n_relations, d)
        self.projection: Optional[DynamicProjection] = None
        if learns_relations and config["dynamic_projection"]:
            self.projection = DynamicProjection(n_nodes, n_relations, d)
        self.fusion: Optional[InformationFusion] = None
        if config["fusion"]:
            # Interactions are no tokens: they would tell items with training
            # interactions from those without.
            interactions = self.interaction_relation
            left_out = (interactions, interactions + self.n_relations)
            self.fusion = InformationFusion(self.graph, d, left_out)
        self.attention: Optional[EdgeAttention] = None
        if uses_attention:
            self.attention = EdgeAttention(
                config["attention"],
                n_relations,
                # Only the recommendation loss trains it, through the attention.
                relation_bias=self.attention_update == "step",
            )
        self.walks: Optional[NeighbourWalks] = None
        if config["walks"]:
            shared = SharedNeighbours(self.graph, self.n_users, self.n_items)
            self.walks = NeighbourWalks(shared, n_relations)
        self.dropout = nn.Dropout(config["dropout"])
        self.propagation = Propagation(
            self.n_layers, d, config["propagation"] == "bi-interaction"
        )

    def _initialise_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.initial_std)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # All items and all relations start equal.
        if self.walks is not None:
            nn.init.zeros_(self.walks.relation_trust.weight)
        nn.init.zeros_(self.item_bias.weight)
        if self.attention is not None and self.attention.relation_bias is not None:
            nn.init.zeros_(self.attention.relation_bias.weight)

    def train(self, mode: bool = True) -> KGIF:
        """Switch between training and evaluation, and clear what was stored."""
        _clear_storage(self)
        return super().train(mode)

    def _look_up(self, *groups: Tensor) -> list[NodeVectors]:
        """Embeddings and, where used, projection coefficients of groups of nodes."""
        projections = None
        if self.projection is not None:
            projections = self.projection.node_vector.weight
        return look_up(self.node_embedding.weight, projections, *groups)

    def relation_vectors(self) -> RelationVectors:
        """Embeddings and, where used, projection vectors of all relations."""
        assert self.relation_embedding is not None
        projections = None
        if self.projection is not None:
            projections = self.projection.relation_vector.weight
        return RelationVectors(self.relation_embedding.weight, projections)

    def edge_weights(self, nodes: Optional[NodeVectors] = None) -> Tensor:
        """Weight of each edge of the CKG by the current parameters.

        Args:
            nodes (NodeVectors, optional): those of the graph, if already looked up

        Returns:
            torch.Tensor: alpha in the order of ``graph.edges``, shape: [n_edges]
        """
        if self.attention is None:
            return self.graph.normalisation
        if nodes is None:
            (nodes,) = self._look_up(self.graph_nodes)
        return self.attention(self.graph, nodes, self.relation_vectors())

    def _training_edge_weights(self, nodes: NodeVectors) -> Tensor:
        """Edge weights with their gradient, or those of the start of the epoch."""
        if self.attention_update == "step":
            return self.edge_weights(nodes)
        if self.epoch_edge_weights is None:
            with torch.no_grad():
                self.epoch_edge_weights = self.edge_weights(nodes)
        return self.epoch_edge_weights

    def fused_embeddings(self, nodes: Optional[NodeVectors] = None) -> Tensor:
        """Embeddings of the nodes of the graph, each fused with its relations.

        Args:
            nodes (NodeVectors, optional): those of the graph, if already looked up

        Returns:
            torch.Tensor: f, users first, then items, shape: [n_graph_nodes, d]
        """
        if nodes is None:
            (nodes,) = self._look_up(self.graph_nodes)
        if self.fusion is None:
            return nodes.embeddings
        return self.fusion(nodes.embeddings, self.relation_vectors().embeddings)

    def propagated_vectors(self, nodes: NodeVectors) -> Tensor:
        """Propagated embeddings z of users, then items.

        Args:
            nodes (NodeVectors): those of the graph

        Returns:
            torch.Tensor: shape: [n_users + n_items, d]
        """
        if self.training:
            edge_weights = self._training_edge_weights(nodes)
        else:
            edge_weights = self.edge_weights(nodes)
        fused = self.dropout(self.fused_embeddings(nodes))
        return self.propagation(self.graph, edge_weights, fused, self.scored_edges)

    def _propagated(self, nodes: NodeVectors) -> Tensor:
        if self.training and self.captured is not None:
            return self.captured.propagation(nodes)
        return self.propagated_vectors(nodes)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Propagated embeddings.

        Returns:
            tuple: z of the users, shape: [n_users, d], and of the items, shape:
            [n_items, d]
        """
        (nodes,) = self._look_up(self.graph_nodes)
        user_e, item_e = self._propagated(nodes).split([self.n_users, self.n_items])
        return user_e, item_e

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        r"""Calculate the training loss for a batch data.

        Args:
            interaction (Interaction): users, items and negative items; with the fields
                of a triple batch, its knowledge loss is added

        Returns:
            tuple: recommendation loss of the embeddings, that of the walks where they
            are used, and the weighted knowledge loss where ``knowledge_weight`` is
            above zero, each of shape: []
        """
        _clear_scores(self)
        user = interaction[self.USER_ID]
        item = interaction[self.ITEM_ID]
        negative_item = interaction[self.NEG_ITEM_ID]

        if self.knowledge_weight == 0:
            (nodes,) = self._look_up(self.graph_nodes)
            return self._recommendation_losses(nodes, user, item, negative_item)

        # Interactions are triples too: their relation is trained like the others.
        triples = TripleBatch(
            user,
            torch.full_like(user, self.interaction_relation),
            item + self.n_users,
            negative_item + self.n_users,
        )
        if self.HEAD_ENTITY_ID in interaction:
            entity_triples = self._entity_triples(interaction)
            triples = TripleBatch(*map(torch.cat, zip(triples, entity_triples)))
        nodes, of_triples = self._look_up(self.graph_nodes, triples.nodes)
        losses = self._recommendation_losses(nodes, user, item, negative_item)
        knowledge_loss = self._knowledge_loss(triples, of_triples)
        return (*losses, self.knowledge_weight * knowledge_loss)

    def _recommendation_losses(
        self, nodes: NodeVectors, user: Tensor, item: Tensor, negative_item: Tensor
    ) -> tuple[Tensor, ...]:
        """Losses of the propagated embeddings and of the walks, each with the item
        bias: -log softmax of each positive among itself and the negatives that the
        batch shares, or -log sigmoid of its lead over its own negative; mean over the
        batch.
        """
        if self.loss == "softmax":
            negative_item = _distinct(negative_item[: self.n_negatives], self.n_items)
        # A single look-up: each has a gradient of the size of all nodes.
        items = torch.cat([item, negative_item])
        selected = torch.cat([user, items + self.n_users])
        rows = self._propagated(nodes).index_select(0, selected)
        sizes = [len(item), len(negative_item)]
        user_e, item_e, negative_e = F.normalize(rows, dim=-1).split(
            [len(user), *sizes]
        )
        user_e = user_e / self.temperature
        bias, negative_bias = self.item_bias(items).squeeze(-1).split(sizes)

        score = (user_e * item_e).sum(-1) + bias
        if self.loss == "bpr":
            negative_score = (user_e * negative_e).sum(-1) + negative_bias
            loss = F.softplus(negative_score - score).mean()
            if self.walks is None:
                return (loss,)
            return loss, self._bpr_loss_of_walks(
                self.walks, user, item, negative_item, bias, negative_bias
            )
        negative_score = torch.addmm(negative_bias, user_e, negative_e.t())
        # A negative of one user may be a positive of another.
        known = self.graph.linked_pairs(user, negative_item + self.n_users)
        loss = softmax_losses(score, negative_score, known).mean()
        if self.walks is None:
            return (loss,)
        # The walks have so few parameters that some of the negatives suffice.
        n = self.n_walk_negatives
        leave_one_out_scores: Callable[..., Any] = self.walks.leave_one_out_scores
        if self.captured is not None and self.captured.leave_one_out_scores is not None:
            leave_one_out_scores = self.captured.leave_one_out_scores
        score, negative_score = leave_one_out_scores(user, item, negative_item[:n])
        known = known[:, known[1] < n]
        losses = softmax_losses(score + bias, negative_score + negative_bias[:n], known)
        return loss, losses.mean()

    def _bpr_loss_of_walks(
        self,
        walks: NeighbourWalks,
        user: Tensor,
        item: Tensor,
        negative_item: Tensor,
        bias: Tensor,
        negative_bias: Tensor,
    ) -> Tensor:
        n = self.n_walk_negatives
        other_item, position = negative_item[:n].unique(return_inverse=True)
        score, others_score = walks.leave_one_out_scores(user[:n], item[:n], other_item)
        negative_score = others_score.gather(1, position.unsqueeze(1)).squeeze(1)
        lead = score + bias[:n] - negative_score - negative_bias[:n]
        return F.softplus(-lead).mean()

    def calculate_kg_loss(self, interaction: Any) -> Tensor:
        r"""Calculate the training loss for a batch data of KG.

        Args:
            interaction (Interaction): heads, relations, tails and corrupted tails

        Returns:
            torch.Tensor: weighted knowledge loss, shape: []
        """
        _clear_scores(self)
        triples = self._entity_triples(interaction)
        (nodes,) = self._look_up(triples.nodes)
        return self.knowledge_weight * self._knowledge_loss(triples, nodes)

    def _entity_triples(self, interaction: Any) -> TripleBatch:
        return TripleBatch(
            interaction[self.HEAD_ENTITY_ID] + self.n_users,
            interaction[self.RELATION_ID],
            interaction[self.TAIL_ENTITY_ID] + self.n_users,
            interaction[self.NEG_TAIL_ENTITY_ID] + self.n_users,
        )

    def _knowledge_loss(self, triples: TripleBatch, nodes: NodeVectors) -> Tensor:
        if self.captured is not None and self.captured.knowledge_loss is not None:
            return self.captured.knowledge_loss(triples.relation, nodes)
        return knowledge_loss(triples.relation, nodes, self.relation_vectors())

    def _scores(self, user: Tensor) -> Tensor:
        """Scores of all items for the given users, shape: [n_selected, n_items]."""
        if self.restore_user_e is None or self.restore_item_e is None:
            self.restore_user_e, self.restore_item_e = self.forward()
        scale = self.balance[0] / self.temperature
        user_e = F.normalize(self.restore_user_e[user], dim=-1) * scale
        item_e = F.normalize(self.restore_item_e, dim=-1)
        score = torch.addmm(self.item_bias.weight.t(), user_e, item_e.t())
        if self.walks is not None:
            score.addcmul_(self.balance[1], self._stored_walks(self.walks, user))
        return score

    def _stored_walks(self, walks: NeighbourWalks, user: Tensor) -> Tensor:
        """Scores of the walks, kept for scoring the same users by other weights."""
        if self.restore_filter is None:
            self.restore_filter = walks.spectral_filter()
        if self.restore_walks is None or not torch.equal(self.restore_walks[0], user):
            self.restore_walks = (user, walks(user, self.restore_filter))
        return self.restore_walks[1]

    def predict(self, interaction: Any) -> Tensor:
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        user, position = interaction[self.USER_ID].unique(return_inverse=True)
        item = interaction[self.ITEM_ID]
        scores = item.new_empty(len(item), dtype=self.item_bias.weight.dtype)
        # As many users at a time as have about 16 MiB of scores.
        n_at_once = max(1, 2**22 // self.n_items)
        for first in range(0, len(user), n_at_once):
            pairs = (position >= first) & (position < first + n_at_once)
            of_users = self._scores(user[first : first + n_at_once])
            scores[pairs] = of_users[position[pairs] - first, item[pairs]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all items for the given users, shape: [batch_size * n_items]."""
        return self._scores(interaction[self.USER_ID]).view(-1)

    def candidate_score_weights(self) -> Optional[Tensor]:
        """The score weights to compare with the current ones at the next validation.

        Returns:
            torch.Tensor: (p, q), one of them or both doubled or halved, shape: [2];
            None without walks
        """
        if self.walks is None:
            return None
        factors = step_factors(int(self.next_step), int(self.n_failed_steps))
        return self.balance * self.balance.new_tensor(factors)

    def update_score_weights(self, accepted: bool) -> None:
        """Take the next step of the coordinate search over the score weights.

        Args:
            accepted (bool): whether the candidate replaces the current weights
        """
        candidate = self.candidate_score_weights()
        if candidate is None:
            return
        if accepted:
            self.balance.copy_(candidate)
        next_step, n_failed = after_step(
            int(self.next_step), int(self.n_failed_steps), accepted
        )
        self.next_step.fill_(next_step)
        self.n_failed_steps.fill_(n_failed)


def _distinct(ids: Tensor, size: int) -> Tensor:
    """The distinct ids, in the order of their last occurrence."""
    order = torch.arange(len(ids), device=ids.device)
    last = ids.new_zeros(size).scatter_reduce(0, ids, order, "amax")
    return ids[last[ids] == order]


def _clear_scores(model: KGIF) -> None:
    model.restore_user_e, model.restore_item_e = None, None
    model.restore_filter, model.restore_walks = None, None


def _clear_storage(model: KGIF, _incompatible_keys: Any = None) -> None:
    model.epoch_edge_weights = None
    _clear_scores(model)
