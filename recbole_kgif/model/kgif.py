# -*- coding: utf-8 -*-
# @Time   : 2026/11/22
# @Author : The recbole_kgif authors

r"""
KGIF
##################################################
Reference:
    Dong Hyun Jeon et al. "KGIF: Optimizing Relation-Aware Recommendations with
    Knowledge Graph Information Fusion." in IEEE BigData 2024.

The paper describes its four layers in words and does not give every equation. Those
used here are our reading, and are given in the docstrings of the layers.
"""

import math
from collections import namedtuple
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from numpy.polynomial import Chebyshev, Polynomial
from recbole.model.abstract_recommender import KnowledgeRecommender
from recbole.utils import InputType
from torch import Tensor, nn

Triples = namedtuple("Triples", ["head", "relation", "tail"])

# Embeddings r of all relations, and projection vectors w_r where nodes are projected,
# each [n_relations, d]; inverse relations are the second half.
RelationVectors = namedtuple("RelationVectors", ["embeddings", "projections"])


def drop_dangling_nodes(facts, n_fixed, n_nodes):
    """Remove nodes but the first ones that are on no path, as they have one neighbour
    at most. Returns the other facts, renumbered, and the former ids of their nodes."""
    facts = torch.stack(facts)
    while True:
        ends = facts[::2]
        low, high = ends.amin(dim=0), ends.amax(dim=0)
        pairs = torch.unique((low * n_nodes + high)[low != high])
        low, high = torch.div(pairs, n_nodes, rounding_mode="floor"), pairs % n_nodes
        is_kept = torch.bincount(torch.cat([low, high]), minlength=n_nodes) > 1
        is_kept[:n_fixed] = True
        if bool(is_kept[ends].all()):
            break
        facts = facts[:, is_kept[ends].all(dim=0)]
    nodes = torch.nonzero(is_kept).squeeze(-1)
    head, tail = torch.searchsorted(nodes, ends.contiguous())
    return Triples(head, facts[1], tail), nodes


class CollaborativeKnowledgeGraph(nn.Module):
    """Both directions of the distinct facts, sorted by head, relation and tail. A fact
    ``(h, r, t)`` becomes the edges ``(h, r, t)`` and ``(t, r + n_relations, h)``: an
    inverse relation is a relation of its own. Parallel edges stay apart."""

    def __init__(self, facts, n_nodes, n_relations):
        super().__init__()
        self.n_nodes, self.n_relations = n_nodes, 2 * n_relations
        head = torch.cat([facts.head, facts.tail])
        relation = torch.cat([facts.relation, facts.relation + n_relations])
        tail = torch.cat([facts.tail, facts.head])
        key = torch.unique((head * 2 * n_relations + relation) * n_nodes + tail)
        pair = torch.div(key, n_nodes, rounding_mode="floor")
        head = torch.div(pair, 2 * n_relations, rounding_mode="floor")
        edges = torch.stack([head, pair % (2 * n_relations), key % n_nodes])
        # Rebuilt from the data set, hence not part of a checkpoint.
        self.register_buffer("edges", edges, persistent=False)
        # 1 / sqrt(D_h D_t), with D the number of edges out of a node
        degree = torch.bincount(head, minlength=n_nodes).to(torch.get_default_dtype())
        normalisation = (degree[head] * degree[key % n_nodes]).rsqrt()
        self.register_buffer("normalisation", normalisation, persistent=False)

    def triples(self):
        """All edges."""
        return Triples(*self.edges)

    def linked_pairs(self, heads, tails):
        """Positions of linked nodes in both arguments, shape: [2, n_linked]."""
        pairs = heads.unsqueeze(1) * self.n_nodes + tails
        head, _, tail = self.triples()
        return torch.nonzero(torch.isin(pairs, head * self.n_nodes + tail)).t()


