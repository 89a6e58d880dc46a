"""KGIF beside KGAT, KGIN, CKE and LightGCN: time an epoch, time to a score, memory.

KGIF takes part twice: as it is, and with its attention computed once an epoch.

All models are trained in one process, an epoch of each in turn, so that whatever else
the machine does hits all alike. Their memory is measured in a process of its own each.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from device import Device, add_device_argument, chosen_device
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter
from measuring import (
    LOADED_COLUMNS,
    ProcessEnded,
    in_fresh_process,
    in_temporary_folder,
)
from reporting import (
    COLOURS,
    MARKERS,
    Report,
    add_output_argument,
    prepare_output,
    run_as_script,
    shown_bytes,
    shown_seconds,
    write_report,
)
from tqdm import tqdm

from recbole_kgif.cli.arguments import ArgumentParser, check_files
from recbole_kgif.common.process import prepare_process
from recbole_kgif.data.locate import DatasetLocation, locate_dataset
from recbole_kgif.options.argument_types import at_least_one
from recbole_kgif.options.settings import dataset_options

TARGET = "KGAT"
BATCH_SIZE = 2048
SEED = 2020


class Entry(NamedTuple):
    """A model that takes part, with the options that it needs for equal sizes."""

    model: str
    options: Mapping[str, Any]


# Three layers of 64 each, where a model has layers; the rest are its own defaults.
ENTRIES: Mapping[str, Entry] = {
    "KGIF": Entry("KGIF", {"n_layers": 3}),
    "KGIF, attention once an epoch": Entry(
        "KGIF", {"n_layers": 3, "attention_update": "epoch"}
    ),
    "KGAT": Entry("KGAT", {"kg_embedding_size": 64, "layers": [64, 64, 64]}),
    "KGIN": Entry("KGIN", {"context_hops": 3}),
    "CKE": Entry("CKE", {"kg_embedding_size": 64}),
    "LightGCN": Entry("LightGCN", {"n_layers": 3}),
}


def run() -> None:
    """Measure as the command line asks for, and write the report."""
    namespace = _parser().parse_args()
    device = chosen_device(namespace)
    output = prepare_output(namespace.output)
    location = locate_dataset(
        namespace.dataset, data_path=namespace.data_path, source=namespace.source
    )
    options = dataset_options(location.name, location.folder)
    check_files(location, options, needs_knowledge_graph=True)
    race = in_fresh_process(train_in_turn, location, options, namespace.rounds, device)
    memory = {
        name: _memory_or_none(location, options, entry, device)
        for name, entry in tqdm(ENTRIES.items(), desc="memory", unit="model")
    }
    write_report(
        output,
        _report(namespace, location, race, memory, device),
        lambda axes: _draw(axes, race),
        panels=2,
    )


# --- measuring ----------------------------------------------------------------------


def train_in_turn(
    location: DatasetLocation, options: Mapping[str, Any], rounds: int, device: Device
) -> dict[str, Any]:
    """Train all models, an epoch of each in turn, until each stops early.

    Args:
        location: the data set.
        options: its protocol.
        rounds: most epochs of each model.
        device: where they are trained.

    Returns:
        The environment; the validation metric; and by entry its epochs, each with
        seconds of training and validation and the score, and whether it stopped early.
    """
    prepare_process()
    with in_temporary_folder():
        runs = {
            name: _Run(location, options, entry, device)
            for name, entry in ENTRIES.items()
        }
        for _ in tqdm(range(rounds), desc="interleaved training", unit="round"):
            for run in runs.values():
                if not run.has_stopped:
                    run.train_an_epoch()
    any_run = next(iter(runs.values()))
    return {
        "environment": device.environment(),
        "metric": any_run.config["valid_metric"],
        "data": any_run.sizes,
        "models": {
            name: {
                "epochs": run.epochs,
                "stopped_early": run.has_stopped,
                "parameters": sum(p.numel() for p in run.trainer.model.parameters()),
            }
            for name, run in runs.items()
        },
    }


class _Run:
    """A model in training, by RecBole's own epochs and rule of early stopping."""

    def __init__(
        self,
        location: DatasetLocation,
        options: Mapping[str, Any],
        entry: Entry,
        device: Device,
    ) -> None:
        from recbole.utils import get_trainer

        from recbole_kgif.training.loading import load_data, make_config, make_model

        self.device = device
        self.config = make_config(
            entry.model, location.name, _options(location, options, entry, device)
        )
        data = load_data(
            self.config,
            split_seed=SEED,
            linked_items_only=True,
            size_evaluation_batches=True,
        )
        self.train, self.valid = data.train, data.valid
        self.sizes = {
            "users": data.dataset.user_num - 1,
            "items": data.dataset.item_num - 1,
            "training_interactions": len(data.train._dataset),
        }
        self.memory_before = device.memory_now()
        network = make_model(self.config, data)
        self.trainer = get_trainer(self.config["MODEL_TYPE"], entry.model)(
            self.config, network
        )
        self.trainer.eval_collector.data_collect(data.train)
        self.epochs: list[dict[str, float]] = []

    def train_an_epoch(self) -> None:
        start, processor_start = time.perf_counter(), time.process_time()
        self.trainer._train_epoch(self.train, len(self.epochs))
        self.device.wait()
        trained, processor_trained = time.perf_counter(), time.process_time()
        score, _ = self.trainer._valid_epoch(self.valid)
        self.epochs.append(
            {
                "training_seconds": trained - start,
                "training_processor_seconds": processor_trained - processor_start,
                "validation_seconds": time.perf_counter() - trained,
                "score": float(score),
            }
        )

    @property
    def has_stopped(self) -> bool:
        scores = [epoch["score"] for epoch in self.epochs]
        patience = self.config["stopping_step"]
        return bool(scores) and len(scores) - 1 - _best(scores) > patience


