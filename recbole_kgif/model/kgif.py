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
does not give every equation; those used here are our reading, and stand in the
docstrings of the layers.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Optional

import torch
import torch.nn.functional as F
from recbole.model.abstract_recommender import KnowledgeRecommender
from recbole.utils import InputType
from torch import Tensor, nn

from .cuda_graphs import RecordedParts
from .graph import (
    CollaborativeKnowledgeGraph,
    RelationTokens,
    SharedNeighbours,
    Triples,
    drop_dangling_nodes,
    entries_of_rows,
    join_interactions_and_triples,
    row_pointer,
)
from .kernels import NodeVectors, look_up, softmax_losses
from .layers import (
    DynamicProjection,
    EdgeAttention,
    InformationFusion,
    NeighbourWalks,
    ProjectionVectors,
    Propagation,
    true_minus_corrupted_scores,
)
from .spectral_filter import Damping


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(*choices: Any) -> tuple[Callable[[Any], bool], str]:
    # `1 == True` must not let a number pass for a switch, hence the types.
    return (
        lambda value: any(value == c and type(value) is type(c) for c in choices),
        "one of " + ", ".join(map(str, choices)),
    )


# What each option of KGIF.yaml may be: a test, and the same in words.
OPTIONS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "embedding_size": (lambda v: _is_count(v) and v > 0, "an integer above 0"),
    "n_layers": (lambda v: _is_count(v) and v >= 0, "an integer, 0 or above"),
    "fusion": _one_of(True, False),
    "dynamic_projection": _one_of(True, False),
    "attention": _one_of("modulated", "softmax", "none"),
    "attention_update": _one_of("step", "epoch"),
    "propagation": _one_of("linear", "bi-interaction"),
    "walks": _one_of(True, False),
    "dropout": (lambda v: _is_number(v) and 0 <= v < 1, "a number in [0, 1)"),
    "loss": _one_of("softmax", "bpr"),
    "n_negatives": (lambda v: _is_count(v) and v > 0, "an integer above 0"),
    "temperature": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "knowledge_weight": (lambda v: _is_number(v) and v >= 0, "a number, 0 or above"),
    "initial_std": (lambda v: _is_number(v) and v > 0, "a number above 0"),
}


# Factors of the weights of embeddings and walks, tried in turn. Only where no weight
# alone helps are both changed, that is, their weight against the item bias.
_SINGLE_STEPS = ((0.5, 1.0), (1.0, 2.0), (2.0, 1.0), (1.0, 0.5))
_JOINT_STEPS = ((0.5, 0.5), (2.0, 2.0))


class _TripleBatch(NamedTuple):
    """Node ids of true triples and of a false tail for each, shape: [batch_size]."""

    head: Tensor
    relation: Tensor
    tail: Tensor
    corrupted_tail: Tensor

    @property
    def nodes(self) -> Tensor:
        """Heads, tails and corrupted tails, shape: [3 * batch_size]."""
        return torch.cat([self.head, self.tail, self.corrupted_tail])