class NodeVectors(NamedTuple):
    """Embeddings e_n of nodes, and coefficients p_n . e_n where they are projected."""

    embeddings: Tensor
    coefficients: Optional[Tensor] = None

    def rows(self, ids):
        """The vectors of some of the nodes."""
        return NodeVectors(*(x if x is None else x.index_select(0, ids) for x in self))

    def projected(self, relations, relation):
        """n^r = e_n + (p_n . e_n) w_r: dynamic projection in TransD's form."""
        if self.coefficients is None or relations.projections is None:
            return self.embeddings
        projections = relations.projections.index_select(0, relation)
        return self.embeddings + self.coefficients.unsqueeze(-1) * projections


def segment_softmax(logits, segment, n_segments):
    """Softmax over the members of each segment, shape: [n_members]."""
    # The largest logit cancels out; it keeps the exponentials in range.
    zeros, known = logits.new_zeros(n_segments), logits.detach()
    largest = zeros.scatter_reduce(0, segment, known, "amax", include_self=False)
    weight = (logits - largest.index_select(0, segment)).exp()
    total = zeros.index_add(0, segment, weight)
    return weight / total.index_select(0, segment)


class InformationFusion(nn.Module):
    """Explicit fusion of nodes and relations by self-attention.

    The tokens of a node are itself and its distinct relations, each weighted by how
    often it occurs (c_nr), but for the relations ``left_out``::

        a_nr ~ c_nr exp((W_Q e_n) . (W_K r) / sqrt d)
        a_nn ~      exp((W_Q e_n) . (W_K e_n) / sqrt d)
        f_n  = e_n + beta * sum_r a_nr W_V r

    with a learned gate beta. The self-attention between entities and relations is the
    paper's; tokens, multiplicity and gate are our choice.
    """

    def __init__(self, graph, embedding_size, left_out=()):
        super().__init__()
        head, relation, _ = graph.triples()
        kept = ~torch.isin(relation, relation.new_tensor(left_out))
        pairs = torch.stack([head, relation])[:, kept]
        key = pairs[0] * graph.n_relations + pairs[1]
        _, count = torch.unique_consecutive(key, return_counts=True)
        tokens = pairs[:, count.cumsum(0) - 1]  # the last of each
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("token_count", count.clone(), persistent=False)
        self.query = nn.Linear(embedding_size, embedding_size, bias=False)
        self.key = nn.Linear(embedding_size, embedding_size, bias=False)
        self.value = nn.Linear(embedding_size, embedding_size, bias=False)
        self.gate = nn.Parameter(torch.tensor(0.1))

    def forward(self, node_embeddings, relation_embeddings):
        """Fused embedding f of every node, shape: [n_nodes, d]."""
        node, relation = self.tokens
        query = self.query(node_embeddings) / math.sqrt(node_embeddings.shape[-1])
        logit = (query[node] * self.key(relation_embeddings)[relation]).sum(-1)
        own_logit = (query * self.key(node_embeddings)).sum(-1)
        logits = torch.cat([logit + self.token_count.log(), own_logit])
        segment = torch.cat([node, torch.arange(len(query), device=node.device)])
        attention = segment_softmax(logits, segment, len(query))[: len(node)]
        value = self.gate * self.value(relation_embeddings)[relation]
        return node_embeddings.index_add(0, node, attention.unsqueeze(-1) * value)


class EdgeAttention(nn.Module):
    """Weight of each edge in the propagation, by KGAT's attention on projected nodes::

        pi(h, r, t) = t^r . tanh(h^r + r) + b_r

    ``modulated`` scales the symmetric normalisation by it: 2 sigmoid(pi) / sqrt(D_h
    D_t), our choice; ``softmax`` normalises it over the edges out of h, as KGAT does.
    """

    def __init__(self, kind, n_relations, relation_bias=True):
        super().__init__()
        self.kind = kind
        self.relation_bias = nn.Embedding(n_relations, 1) if relation_bias else None

    def logits(self, graph, nodes, relations):
        """Logit pi of each edge, by the vectors of all nodes and relations."""
        head, relation, tail = graph.triples()
        query = nodes.rows(head).projected(relations, relation)
        query = torch.tanh(query + relations.embeddings.index_select(0, relation))
        logits = (nodes.rows(tail).projected(relations, relation) * query).sum(-1)
        if self.relation_bias is not None:
            logits = logits + self.relation_bias(relation).squeeze(-1)
        return logits

    def forward(self, graph, *vectors):
        """Weight alpha of each edge, by the vectors of all nodes and relations."""
        logits = self.logits(graph, *vectors)
        if self.kind == "softmax":
            return segment_softmax(logits, graph.triples().head, graph.n_nodes)
        return 2 * torch.sigmoid(logits) * graph.normalisation