def _best(scores: Sequence[float]) -> int:
    """Place of the last of the best scores, which RecBole counts from."""
    return max(range(len(scores)), key=lambda place: (scores[place], place))


def _options(
    location: DatasetLocation, options: Mapping[str, Any], entry: Entry, device: Device
) -> dict[str, Any]:
    return {
        "load_col": LOADED_COLUMNS,
        **options,
        "data_path": str(location.data_path),
        "embedding_size": 64,
        "train_batch_size": BATCH_SIZE,
        "seed": SEED,
        "show_progress": False,
        "state": "ERROR",
        **device.options,
        **entry.options,
    }


def memory_of(
    location: DatasetLocation, options: Mapping[str, Any], entry: Entry, device: Device
) -> dict[str, int]:
    """Memory of a process that trains and validates one model for two epochs.

    Returns:
        Bytes before the model is made, and at most.
    """
    prepare_process()
    with in_temporary_folder():
        run = _Run(location, options, entry, device)
        for _ in range(2):
            run.train_an_epoch()
    return {"before": run.memory_before, "peak": device.peak_memory()}


def _memory_or_none(
    location: DatasetLocation, options: Mapping[str, Any], entry: Entry, device: Device
) -> Optional[dict[str, int]]:
    try:
        memory: dict[str, int] = in_fresh_process(
            memory_of, location, options, entry, device
        )
    except ProcessEnded:
        return None
    return memory


# --- reporting ----------------------------------------------------------------------


def time_to_score(
    epochs: Sequence[Mapping[str, float]], score: float
) -> Optional[tuple[int, float]]:
    """When a training first has a score.

    Args:
        epochs: seconds and score of each.
        score: the score.

    Returns:
        Number of epochs, and seconds of training and validation; None for never.
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
    race: Mapping[str, Any],
    memory: Mapping[str, Optional[Mapping[str, int]]],
    device: Device,
) -> Report:
    metric = race["metric"]
    target = max(epoch["score"] for epoch in race["models"][TARGET]["epochs"])
    rows = []
    for model, result in race["models"].items():
        epochs, held = result["epochs"], memory[model]
        reached = time_to_score(epochs, target)
        rows.append(
            [
                model,
                shown_seconds(_median(epochs, "training_seconds")),
                shown_seconds(_median(epochs, "training_processor_seconds")),
                shown_seconds(_median(epochs, "validation_seconds")),
                f"{len(epochs)}{'' if result['stopped_early'] else '+'}",
                f"{max(epoch['score'] for epoch in epochs):.4f}",
                "not reached" if reached is None else str(reached[0]),
                "not reached" if reached is None else shown_seconds(reached[1]),
                "killed" if held is None else shown_bytes(held["peak"]),
                "killed"
                if held is None
                else shown_bytes(held["peak"] - held["before"]),
                f"{result['parameters']:,}",
            ]
        )
    sizes = ", ".join(
        f"{number:,} {name.replace('_', ' ')}" for name, number in race["data"].items()
    )
    return Report(
        name=f"peers-{location.name}{device.suffix}",
        title=f"KGIF and its peers on {location.name}{device.place}",
        introduction=f"{sizes}. Embeddings of 64, three layers, batches of "
        f"{BATCH_SIZE:,}, each model's own learning rate, losses and negatives; at "
        f"most {namespace.rounds} epochs, an epoch of each model in turn.",
        header=[
            "model",
            "training an epoch",
            "of the processor's time",
            "validation",
            "epochs",
            f"best validation {metric}",
            f"epochs to {TARGET}'s best",
            f"time to {TARGET}'s best",
            "peak memory",
            "of it the model's",
            "parameters",
        ],
        rows=rows,
        notes=[
            "Times are medians over the epochs after the first. The processor's time "
            "is that of all threads, and does not count what other programs take. The "
            "time to a score counts training and validation from the start. A + says "
            "that the model had not stopped early yet. KGIF validates twice an epoch, "
            "to balance embeddings and walks. Memory is that of a process that trains "
            "and validates the model for two epochs; the model's is what it takes "
            "above the interpreter, the libraries and the loaded data.",
        ],
        figures={
            "environment": race["environment"],
            "dataset": location.name,
            "metric": metric,
            "target": target,
            "models": {
                model: {**result, "memory_bytes": memory[model]}
                for model, result in race["models"].items()
            },
        },
    )


def _median(epochs: Sequence[Mapping[str, float]], name: str) -> float:
    values = [epoch[name] for epoch in epochs]
    return statistics.median(values[1:] or values)


def _draw(axes: Sequence[Axes], race: Mapping[str, Any]) -> None:
    bars, curves = axes
    names = list(race["models"])
    for place, model in enumerate(names):
        epochs = race["models"][model]["epochs"]
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
    bars.set_xlabel("training seconds an epoch (median)")
    curves.set_xscale("log")
    curves.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    curves.xaxis.set_major_formatter("{x:g}")
    curves.xaxis.set_minor_formatter(NullFormatter())
    curves.set_xlabel("seconds of training and validation")
    curves.set_ylabel(f"validation {race['metric']}")
    handles, labels = curves.get_legend_handles_labels()
    curves.figure.legend(
        handles, labels, loc="outside lower center", ncols=len(names), frameon=False
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False, description=__doc__)
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
        help="most epochs of each model (default: 300); each stops early before",
    )
    add_device_argument(parser)
    add_output_argument(parser)
    return parser


if __name__ == "__main__":
    run_as_script(run)
