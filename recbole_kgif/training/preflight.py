"""Estimates of the memory that a training of KGIF takes."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import psutil
import torch

from recbole_kgif.model.cuda_graphs import can_capture, has_fixed_steps
from recbole_kgif.model.fast_kgif import KGIF

_FLOAT = 4
_ID = 8

# Where Linux keeps the limit of a container: version 2 of cgroups, then version 1.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

# What is advised where memory is short, the mildest change first.
_SMALLER: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("--train_batch_size=512", {"batch_size": 512, "n_batch_triples": 512}),
    ("--attention_update=epoch", {"attention_is_learned": False, "is_recorded": False}),
    ("--embedding_size=32", {"embedding_size": 32}),
    ("--embedding_size=16", {"embedding_size": 16}),
)


@dataclass(frozen=True)
class Sizes:
    """What the memory of a training of KGIF depends on.

    Attributes:
        n_nodes: users and entities, padding included; each has a row in the tables.
        n_graph_nodes: those among them that are in the graph.
        n_edges: edges of the graph, both directions counted.
        n_scored_edges: those of them out of users and items.
        n_pairs: distinct (node, relation) pairs of the graph.
        n_tokens: those of them that nodes are fused with; 0 without fusion.
        n_users: users, padding included.
        n_items: items, padding included.
        n_interactions: training interactions; 0 without walks.
        n_shared: entries of the matrix items x shared neighbours; 0 without walks.
        n_neighbours: its columns; 0 without walks.
        n_held_out: entries of the matrix interactions x relations; 0 without walks.
        n_walk_negatives: negatives that the walks are trained on.
        embedding_size: d.
        n_tables: tables of n_nodes x d: embeddings and, where used, projections.
        n_layers: layers of the propagation.
        batch_size: interactions a step, no more than there are.
        n_negatives: negatives that a batch shares; 1 where each has its own.
        fuses: whether nodes are fused with their relations.
        attention_is_learned: whether steps differentiate the attention.
        is_recorded: whether a GPU replays what steps have in common.
        has_fixed_steps: whether some of them propagate along earlier edge weights.
        n_batch_triples: triples a step; 0 where there are no more than interactions.
        n_borrowed: pairs of a new item with a known one, and with any item.
    """

    n_nodes: int
    n_graph_nodes: int
    n_edges: int
    n_scored_edges: int
    n_pairs: int
    n_tokens: int
    n_users: int
    n_items: int
    n_interactions: int
    n_shared: int
    n_neighbours: int
    n_held_out: int
    n_walk_negatives: int
    embedding_size: int
    n_tables: int
    n_layers: int
    batch_size: int
    n_negatives: int
    fuses: bool
    attention_is_learned: bool
    is_recorded: bool = False
    has_fixed_steps: bool = False
    n_batch_triples: int = 0
    n_borrowed: int = 0


@dataclass(frozen=True)
class Memory:
    """Estimated memory of a training, in bytes.

    Attributes:
        parameters: weights, gradients and Adam's two moments.
        graph: the graph and what the walks know of it.
        step: what a training step holds beside them at its peak; the gradients, which
            are counted among the parameters, come last.
        recording: what is kept for a GPU to replay.
        new_items: what new items get their scores by, from the first validation on: a
            number for each with each known item, and one with each item.
    """

    parameters: int
    graph: int
    step: int
    recording: int
    new_items: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        of_steps = self.parameters + self.graph + self.step + self.recording
        return of_steps + self.new_items

    @property
    def to_come(self) -> int:
        """What is not held yet once the model is there: all but weights and graph."""
        return self.total - self.parameters // 4 - self.graph


def sizes_of(model: KGIF, batch_size: int, is_recorded: bool = False) -> Sizes:
    """Sizes of a model that is there.

    Args:
        model: the model.
        batch_size: interactions a training step.
        is_recorded: whether a GPU replays what steps have in common.
    """
    graph, walks = model.graph, model.walks
    n_new = int((~model.new_items.is_known).sum())
    return Sizes(
        n_nodes=model.n_users + model.n_entities,
        n_graph_nodes=graph.n_nodes,
        n_edges=graph.n_edges,
        n_scored_edges=model.scored_edges.n_entries,
        n_pairs=graph.n_pairs,
        n_tokens=0 if model.fusion is None else model.fusion.tokens.n_entries,
        n_users=model.n_users,
        n_items=model.n_items,
        n_interactions=0 if walks is None else walks.shared.history.n_entries,
        n_shared=0 if walks is None else walks.shared.items.n_entries,
        n_neighbours=0 if walks is None else walks.shared.n_neighbours,
        n_held_out=0 if walks is None else walks.leave_one_out()[0].n_entries,
        n_walk_negatives=0 if walks is None else model.n_walk_negatives,
        embedding_size=model.embedding_size,
        n_tables=1 if model.projection is None else 2,
        n_layers=model.n_layers,
        batch_size=batch_size,
        n_negatives=model.n_negatives if model.loss == "softmax" else 1,
        fuses=model.fusion is not None,
        attention_is_learned=(
            model.attention is not None and model.attention_interval < math.inf
        ),
        is_recorded=is_recorded,
        has_fixed_steps=has_fixed_steps(model),
        n_borrowed=n_new * (2 * model.n_items - n_new),
    )


def estimate(sizes: Sizes) -> Memory:
    """Memory that the tensors of a training of KGIF take.

    Not included are the process itself and the freed blocks that the allocator keeps:
    these double the memory where no tensor has 32 MiB (measured), and add little else.

    Parameters: every weight has a gradient and two moments. The few of relations and of
    items are left out.

    Graph: ids of eight bytes and values of four, as `SparsePattern` holds them.

    Step: the largest of the following, counted in floats. The gradients of the tables
    come last, with those of the rows looked up in them.

    * Once the losses are computed, what the backward pass will need: of n_graph_nodes
      x d the embeddings, two of the fusion and the input of each further layer; tanh of
      n_pairs x d; two numbers an edge; of batch_size x n_negatives the softmax and the
      scores before it; some fourteen of batch_size x d, most of them of the knowledge
      loss; and, of the W negatives of the walks, one of n_neighbours x W, one of
      n_items x W and four of batch_size x W.
    * In the backward pass of the propagation: gradients of nodes and edges.
    * In that of the attention: the gradient of n_pairs x d and a product with it,
      gradients of the nodes; what came later is gone.

    CUDA graph capture: the same for propagation and attention, with inputs and results,
    and the propagation once more for steps of fixed edge weights; of the walks four of
    n_neighbours x W and of n_items x W, two of n_users x W and four of batch_size x W;
    of the knowledge loss some forty of batch_size x d.

    Args:
        sizes: those of model and graph.
    """
    table = sizes.n_nodes * sizes.embedding_size
    nodes = sizes.n_graph_nodes * sizes.embedding_size
    pairs = sizes.n_pairs * sizes.embedding_size * sizes.attention_is_learned
    edges = sizes.n_edges * sizes.attention_is_learned
    batch = max(sizes.batch_size, sizes.n_batch_triples) * sizes.embedding_size
    gradients = sizes.n_tables * table
    n_of_nodes = 1 + 2 * sizes.fuses + max(0, sizes.n_layers - 1)
    scores = 2 * sizes.batch_size * sizes.n_negatives
    saved = n_of_nodes * nodes + pairs + 2 * edges + 14 * batch
    of_negative = sizes.n_neighbours + sizes.n_items + 4 * sizes.batch_size
    walks = sizes.n_walk_negatives * of_negative
    of_backward = (
        saved + 4 * nodes + 3 * edges,
        5 * nodes + 3 * pairs + 7 * edges + 6 * batch,
    )
    peaks = (
        saved + scores + walks - gradients,
        max(of_backward) - gradients,
        nodes + 6 * batch,
    )
    recording = _recorded(sizes, max(of_backward) + 26 * batch)
    return Memory(
        parameters=4 * _FLOAT * gradients,
        graph=_graph_bytes(sizes),
        step=_FLOAT * max(peaks),
        recording=_FLOAT * recording * sizes.is_recorded,
        new_items=_FLOAT * sizes.n_borrowed,
    )


def _recorded(sizes: Sizes, of_step: int) -> int:
    """Floats that captured CUDA graphs hold, see `estimate`."""
    nodes = sizes.n_graph_nodes * sizes.embedding_size
    nodes *= 4 + (12 + sizes.n_layers) * sizes.has_fixed_steps
    rows = 4 * (sizes.n_neighbours + sizes.n_items + sizes.batch_size)
    return of_step + nodes + sizes.n_walk_negatives * (rows + 2 * sizes.n_users)


def _graph_bytes(sizes: Sizes) -> int:
    """Bytes of ids and values, by what they describe."""
    an_edge = 8 * _ID + _FLOAT
    a_scored_edge = 2 * _ID
    a_pair = 13 * _ID
    a_token = 5 * _ID
    a_node = (7 + sizes.fuses) * _ID
    an_interaction = 6 * _ID
    a_shared = 4 * _ID + _FLOAT
    a_neighbour = 3 * _ID
    a_held_out = 4 * _ID + _FLOAT
    return (
        an_edge * sizes.n_edges
        + a_scored_edge * sizes.n_scored_edges
        + a_pair * sizes.n_pairs
        + a_token * sizes.n_tokens
        + a_node * sizes.n_graph_nodes
        + an_interaction * sizes.n_interactions
        + a_shared * sizes.n_shared
        + a_neighbour * sizes.n_neighbours
        + a_held_out * sizes.n_held_out
    )


def advise(sizes: Sizes, available: int) -> Optional[str]:
    """Options by which a training fits.

    Args:
        sizes: those of model and graph.
        available: bytes for what the model does not hold yet.

    Returns:
        The mildest option, or the fewest options, that are enough; None where none are.
    """
    held = estimate(sizes).total - estimate(sizes).to_come

    def fits(smaller: Sizes) -> bool:
        # A smaller model leaves more, and this one is gone by then.
        return estimate(smaller).total <= available + held

    helpful = [
        (option, change)
        for option, change in _SMALLER
        if estimate(replace(sizes, **change)).total < estimate(sizes).total
    ]
    for option, change in helpful:
        if fits(replace(sizes, **change)):
            return option
    chosen: dict[str, str] = {}
    for option, change in helpful:
        sizes = replace(sizes, **change)
        chosen[option.partition("=")[0]] = option
        if fits(sizes):
            return " ".join(chosen.values())
    return None


def available_memory(device: torch.device) -> int:
    """Bytes that this process can still take, on a GPU those of its memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = int(psutil.virtual_memory().available)
    limit = _container_limit()
    if limit is not None:
        own = int(psutil.Process().memory_info().rss)
        available = min(available, max(0, limit - own))
    return available


