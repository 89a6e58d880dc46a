r"""The layers of KGIF as pure modules: tensors and a graph in, tensors out.

Symbols, with ``d`` the embedding size: a node ``n`` has an embedding ``e_n`` and a
projection vector ``p_n``; a relation ``r`` has an embedding, a projection vector
``w_r`` and a bias ``b_r``. The paper (arXiv 2501.04161) describes the layers in words;
the equations are our reading unless a docstring says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention_kernels import (
    by_relation,
    pair_attention_logits,
    quadratic_form,
    segment_softmax,
)
from .graph import CollaborativeKnowledgeGraph
from .kernels import linear_propagation, sampled_dense_product, sparse_dense_product
from .sparse_pattern import SparsePattern
from .vectors import NodeVectors, RelationVectors


class DynamicProjection(nn.Module):
    """Projection of a node into a relation: n^r = e_n + (p_n . e_n) w_r.

    This is the form of TransD, which costs O(d) per triple where TransR's matrix costs
    O(d^2). The paper names dynamic projection vectors; that they take this form is our
    reading. `EdgeAttention` and `true_minus_corrupted_distances` use the expanded
    form of what follows from it, so that no matrix of projected nodes is made.

    Args:
        n_nodes: number of nodes
        n_relations: number of relations, inverse ones included
        embedding_size: d
    """

    def __init__(self, n_nodes: int, n_relations: int, embedding_size: int) -> None:
        super().__init__()
        self.node_vector = nn.Embedding(n_nodes, embedding_size)
        self.relation_vector = nn.Embedding(n_relations, embedding_size)

    def coefficients(self, nodes: Tensor, embeddings: Tensor) -> Tensor:
        """Projection coefficients p_n . e_n of the given nodes, shape of ``nodes``."""
        return (self.node_vector(nodes) * embeddings).sum(-1)

    def forward(
        self, embeddings: Tensor, coefficients: Tensor, relations: Tensor
    ) -> Tensor:
        """Project nodes into relations.

        Args:
            embeddings: e_n of some nodes, shape: [..., batch_size, d]
            coefficients: p_n . e_n of these nodes, shape: [..., batch_size]
            relations: relation ids, shape: [batch_size]

        Returns:
            n^r, shape: [..., batch_size, d]
        """
        return embeddings + coefficients.unsqueeze(-1) * self.relation_vector(relations)


class InformationFusion(nn.Module):
    """Explicit fusion of nodes and relations by self-attention.

    The tokens of a node are itself and its distinct relations, each weighted by how
    often it occurs (c_nr)::

        a_nr ~ c_nr exp((W_Q e_n) . (W_K r) / sqrt d)
        a_nn ~      exp((W_Q e_n) . (W_K e_n) / sqrt d)
        f_n  = e_n + beta * sum_r a_nr W_V r

    with one softmax over all tokens of a node and a learned gate beta that starts
    small. That the layer fuses entities and relations explicitly by a tailored
    self-attention is the paper's description; tokens, multiplicity and gate are our
    choice.

    Args:
        graph: the graph
        embedding_size: d
        left_out: ids of relations that are no tokens

    Attributes:
        tokens: pattern nodes x relations, an entry per distinct relation of a node
        token_count: how often it occurs, c_nr, shape: [n_tokens]
    """

    initial_gate = 0.1
    token_count: Tensor

    def __init__(
        self,
        graph: CollaborativeKnowledgeGraph,
        embedding_size: int,
        left_out: Sequence[int] = (),
    ):
        super().__init__()
        pairs = graph.node_relations
        kept = ~torch.isin(pairs.column, pairs.column.new_tensor(left_out))
        self.tokens = SparsePattern(
            pairs.row[kept], pairs.column[kept], pairs.n_rows, pairs.n_columns
        )
        self.register_buffer("token_count", graph.pair_count[kept], persistent=False)
        self.query = nn.Linear(embedding_size, embedding_size, bias=False)
        self.key = nn.Linear(embedding_size, embedding_size, bias=False)
        self.value = nn.Linear(embedding_size, embedding_size, bias=False)
        self.gate = nn.Parameter(torch.tensor(self.initial_gate))

    def attention(self, node_embeddings: Tensor, relation_embeddings: Tensor) -> Tensor:
        """a_nr of each relation of a node, shape: [n_tokens].

        The remainder to one is a_nn, the weight of the node's own token.
        """
        pattern = self.tokens
        # (W_Q e) . (W_K k) = e . (W_Q^T W_K k): the few keys take both matrices.
        key = self.key(relation_embeddings) @ self.query.weight
        scale = 1 / math.sqrt(node_embeddings.shape[-1])
        logit = sampled_dense_product(pattern, node_embeddings, key) * scale
        logit = logit + self.token_count.log()
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
        """Fuse every node with its relations.

        Args:
            node_embeddings: e, shape: [n_nodes, d]
            relation_embeddings: shape: [n_relations, d]

        Returns:
            f, shape: [n_nodes, d]
        """
        weight = self.attention(node_embeddings, relation_embeddings)
        # The gate is applied to the few relations rather than to all nodes.
        relation_value = self.gate * self.value(relation_embeddings)
        return node_embeddings + sparse_dense_product(
            self.tokens, weight, relation_value
        )


class EdgeAttention(nn.Module):
    """Weight of each edge in the propagation.

    The attention logit is KGAT's on projected nodes, with a bias per relation::

        pi(h, r, t) = t^r . tanh(h^r + r) + b_r

    ``modulated`` scales the symmetric normalisation by it: 2 sigmoid(pi) / sqrt(D_h
    D_t), our choice; ``softmax`` normalises it over the edges out of h, as KGAT does.

    Args:
        kind: ``modulated`` or ``softmax``
        n_relations: number of relations, inverse ones included
        relation_bias: whether there is a b_r
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
        nodes: NodeVectors,
        relations: RelationVectors,
    ) -> Tensor:
        """pi(h, r, t) of each edge, shape: [n_edges]; the arguments are `forward`'s."""
        logits = pair_attention_logits(graph, nodes, relations)
        if self.relation_bias is not None:
            bias = self.relation_bias.weight.squeeze(-1)
            logits = logits + by_relation(graph, bias)
        return logits

    def forward(
        self,
        graph: CollaborativeKnowledgeGraph,
        nodes: NodeVectors,
        relations: RelationVectors,
    ) -> Tensor:
        """Compute the weight alpha of each edge.

        Args:
            graph: the graph
            nodes: vectors of all its nodes
            relations: vectors of its relations

        Returns:
            Shape: [n_edges]
        """
        logits = self.logits(graph, nodes, relations)
        if self.kind == "softmax":
            return segment_softmax(logits, graph.edges.row, graph.n_nodes)
        return 2 * torch.sigmoid(logits) * graph.normalisation