class Propagation(nn.Module):
    """Propagation along the weighted edges; returns the mean over the layers.

    Linear: f^(l+1)_h = sum alpha_hrt f^(l)_t, our choice, so that for given weights the
    result is a sum over walks. ``bi-interaction`` has KGAT's aggregator, normalised::

        f^(l+1)_h = LeakyReLU(W_1 (f_h + g_h)) + LeakyReLU(W_2 (f_h * g_h))

    Where ``dropout`` is a number the rest is KGAT's too: a dropout of each layer's
    output, and the normalised outputs joined in place of the mean.
    """

    def __init__(self, sizes, kind, dropout=None):
        super().__init__()
        self.n_layers = len(sizes) - 1
        self.aggregators = nn.ModuleList()
        for pair in zip(sizes, sizes[1:]) if kind == "bi-interaction" else ():
            self.aggregators.append(nn.ModuleDict())
            for name in ("sum_transform", "product_transform"):
                self.aggregators[-1][name] = nn.Linear(*pair)
        self.is_joined = dropout is not None
        self.dropout = nn.Dropout(dropout or 0)

    def neighbours(self, graph, edge_weights, nodes):
        """Sum alpha_hrt f_t of each node h, shape of ``nodes``."""
        head, _, tail = graph.triples()
        messages = edge_weights.unsqueeze(-1) * nodes.index_select(0, tail)
        return torch.zeros_like(nodes).index_add(0, head, messages)

    def forward(self, graph, edge_weights, nodes):
        """Vectors z of all nodes, by alpha and f: [n_nodes, d or the sum of sizes]."""
        layers = [nodes]
        for layer in range(self.n_layers):
            reached = self.neighbours(graph, edge_weights, nodes)
            if self.aggregators:
                by_sum, by_product = self.aggregators[layer].values()
                total, product = by_sum(nodes + reached), by_product(nodes * reached)
                reached = self.dropout(F.leaky_relu(total) + F.leaky_relu(product))
            layers.append(F.normalize(reached) if self.aggregators else reached)
            nodes = reached if self.is_joined else layers[-1]
        if self.is_joined:
            return torch.cat(layers, dim=-1)
        return torch.stack(layers).sum(0) / len(layers)


class SpectralFilter(NamedTuple):
    """A polynomial of a matrix times ``scale``, whose eigenvalues are in [0,
    ``largest``], by its coefficients, that of the identity first."""

    scale: float
    largest: float
    coefficients: tuple[float, ...]

    def apply(self, product, vectors):
        """The polynomial times tensors or arrays, by the product with the matrix."""
        total = self.coefficients[-1] * vectors
        for coefficient in self.coefficients[-2::-1]:
            total = self.scale * product(total) + coefficient * vectors
        return total


def ridge_filter(product, diagonal, s, degree):
    """The polynomial that approximates (1 + s) (I + s K)^-1, None where K is zero: K is
    the matrix that ``product`` multiplies by, divided by the mean of its diagonal. This
    ridge regression shrinks its strongest directions, which nearly all items share."""
    positive = diagonal > 0
    if not bool(positive.any()):
        return None
    scale = 1 / float(diagonal[positive].mean())
    vector = torch.ones_like(diagonal).unsqueeze(1)
    for _ in range(30):
        vector = product(vector / vector.norm())
    largest = 1.05 * scale * float(vector.norm())  # power iterations underestimate it
    wanted = Chebyshev.interpolate(lambda x: (1 + s) / (1 + s * x), 63, [0, largest])
    powers = wanted.truncate(degree + 1).convert(kind=Polynomial).coef
    return SpectralFilter(scale, largest, tuple(powers.tolist()))


