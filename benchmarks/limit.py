"""The propagation of KGIF compared with the limits of the machine.

Counts the bytes and operations that a propagation needs, and measures in the same run
how fast this machine streams memory, sums random rows of a table, and multiplies. The
largest of these times is the limit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Callable

from benchmark_report import (
    COLOURS,
    MARKERS,
    Report,
    benchmark_parser,
    format_seconds,
    prepare_output,
    run_as_script,
    write_report,
)
from cpu_or_gpu import Device, select_device
from matplotlib.axes import Axes
from measurement import min_seconds, run_in_fresh_process
from propagation_work import FLOAT_BYTES, Machine, backward_work, forward_work, limits
from synthetic import PUBLISHED, generate, scaled
from tqdm import tqdm

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.common.process import prepare_process

if TYPE_CHECKING:
    from recbole_kgif.model.graph import CollaborativeKnowledgeGraph

SHAPE = "amazon-book"
SIZES = [10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7]
EMBEDDING_SIZE = 64
N_LAYERS = 3
REPETITIONS = 7

# Far larger than the caches, and a product large enough for full speed.
_STREAM_FLOATS = 2**26
_MATRIX_SIZE = 1536
_GPU_MATRIX_SIZE = 8192
# Rows read in random order, and rows per sum: little is written.
_GATHERED_ROWS = 2**19
_ROWS_PER_SUM = 64


def run() -> None:
    """Run the benchmark of the command line, and write the report."""
    namespace = _parser().parse_args()
    device = select_device(namespace)
    output = prepare_output(namespace.output)
    sizes = [size for size in SIZES if size <= namespace.largest] or [namespace.largest]
    measured = run_in_fresh_process(measure, sizes, device)
    write_report(
        output,
        _report(measured, device),
        lambda axes: _draw(axes, measured["sizes"]),
        panels=2,
    )


# --- measuring ----------------------------------------------------------------------


def measure(sizes: Sequence[int], device: Device) -> dict[str, Any]:
    """Measure the machine, then the propagation on graphs of these sizes.

    Args:
        sizes: approximate numbers of edges.
        device: the device.

    Returns:
        The environment, the speeds of the machine, and per size the times and limits.
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
    return _GPU_MATRIX_SIZE if device.is_gpu else _MATRIX_SIZE


def _machine(device: Device) -> Machine:
    import torch

    def seconds(function: Callable[[], Any]) -> float:
        return min_seconds(function, REPETITIONS, device.synchronize)

    first, second, third = (
        torch.ones(_STREAM_FLOATS, device=device.name) for _ in range(3)
    )
    n_rows = _matrix_size(device)
    matrix = torch.randn(n_rows, n_rows, device=device.name)
    product = torch.empty_like(matrix)
    size = _STREAM_FLOATS * FLOAT_BYTES
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
    """Bytes per second of rows of this table, read in random order and summed."""
    import torch

    shape = (_GATHERED_ROWS // _ROWS_PER_SUM, _ROWS_PER_SUM)
    rows = torch.randint(len(table), shape, device=device.name)

    def fetch() -> None:
        torch.nn.functional.embedding_bag(rows, table, mode="sum")

    size = rows.numel() * table.shape[1] * FLOAT_BYTES
    return size / min_seconds(fetch, REPETITIONS, device.synchronize)


def _graph(n_edges: int) -> CollaborativeKnowledgeGraph:
    import torch

    from recbole_kgif.model.graph import CollaborativeKnowledgeGraph
    from recbole_kgif.model.kgif import Triples

    data = generate(scaled(PUBLISHED[SHAPE], n_edges))
    counts = data.counts
    users, items, heads, relations, tails = (
        torch.from_numpy(ids)
        for ids in (data.users, data.items, data.heads, data.relations, data.tails)
    )
    facts = Triples(
        torch.cat([users, heads + counts.users]),
        torch.cat([torch.full_like(users, counts.relations), relations]),
        torch.cat([items, tails]) + counts.users,
    )
    n_nodes = counts.users + counts.items + counts.entities
    return CollaborativeKnowledgeGraph(facts, n_nodes, counts.relations + 1)


def _propagation_seconds(
    graph: CollaborativeKnowledgeGraph, table: Any, device: Device
) -> dict[str, float]:
    """Minimum seconds of a forward and of a backward pass."""
    import torch

    from recbole_kgif.model.layers import Propagation

    propagation = Propagation([EMBEDDING_SIZE] * (N_LAYERS + 1), "linear")
    weights = graph.normalisation.clone().requires_grad_()
    embeddings = table.clone().requires_grad_()
    gradient = torch.ones_like(table)

    def forward() -> Any:
        return propagation(graph, weights, embeddings)

    def backward(result: Any) -> None:
        torch.autograd.grad(result, (weights, embeddings), gradient)

    return {
        "forward": min_seconds(forward, REPETITIONS, device.synchronize),
        "backward": min(
            _seconds_after(forward, backward, device) for _ in range(REPETITIONS)
        ),
    }


def _seconds_after(
    prepare: Callable[[], Any], function: Callable[[Any], None], device: Device
) -> float:
    """Time of a call whose argument must be prepared for each call."""
    prepared = prepare()
    device.synchronize()
    start = time.perf_counter()
    function(prepared)
    device.synchronize()
    return time.perf_counter() - start


# --- reporting ----------------------------------------------------------------------


def _share(passed: Mapping[str, Any], limit: str) -> float:
    """Minimum time divided by measured time; arithmetic is always a limit."""
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
                format_seconds(passed["seconds"]),
                f"{_share(passed, 'fetching'):.0%}",
                f"{_share(passed, 'streaming'):.0%}",
            ]
        rows.append(cells)
    machine = measured["machine"]
    columns = ["MB", "million operations", "time", "of fetching", "of streaming"]
    return Report(
        name=f"limit{device.name_suffix}",
        title="The propagation of KGIF and the limits of the machine"
        f"{device.title_suffix}",
        introduction=f"Three layers, embeddings of {EMBEDDING_SIZE}, on synthetic "
        f"graphs with the shape of Amazon-book. Measured in the same run: a copy moves "
        f"{machine['copy'] / 1e9:.1f} GB/s, a triad {machine['triad'] / 1e9:.1f} GB/s, "
        "reads and writes counted; a product of matrices of "
        f"{_matrix_size(device):,} x {_matrix_size(device):,} does "
        f"{machine['multiplication'] / 1e9:.0f} billion operations per second.",
        header=[
            "edges",
            "random rows, GB/s",
            *(f"forward: {column}" for column in columns),
            *(f"backward: {column}" for column in columns),
        ],
        rows=rows,
        notes=[
            "MB and operations are the minimum, with one row fetched per edge. The "
            "percentages are the minimum possible time divided by the measured time. "
            "*Of fetching*: at the speed of random rows of a table of that size; more "
            "than 100 % is possible, because the rows of hubs stay in the cache. *Of "
            "streaming*: every table is read only once per layer at the speed of the "
            "memory, as if the caches held it; small graphs fit into the cache. "
            f"Minimum of {REPETITIONS} times.",
            _arithmetic_note(measured["sizes"]),
        ],
        values={"shape": SHAPE, **measured},
    )


def _arithmetic_note(rows: Sequence[Mapping[str, Any]]) -> str:
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
    return benchmark_parser(__doc__, largest=SIZES[-1])


if __name__ == "__main__":
    run_as_script(run)
