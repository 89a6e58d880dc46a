"""Growth of time and memory of KGIF with the graph, from 10^4 edges on.

Each graph has the degrees and relations of Amazon-book, scaled (see `synthetic.py`),
and is measured in a separate process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np
from benchmark_report import (
    COLOURS,
    MARKERS,
    Report,
    benchmark_parser,
    format_bytes,
    format_seconds,
    prepare_output,
    run_as_script,
    write_report,
)
from cpu_or_gpu import Device, select_device
from matplotlib.axes import Axes
from measurement import ProcessKilled, min_seconds, run_in_fresh_process
from synthetic import PUBLISHED, SyntheticData, generate, scaled
from tqdm import tqdm

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError

SHAPE = "amazon-book"
SIZES = [10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6, 3 * 10**6, 10**7]
BATCH_SIZE = 2048
REPETITIONS = 5

# For smaller graphs, the overhead of a call hides the cost per edge.
_FIT_FROM = 10**5

TIMES = {
    "model_seconds": "model construction",
    "propagation_seconds": "propagation",
    "attention_seconds": "attention",
    "step_seconds": "training step",
}
MEMORY = {"peak_bytes": "peak memory", "model_bytes": "memory of the model"}


def run() -> None:
    """Run the benchmark of the command line, and write the report."""
    namespace = _parser().parse_args()
    device = select_device(namespace)
    output = prepare_output(namespace.output)
    sizes = [size for size in SIZES if size <= namespace.largest] or [namespace.largest]
    measured, ended = [], None
    for size in tqdm(sizes, desc="graphs", unit="graph"):
        try:
            measured.append(run_in_fresh_process(measure, size, device))
        except ProcessKilled:
            ended = size
            break
    if not measured:
        raise UserError(f"the process with {sizes[0]:,} edges was killed; free memory")
    write_report(
        output,
        _report(measured, ended, device),
        lambda axes: _draw(axes, measured),
        panels=2,
    )


# --- measuring ----------------------------------------------------------------------


class TensorDataset:
    """The part of RecBole's data set that KGIF needs, built from arrays.

    Args:
        data: a synthetic data set; id 0 is reserved for padding.
    """

    def __init__(self, data: SyntheticData) -> None:
        import torch

        def ids(values: Any) -> torch.Tensor:
            return torch.from_numpy(values) + 1

        counts = data.counts
        self.sizes = {
            "user_id": counts.users + 1,
            "item_id": counts.items + 1,
            "entity_id": counts.items + counts.entities + 1,
            # RecBole adds one for the interactions.
            "relation_id": counts.relations + 2,
        }
        self.inter_feat = {"user_id": ids(data.users), "item_id": ids(data.items)}
        self.kg_feat = {
            "head_id": ids(data.heads),
            "relation_id": ids(data.relations),
            "tail_id": ids(data.tails),
        }

    def num(self, field: str) -> int:
        """Number of ids, padding included."""
        return self.sizes[field]

    def batch(self, size: int, device: str) -> dict[str, Any]:
        """Sample interactions and triples, with uniform negatives."""
        import torch

        torch.manual_seed(0)

        def sample(columns: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            n = len(next(iter(columns.values())))
            chosen = torch.randint(n, (size,))
            return {name: values[chosen] for name, values in columns.items()}

        columns = {
            **sample(self.inter_feat),
            **sample(self.kg_feat),
            "neg_item_id": torch.randint(1, self.num("item_id"), (size,)),
            "neg_tail_id": torch.randint(1, self.num("entity_id"), (size,)),
        }
        return {name: values.to(device) for name, values in columns.items()}


def measure(n_edges: int, device: Device) -> dict[str, Any]:
    """Measure KGIF with its defaults on a graph of this size.

    Args:
        n_edges: approximate number of edges.
        device: the device.

    Returns:
        Seconds and bytes of one row of the table, and the environment.
    """
    prepare_process()
    import torch

    from recbole_kgif.model.fast_kgif import KGIF
    from recbole_kgif.training.configuration import make_config

    dataset = TensorDataset(generate(scaled(PUBLISHED[SHAPE], n_edges)))
    config = make_config("KGIF", "synthetic", {**device.options, "state": "ERROR"})
    before = device.current_memory()
    start = time.perf_counter()
    model = KGIF(config, dataset).to(device.name).train()
    model_seconds = time.perf_counter() - start
    with torch.no_grad():
        embeddings = model.fused_embeddings()
        weights = model.edge_weights()
        propagation = min_seconds(
            lambda: model.propagation(model.graph, weights, embeddings),
            REPETITIONS,
            device.synchronize,
        )
        attention = min_seconds(model.edge_weights, REPETITIONS, device.synchronize)
    batch = dataset.batch(BATCH_SIZE, device.name)

    def step() -> None:
        model.zero_grad()
        torch.stack(model.calculate_loss(batch)).sum().backward()

    return {
        "edges": model.graph.n_edges,
        "nodes": model.graph.n_nodes,
        "pairs": model.graph.n_pairs,
        "model_seconds": model_seconds,
        "propagation_seconds": propagation,
        "attention_seconds": attention,
        "step_seconds": min_seconds(step, REPETITIONS, device.synchronize),
        "peak_bytes": device.peak_memory(),
        "model_bytes": device.peak_memory() - before,
        "environment": device.environment(),
    }


def exponent(edges: Sequence[float], values: Sequence[float]) -> Optional[float]:
    """Exponent of growth: the slope in logarithmic scale.

    Args:
        edges: numbers of edges.
        values: measured value of each.

    Returns:
        The exponent, fitted from 10^5 edges on; None for fewer than two sizes.
    """
    large = [place for place, size in enumerate(edges) if size >= 0.9 * _FIT_FROM]
    if len(large) < 2:
        return None
    x = np.log([edges[place] for place in large])
    y = np.log([values[place] for place in large])
    return float(np.polyfit(x, y, 1)[0])


# --- reporting ----------------------------------------------------------------------


def _report(
    measured: Sequence[Mapping[str, Any]], ended: Optional[int], device: Device
) -> Report:
    edges = [row["edges"] for row in measured]
    exponents = {
        name: exponent(edges, [row[name] for row in measured])
        for name in (*TIMES, *MEMORY)
    }
    rows = [
        [
            f"{row['edges']:,}",
            f"{row['nodes']:,}",
            f"{row['pairs']:,}",
            *(format_seconds(row[name]) for name in TIMES),
            *(format_bytes(row[name]) for name in MEMORY),
        ]
        for row in measured
    ]
    shown = ["-" if value is None else f"{value:.2f}" for value in exponents.values()]
    rows.append(["exponent of growth", "", "", *shown])
    notes = [
        f"Propagation: three layers, forward. Attention: the weights of all edges, "
        f"forward. Training step: losses of a batch of {BATCH_SIZE:,} and their "
        f"gradients. Each is the minimum of {REPETITIONS} times. The memory of the "
        "model is that of the process without the interpreter, the libraries and the "
        f"data. The exponents are fitted from {_FIT_FROM:,} edges on; 1 is linear.",
    ]
    if ended is not None:
        notes.append(
            f"The process with {ended:,} edges was killed, probably because memory ran "
            "out."
        )
    return Report(
        name=f"growth{device.name_suffix}",
        title=f"Growth of KGIF with the graph{device.title_suffix}",
        introduction="Synthetic graphs with the counts of Amazon-book, scaled in the "
        "number of edges, with power-law degrees and relation frequencies. Embeddings "
        "of 64, three layers.",
        header=["edges", "nodes", "pairs", *TIMES.values(), *MEMORY.values()],
        rows=rows,
        notes=notes,
        values={
            "environment": measured[0]["environment"],
            "shape": SHAPE,
            "batch_size": BATCH_SIZE,
            "exponents": exponents,
            "sizes": measured,
        },
    )


def _draw(axes: Sequence[Axes], measured: Sequence[Mapping[str, Any]]) -> None:
    edges = [row["edges"] for row in measured]
    for panel, names, unit in (
        (axes[0], TIMES, 1.0),
        (axes[1], MEMORY, float(2**20)),
    ):
        for place, (name, label) in enumerate(names.items()):
            panel.plot(
                edges,
                [row[name] / unit for row in measured],
                color=COLOURS[place],
                marker=MARKERS[place],
                label=label,
            )
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("edges")
        panel.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("seconds")
    axes[1].set_ylabel("MiB")


def _parser() -> ArgumentParser:
    return benchmark_parser(__doc__, largest=SIZES[-1])


if __name__ == "__main__":
    run_as_script(run)
