"""The bytes and operations that a propagation needs at least, and the time limits."""

from __future__ import annotations

from dataclasses import dataclass

FLOAT_BYTES = 4
_ID_BYTES = 8


@dataclass(frozen=True)
class Work:
    """The minimum work of a pass.

    Attributes:
        streamed: bytes that are read or written sequentially.
        fetched: bytes of table rows that are read in random order, one row per edge.
        table: bytes of that table: what is read if the caches hold it.
        operations: additions and multiplications.
    """

    streamed: int
    fetched: int
    table: int
    operations: int


@dataclass(frozen=True)
class Machine:
    """Measured speeds of the machine.

    Attributes:
        copy: bytes per second, read and written, of a copy.
        triad: bytes per second of a sum of an array and a multiple of another one.
        multiplication: operations per second of a matrix product.
    """

    copy: float
    triad: float
    multiplication: float

    @property
    def stream(self) -> float:
        """Bytes per second of sequential access."""
        return max(self.copy, self.triad)


def forward_work(n_edges: int, n_nodes: int, size: int, n_layers: int) -> Work:
    """The work of the forward pass of a propagation.

    A layer reads an id and a weight per edge and the start of each node's edges,
    fetches one row per edge, writes one row per node and adds it to the sum. At the
    end the sum is divided.

    Args:
        n_edges: edges.
        n_nodes: nodes.
        size: embedding size.
        n_layers: layers.
    """
    rows = n_nodes * size * FLOAT_BYTES
    per_layer = (
        n_edges * (_ID_BYTES + FLOAT_BYTES) + n_nodes * _ID_BYTES + rows + 3 * rows
    )
    return Work(
        streamed=n_layers * per_layer + 2 * rows,
        fetched=n_layers * n_edges * size * FLOAT_BYTES,
        table=n_layers * rows,
        operations=n_layers * 2 * n_edges * size,
    )


def backward_work(n_edges: int, n_nodes: int, size: int, n_layers: int) -> Work:
    """The work of the backward pass, for the weights and the embeddings.

    For the weights, a layer reads each node's gradient and fetches one row per edge
    for their dot product, which is added to that of the other layers. For the
    embeddings, it reorders the weights by tails and does the work of the forward pass,
    and adds the gradient of the sum.

    Args:
        n_edges: edges.
        n_nodes: nodes.
        size: embedding size.
        n_layers: layers.
    """
    rows = n_nodes * size * FLOAT_BYTES
    for_weights = n_edges * (_ID_BYTES + FLOAT_BYTES) + rows + 3 * n_edges * FLOAT_BYTES
    reordered = n_edges * (_ID_BYTES + 2 * FLOAT_BYTES)
    for_embeddings = (
        n_edges * (_ID_BYTES + FLOAT_BYTES) + n_nodes * _ID_BYTES + rows + 3 * rows
    )
    return Work(
        streamed=n_layers * (for_weights + reordered + for_embeddings) + 2 * rows,
        fetched=n_layers * 2 * n_edges * size * FLOAT_BYTES,
        table=n_layers * 2 * rows,
        operations=n_layers * 4 * n_edges * size,
    )


def limits(work: Work, machine: Machine, gather: float) -> dict[str, float]:
    """Minimum seconds of the work.

    Args:
        work: the work.
        machine: speeds of the machine.
        gather: bytes per second of rows read in random order from such a table.

    Returns:
        Seconds by name: "fetching", if every row is read from memory; "streaming", if
        the caches hold the table, which is then read once per layer; "arithmetic".
    """
    streaming = work.streamed / machine.stream
    return {
        "fetching": streaming + work.fetched / gather,
        "streaming": streaming + work.table / machine.stream,
        "arithmetic": work.operations / machine.multiplication,
    }