class KGIF(KnowledgeRecommender):
    r"""KGIF joins users, items and entities into one collaborative knowledge graph
    (CKG), fuses every node with its relations by self-attention, and propagates the
    fused embeddings along edges that are weighted by relation-aware attention on
    dynamically projected nodes. The propagation is linear for given weights, so a score
    is a sum over walks of the graph.

    The score of a user and an item is::

        y(u, i) = p cos(z_u, z_i) / temperature + q w(u, i) + b_i

    with z the propagated embeddings, w the direct walks user - item - neighbour - item
    (`NeighbourWalks`) and b_i a learned item bias. Embeddings and walks are trained
    side by side, each by a loss of its own; the balance (p, q) is chosen by the
    validation metric (`settle_balance`), because an embedding fits its training
    interactions far better than others, whereas the walks are trained on each
    interaction as if it were not there.
    """

    input_type = InputType.PAIRWISE
    n_walk_negatives = 128

    def __init__(self, config: Any, dataset: Any):
        """
        Args:
            config (Config): the options of ``KGIF.yaml``
            dataset (Dataset): the *training* data set: its interactions and triples
                make the CKG

        Raises:
            ValueError: an option has a value that KGIF does not take
        """
        super().__init__(config, dataset)
        _check_options(config)

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
        n_nodes, n_relations = self.n_users + self.n_entities, 2 * self.n_relations
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
        # Users and items come first among the nodes, whichever entities follow.
        self.register_buffer("graph_nodes", graph_nodes, persistent=False)
        self.graph = CollaborativeKnowledgeGraph(
            facts, len(graph_nodes), self.n_relations
        )
        # The embeddings of entities take part in the score on the way alone.
        self.scored_edges = self.graph.edges.first_rows(self.n_users + self.n_items)

        # define layers and loss: a layer that is switched off has no parameters
        uses_attention = config["attention"] != "none"
        learns_relations = uses_attention or self.knowledge_weight > 0
        self.node_embedding = nn.Embedding(n_nodes, self.embedding_size)
        self.item_bias = nn.Embedding(self.n_items, 1)
        self.relation_embedding: Optional[nn.Embedding] = None
        if learns_relations or config["fusion"]:
            self.relation_embedding = nn.Embedding(n_relations, self.embedding_size)
        self.projection: Optional[DynamicProjection] = None
        if learns_relations and config["dynamic_projection"]:
            self.projection = DynamicProjection(
                n_nodes, n_relations, self.embedding_size
            )
        self.fusion: Optional[InformationFusion] = None
        if config["fusion"]:
            # By interactions as tokens, an item that is trained on could be told from
            # one that is not.
            interactions = self.interaction_relation
            tokens = RelationTokens(
                self.graph, left_out=(interactions, interactions + self.n_relations)
            )
            self.fusion = InformationFusion(tokens, self.embedding_size)
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
            self.walks = NeighbourWalks(
                SharedNeighbours(self.graph, self.n_users, self.n_items), n_relations
            )
        self.dropout = nn.Dropout(config["dropout"])
        self.propagation = Propagation(
            self.n_layers,
            self.embedding_size,
            config["propagation"] == "bi-interaction",
        )

        # parameters initialization
        self._initialise_parameters()

        # weights of propagated embeddings and of walks in the score, and where to next
        self.register_buffer("balance", torch.ones(2))
        self.register_buffer("next_step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("n_failed_steps", torch.zeros((), dtype=torch.int64))

        # storage: attention of the epoch while training; while evaluating, embeddings,
        # damping, and the users who were scored last with their walks
        self.epoch_edge_weights: Optional[Tensor] = None
        self.restore_user_e: Optional[Tensor] = None
        self.restore_item_e: Optional[Tensor] = None
        self.restore_damping: Optional[Damping] = None
        self.restore_walks: Optional[tuple[Tensor, Tensor]] = None
        # storage: while training on a GPU, what `record_training` has recorded
        self.recorded: Optional[RecordedParts] = None
        self.register_load_state_dict_post_hook(_forget_stored_results)

    def _initialise_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.initial_std)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        # Every item and every relation starts out equal.
        if self.walks is not None:
            nn.init.zeros_(self.walks.relation_trust.weight)
        nn.init.zeros_(self.item_bias.weight)
        if self.attention is not None and self.attention.relation_bias is not None:
            nn.init.zeros_(self.attention.relation_bias.weight)

    def train(self, mode: bool = True) -> KGIF:
        """Switch between training and evaluation; what was stored is forgotten."""
        _forget_stored_results(self)
        return super().train(mode)

    def _look_up(self, *groups: Tensor) -> list[NodeVectors]:
        """Embeddings and, where used, projections of groups of nodes."""
        projections = None
        if self.projection is not None:
            projections = self.projection.node_vector.weight
        return look_up(self.node_embedding.weight, projections, *groups)

    def edge_weights(self, nodes: Optional[NodeVectors] = None) -> Tensor:
        """Weight of each edge of the CKG from the present parameters.

        Args:
            nodes (NodeVectors, optional): those of the graph, where they are at hand.

        Returns:
            torch.Tensor: alpha in the order of ``graph.edges``, shape: [n_edges]
        """
        if self.attention is None:
            return self.graph.normalisation
        assert self.relation_embedding is not None
        if nodes is None:
            (nodes,) = self._look_up(self.graph_nodes)
        projection = None
        if self.projection is not None and nodes.strength is not None:
            projection = ProjectionVectors(
                nodes.strength, self.projection.relation_vector.weight
            )
        return self.attention(
            self.graph, nodes.embeddings, self.relation_embedding.weight, projection
        )

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
            nodes (NodeVectors, optional): those of the graph, where they are at hand.

        Returns:
            torch.Tensor: f, users first, then items, shape: [n_graph_nodes, d]
        """
        if nodes is None:
            (nodes,) = self._look_up(self.graph_nodes)
        if self.fusion is None:
            return nodes.embeddings
        assert self.relation_embedding is not None
        return self.fusion(nodes.embeddings, self.relation_embedding.weight)

    def _propagated(self, nodes: NodeVectors) -> Tensor:
        """Propagated embeddings z of users, then items, shape: [n_scored_nodes, d]."""
        if self.training and self.recorded is not None:
            return self.recorded.propagation(*_given(nodes))
        return self.propagated_vectors(*nodes)

    def propagated_vectors(
        self, embeddings: Tensor, strength: Optional[Tensor] = None
    ) -> Tensor:
        """Propagated embeddings z of users, then items.

        Args:
            embeddings (torch.Tensor): e of the nodes of the graph, shape:
                [n_graph_nodes, d]
            strength (torch.Tensor, optional): p_n . e_n of them, where they are
                projected, shape: [n_graph_nodes]

        Returns:
            torch.Tensor: shape: [n_users + n_items, d]
        """
        nodes = NodeVectors(embeddings, strength)
        if self.training:
            edge_weights = self._training_edge_weights(nodes)
        else:
            edge_weights = self.edge_weights(nodes)
        fused = self.dropout(self.fused_embeddings(nodes))
        return self.propagation(self.graph, edge_weights, fused, self.scored_edges)

    def forward(self) -> tuple[Tensor, Tensor]:
        """Propagated embeddings.

        Returns:
            tuple: z of the users, shape: [n_users, d], and of the items, shape:
            [n_items, d]
        """
        (nodes,) = self._look_up(self.graph_nodes)
        user_e, item_e = self._propagated(nodes).split([self.n_users, self.n_items])
        return user_e, item_e

    def _stored_embeddings(self) -> tuple[Tensor, Tensor]:
        """What `forward` returns, computed once an evaluation."""
        if self.restore_user_e is None or self.restore_item_e is None:
            self.restore_user_e, self.restore_item_e = self.forward()
        return self.restore_user_e, self.restore_item_e

    def calculate_loss(self, interaction: Any) -> tuple[Tensor, ...]:
        r"""Calculate the training loss for a batch data.

        Args:
            interaction (Interaction): users, items and negative items; with the fields
                of a triple batch, its knowledge loss is added.

        Returns:
            tuple: recommendation loss and, where ``knowledge_weight`` is above zero,
            weighted knowledge loss, each of shape: []
        """
        _forget_scores(self)
        user = interaction[self.USER_ID]
        item = interaction[self.ITEM_ID]
        negative_item = interaction[self.NEG_ITEM_ID]

        if self.knowledge_weight == 0:
            (nodes,) = self._look_up(self.graph_nodes)
            return self._recommendation_losses(nodes, user, item, negative_item)

        # The interactions are triples too: their relation is trained like the others.
        triples = _TripleBatch(
            user,
            torch.full_like(user, self.interaction_relation),
            item + self.n_users,
            negative_item + self.n_users,
        )
        if self.HEAD_ENTITY_ID in interaction:
            entity_triples = self._entity_triples(interaction)
            triples = _TripleBatch(*map(torch.cat, zip(triples, entity_triples)))
        nodes, of_triples = self._look_up(self.graph_nodes, triples.nodes)
        losses = self._recommendation_losses(nodes, user, item, negative_item)
        knowledge_loss = self._knowledge_loss(triples, of_triples)
        return (*losses, self.knowledge_weight * knowledge_loss)

    def _recommendation_losses(
        self, nodes: NodeVectors, user: Tensor, item: Tensor, negative_item: Tensor
    ) -> tuple[Tensor, ...]:
        """-log softmax of each positive among itself and the negatives that the batch
        shares, or -log sigmoid of its lead over its own negative; mean over the batch.
        First for the propagated embeddings, then for the walks, each with the bias.
        """
        if self.loss == "softmax":
            negative_item = _distinct(negative_item[: self.n_negatives], self.n_items)
        # One look-up for all kinds of nodes: each costs a gradient of all nodes.
        both = torch.cat([item, negative_item])
        asked = torch.cat([user, both + self.n_users])
        rows = self._propagated(nodes).index_select(0, asked)
        user_e, item_e, negative_e = F.normalize(rows, dim=-1).split(
            [len(user), len(item), len(negative_item)]
        )
        user_e = user_e / self.temperature
        bias, negative_bias = (
            self.item_bias(both).squeeze(-1).split([len(item), len(negative_item)])
        )

        score = (user_e * item_e).sum(-1) + bias
        if self.loss == "bpr":
            negative_score = (user_e * negative_e).sum(-1) + negative_bias
            losses = [F.softplus(negative_score - score).mean()]
        else:
            negative_score = torch.addmm(negative_bias, user_e, negative_e.t())
            known = self._known(user, negative_item)
            losses = [softmax_losses(score, negative_score, known).mean()]
        if self.walks is None:
            return tuple(losses)

        # The walks have so few parameters that a part of the negatives is enough.
        n = self.n_walk_negatives
        if self.loss == "bpr":
            other_item, place = negative_item[:n].unique(return_inverse=True)
            score, others_score = self.walks.held_out_scores(
                user[:n], item[:n], other_item
            )
            negative_score = others_score.gather(1, place.unsqueeze(1)).squeeze(1)
            lead = score + bias[:n] - negative_score - negative_bias[:n]
            losses.append(F.softplus(-lead).mean())
        else:
            held_out_scores: Callable[..., Any] = self.walks.held_out_scores
            if self.recorded is not None and self.recorded.held_out_scores is not None:
                held_out_scores = self.recorded.held_out_scores
            score, negative_score = held_out_scores(user, item, negative_item[:n])
            known = known[:, known[1] < n]
            of_walks = softmax_losses(
                score + bias, negative_score + negative_bias[:n], known
            )
            losses.append(of_walks.mean())
        return tuple(losses)

    def _known(self, user: Tensor, item: Tensor) -> Tensor:
        """Which of the items are training items of which of the users.

        A negative is sampled for one user and may be a positive of another.

        Args:
            user (torch.Tensor): shape: [n_asked_users]
            item (torch.Tensor): distinct items, shape: [n_asked_items]

        Returns:
            torch.Tensor: places of the users and of the items, shape: [2, n_known]
        """
        place = item.new_full((self.graph.n_nodes,), -1)
        place[item + self.n_users] = torch.arange(len(item), device=item.device)
        distinct_user, user_place = user.unique(return_inverse=True)
        # The edges out of a user lead to the user's training items and nowhere else.
        row, edge = self.graph.edges.entries_of_rows(distinct_user)
        tail = self.graph.edges.column.index_select(0, edge)
        column = place.index_select(0, tail)
        asked = torch.nonzero(column >= 0).squeeze(-1)
        pointer = row_pointer(row.index_select(0, asked), len(distinct_user))
        user_row, entry = entries_of_rows(pointer, user_place)
        known_column = column.index_select(0, asked.index_select(0, entry))
        return torch.stack([user_row, known_column])

    def calculate_kg_loss(self, interaction: Any) -> Tensor:
        r"""Calculate the training loss for a batch data of KG.

        Args:
            interaction (Interaction): heads, relations, tails and corrupted tails.

        Returns:
            torch.Tensor: weighted knowledge loss, shape: []
        """
        _forget_scores(self)
        triples = self._entity_triples(interaction)
        (nodes,) = self._look_up(triples.nodes)
        return self.knowledge_weight * self._knowledge_loss(triples, nodes)

    def _entity_triples(self, interaction: Any) -> _TripleBatch:
        return _TripleBatch(
            interaction[self.HEAD_ENTITY_ID] + self.n_users,
            interaction[self.RELATION_ID],
            interaction[self.TAIL_ENTITY_ID] + self.n_users,
            interaction[self.NEG_TAIL_ENTITY_ID] + self.n_users,
        )

    def _knowledge_loss(self, triples: _TripleBatch, nodes: NodeVectors) -> Tensor:
        loss_of: Callable[..., Tensor] = self.knowledge_loss_of
        if self.recorded is not None and self.recorded.knowledge_loss is not None:
            loss_of = self.recorded.knowledge_loss
        return loss_of(triples.relation, *_given(nodes))

    def knowledge_loss_of(
        self, relation: Tensor, embeddings: Tensor, strength: Optional[Tensor] = None
    ) -> Tensor:
        """-log sigmoid(distance(corrupted) - distance(true)), mean over the triples in
        both directions, with the distance ||h^r + r - t^r||^2 of TransD. A corrupted
        tail stands for the head of the inverse triple: it is the same false fact, told
        by its other end.

        Args:
            relation (torch.Tensor): relation of each triple, shape: [n_triples]
            embeddings (torch.Tensor): e of the heads, then of the tails, then of the
                corrupted tails, shape: [3 * n_triples, d]
            strength (torch.Tensor, optional): p_n . e_n of them, where nodes are
                projected, shape: [3 * n_triples]

        Returns:
            torch.Tensor: shape: []
        """
        assert self.relation_embedding is not None
        head, *tails = embeddings.view(3, -1, self.embedding_size)
        difference = head - torch.stack(tails)
        of_difference = relation_vectors = None
        if self.projection is not None and strength is not None:
            of_head, *of_tails = strength.view(3, -1)
            of_difference = of_head - torch.stack(of_tails)
            relation_vectors = self.projection.relation_vector.weight
        leads = true_minus_corrupted_scores(
            difference,
            of_difference,
            relation,
            self.relation_embedding.weight,
            relation_vectors,
        )
        return F.softplus(leads).mean()

    def _stored_walks(self, walks: NeighbourWalks, user: Tensor) -> Tensor:
        """What the walks give users, kept for their scores by another balance."""
        if self.restore_damping is None:
            self.restore_damping = walks.damping()
        if self.restore_walks is None or not torch.equal(self.restore_walks[0], user):
            self.restore_walks = (user, walks(user, self.restore_damping))
        return self.restore_walks[1]

    def _scores(self, user: Tensor) -> Tensor:
        """Scores of all items for the given users, shape: [n_asked, n_items]."""
        user_all, item_all = self._stored_embeddings()
        scale = self.balance[0] / self.temperature
        user_e = F.normalize(user_all[user], dim=-1) * scale
        item_e = F.normalize(item_all, dim=-1)
        score = torch.addmm(self.item_bias.weight.t(), user_e, item_e.t())
        if self.walks is not None:
            score.addcmul_(self.balance[1], self._stored_walks(self.walks, user))
        return score

    def predict(self, interaction: Any) -> Tensor:
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        user, place = interaction[self.USER_ID].unique(return_inverse=True)
        item = interaction[self.ITEM_ID]
        scores = item.new_empty(len(item), dtype=self.item_bias.weight.dtype)
        # So few users at a time that the scores of all items take about 16 MiB.
        n_at_once = max(1, 2**22 // self.n_items)
        for first in range(0, len(user), n_at_once):
            asked = (place >= first) & (place < first + n_at_once)
            of_users = self._scores(user[first : first + n_at_once])
            scores[asked] = of_users[place[asked] - first, item[asked]]
        return scores

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Scores of all items for the given users, shape: [batch_size * n_items]."""
        return self._scores(interaction[self.USER_ID]).view(-1)

    def neighbouring_balance(self) -> Optional[Tensor]:
        """The balance to compare with the one in force at the next validation.

        Whoever validates says by `settle_balance` which of the two did better.

        Returns:
            torch.Tensor: weights of embeddings and walks, one of them or both doubled
            or halved, shape: [2]; None without walks
        """
        if self.walks is None:
            return None
        n_joint = int(self.n_failed_steps) - len(_SINGLE_STEPS)
        if n_joint >= 0:
            factors = _JOINT_STEPS[n_joint]
        else:
            factors = _SINGLE_STEPS[int(self.next_step)]
        return self.balance * self.balance.new_tensor(factors)

    def settle_balance(self, moves: bool) -> None:
        """Go on with the neighbouring balance or with the one in force.

        Args:
            moves (bool): whether the neighbour did better
        """
        neighbour = self.neighbouring_balance()
        if neighbour is None:
            return
        if int(self.n_failed_steps) < len(_SINGLE_STEPS):
            self.next_step.copy_((self.next_step + 1) % len(_SINGLE_STEPS))
        if moves:
            self.balance.copy_(neighbour)
            self.n_failed_steps.zero_()
        else:
            n_steps = len(_SINGLE_STEPS) + len(_JOINT_STEPS)
            self.n_failed_steps.copy_((self.n_failed_steps + 1) % n_steps)


