r"""Recording of what a GPU does alike in every training step.

On a graph of some ten thousand nodes, a GPU multiplies matrices in less time than a
processor takes to start the hundreds of operations, one after the other, and those of
their gradients. Most are the same ones in every step, on the same memory: recorded once
(as a CUDA graph), they are started by one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .kgif import KGIF

# With more edges, multiplying takes longer than starting, and the memory that
# recordings keep to themselves would be missed.
_MOST_EDGES = 2**21


class Recording:
    """A function that is replayed for inputs of the form of its samples.

    For other inputs it is computed as ever.

    Args:
        function (Callable): takes tensors on a GPU, and returns tensors; it asks for no
            number that the GPU has to work out first
        parameters (iterable): what it takes beside its inputs; they stay where they are
        samples (Tensor): inputs to record it with
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: Iterable[nn.Parameter],
        *samples: Tensor,
    ):
        self.function = function
        self.shapes = [each.shape for each in samples]
        self._replayed = _Recordable(function, parameters)
        # Trials come before the recording: a dropout must not draw for them.
        with torch.random.fork_rng([samples[0].device]):
            # Of all parameters, a part of the model has but some.
            torch.cuda.make_graphed_callables(
                self._replayed, samples, allow_unused_input=True
            )

    def __call__(self, *inputs: Tensor) -> Any:
        """What the function returns; the next call overwrites it."""
        if [each.shape for each in inputs] != self.shapes:
            return self.function(*inputs)
        return self._replayed(*inputs)


class RecordedParts(NamedTuple):
    """The parts of a training step that are replayed.

    propagation: `KGIF.propagated_vectors`
    held_out_scores: `NeighbourWalks.recordable_held_out_scores`, None without walks, or
        where the number of negatives varies
    knowledge_loss: `KGIF.knowledge_loss_of`, None where it is not asked for
    """

    propagation: Recording
    held_out_scores: Optional[Recording]
    knowledge_loss: Optional[Recording]


def can_record(model: KGIF, config: Any) -> bool:
    """Whether training steps may be replayed, and are worth it.

    They are on a GPU that one process trains on, in full precision, with weights of the
    edges that every step computes anew, and a graph that is not too large.

    Args:
        model (KGIF): the model
        config (Config): RecBole's configuration
    """
    return bool(
        config["device"].type == "cuda"
        and config["single_spec"]
        and not config["enable_amp"]
        and model.attention_update == "step"
        and model.graph.n_edges <= _MOST_EDGES
    )


def record_training(
    model: KGIF, config: Any, n_interactions: int, n_triples: int
) -> None:
    """Have training steps replay what is alike, where it is possible and worth it.

    The results are those of a training without it but for the order of sums.

    Args:
        model (KGIF): in training mode, on its device, before its first step: what a
            step has begun elsewhere cannot be recorded
        config (Config): RecBole's configuration
        n_interactions (int): interactions of a full batch
        n_triples (int): triples of a full batch
    """
    if not can_record(model, config):
        return
    device = model.graph_nodes.device

    def ids(count: int) -> Tensor:
        return torch.zeros(count, dtype=torch.int64, device=device)

    def vectors(count: int) -> Iterator[Tensor]:
        # Not at random: that would take from the numbers of the training.
        yield torch.zeros(count, model.embedding_size, device=device)
        if model.projection is not None:
            yield torch.zeros(count, device=device)

    parameters = list(model.parameters())
    of_nodes = [x.requires_grad_() for x in vectors(len(model.graph_nodes))]
    propagation = Recording(model.propagated_vectors, parameters, *of_nodes)
    held_out_scores = knowledge_loss = None
    if model.walks is not None and model.loss == "softmax":
        held_out_scores = Recording(
            model.walks.recordable_held_out_scores,
            parameters,
            *(ids(n) for n in (n_interactions, n_interactions, model.n_walk_negatives)),
        )
    if model.knowledge_weight > 0:
        n_all = n_interactions + n_triples
        of_triples = [x.requires_grad_() for x in vectors(3 * n_all)]
        knowledge_loss = Recording(
            model.knowledge_loss_of, parameters, ids(n_all), *of_triples
        )
    model.recorded = RecordedParts(propagation, held_out_scores, knowledge_loss)


class _Recordable(nn.Module):
    """A function as PyTorch records it: a module with the parameters that it takes."""

    def __init__(
        self, function: Callable[..., Any], parameters: Iterable[nn.Parameter]
    ):
        super().__init__()
        self.function = function
        self.taken = nn.ParameterList(parameters)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)
