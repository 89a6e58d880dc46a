r"""The layers of KGIF by the kernels of sparse matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Optional

import torch
from torch import Tensor

from . import kgif
from .attention_kernels import by_relation, pair_attention_logits, quadratic_form
from .graph import CollaborativeKnowledgeGraph
from .kernels import linear_propagation, sampled_dense_product, sparse_dense_product
from .kgif import NodeVectors, RelationVectors, segment_softmax
from .sparse_pattern import SparsePattern


class InformationFusion(kgif.InformationFusion):
    """Fusion with its tokens as a sparse pattern.

    Attributes:
        tokens: pattern nodes x relations, an entry per distinct relation of a node
        token_count: how often it occurs, c_nr, shape: [n_tokens]
    """

    tokens: Any
    token_count: Tensor

    def __init__(
        self,
        graph: CollaborativeKnowledgeGraph,
        embedding_size: int,
        left_out: Sequence[int] = (),
    ):
        super().__init__(graph, embedding_size, left_out)
        node, relation = self.tokens.contiguous()
        del self.tokens
        self.tokens = SparsePattern(node, relation, graph.n_nodes, graph.n_relations)

    def attention(self, node_embeddings: Tensor, relation_embeddings: Tensor) -> Tensor:
        """a_nr of each relation of a node, shape: [n_tokens]."""
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
        """F of every node, shape: [n_nodes, d]."""
        weight = self.attention(node_embeddings, relation_embeddings)
        # The gate is applied to the few relations rather than to all nodes.
        relation_value = self.gate * self.value(relation_embeddings)
        return node_embeddings + sparse_dense_product(
            self.tokens, weight, relation_value
        )


class EdgeAttention(kgif.EdgeAttention):
    """Attention whose tanh is computed once per pair of head and relation."""

    def logits(
        self,
        graph: CollaborativeKnowledgeGraph,
        nodes: NodeVectors,
        relations: RelationVectors,
    ) -> Tensor:
        """Pi of each edge, shape: [n_edges]."""
        logits = pair_attention_logits(graph, nodes, relations)
        if self.relation_bias is not None:
            bias = self.relation_bias.weight.squeeze(-1)
            logits = logits + by_relation(graph, bias)
        return logits


class Propagation(kgif.Propagation):
    """Propagation by sparse products, with one gradient for all linear layers."""

    def neighbours(
        self, graph: CollaborativeKnowledgeGraph, edge_weights: Tensor, nodes: Tensor
    ) -> Tensor:
        """Sum alpha_hrt f_t of each node h, shape of ``nodes``."""
        return sparse_dense_product(graph.edges, edge_weights, nodes)

    def forward(
        self,
        graph: CollaborativeKnowledgeGraph,
        edge_weights: Tensor,
        nodes: Tensor,
        first_rows: Optional[SparsePattern] = None,
    ) -> Tensor:
        """Propagate the embeddings of the nodes.

        Args:
            graph: the graph
            edge_weights: alpha, shape: [n_edges]
            nodes: f^(0), shape: [n_nodes, d]
            first_rows: ``graph.edges.first_rows`` of the nodes to return; None returns
                all

        Returns:
            z, shape: [n_returned, d or the sum of the layers' sizes]
        """
        if not self.aggregators:
            return linear_propagation(
                graph.edges, edge_weights, nodes, self.n_layers, first_rows
            )
        propagated = super().forward(graph, edge_weights, nodes)
        return propagated if first_rows is None else propagated[: first_rows.n_rows]