def _given(nodes: NodeVectors) -> tuple[Tensor, ...]:
    """What is there of the vectors: nodes that are not projected have no strength."""
    return tuple(vectors for vectors in nodes if vectors is not None)


def _distinct(ids: Tensor, size: int) -> Tensor:
    """The ids without repetition, in the order of their last occurrence."""
    order = torch.arange(len(ids), device=ids.device)
    last = ids.new_zeros(size).scatter_reduce(0, ids, order, "amax")
    return ids[last[ids] == order]


def _forget_scores(model: KGIF) -> None:
    model.restore_user_e, model.restore_item_e = None, None
    model.restore_damping, model.restore_walks = None, None


def _forget_stored_results(model: KGIF, _incompatible_keys: Any = None) -> None:
    model.epoch_edge_weights = None
    _forget_scores(model)


def _check_options(config: Any) -> None:
    for name, (is_valid, allowed) in OPTIONS.items():
        value = config[name]
        if not is_valid(value):
            raise ValueError(f"{name}={value!r} is not allowed; it must be {allowed}")
    if config["kg_reverse_r"]:
        raise ValueError(
            "kg_reverse_r=True is not allowed; it must be False, because KGIF stores "
            "every triple in both directions itself"
        )
    if config["train_neg_sample_args"]["distribution"] == "none":
        raise ValueError(
            "train_neg_sample_args=None is not allowed; KGIF learns from sampled "
            "negative items, so it must name a distribution"
        )
    is_fixed_in_epoch = (
        config["attention_update"] == "epoch" and config["attention"] != "none"
    )
    if is_fixed_in_epoch and config["knowledge_weight"] == 0:
        raise ValueError(
            "knowledge_weight=0 is not allowed with attention_update=epoch; it must be "
            "above 0, because only the knowledge loss trains the attention then"
        )