def _container_limit() -> Optional[int]:
    for path in _CONTAINER_LIMITS:
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():
            return int(text)
    return None


def log_memory_estimate(
    model: Any, config: Any, n_interactions: int, n_triples: int
) -> None:
    """Log the size of the graph and the memory to be taken; warn where it is short.

    Args:
        model: the model to be trained; nothing is logged for other models than KGIF.
        config: RecBole's configuration.
        n_interactions: training interactions; a step holds no more.
        n_triples: triples of the data set, likewise.
    """
    if not isinstance(model, KGIF):
        return
    n_processes, n_sharing = 1, 1
    if not config["single_spec"]:
        n_processes = config["world_size"]
        # On a GPU each has a memory of its own.
        n_sharing = config["nproc"] if config["device"].type == "cpu" else 1

    def of_batch(count: int) -> int:
        return max(1, min(config["train_batch_size"], count) // n_processes)

    sizes = sizes_of(
        model, of_batch(n_interactions), is_recorded=can_capture(model, config)
    )
    if model.knowledge_weight > 0:
        sizes = replace(sizes, n_batch_triples=of_batch(n_triples))
    memory = estimate(sizes)
    available = available_memory(config["device"]) // n_sharing
    logger = logging.getLogger()
    logger.info(
        f"graph: {sizes.n_graph_nodes:,} nodes, {sizes.n_edges:,} edges; training "
        f"takes about {_shown_bytes(memory.total)} (parameters with gradients and "
        f"moments {_shown_bytes(memory.parameters)}, graph "
        f"{_shown_bytes(memory.graph)}, scores of new items "
        f"{_shown_bytes(memory.new_items)}, a step "
        f"{_shown_bytes(memory.step + memory.recording)}); "
        f"{_shown_bytes(available)} are free"
    )
    if memory.to_come > available:
        options = advise(sizes, available)
        advice = f"{options} makes it fit"
        if options is None:
            advice = "no option makes it fit: take a smaller graph or a larger machine"
        logger.warning(
            f"training will need about {_shown_bytes(memory.to_come)} more, and only "
            f"{_shown_bytes(available)} are free; {advice}"
        )


def _shown_bytes(count: int) -> str:
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB"
