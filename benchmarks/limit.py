"""How near the propagation of KGIF comes to what the machine can do at all.

Counts the bytes that a propagation must move and the operations that it must do, and
measures, in the same run, how fast this machine moves bytes in a row, fetches rows of a
table at random to add them up, and multiplies. The largest of these times is the limit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Callable

from device import Device, add_device_argument, chosen_device
from matplotlib.axes import Axes
from measuring import in_fresh_process, seconds_of
from reporting import (
    COLOURS,
    MARKERS,
    Report,
    add_largest_argument,
    add_output_argument,
    prepare_output,
    run_as_script,
    shown_seconds,
    write_report,
)
from synthetic import PUBLISHED, generate, scaled
from tqdm import tqdm

from recbole_kgif.cli.arguments import ArgumentParser
from recbole_kgif.common.process import prepare_process

if TYPE_CHECKING:
    from recbole_kgif.model.graph import CollaborativeKnowledgeGraph

SHAPE = "amazon-book"
SIZES = [10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7]
EMBEDDING_SIZE = 64
N_LAYERS = 3
REPETITIONS = 7

_FLOAT = 4
_ID = 8

# Far more than a processor's caches hold, and a product that keeps it busy.
_STREAM_FLOATS = 2**26
_MATRIX_SIZE = 1536
_MATRIX_SIZE_OF_A_GPU = 8192
# Rows fetched at random, and how many of them are added up: what is written is little.
_GATHERED_ROWS = 2**19
_ROWS_A_SUM = 64


@dataclass(frozen=True)
class Work:
    """What a pass must do at least.

    Attributes:
        streamed: bytes that are read or written in a row.
        fetched: bytes of rows of a table, fetched in no order, once an edge.
        table: bytes of that table: what is to be read where the caches hold it.
        operations: additions and multiplications.
    """

    streamed: int
    fetched: int
    table: int
    operations: int


@dataclass(frozen=True)
class Machine:
    """What was measured of the machine.

    Attributes:
        copy: bytes a second, read and written, of a copy.
        triad: the same of a sum of an array and a multiple of another one.
        multiplication: operations a second of a product of matrices.
    """

    copy: float
    triad: float
    multiplication: float

    @property
    def stream(self) -> float:
        """Bytes a second in a row."""
        return max(self.copy, self.triad)


def run() -> None:
    """Measure as the command line asks for, and write the report."""
    namespace = _parser().parse_args()
    device = chosen_device(namespace)
    output = prepare_output(namespace.output)
    sizes = [size for size in SIZES if size <= namespace.largest] or [namespace.largest]
    measured = in_fresh_process(measure, sizes, device)
    write_report(
        output,
        _report(measured, device),
        lambda axes: _draw(axes, measured["sizes"]),
        panels=2,
    )


# --- what must be done --------------------------------------------------------------


def forward_work(n_edges: int, n_nodes: int, size: int, n_layers: int) -> Work:
    """What the forward pass of a propagation must do.

    A layer reads an id and a weight of each edge, and where each node's edges begin,
    fetches a row an edge, and writes a row a node; then the row is added to the sum.
    In the end the sum is divided.

    Args:
        n_edges: edges.
        n_nodes: nodes.
        size: embedding size.
        n_layers: layers.
    """
    rows = n_nodes * size * _FLOAT
    a_layer = n_edges * (_ID + _FLOAT) + n_nodes * _ID + rows + 3 * rows
    return Work(
        streamed=n_layers * a_layer + 2 * rows,
        fetched=n_layers * n_edges * size * _FLOAT,
        table=n_layers * rows,
        operations=n_layers * 2 * n_edges * size,
    )


def backward_work(n_edges: int, n_nodes: int, size: int, n_layers: int) -> Work:
    """What the backward pass must do, for the weights and the embeddings.

    For the weights a layer reads each node's gradient and fetches a row an edge for
    their product, one number; this is added to that of the other layers. For the
    embeddings it puts the weights into the order of the tails, and does what the
    forward pass does, with the gradient that comes from the sum added.

    Args:
        n_edges: edges.
        n_nodes: nodes.
        size: embedding size.
        n_layers: layers.
    """
    rows = n_nodes * size * _FLOAT
    for_weights = n_edges * (_ID + _FLOAT) + rows + 3 * n_edges * _FLOAT
    reordered = n_edges * (_ID + 2 * _FLOAT)
    for_embeddings = n_edges * (_ID + _FLOAT) + n_nodes * _ID + rows + 3 * rows
    return Work(
        streamed=n_layers * (for_weights + reordered + for_embeddings) + 2 * rows,
        fetched=n_layers * 2 * n_edges * size * _FLOAT,
        table=n_layers * 2 * rows,
        operations=n_layers * 4 * n_edges * size,
    )


def limits(work: Work, machine: Machine, gather: float) -> dict[str, float]:
    """Least seconds that work takes.

    Args:
        work: what must be done.
        machine: the machine.
        gather: bytes a second of rows that are fetched at random from such a table.

    Returns:
        "fetching": where every row is fetched anew; "streaming": where the caches hold
        the table, which is then read once a layer; "arithmetic".
    """
    streaming = work.streamed / machine.stream
    return {
        "fetching": streaming + work.fetched / gather,
        "streaming": streaming + work.table / machine.stream,
        "arithmetic": work.operations / machine.multiplication,
    }


# --- measuring ----------------------------------------------------------------------


def measure(sizes: Sequence[int], device: Device) -> dict[str, Any]:
    """Measure the machine, then propagations on graphs of these numbers of edges.

    Args:
        sizes: numbers of edges, about.
        device: where it is measured.

    Returns:
        The environment, the machine, and by size what was measured and the limits.
    """
    prepare_process()
    import torch

    machine = _machine(device)
    rows = []
    for n_edges in tqdm(sizes, desc="graphs", unit="graph"):
        graph = _graph(n_edges).to(device.name)
        table = torch.randn(graph.n_nodes, EMBEDDING_SIZE, device=device.name)
        seconds = _propagation_seconds(graph, table, device)
        gather = _gather(table, device)
        shape = (graph.n_edges, graph.n_nodes, EMBEDDING_SIZE, N_LAYERS)
        work = {"forward": forward_work(*shape), "backward": backward_work(*shape)}
        rows.append(
            {
                "edges": graph.n_edges,
                "nodes": graph.n_nodes,
                "gather_bytes_a_second": gather,
                **{
                    name: {
                        "seconds": seconds[name],
                        "work": asdict(each),
                        "limits": limits(each, machine, gather),
                    }
                    for name, each in work.items()
                },
            }
        )
    return {
        "environment": device.environment(),
        "machine": asdict(machine),
        "sizes": rows,
    }


def _matrix_size(device: Device) -> int:
    return _MATRIX_SIZE_OF_A_GPU if device.is_gpu else _MATRIX_SIZE


def _machine(device: Device) -> Machine:
    import torch

    def seconds(function: Callable[[], Any]) -> float:
        return seconds_of(function, REPETITIONS, device.wait)

    first, second, third = (
        torch.ones(_STREAM_FLOATS, device=device.name) for _ in range(3)
    )
    n_rows = _matrix_size(device)
    matrix = torch.randn(n_rows, n_rows, device=device.name)
    product = torch.empty_like(matrix)
    size = _STREAM_FLOATS * _FLOAT
    return Machine(
        copy=2 * size / seconds(lambda: first.copy_(second)),
        triad=3
        * size
        / seconds(lambda: torch.add(first, second, alpha=3.0, out=third)),
        multiplication=2
        * n_rows**3
        / seconds(lambda: torch.mm(matrix, matrix, out=product)),
    )


def _gather(table: Any, device: Device) -> float:
    """Bytes a second of rows of this table, fetched at random and added up."""
    import torch

    shape = (_GATHERED_ROWS // _ROWS_A_SUM, _ROWS_A_SUM)
    rows = torch.randint(len(table), shape, device=device.name)

    def fetch() -> None:
        torch.nn.functional.embedding_bag(rows, table, mode="sum")

    size = rows.numel() * table.shape[1] * _FLOAT
    return size / seconds_of(fetch, REPETITIONS, device.wait)


def _graph(n_edges: int) -> CollaborativeKnowledgeGraph:
    import torch

    from recbole_kgif.model.graph import (
        CollaborativeKnowledgeGraph,
        Triples,
        join_interactions_and_triples,
    )

    data = generate(scaled(PUBLISHED[SHAPE], n_edges))
    counts = data.counts
    users, items, heads, relations, tails = (
        torch.from_numpy(ids)
        for ids in (data.users, data.items, data.heads, data.relations, data.tails)
    )
    facts = join_interactions_and_triples(
        (users, items), Triples(heads, relations, tails), counts.users, counts.relations
    )
    n_nodes = counts.users + counts.items + counts.entities
    return CollaborativeKnowledgeGraph(facts, n_nodes, counts.relations + 1)


def _propagation_seconds(
    graph: CollaborativeKnowledgeGraph, table: Any, device: Device
) -> dict[str, float]:
    """Least seconds of a forward and of a backward pass."""
    import torch

    from recbole_kgif.model.layers import Propagation

    propagation = Propagation(N_LAYERS, EMBEDDING_SIZE, bi_interaction=False)
    weights = graph.normalisation.clone().requires_grad_()
    embeddings = table.clone().requires_grad_()
    gradient = torch.ones_like(table)

    def forward() -> Any:
        return propagation(graph, weights, embeddings)

    def backward(result: Any) -> None:
        torch.autograd.grad(result, (weights, embeddings), gradient)

    return {
        "forward": seconds_of(forward, REPETITIONS, device.wait),
        "backward": min(
            _seconds_after(forward, backward, device) for _ in range(REPETITIONS)
        ),
    }


def _seconds_after(
    prepare: Callable[[], Any], function: Callable[[Any], None], device: Device
) -> float:
    """Time of a call that needs something made anew each time."""
    prepared = prepare()
    device.wait()
    start = time.perf_counter()
    function(prepared)
    device.wait()
    return time.perf_counter() - start


# --- reporting ----------------------------------------------------------------------


def _share(passed: Mapping[str, Any], limit: str) -> float:
    """Share of what is possible, 1 at the limit; arithmetic limits it in any case."""
    least = max(passed["limits"][limit], passed["limits"]["arithmetic"])
    return float(least / passed["seconds"])


def _report(measured: Mapping[str, Any], device: Device) -> Report:
    rows = []
    for row in measured["sizes"]:
        cells = [f"{row['edges']:,}", f"{row['gather_bytes_a_second'] / 1e9:.1f}"]
        for name in ("forward", "backward"):
            passed = row[name]
            work = passed["work"]
            cells += [
                f"{(work['streamed'] + work['fetched']) / 1e6:,.0f}",
                f"{work['operations'] / 1e6:,.0f}",
                shown_seconds(passed["seconds"]),
                f"{_share(passed, 'fetching'):.0%}",
                f"{_share(passed, 'streaming'):.0%}",
            ]
        rows.append(cells)
    machine = measured["machine"]
    columns = ["MB", "million operations", "time", "of fetching", "of streaming"]
    return Report(
        name=f"limit{device.suffix}",
        title="The propagation of KGIF against the limits of the machine"
        f"{device.place}",
        introduction=f"Three layers, embeddings of {EMBEDDING_SIZE}, on synthetic "
        f"graphs with the shape of Amazon-book. Measured in the same run: a copy moves "
        f"{machine['copy'] / 1e9:.1f} GB/s, a triad {machine['triad'] / 1e9:.1f} GB/s, "
        "counting what is read and written; a product of matrices of "
        f"{_matrix_size(device):,} x {_matrix_size(device):,} does "
        f"{machine['multiplication'] / 1e9:.0f} billion operations a second.",
        header=[
            "edges",
            "random rows, GB/s",
            *(f"forward: {column}" for column in columns),
            *(f"backward: {column}" for column in columns),
        ],
        rows=rows,
        notes=[
            "MB and operations are what must be moved and done at least, a row fetched "
            "anew for each edge. Shares are the least possible time by the measured "
            "one. *Of fetching*: rows come as fast as random rows of a table of that "
            "size do; more than 100 % is possible, because the rows of hubs stay in "
            "the cache. *Of streaming*: every table is read but once a layer, as if "
            "the caches held it, at the speed of the memory; small graphs lie in the "
            f"cache as a whole. The least of {REPETITIONS} times.",
            _where_arithmetic_limits(measured["sizes"]),
        ],
        figures={"shape": SHAPE, **measured},
    )


def _where_arithmetic_limits(rows: Sequence[Mapping[str, Any]]) -> str:
    slow = [
        f"{row['edges']:,} ({name})"
        for row in rows
        for name in ("forward", "backward")
        if row[name]["limits"]["arithmetic"] > row[name]["limits"]["fetching"]
    ]
    if not slow:
        return "Arithmetic would take less time than memory at every size."
    return f"Arithmetic would take longer than memory at {', '.join(slow)} edges."


def _draw(axes: Sequence[Axes], rows: Sequence[Mapping[str, Any]]) -> None:
    edges = [row["edges"] for row in rows]
    for panel, name in zip(axes, ("forward", "backward")):
        lines = {
            "measured": [row[name]["seconds"] for row in rows],
            **{
                f"limit by {limit}": [row[name]["limits"][limit] for row in rows]
                for limit in ("fetching", "streaming", "arithmetic")
            },
        }
        for place, (label, values) in enumerate(lines.items()):
            panel.plot(
                edges,
                values,
                color=COLOURS[place],
                marker=MARKERS[place],
                linestyle="-" if place == 0 else "--",
                label=label,
            )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("edges")
        panel.set_ylabel(f"seconds, {name}")
        panel.legend(frameon=False, fontsize=8)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False, description=__doc__)
    add_largest_argument(parser, default=SIZES[-1])
    add_device_argument(parser)
    add_output_argument(parser)
    return parser


if __name__ == "__main__":
    run_as_script(run)