def shared_neighbours(graph, n_users, n_items, n_counted=None):
    """What items have in common: *neighbours*, pairs of relation and node that at least
    two items reach. Returns user and item of each interaction; item and neighbour of
    each link, and its value x, the inverse frequency of the neighbour among the items,
    or ``n_counted`` of them, divided by the norm of those of the item and relation;
    relation and node of each neighbour."""
    head, edge_relation, tail = graph.triples()
    is_interaction = head < n_users
    history = torch.stack([head[is_interaction], tail[is_interaction] - n_users])
    from_item = (head >= n_users) & (head < n_users + n_items)
    key = edge_relation[from_item] * graph.n_nodes + tail[from_item]
    pairs, pair, count = torch.unique(key, return_inverse=True, return_counts=True)
    is_shared = count > 1
    kept = is_shared[pair]
    item = head[from_item][kept] - n_users
    neighbour = (is_shared.cumsum(0) - 1)[pair[kept]]
    relation = torch.div(pairs, graph.n_nodes, rounding_mode="floor")[is_shared]
    node = (pairs % graph.n_nodes)[is_shared]
    # The padding item has no edges and is not counted.
    n_linked = count[is_shared].to(graph.normalisation.dtype)
    value = (((n_counted or n_items) - 1) / n_linked).clamp(min=1).log()[neighbour]
    group = item * graph.n_relations + relation[neighbour]
    squares = value.new_zeros(n_items * graph.n_relations)
    norm = squares.index_add(0, group, value.square()).sqrt()[group]
    # What all items reach has value zero, even if an item reaches nothing else.
    value = torch.where(norm > 0, value / norm, value)
    return history, torch.stack([item, neighbour]), value, relation, node


