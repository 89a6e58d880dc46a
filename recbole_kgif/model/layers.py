r"""The layers of KGIF as pure modules: tensors and a graph in, tensors out.

Symbols, with ``d`` the embedding size: node ``n`` has an embedding ``e_n`` and a
projection vector ``p_n``; relation ``r`` has an embedding, a projection vector ``w_r``
and a bias ``b_r``. The paper (arXiv 2501.04161) describes the layers in words; the
equations are our reading unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .graph import (
    CollaborativeKnowledgeGraph,
    RelationTokens,
    SharedNeighbours,
    SparsePattern,
)
from .kernels import (
    by_relation,
    dots_with_rows,
    linear_propagation,
    pair_attention_logits,
    quadratic_form,
    sampled_dense_product,
    segment_softmax,
    sparse_dense_product,
    transposed,
)
from .spectral_filter import Damping, damping


def true_minus_corrupted_scores(
    difference: Tensor,
    strength: Optional[Tensor],
    relations: Tensor,
    relation_embeddings: Tensor,
    relation_vectors: Optional[Tensor],
) -> Tensor:
    """How much farther apart true triples are than false ones, told from both ends.

    The distance of a triple is ||h^r + r - t^r||^2, and that of its inverse
    ||t^r' + r' - h^r'||^2. With D = e_h - e_t and S = s_h - s_t they are::

        |D|^2 + 2 S (w_r . D) + S^2 |w_r|^2 +- 2 (r . D + S (r . w_r)) + |r|^2

    (minus for the inverse), of which |r|^2 is the same for true and false: dot products
    with the few relations take the place of matrices of n_triples x d.

    Args:
        difference (Tensor): D of the true and the false triples, shape: [2, n_triples,
            d]
        strength (Tensor): S of them, None for nodes that are not projected, shape: [2,
            n_triples]
        relations (Tensor): relation of each triple, shape: [n_triples]
        relation_embeddings (Tensor): r, inverse relations in the second half, shape:
            [n_relations, d]
        relation_vectors (Tensor): w_r, None for nodes that are not projected, shape:
            [n_relations, d]

    Returns:
        Tensor: distance of the true triple less that of the false one, then the same of
        their inverses, shape: [n_triples, 2]
    """
    n_relations = len(relation_embeddings) // 2
    tables = relation_embeddings
    if relation_vectors is not None:
        tables = torch.cat([relation_embeddings, relation_vectors])
    # Each triple meets r, r', w_r and w_r', in this order.
    n_met = len(tables) // n_relations
    met = relations.unsqueeze(-1) + n_relations * torch.arange(
        n_met, device=relations.device
    )
    dot = dots_with_rows(difference, tables, met)
    dot = dot.view(2, len(relations), -1, 2)

    along = dot[:, :, 0]
    distance = difference.pow(2).sum(-1, keepdim=True)
    if strength is not None and relation_vectors is not None:
        strength = strength.unsqueeze(-1)
        length = _by_direction(relation_vectors.pow(2).sum(-1), relations)
        share = _by_direction(
            (relation_embeddings * relation_vectors).sum(-1), relations
        )
        distance = distance + strength * (2 * dot[:, :, 1] + strength * length)
        along = along + strength * share
    own, inverse = along.unbind(-1)
    distance = distance + 2 * torch.stack([own, -inverse], -1)
    return distance[0] - distance[1]


def _by_direction(values: Tensor, relations: Tensor) -> Tensor:
    """Values of relations and of their inverses, shape: [n_triples, 2]."""
    return values.view(2, -1).index_select(1, relations).t()


class ProjectionVectors(NamedTuple):
    """What the projection of all nodes of a graph takes.

    strength: p_n . e_n of each node, shape: [n_nodes]
    relation_vector: w_r of each relation, shape: [n_relations, d]
    """

    strength: Tensor
    relation_vector: Tensor


class DynamicProjection(nn.Module):
    """Projection of a node into a relation: n^r = e_n + (p_n . e_n) w_r.

    The form of TransD, which costs O(d) a triple where TransR's matrix costs O(d^2).
    The paper names dynamic projection vectors; that they take this form is our reading.
    `EdgeAttention` and `true_minus_corrupted_scores` use the expanded form of what
    follows from this definition, so that no matrix of projected nodes is made.

    Args:
        n_nodes (int): number of nodes
        n_relations (int): number of relations, inverse ones included
        embedding_size (int): d
    """

    def __init__(self, n_nodes: int, n_relations: int, embedding_size: int) -> None:
        super().__init__()
        self.node_vector = nn.Embedding(n_nodes, embedding_size)
        self.relation_vector = nn.Embedding(n_relations, embedding_size)

    def strength(self, nodes: Tensor, embeddings: Tensor) -> Tensor:
        """p_n . e_n of the given nodes, shape of ``nodes``."""
        return (self.node_vector(nodes) * embeddings).sum(-1)

    def forward(
        self, embeddings: Tensor, strength: Tensor, relations: Tensor
    ) -> Tensor:
        """The nodes as the relations see them.

        Args:
            embeddings (Tensor): e_n of some nodes, shape: [..., batch_size, d]
            strength (Tensor): `strength` of them, shape: [..., batch_size]
            relations (Tensor): relation ids, shape: [batch_size]

        Returns:
            Tensor: n^r, shape: [..., batch_size, d]
        """
        return embeddings + strength.unsqueeze(-1) * self.relation_vector(relations)


class InformationFusion(nn.Module):
    """Explicit fusion of nodes and relations by self-attention.

    The tokens of a node are itself and its distinct relations, a relation weighing as
    often as it occurs (c_nr)::

        a_nr ~ c_nr exp((W_Q e_n) . (W_K r) / sqrt d)
        a_nn ~      exp((W_Q e_n) . (W_K e_n) / sqrt d)
        f_n  = e_n + beta * sum_r a_nr W_V r

    with one softmax over all tokens of a node and a learned gate beta that starts
    small. That the layer fuses entities and relations explicitly by a tailored
    self-attention is the paper's description; tokens, multiplicity and gate are our
    choice.

    Args:
        tokens (RelationTokens): the relations of each node
        embedding_size (int): d
    """

    initial_gate = 0.1

    def __init__(self, tokens: RelationTokens, embedding_size: int):
        super().__init__()
        self.tokens = tokens
        self.query = nn.Linear(embedding_size, embedding_size, bias=False)
        self.key = nn.Linear(embedding_size, embedding_size, bias=False)
        self.value = nn.Linear(embedding_size, embedding_size, bias=False)
        self.gate = nn.Parameter(torch.tensor(self.initial_gate))

    def attention(self, node_embeddings: Tensor, relation_embeddings: Tensor) -> Tensor:
        """a_nr of each relation of a node, shape: [n_tokens].

        What is missing to one is the weight of the node's own token.
        """
        pattern = self.tokens.pattern
        # (W_Q e) . (W_K k) = e . (W_Q^T W_K k): the few keys take both matrices.
        key = self.key(relation_embeddings) @ self.query.weight
        scale = 1 / math.sqrt(node_embeddings.shape[-1])
        logit = sampled_dense_product(pattern, node_embeddings, key) * scale
        logit = logit + self.tokens.count.log()
        own_matrix = self.key.weight.t() @ self.query.weight
        own_logit = quadratic_form(node_embeddings, own_matrix) * scale
        own_segment = torch.arange(pattern.n_rows, device=own_logit.device)
        weight = segment_softmax(
            torch.cat([logit, own_logit]),
            torch.cat([pattern.row, own_segment]),
            pattern.n_rows,
        )
        return weight[: pattern.n_entries]

    def forward(self, node_embeddings: Tensor, relation_embeddings: Tensor) -> Tensor:
        """Fused embeddings of all nodes.

        Args:
            node_embeddings (Tensor): e, shape: [n_nodes, d]
            relation_embeddings (Tensor): shape: [n_relations, d]

        Returns:
            Tensor: f, shape: [n_nodes, d]
        """
        weight = self.attention(node_embeddings, relation_embeddings)
        # The gate on the few relations, not on all nodes.
        relation_value = self.gate * self.value(relation_embeddings)
        return node_embeddings + sparse_dense_product(
            self.tokens.pattern, weight, relation_value
        )


class EdgeAttention(nn.Module):
    """Weight of each edge in the propagation.

    The attention logit is that of KGAT on projected nodes, with a bias a relation::

        pi(h, r, t) = t^r . tanh(h^r + r) + b_r

    ``modulated`` scales the symmetric normalisation by it: 2 sigmoid(pi) / sqrt(D_h
    D_t), our choice; ``softmax`` normalises it over the edges out of h, as KGAT does.
    tanh(h^r + r) is computed once a (node, relation) pair, after which an edge costs
    one dot product.

    Args:
        kind (str): ``modulated`` or ``softmax``
        n_relations (int): number of relations, inverse ones included
        relation_bias (bool): whether there is a b_r
    """

    def __init__(self, kind: str, n_relations: int, relation_bias: bool = True):
        super().__init__()
        self.kind = kind
        self.relation_bias: Optional[nn.Embedding] = None
        if relation_bias:
            self.relation_bias = nn.Embedding(n_relations, 1)

    def logits(
        self,
        graph: CollaborativeKnowledgeGraph,
        node_embeddings: Tensor,
        relation_embeddings: Tensor,
        projection: Optional[ProjectionVectors],
    ) -> Tensor:
        """pi(h, r, t) of each edge, shape: [n_edges].

        With s_n = p_n . e_n and q_hr = tanh(h^r + r), the logit is
        e_t . q_hr + s_t (w_r . q_hr) + b_r: one dot product an edge, the rest a number.
        """
        strength = relation_vector = None
        if projection is not None:
            strength, relation_vector = projection
        logits = pair_attention_logits(
            graph, node_embeddings, relation_embeddings, strength, relation_vector
        )
        if self.relation_bias is not None:
            bias = self.relation_bias.weight.squeeze(-1)
            logits = logits + by_relation(graph, bias)
        return logits

    def forward(
        self,
        graph: CollaborativeKnowledgeGraph,
        node_embeddings: Tensor,
        relation_embeddings: Tensor,
        projection: Optional[ProjectionVectors],
    ) -> Tensor:
        """Weight alpha of each edge.

        Args:
            graph (CollaborativeKnowledgeGraph): the graph
            node_embeddings (Tensor): e, shape: [n_nodes, d]
            relation_embeddings (Tensor): shape: [n_relations, d]
            projection (ProjectionVectors): None leaves the nodes unprojected

        Returns:
            Tensor: shape: [n_edges]
        """
        logits = self.logits(graph, node_embeddings, relation_embeddings, projection)
        if self.kind == "softmax":
            return segment_softmax(logits, graph.edges.row, graph.n_nodes)
        return 2 * torch.sigmoid(logits) * graph.normalisation


class BiInteraction(nn.Module):
    """KGAT's bi-interaction: LeakyReLU(W_1 (x + y)) + LeakyReLU(W_2 (x * y)).

    Args:
        embedding_size (int): d
    """

    def __init__(self, embedding_size: int):
        super().__init__()
        self.sum_transform = nn.Linear(embedding_size, embedding_size)
        self.product_transform = nn.Linear(embedding_size, embedding_size)

    def forward(self, node_embeddings: Tensor, neighbour_embeddings: Tensor) -> Tensor:
        """Unit vectors of nodes and their neighbours joined, shape: [n_nodes, d]."""
        total = self.sum_transform(node_embeddings + neighbour_embeddings)
        product = self.product_transform(node_embeddings * neighbour_embeddings)
        return F.normalize(F.leaky_relu(total) + F.leaky_relu(product), dim=-1)


class Propagation(nn.Module):
    """Propagation along the weighted edges; the mean over the layers is returned.

    Linear: f^(l+1)_h = sum alpha_hrt f^(l)_t, with neither a transform nor a
    non-linearity between the layers, so that for given weights the result is a sum over
    walks. The attentive propagation is the paper's, its linear form our choice;
    ``bi_interaction`` puts KGAT's aggregator between the layers.

    Args:
        n_layers (int): number of layers; 0 returns the embeddings as they are
        embedding_size (int): d
        bi_interaction (bool): whether KGAT's aggregator is used
    """

    def __init__(self, n_layers: int, embedding_size: int, bi_interaction: bool):
        super().__init__()
        self.n_layers = n_layers
        self.aggregators = nn.ModuleList(
            BiInteraction(embedding_size)
            for _ in range(n_layers if bi_interaction else 0)
        )

    def forward(
        self,
        graph: CollaborativeKnowledgeGraph,
        edge_weights: Tensor,
        node_embeddings: Tensor,
        asked: Optional[SparsePattern] = None,
    ) -> Tensor:
        """Propagated embeddings of the nodes.

        Args:
            graph (CollaborativeKnowledgeGraph): the graph
            edge_weights (Tensor): alpha, shape: [n_edges]
            node_embeddings (Tensor): f^(0), shape: [n_nodes, d]
            asked (SparsePattern): ``graph.edges.first_rows`` of the nodes that are
                asked for; None asks for all

        Returns:
            Tensor: mean over f^(0) .. f^(n_layers), shape: [n_asked, d]
        """
        if not self.aggregators:
            return linear_propagation(
                graph.edges, edge_weights, node_embeddings, self.n_layers, asked
            )
        current = total = node_embeddings
        for aggregator in self.aggregators:
            neighbours = sparse_dense_product(graph.edges, edge_weights, current)
            current = aggregator(current, neighbours)
            total = total + current
        n_asked = len(total) if asked is None else asked.n_rows
        return total[:n_asked] / (self.n_layers + 1)


class NeighbourWalks(nn.Module):
    """Score of the direct walks user - item - neighbour - item, damped.

    With N(u) the training items of a user and x the entries of `SharedNeighbours`::

        v(u, i) = |N(u)|^-a  sum_{j in N(u)} sum_n g_{r(n)} x_jn x_in
        w(u, i) = sum_l v(u, l) P_li

    where n runs over all that j and i both reach by the same relation: entities, and
    users who have interacted with both. P is a polynomial of the matrix of the same
    sums between any two items (`damping`): walks that go on from item to item take off
    what many items have in common. The trust g_r > 0 in each relation and the exponent
    a are learned, without P, from every interaction as if it were not there: an item
    is no evidence of itself. Our choice, for the paper's balance of user-centric and
    item-centric representations: embeddings of a few dimensions cannot tell apart
    tens of thousands of entities that link two or three items each, and these walks
    can. Each is explicit, and so is its share of the score.

    Args:
        shared (SharedNeighbours): what the items have in common
        n_relations (int): number of relations, inverse ones included
    """

    # A few numbers that concern every interaction may move faster than an embedding.
    rate = 10.0
    initial_exponent = 0.5
    # Chosen on validation, where twice as much did no better.
    damping_strength = 0.125
    damping_degree = 4
    n_users_at_once = 64

    held_out_value: Tensor

    def __init__(self, shared: SharedNeighbours, n_relations: int):
        super().__init__()
        self.shared = shared
        self.relation_trust = nn.Embedding(n_relations, 1)
        self.exponent = nn.Parameter(torch.zeros(()))
        self.held_out, held_out_value = shared.held_out_interactions(n_relations)
        self.register_buffer("held_out_value", held_out_value, persistent=False)

    def trust(self) -> Tensor:
        """g_r of each relation, shape: [n_relations]."""
        return (self.rate * self.relation_trust.weight.squeeze(-1)).exp()

    def user_factor(self, n_items: Tensor) -> Tensor:
        """Factor |N(u)|^-a for numbers of items, of the same shape."""
        exponent = self.initial_exponent + self.rate * self.exponent
        return n_items.clamp(min=1).to(exponent.dtype).pow(-exponent)

    def n_items_of(self, users: Tensor) -> Tensor:
        """|N(u)| of the given users, of the same shape."""
        pointer = self.shared.history.row_pointer
        return pointer[users + 1] - pointer[users]

    def from_items(self, items: Tensor) -> Tensor:
        """sum_n g_{r(n)} x_jn x_in of every item j and the given items i.

        Args:
            items (Tensor): shape: [n_asked]

        Returns:
            Tensor: shape: [n_items, n_asked]
        """
        pattern, value = self.shared.items, self.shared.value
        place, entry = pattern.entries_of_rows(items)
        neighbour = pattern.column[entry]
        trust = self.trust().index_select(0, self.shared.relation[neighbour])
        reached = value.new_zeros(pattern.n_columns, len(items))
        reached[neighbour, place] = value[entry] * trust
        return sparse_dense_product(pattern, value, reached)

    def held_out_scores(
        self, user: Tensor, item: Tensor, other_items: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Scores as if these interactions were not in the graph, for training.

        Args:
            user (Tensor): users, shape: [batch_size]
            item (Tensor): an item that each has interacted with, shape: [batch_size]
            other_items (Tensor): shape: [n_others]

        Returns:
            tuple: w of the interactions, shape: [batch_size], and of their users with
            the other items, shape: [batch_size, n_others]
        """
        interaction = self.shared.interaction_of(user, item)
        place, entry = self.held_out.entries_of_rows(interaction)
        trust = self.trust().index_select(0, self.held_out.column[entry])
        share = self.held_out_value[entry] * trust
        of_item = share.new_zeros(len(item)).index_add(0, place, share)
        between_items = self.from_items(other_items)
        users, user_place = user.unique(return_inverse=True)
        history = self.shared.history.rows(users)
        of_user = sparse_dense_product(
            history, between_items.new_ones(history.n_entries), between_items
        )
        of_user = of_user.index_select(0, user_place)
        return self._without_items(user, item, of_item, of_user, between_items)

    def recordable_held_out_scores(
        self, user: Tensor, item: Tensor, other_items: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What `held_out_scores` returns, for a GPU that replays it.

        The operations and the sizes of all matrices are the same for every batch: the
        sums are those of all interactions and users, of which the asked ones are taken.

        Args:
            user (Tensor): users, shape: [batch_size]
            item (Tensor): an item that each has interacted with, shape: [batch_size]
            other_items (Tensor): shape: [n_others]

        Returns:
            tuple: as of `held_out_scores`
        """
        trust, items, history = self.trust(), self.shared.items, self.shared.history
        held_out = sparse_dense_product(
            self.held_out, self.held_out_value, trust.unsqueeze(-1)
        )
        interaction = self.shared.interaction_of(user, item)
        of_item = held_out.squeeze(-1).index_select(0, interaction)
        chosen = trust.new_zeros(items.n_rows, len(other_items))
        chosen.scatter_(0, other_items.unsqueeze(0), 1)
        product = self._between_items(trust.index_select(0, self.shared.relation))
        between_items = product(chosen)
        ones = trust.new_ones(history.n_entries)
        of_user = sparse_dense_product(history, ones, between_items)
        of_user = of_user.index_select(0, user)
        return self._without_items(user, item, of_item, of_user, between_items)

    def _without_items(
        self,
        user: Tensor,
        item: Tensor,
        of_item: Tensor,
        of_user: Tensor,
        between_items: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """`held_out_scores` from sums, of which ``of_user`` counts the items too.

        Args:
            user (Tensor): shape: [batch_size]
            item (Tensor): shape: [batch_size]
            of_item (Tensor): sums of the items, shape: [batch_size]
            of_user (Tensor): of the users with the other items, shape: [batch_size,
                n_others]
            between_items (Tensor): what `from_items` returns for the other items,
                shape: [n_items, n_others]
        """
        of_others = of_user - between_items.index_select(0, item)
        factor = self.user_factor(self.n_items_of(user) - 1)
        return of_item * factor, of_others * factor.unsqueeze(-1)

    def damping(self) -> Optional[Damping]:
        """P for the present trust, None where no item has a neighbour."""
        items, value = self.shared.items, self.shared.value
        trust = self.trust().detach()[self.shared.relation]
        weight = value.square() * trust.index_select(0, items.column)
        diagonal = value.new_zeros(items.n_rows).index_add(0, items.row, weight)
        return damping(
            self._between_items(trust),
            diagonal,
            self.damping_strength,
            self.damping_degree,
        )

    def _between_items(self, trust: Tensor) -> Callable[..., Tensor]:
        """Multiplication by K, what it needs put in order once.

        Args:
            trust (Tensor): g of each neighbour, shape: [n_neighbours]

        Returns:
            Callable: takes vectors, shape: [n_items, n], and, where each is to be
            multiplied without a user's own part in K, these users, shape: [n]; returns
            the products, shape: [n_items, n]
        """
        items, value = self.shared.items, self.shared.value
        to_neighbours = transposed(items, value)

        def product(of_items: Tensor, but_for: Optional[Tensor] = None) -> Tensor:
            reached = to_neighbours(of_items)
            if but_for is not None:
                self.shared.forget_users(but_for, reached)
            reached *= trust.unsqueeze(-1)
            return sparse_dense_product(items, value, reached)

        return product

    def forward(self, users: Tensor, damping: Optional[Damping]) -> Tensor:
        """Scores of the given users and all items.

        Args:
            users (Tensor): shape: [n_asked_users]
            damping (Damping): what `damping` returns; None leaves P out

        Returns:
            Tensor: shape: [n_asked_users, n_items]
        """
        shared = self.shared
        scores = shared.value.new_empty(len(users), shared.items.n_rows)
        product = self._between_items(self.trust()[shared.relation])
        # On a processor few users at a time: what is theirs stays in its cache.
        is_cached = users.device.type == "cpu"
        n_at_once = self.n_users_at_once if is_cached else max(len(users), 1)
        for first in range(0, len(users), n_at_once):
            asked = users[first : first + n_at_once]
            user, interaction = shared.history.entries_of_rows(asked)
            met = shared.value.new_zeros(shared.history.n_columns, len(asked))
            met[shared.history.column[interaction], user] = 1
            of_items = product(met, but_for=asked)
            if damping is not None:
                of_items = damping.apply(product, of_items)
            of_items = of_items * self.user_factor(self.n_items_of(asked))
            scores[first : first + n_at_once] = of_items.t()
        return scores
