r"""CUDA graph capture of the training step.

On graphs of some ten thousand nodes a GPU computes faster than the CPU can launch the
hundreds of operations of a step and of its gradient. Most of them are the same in every
step, on the same memory: captured once as CUDA graphs, they are launched by one call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Callable

import torch
from torch import Tensor, nn

from .fast_kgif import KGIF, StepFunctions
from .kgif import NodeVectors
from .losses import knowledge_loss

# On larger graphs computing takes longer than launching, and the memory that captured
# graphs reserve would be missed.
_MOST_EDGES = 2**21


class CapturedFunction:
    """A function that is replayed as a CUDA graph.

    Inputs of other shapes than the samples' are passed to the function itself.

    Args:
        function: takes tensors on a GPU and returns tensors, without waiting for a
            number that the GPU computes
        parameters: what it reads besides its inputs; they stay at their addresses
        samples: inputs to capture it with
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Iterable[nn.Parameter],
        *samples: Tensor,
    ):
        self.function = function
        self.shapes = [each.shape for each in samples]
        self._replayed = _FunctionModule(function, parameters)
        # The warm-up runs must not advance the random numbers of a dropout.
        with torch.random.fork_rng([samples[0].device]):
            # No part of the model uses all of its parameters.
            torch.cuda.make_graphed_callables(
                self._replayed, samples, allow_unused_input=True
            )

    def __call__(self, *inputs: Tensor) -> Any:
        """The result of the function; the next call overwrites it."""
        if [each.shape for each in inputs] != self.shapes:
            return self.function(*inputs)
        return self._replayed(*inputs)


def can_capture(model: KGIF, config: Any) -> bool:
    """Whether training steps can be captured, and are worth it.

    They are on a GPU that one process trains on in full precision, with edge weights
    that are learned in some of the steps, and a graph that is not too large.

    Args:
        model: the model
        config: RecBole's configuration
    """
    return bool(
        config["device"].type == "cuda"
        and config["single_spec"]
        and not config["enable_amp"]
        and model.attention_interval < math.inf
        and model.graph.n_edges <= _MOST_EDGES
    )


def has_fixed_steps(model: KGIF) -> bool:
    """Whether some steps propagate along edge weights of an earlier one."""
    return model.attention is not None and model.attention_interval > 1


def capture_training_step(
    model: KGIF, config: Any, n_interactions: int, n_triples: int
) -> None:
    """Have training steps replay CUDA graphs, where that is possible and worth it.

    The results differ from those of other trainings by the order of sums at most.

    Args:
        model: in training mode, on its device, before its first step: what a step has
            begun on another stream cannot be captured
        config: RecBole's configuration
        n_interactions: interactions of a full batch
        n_triples: triples of a full batch
    """
    if not can_capture(model, config):
        return
    device = model.graph_nodes.device

    def ids(count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.int64, device=device)

    def vectors(count: int) -> Iterator[Tensor]:
        # Zeros, as random numbers would change those of the training.
        yield torch.zeros(
            count, model.embedding_size, device=device, requires_grad=True
        )
        if model.projection is not None:
            yield torch.zeros(count, device=device, requires_grad=True)

    parameters = list(model.parameters())

    def capture(
        function: Callable[..., Any], count: int, *samples: Tensor
    ) -> Callable[..., Any]:
        def of_tensors(*inputs: Tensor) -> Any:
            others, of_nodes = inputs[: len(samples)], inputs[len(samples) :]
            return function(*others, NodeVectors(*of_nodes))

        return _of_nodes(
            CapturedFunction(of_tensors, parameters, *samples, *vectors(count))
        )

    def loss_of_triples(relation: Tensor, nodes: NodeVectors) -> Tensor:
        return knowledge_loss(relation, nodes, model.relation_vectors())

    n_nodes, n_triples = len(model.graph_nodes), n_interactions + n_triples
    learned, fixed, loss = capture(model.learned_propagation, n_nodes), None, None
    if has_fixed_steps(model):
        weights = torch.zeros_like(model.graph.normalisation)
        fixed = capture(model._propagate, n_nodes, weights)
    # With the BPR loss the number of negatives varies.
    if model.walks is not None and model.loss == "softmax":
        sizes = (n_interactions, n_interactions, model.n_walk_negatives)
        model.walks.captured = CapturedFunction(
            model.walks.fixed_size_leave_one_out_scores, parameters, *map(ids, sizes)
        )
    if model.knowledge_weight > 0:
        loss = capture(loss_of_triples, 3 * n_triples, ids(n_triples))
    model.captured = StepFunctions(learned, fixed, loss)


def _of_nodes(captured: Callable[..., Any]) -> Callable[..., Any]:
    """The function with `NodeVectors` for its last inputs."""

    def call(*inputs: Any) -> Any:
        *others, nodes = inputs
        return captured(*others, *(x for x in nodes if x is not None))

    return call


class _FunctionModule(nn.Module):
    """A function as a module with the parameters that it reads, as PyTorch takes it."""

    def __init__(
        self, function: Callable[..., Any], parameters: Iterable[nn.Parameter]
    ):
        super().__init__()
        self.function = function
        self.parameters_read = nn.ParameterList(parameters)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)
