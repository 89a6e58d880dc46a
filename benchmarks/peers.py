"""KGIF and KGAT, KGIN, CKE, LightGCN: time per epoch, time to a score, memory.

KGIF is measured with its defaults and with its attention computed once an epoch.

All models are trained in one process, epoch by epoch in turn, so that other load on the
machine affects all alike. The memory of each is measured in a separate process.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

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
from interleaved_training import BATCH_SIZE, MODELS, memory_or_none, train_interleaved
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from measurement import (
    run_in_fresh_process,
)
from tqdm import tqdm

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.experiments.planning import GivenOptions, find_dataset
from recbole_kgif.options.argument_types import at_least_one
from recbole_kgif.options.protocols import RECBOLE

TARGET = "KGAT"


def run() -> None:
    """Run the benchmark of the command line, and write the report."""
    namespace = _parser().parse_args()
    device = select_device(namespace)
    output = prepare_output(namespace.output)
    given = GivenOptions(in_arguments={"data_path": str(namespace.data_path)})
    dataset = find_dataset(namespace.dataset, namespace.source, RECBOLE, given)
    location, options = dataset.location, dataset.options
    training = run_in_fresh_process(
        train_interleaved, location, options, namespace.rounds, device
    )
    memory = {
        name: memory_or_none(location, options, model, device)
        for name, model in tqdm(MODELS.items(), desc="memory", unit="model")
    }
    write_report(
        output,
        _report(namespace, location, training, memory, device),
        lambda axes: _draw(axes, training),
        panels=2,
    )


# --- reporting ----------------------------------------------------------------------


def time_to_score(
    epochs: Sequence[Mapping[str, float]], score: float
) -> Optional[tuple[int, float]]:
    """When a training first reaches a score.

    Args:
        epochs: seconds and score of each epoch.
        score: the score.

    Returns:
        Number of epochs, and seconds of training and validation; None if never.
    """
    seconds = 0.0
    for number, epoch in enumerate(epochs, start=1):
        seconds += epoch["training_seconds"] + epoch["validation_seconds"]
        if epoch["score"] >= score:
            return number, seconds
    return None


def _report(
    namespace: argparse.Namespace,
    location: DatasetLocation,
    training: Mapping[str, Any],
    memory: Mapping[str, Optional[Mapping[str, int]]],
    device: Device,
) -> Report:
    metric = training["metric"]
    target = max(epoch["score"] for epoch in training["models"][TARGET]["epochs"])
    rows = [
        _row(model, result, memory[model], target)
        for model, result in training["models"].items()
    ]
    sizes = ", ".join(
        f"{number:,} {name.replace('_', ' ')}"
        for name, number in training["data"].items()
    )
    return Report(
        name=f"peers-{location.name}{device.name_suffix}",
        title=f"KGIF and other models on {location.name}{device.title_suffix}",
        introduction=f"{sizes}. Embeddings of 64, three layers, batches of "
        f"{BATCH_SIZE:,}, each model's own learning rate, losses and negatives; at "
        f"most {namespace.rounds} epochs, trained in turn.",
        header=[
            "model",
            "training epoch",
            "CPU time",
            "validation",
            "epochs",
            f"best validation {metric}",
            f"epochs to {TARGET}'s best",
            f"time to {TARGET}'s best",
            "peak memory",
            "memory of the model",
            "parameters",
        ],
        rows=rows,
        notes=[
            "Times are medians over the epochs after the first. The CPU time is that "
            "of all threads of the training, without other programs. The time to a "
            "score includes training and validation from the start. A + means that the "
            "model had not stopped early. KGIF validates two pairs of score weights "
            "per epoch. Memory is that of a process that trains and validates the "
            "model for two epochs; the memory of the model is that without the "
            "interpreter, the libraries and the loaded data.",
        ],
        values={
            "environment": training["environment"],
            "dataset": location.name,
            "metric": metric,
            "target": target,
            "models": {
                model: {**result, "memory_bytes": memory[model]}
                for model, result in training["models"].items()
            },
        },
    )


def _row(
    model: str,
    result: Mapping[str, Any],
    memory: Optional[Mapping[str, int]],
    target: float,
) -> list[str]:
    epochs = result["epochs"]
    reached = time_to_score(epochs, target)
    return [
        model,
        format_seconds(_median(epochs, "training_seconds")),
        format_seconds(_median(epochs, "training_processor_seconds")),
        format_seconds(_median(epochs, "validation_seconds")),
        f"{len(epochs)}{'' if result['stopped_early'] else '+'}",
        f"{max(epoch['score'] for epoch in epochs):.4f}",
        "not reached" if reached is None else str(reached[0]),
        "not reached" if reached is None else format_seconds(reached[1]),
        "killed" if memory is None else format_bytes(memory["peak"]),
        "killed" if memory is None else format_bytes(memory["peak"] - memory["before"]),
        f"{result['parameters']:,}",
    ]


def _median(epochs: Sequence[Mapping[str, float]], name: str) -> float:
    values = [epoch[name] for epoch in epochs]
    return statistics.median(values[1:] or values)


def _draw(axes: Sequence[Axes], training: Mapping[str, Any]) -> None:
    bars, curves = axes
    names = list(training["models"])
    for place, model in enumerate(names):
        epochs = training["models"][model]["epochs"]
        seconds, elapsed = 0.0, []
        for epoch in epochs:
            seconds += epoch["training_seconds"] + epoch["validation_seconds"]
            elapsed.append(seconds)
        bars.barh(place, _median(epochs, "training_seconds"), color=COLOURS[place])
        curves.plot(
            elapsed,
            [epoch["score"] for epoch in epochs],
            color=COLOURS[place],
            marker=MARKERS[place],
            markersize=3,
            label=model,
        )
    bars.set_yticks(range(len(names)), names)
    bars.invert_yaxis()
    bars.set_xlabel("training seconds per epoch (median)")
    curves.set_xscale("log")
    curves.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    curves.xaxis.set_major_formatter("{x:g}")
    curves.xaxis.set_minor_formatter(NullFormatter())
    curves.set_xlabel("seconds of training and validation")
    curves.set_ylabel(f"validation {training['metric']}")
    handles, labels = curves.get_legend_handles_labels()
    curves.figure.legend(
        handles, labels, loc="outside lower center", ncols=len(names), frameon=False
    )


def _parser() -> ArgumentParser:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--dataset", default="ml-100k", help="default: ml-100k")
    parser.add_argument(
        "--data-path",
        type=Path,
        default=Path("dataset"),
        metavar="DIR",
        help="folder of the prepared data sets (default: dataset)",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="folder with the raw or prepared files of the data set",
    )
    parser.add_argument(
        "--rounds",
        type=at_least_one,
        default=300,
        metavar="COUNT",
        help="maximum number of epochs of each model (default: 300)",
    )
    return parser


if __name__ == "__main__":
    run_as_script(run)