class BiInteraction(nn.Module):
    """KGAT's bi-interaction: LeakyReLU(W_1 (x + y)) + LeakyReLU(W_2 (x * y)).

    Args:
        embedding_size: d
    """

    def __init__(self, embedding_size: int):
        super().__init__()
        self.sum_transform = nn.Linear(embedding_size, embedding_size)
        self.product_transform = nn.Linear(embedding_size, embedding_size)

    def forward(self, node_embeddings: Tensor, neighbour_embeddings: Tensor) -> Tensor:
        """Combine nodes with their neighbours to unit vectors, shape: [n_nodes, d]."""
        total = self.sum_transform(node_embeddings + neighbour_embeddings)
        product = self.product_transform(node_embeddings * neighbour_embeddings)
        return F.normalize(F.leaky_relu(total) + F.leaky_relu(product), dim=-1)


class Propagation(nn.Module):
    """Propagation along the weighted edges; returns the mean over the layers.

    Linear: f^(l+1)_h = sum alpha_hrt f^(l)_t, with neither a transform nor a
    non-linearity between the layers, so that for given weights the result is a sum over
    walks. The attentive propagation is the paper's, its linear form our choice;
    ``bi_interaction`` puts KGAT's aggregator between the layers.

    Args:
        n_layers: number of layers; 0 returns the embeddings unchanged
        embedding_size: d
        bi_interaction: whether to use KGAT's aggregator
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
        first_rows: Optional[SparsePattern] = None,
    ) -> Tensor:
        """Propagate the embeddings of the nodes.

        Args:
            graph: the graph
            edge_weights: alpha, shape: [n_edges]
            node_embeddings: f^(0), shape: [n_nodes, d]
            first_rows: ``graph.edges.first_rows`` of the nodes to return; None returns
                all

        Returns:
            Mean over f^(0) .. f^(n_layers), shape: [n_returned, d]
        """
        if not self.aggregators:
            return linear_propagation(
                graph.edges, edge_weights, node_embeddings, self.n_layers, first_rows
            )
        current = total = node_embeddings
        for aggregator in self.aggregators:
            neighbours = sparse_dense_product(graph.edges, edge_weights, current)
            current = aggregator(current, neighbours)
            total = total + current
        n_returned = len(total) if first_rows is None else first_rows.n_rows
        return total[:n_returned] / (self.n_layers + 1)