class NeighbourWalks(nn.Module):
    """Score of the direct walks user - item - neighbour - item, filtered.

    With N(u) the training items of a user and x the values of `shared_neighbours`::

        v(u, i) = |N(u)|^-a  sum_{j in N(u)} sum_n g_{r(n)} x_jn x_in
        w(u, i) = sum_l v(u, l) P_li

    where n runs over all neighbours of both j and i: entities, and other users. P is a
    polynomial (`ridge_filter`) of the item kernel, the matrix of the same sums between
    any two items. The relation weights g_r > 0 and the exponent a are learned without
    P, from leave-one-out scores: an item is no evidence of itself. All of it is ours.
    """

    rate = 10.0  # These few numbers may learn faster than embeddings.
    regularisation = 0.125  # Chosen on validation.
    filter_degree = 4

    def __init__(self, graph, n_users, n_items):
        super().__init__()
        # log(g_r) / rate, and (a - 1/2) / rate
        self.relation_trust = nn.Embedding(graph.n_relations, 1)
        self.exponent = nn.Parameter(torch.zeros(()))
        self.store(n_users, n_items, *shared_neighbours(graph, n_users, n_items))

    def store(self, n_users, n_items, history, links, value, relation, node):
        """Keep what the items have in common."""
        ones = torch.ones_like(history[0], dtype=value.dtype)
        history = torch.sparse_coo_tensor(history, ones, (n_users, n_items))
        links = torch.sparse_coo_tensor(links, value, (n_items, len(node)))
        buffers = {"history": history.coalesce(), "links": links.coalesce()}
        for name, tensor in dict(buffers, relation=relation, node=node).items():
            self.register_buffer(name, tensor, persistent=False)

    def relation_weights(self):
        """g_r of each relation, shape: [n_relations]."""
        return (self.rate * self.relation_trust.weight.squeeze(-1)).exp()

    def user_factor(self, n_items):
        """Factor |N(u)|^-a for numbers of items, of the same shape."""
        exponent = 0.5 + self.rate * self.exponent
        return n_items.clamp(min=1).to(exponent.dtype).pow(-exponent)

    def kernel(self, of_items, users=None):
        """Multiply vectors, [n_items, n], by the item kernel; with users, [n], each
        product leaves out this user as a neighbour."""
        reached = torch.sparse.mm(self.links.t(), of_items)
        if users is not None:
            reached = reached.masked_fill(self.node.unsqueeze(1) == users, 0)
        weights = self.relation_weights()[self.relation].unsqueeze(-1)
        return torch.sparse.mm(self.links, weights * reached)

    @torch.no_grad()
    def spectral_filter(self):
        """P for the current relation weights, None where no item has a neighbour."""
        weights = self.relation_weights()[self.relation].unsqueeze(-1)
        diagonal = torch.sparse.mm(self.links * self.links, weights).squeeze(-1)
        form = self.regularisation, self.filter_degree
        return ridge_filter(self.kernel, diagonal, *form)

    def forward(self, users, by=None):
        """Scores w of all items, or v without P, shape: [n_selected, n_items]."""
        seen = self.history.index_select(0, users).to_dense()
        of_items = self.kernel(seen.t(), users)
        if by is not None:
            of_items = by.apply(self.kernel, of_items)
        return of_items.t() * self.user_factor(seen.sum(-1, keepdim=True))

    def leave_one_out_scores(self, user, item, other_items):
        """Scores v with each given interaction left out of the graph, [batch_size], and
        of their users with items that they do not know, [batch_size, n_others]."""
        row = torch.arange(len(user), device=user.device)
        seen = self.history.index_select(0, user).to_dense()
        seen[row, item] = 0
        scores = self.kernel(seen.t(), user).t()
        scores = scores * self.user_factor(seen.sum(-1, keepdim=True))
        return scores[row, item], scores[:, other_items]


class KGIF(KnowledgeRecommender):
    r"""KGIF joins users, items and entities into one collaborative knowledge graph,
    fuses every node with its relations by self-attention, and propagates the fused
    embeddings along edges that are weighted by relation-aware attention on dynamically
    projected nodes. The score of a user and an item is::

        y(u, i) = p cos(z_u, z_i) / temperature + q w(u, i) + b_i

    with z the propagated embeddings, w the direct walks of `NeighbourWalks` and b_i a
    learned item bias. Embeddings and walks are trained together, each by a loss of its
    own. The score weights (p, q) are 1 unless a trainer chooses them in validation.
    """

    input_type = InputType.PAIRWISE
    n_walk_negatives = 128
    graph_class = CollaborativeKnowledgeGraph  # What a faster equivalent replaces.
    fusion_class = InformationFusion
    attention_class = EdgeAttention
    propagation_class = Propagation
    walks_class = NeighbourWalks

    def __init__(self, config, dataset):
        super().__init__(config, dataset)

        # load parameters info
        self.embedding_size = config["embedding_size"]
        self.n_layers = len(config["layer_sizes"]) or config["n_layers"]
        update = config["attention_update"]
        # Steps from one differentiation of the attention to the next.
        self.attention_interval = {"step": 1, "epoch": math.inf}.get(update, update)
        self.similarity = config["similarity"]
        self.loss = config["loss"]
        self.n_negatives = config["n_negatives"]
        self.temperature = config["temperature"]
        self.knowledge_weight = config["knowledge_weight"]
        self.knowledge_update = config["knowledge_update"]
        self.initial_std = config["initial_std"]

        # generate intermediate data
        self.interaction_relation = self.n_relations - 1
        n_nodes = self.n_users + self.n_entities
        self.n_scored = self.n_users + self.n_items  # the first nodes
        user, item = dataset.inter_feat[self.USER_ID], dataset.inter_feat[self.ITEM_ID]
        fields = (self.HEAD_ENTITY_ID, self.RELATION_ID, self.TAIL_ENTITY_ID)
        head, relation, tail = (dataset.kg_feat[field] for field in fields)
        interact = torch.full_like(user, self.interaction_relation)
        facts = Triples(
            torch.cat([user, head + self.n_users]),
            torch.cat([interact, relation]),
            torch.cat([item, tail]) + self.n_users,
        )
        facts, graph_nodes = drop_dangling_nodes(facts, self.n_scored, n_nodes)
        self.register_buffer("graph_nodes", graph_nodes, persistent=False)
        self.graph = self.graph_class(facts, len(graph_nodes), self.n_relations)

        # define layers and loss
        self._define_layers(config)

        # parameters initialization
        self._initialise_parameters()

        # The score weights (p, q), and the state of a trainer's search for them.
        self.register_buffer("balance", torch.ones(2))
        self.register_buffer("next_step", torch.zeros((), dtype=torch.int64))
        self.register_buffer("n_failed_steps", torch.zeros((), dtype=torch.int64))
        self.train()

    def _define_layers(self, config):
        """Make the layers; one that is switched off is None and has no parameters."""
        d = self.embedding_size
        n_nodes, n_relations = self.n_users + self.n_entities, 2 * self.n_relations
        uses_attention = config["attention"] != "none"
        learns_relations = uses_attention or self.knowledge_weight > 0
        self.relation_embedding = self.projection = self.fusion = None
        self.attention = self.walks = None
        self.node_embedding = nn.Embedding(n_nodes, d)
        self.item_bias = nn.Embedding(self.n_items, 1)
        self.item_bias.weight.requires_grad_(config["item_bias"])  # else it stays zero
        if learns_relations or config["fusion"]:
            self.relation_embedding = nn.Embedding(n_relations, d)
        if learns_relations and config["dynamic_projection"]:
            self.projection = nn.ModuleDict()
            self.projection["node_vector"] = nn.Embedding(n_nodes, d)
            self.projection["relation_vector"] = nn.Embedding(n_relations, d)
        if config["fusion"]:
            # Interactions would tell items with training interactions from others.
            left_out = self.n_relations - 1, 2 * self.n_relations - 1
            self.fusion = self.fusion_class(self.graph, d, left_out)
        if uses_attention:
            # Only the recommendation loss trains a bias, through the attention.
            sizes = n_relations, self.attention_interval < math.inf
            self.attention = self.attention_class(config["attention"], *sizes)
        if config["walks"]:
            self.walks = self.walks_class(self.graph, self.n_users, self.n_items)
        # With layers of their own sizes, KGAT's form.
        own_sizes, rate = config["layer_sizes"], config["dropout"]
        self.dropout = nn.Dropout(0 if own_sizes else rate)
        sizes = [d, *(own_sizes or [d] * self.n_layers)]
        form = config["propagation"], rate if own_sizes else None
        self.propagation = self.propagation_class(sizes, *form)

    def _initialise_parameters(self):
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=self.initial_std)
            elif isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
        # All items and all relations start equal.
        for name, parameter in self.named_parameters():
            if name.endswith(("bias", "bias.weight", "relation_trust.weight")):
                nn.init.zeros_(parameter)

    def train(self, mode=True):
        """Switch between training and evaluation, and clear what was stored."""
        # storage variables of an epoch, and of an evaluation
        self.n_steps, self.last_edge_weights = 0, None
        self.restore_user_e = self.restore_item_e = self.restore_filter = None
        return super().train(mode)

    def node_vectors(self, ids):
        """Vectors of the given nodes."""
        embeddings, coefficients = self.node_embedding(ids), None
        if self.projection is not None:
            coefficients = (self.projection["node_vector"](ids) * embeddings).sum(-1)
        return NodeVectors(embeddings, coefficients)

    def relation_vectors(self):
        """Vectors of all relations."""
        projections = self.projection and self.projection["relation_vector"].weight
        return RelationVectors(self.relation_embedding.weight, projections)

    def edge_weights(self, nodes=None):
        """Weight alpha of each edge by the current parameters, shape: [n_edges]."""
        if self.attention is None:
            return self.graph.normalisation
        nodes = nodes or self.node_vectors(self.graph_nodes)
        return self.attention(self.graph, nodes, self.relation_vectors())

    def fused_embeddings(self, nodes=None):
        """Fused embeddings f of users, then items, then entities, [n_nodes, d]."""
        nodes = nodes or self.node_vectors(self.graph_nodes)
        if self.fusion is None:
            return nodes.embeddings
        return self.fusion(nodes.embeddings, self.relation_vectors().embeddings)

    def _propagate(self, edge_weights, nodes):
        fused = self.dropout(self.fused_embeddings(nodes))
        return self.propagation(self.graph, edge_weights, fused)[: self.n_scored]

    def propagated_vectors(self, nodes):
        """Vectors z of users, then items, by those of all nodes of the graph. Training
        updates the edge weights in every `attention_interval`-th step of an epoch."""
        is_due = self.n_steps % self.attention_interval == 0 or not self.training
        edge_weights = self.edge_weights(nodes) if is_due else self.last_edge_weights
        self.n_steps, self.last_edge_weights = self.n_steps + 1, edge_weights.detach()
        if self.attention_interval == math.inf:
            edge_weights = self.last_edge_weights
        return self._propagate(edge_weights, nodes)

    def forward(self):
        """Propagated vectors z of the users, and of the items."""
        propagated = self.propagated_vectors(self.node_vectors(self.graph_nodes))
        return propagated.split([self.n_users, self.n_items])

    def _normalised(self, vectors):
        return F.normalize(vectors, dim=-1) if self.similarity == "cosine" else vectors

    def calculate_loss(self, interaction):
        r"""Calculate the training loss for a batch data: that of the embeddings, of the
        walks and of the knowledge graph, as far as they are used."""
        nodes = self.node_vectors(self.graph_nodes)
        losses = self._recommendation_losses(nodes, interaction)
        if self.knowledge_weight > 0 and self.knowledge_update == "joint":
            losses.append(self.calculate_kg_loss(interaction))
        return tuple(losses)

    def calculate_kg_loss(self, interaction):
        r"""Calculate the training loss for a batch data of KG, or of interactions: -log
        sigmoid(distance(corrupted) - distance(true)), with TransD's distance ||h^r + r
        - t^r||^2, mean over both directions. In the inverse direction the corrupted
        tail is a corrupted head of the same false fact."""
        relation, *ends = self._triples(interaction)
        head, tail, corrupted = map(self.node_vectors, ends)
        inverse, vectors = relation + self.n_relations, self.relation_vectors()

        def distance(head, relation, tail):
            ends = head.projected(vectors, relation) - tail.projected(vectors, relation)
            return (ends + vectors.embeddings[relation]).pow(2).sum(-1)

        true = distance(head, relation, tail), distance(tail, inverse, head)
        false = distance(head, relation, corrupted), distance(corrupted, inverse, head)
        loss = F.softplus(torch.cat(true) - torch.cat(false)).mean()
        return self.knowledge_weight * loss

    def _triples(self, interaction):
        """Relations, heads, tails and corrupted tails, [4, n], heads and tails as
        nodes. Interactions are triples too: their relation is trained like others."""
        n, triples = self.n_users, []
        if self.USER_ID in interaction:
            user = interaction[self.USER_ID]
            items = interaction[self.ITEM_ID] + n, interaction[self.NEG_ITEM_ID] + n
            interact = torch.full_like(user, self.interaction_relation)
            triples.append(torch.stack([interact, user, *items]))
        if self.HEAD_ENTITY_ID in interaction:
            fields = (self.HEAD_ENTITY_ID, self.TAIL_ENTITY_ID, self.NEG_TAIL_ENTITY_ID)
            entities = [interaction[field] + n for field in fields]
            triples.append(torch.stack([interaction[self.RELATION_ID], *entities]))
        return torch.cat(triples, dim=1)

    def _softmax_losses(self, score, others, known):
        """-log softmax of each score, [batch_size], among itself and its negatives,
        [batch_size, n_negatives], but for the known ones at rows and columns."""
        others = others.index_put(tuple(known), others.new_tensor(-math.inf))
        return -torch.cat([score.unsqueeze(1), others], 1).log_softmax(1)[:, 0]

    def _recommendation_losses(self, nodes, interaction):
        """Losses of the propagated embeddings and of the walks, each with the item
        bias: -log softmax of each positive among itself and the negatives that the
        batch shares; or its own negative alone, which is -log sigmoid of its lead."""
        user, item = interaction[self.USER_ID], interaction[self.ITEM_ID]
        negative_item = interaction[self.NEG_ITEM_ID]
        is_shared = self.loss == "softmax"
        if is_shared:
            # the distinct ones, in the order of their last occurrence
            ordered, position = negative_item[: self.n_negatives].sort(stable=True)
            is_last = F.pad(ordered[1:] != ordered[:-1], (0, 1), value=True)
            negative_item = negative_item[position[is_last].sort().values]
        items = torch.cat([item, negative_item])
        rows = torch.cat([user, items + self.n_users])
        vectors = self._normalised(self.propagated_vectors(nodes).index_select(0, rows))
        sizes = [len(item), len(negative_item)]
        user_e, item_e, negative_e = vectors.split([len(user), *sizes])
        user_e = user_e / self.temperature
        bias, negative_bias = self.item_bias(items).squeeze(-1).split(sizes)
        score = (user_e * item_e).sum(-1) + bias
        if is_shared:
            others = torch.addmm(negative_bias, user_e, negative_e.t())
            known = self.graph.linked_pairs(user, negative_item + self.n_users)
        else:
            others = ((user_e * negative_e).sum(-1) + negative_bias).unsqueeze(1)
            known = user.new_empty(2, 0)
        compared = [(score, others, known)]
        if self.walks is not None:
            # The walks have so few parameters that some of the negatives suffice.
            n = self.n_walk_negatives
            first = slice(None if is_shared else n)
            batch = user[first], item[first], negative_item[:n]
            score, others = self.walks.leave_one_out_scores(*batch)
            score, others = score + bias[first], others + negative_bias[:n]
            if not is_shared:
                others = others.diagonal().unsqueeze(1)
            compared.append((score, others, known[:, known[1] < n]))
        return [self._softmax_losses(*each).mean() for each in compared]

    def _score_parts(self, user):
        """What is weighted in the scores of all items: cosines, and walks or None."""
        if self.restore_user_e is None:
            self.restore_user_e, self.restore_item_e = self.forward()
            self.restore_filter = self.walks and self.walks.spectral_filter()
        user_e = self._normalised(self.restore_user_e[user]) / self.temperature
        similarity = user_e @ self._normalised(self.restore_item_e).t()
        return similarity, self.walks and self.walks(user, self.restore_filter)

    def _scores(self, user):
        """Scores of all items for the given users, shape: [n_selected, n_items]."""
        similarity, walks = self._score_parts(user)
        scores = torch.addcmul(self.item_bias.weight.t(), self.balance[0], similarity)
        return scores if walks is None else scores.addcmul_(self.balance[1], walks)

    def predict(self, interaction):
        """Scores of the given pairs of users and items, shape: [batch_size]."""
        user, position = interaction[self.USER_ID].unique(return_inverse=True)
        return self._scores(user)[position, interaction[self.ITEM_ID]]

    def full_sort_predict(self, interaction):
        """Scores of all items for the given users, shape: [batch_size * n_items]."""
        return self._scores(interaction[self.USER_ID]).view(-1)
