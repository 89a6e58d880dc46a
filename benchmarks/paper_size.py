"""KGIF at the size of the paper's data sets: time of epoch and validation, and memory.

The data are synthetic, with the published counts (see `synthetic.py`): they measure
cost, not accuracy. They are written as RecBole's files, loaded and trained on like a
user's data, each in a separate process.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
from benchmark_report import (
    COLOURS,
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
from measurement import (
    LOADED_COLUMNS,
    ProcessKilled,
    run_in_fresh_process,
    temporary_working_directory,
)
from step_clock import StepClock
from synthetic import PUBLISHED, Counts, SyntheticData, generate, scaled
from tqdm import tqdm

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one, positive

# As KGAT's data: a fifth is the test set, a tenth of the rest the validation set.
PARTS = {"train": 0.72, "valid": 0.08, "test": 0.2}

# The first steps create the optimiser's state and allocate memory.
WARM_UP_STEPS = 3

# Users of a partial validation.
RANKED_USERS = 2000


def run() -> None:
    """Run the benchmark of the command line, and write the report."""
    namespace = _parser().parse_args()
    device = select_device(namespace)
    output = prepare_output(namespace.output)
    names = _names(namespace.datasets)
    measured: dict[str, Optional[dict[str, Any]]] = {}
    for name in tqdm(names, desc="data sets", unit="set"):
        counts = _counts(name, namespace.scale)
        try:
            measured[name] = run_in_fresh_process(
                measure, name, counts, namespace.steps, device
            )
        except ProcessKilled:
            measured[name] = None
    write_report(
        output,
        _report(namespace, measured, device),
        lambda axes: _draw(axes, measured),
        panels=2,
    )


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in PUBLISHED:
            raise UserError(
                f"--datasets {name}: unknown; choose from {', '.join(PUBLISHED)}"
            )
    return names


def _counts(name: str, scale: float) -> Counts:
    counts = PUBLISHED[name]
    if scale == 1:
        return counts
    smaller = scaled(counts, round(counts.edges * scale))
    if smaller.interactions > 0.5 * smaller.users * smaller.items:
        raise UserError(
            f"--scale {scale:g}: {name} would have too many interactions for its "
            "users and items; give a larger scale"
        )
    return replace(smaller, relations=counts.relations)


# --- measuring ----------------------------------------------------------------------


def write_files(folder: Path, name: str, data: SyntheticData, seed: int = 0) -> None:
    """Write a data set as pre-split atomic files.

    The few items without a triple are left out with their interactions, because
    RecBole cannot load them.

    Args:
        folder: existing folder.
        name: the data set's name.
        data: the data set.
        seed: seed of the split.
    """
    is_known = np.isin(data.items, np.concatenate([data.heads, data.tails]))
    users, items = data.users[is_known], data.items[is_known]
    part = np.random.default_rng(seed).choice(
        len(PARTS), len(users), p=list(PARTS.values())
    )
    for place, part_name in enumerate(PARTS):
        pd.DataFrame(
            {
                "user_id:token": users[part == place],
                "item_id:token": items[part == place],
            }
        ).to_csv(folder / f"{name}.{part_name}.inter", sep="\t", index=False)
    pd.DataFrame(
        {
            "head_id:token": data.heads,
            "relation_id:token": data.relations,
            "tail_id:token": data.tails,
        }
    ).to_csv(folder / f"{name}.kg", sep="\t", index=False)
    linked = np.unique(items)
    pd.DataFrame({"item_id:token": linked, "entity_id:token": linked}).to_csv(
        folder / f"{name}.link", sep="\t", index=False
    )


def measure(
    name: str, counts: Counts, steps: Optional[int], device: Device
) -> dict[str, Any]:
    """Measure KGIF with its defaults on a synthetic data set.

    Args:
        name: the data set's name.
        counts: its sizes.
        steps: number of timed steps; None for a whole epoch and validation.
        device: the device.

    Returns:
        Seconds, bytes and counts of one row of the table, and the environment.
    """
    prepare_process()
    with temporary_working_directory() as folder:
        place = folder / name
        place.mkdir()
        write_files(place, name, generate(counts))
        return _train(name, folder, counts, steps, device)


def _train(
    name: str, data_path: Path, counts: Counts, steps: Optional[int], device: Device
) -> dict[str, Any]:
    from recbole.utils import KGDataLoaderState, get_trainer

    from recbole_kgif.training.configuration import make_config
    from recbole_kgif.training.loading import load_data, make_model
    from recbole_kgif.training.preflight import estimate, sizes_of
    from recbole_kgif.training.specs import DataSpec

    options = {
        "data_path": str(data_path),
        "benchmark_filename": list(PARTS),
        "load_col": LOADED_COLUMNS,
        "state": "ERROR",
        **device.options,
    }
    start = time.perf_counter()
    config = make_config("KGIF", name, options)
    spec = DataSpec(name, data_path, split_seed=2020)
    data = load_data(config, spec, size_evaluation_batches=True)
    loaded = time.perf_counter()
    before = device.current_memory()
    model = make_model(config, data)
    made = time.perf_counter()
    trainer = get_trainer(config["MODEL_TYPE"], "KGIF")(config, model)
    data.train.set_mode(KGDataLoaderState.RSKG)
    steps_per_epoch = len(data.train)
    n_warm_up = min(WARM_UP_STEPS, steps_per_epoch - 1)
    n_taken = None if steps is None else n_warm_up + steps
    clock = StepClock(model.calculate_loss, n_taken, device)
    clock.train(trainer, data.train)
    step_seconds = clock.seconds_per_step(n_warm_up)
    n_steps = len(clock.times) - 1 - n_warm_up
    n_users = len(data.valid.uid_list)
    n_ranked = n_users if steps is None else min(RANKED_USERS, n_users)
    validation = _validation_seconds(trainer, data, n_ranked)
    sizes = sizes_of(model, config["train_batch_size"])
    return {
        "counts": asdict(counts),
        "edges": sizes.n_edges,
        "nodes": sizes.n_graph_nodes,
        "load_seconds": loaded - start,
        "model_seconds": made - loaded,
        "timed_steps": n_steps,
        "steps_an_epoch": steps_per_epoch,
        "step_seconds": step_seconds,
        "epoch_seconds": step_seconds * steps_per_epoch,
        "ranked_users": n_ranked,
        "validation_users": n_users,
        "validation_seconds": validation,
        "peak_bytes": device.peak_memory(),
        "before_bytes": before,
        "estimated_bytes": estimate(sizes).total,
        "environment": device.environment(),
    }


def _validation_seconds(trainer: Any, data: Any, n_ranked: int) -> float:
    """Seconds of a validation, extrapolated from this number of users."""
    from recbole.data.dataloader import FullSortEvalDataLoader

    trainer.eval_collector.data_collect(data.train)
    validation_set, users = data.valid._dataset, data.valid.uid_list

    def seconds(n_users: int) -> float:
        of_users = (
            validation_set.inter_feat[validation_set.uid_field] <= users[n_users - 1]
        )
        few = validation_set.copy(validation_set.inter_feat[of_users])
        loader = FullSortEvalDataLoader(trainer.config, few, data.valid._sampler)
        # Clears what the model caches between users.
        trainer.model.train()
        start = time.perf_counter()
        trainer._valid_epoch(loader)
        return time.perf_counter() - start

    found, n_left = seconds(n_ranked), len(users) - n_ranked
    # What is computed once, such as the propagation, counts for the first user.
    return found + n_left * (found - seconds(1)) / (n_ranked - 1) if n_left else found


# --- reporting ----------------------------------------------------------------------


def _report(
    namespace: argparse.Namespace,
    measured: Mapping[str, Optional[Mapping[str, Any]]],
    device: Device,
) -> Report:
    rows = [_row(name, row) for name, row in measured.items()]
    if namespace.steps is None:
        extent = (
            "One whole epoch and validation; the first three steps are not part of the "
            "means."
        )
    else:
        extent = (
            f"Only {namespace.steps} steps were timed, after three warm-up steps. An "
            "epoch with ≈ is the time of a step times the steps of an epoch, a "
            f"validation with ≈ is extrapolated from {RANKED_USERS:,} users."
        )
    of_size = "" if namespace.scale == 1 else f" times {namespace.scale:g}"
    whole = [row for row in measured.values() if row is not None]
    return Report(
        name=f"paper-size{device.name_suffix}",
        title=f"KGIF at the size of the paper's data{device.title_suffix}",
        introduction="Synthetic data with the counts of Table 1 of the KGAT paper"
        f"{of_size}; 72 % of the interactions are the training set. KGIF with its "
        "defaults: embeddings of 64, three layers, batches of 2,048.",
        header=[
            "data set",
            "edges",
            "nodes",
            "loading by RecBole",
            "model construction",
            "training step",
            "training epoch",
            "validation",
            "peak memory",
            "memory of the model",
            "estimated",
        ],
        rows=rows,
        notes=[
            f"{extent} Edges are counted in both directions; isolated nodes are not "
            "counted. The memory of the model is that of the process without the "
            "interpreter, the libraries and the loaded data. The estimate is the one "
            "logged before training. It excludes temporary memory of the model's "
            "construction, and memory kept by the allocator.",
        ],
        values={
            "environment": whole[0]["environment"] if whole else {},
            "scale": namespace.scale,
            "datasets": measured,
        },
    )


def _row(name: str, row: Optional[Mapping[str, Any]]) -> list[str]:
    if row is None:
        return [name, *["killed"] * 10]
    is_whole = row["timed_steps"] + WARM_UP_STEPS >= row["steps_an_epoch"]
    has_all_users = row["ranked_users"] == row["validation_users"]
    return [
        name,
        f"{row['edges']:,}",
        f"{row['nodes']:,}",
        format_seconds(row["load_seconds"]),
        format_seconds(row["model_seconds"]),
        format_seconds(row["step_seconds"]),
        f"{'' if is_whole else '≈ '}{format_seconds(row['epoch_seconds'])}",
        f"{'' if has_all_users else '≈ '}{format_seconds(row['validation_seconds'])}",
        format_bytes(row["peak_bytes"]),
        format_bytes(row["peak_bytes"] - row["before_bytes"]),
        format_bytes(row["estimated_bytes"]),
    ]


def _draw(
    axes: Sequence[Axes], measured: Mapping[str, Optional[Mapping[str, Any]]]
) -> None:
    rows = {name: row for name, row in measured.items() if row is not None}
    for panel, value, label in (
        (axes[0], "epoch_seconds", "seconds per training epoch"),
        (axes[1], "peak_bytes", "peak memory, GiB"),
    ):
        unit = 2**30 if value == "peak_bytes" else 1
        values = [row[value] / unit for row in rows.values()]
        panel.barh(range(len(rows)), values, color=COLOURS[: len(rows)])
        panel.set_yticks(range(len(rows)), list(rows))
        panel.invert_yaxis()
        panel.set_xlabel(label)


def _parser() -> ArgumentParser:
    parser = benchmark_parser(__doc__)
    parser.add_argument(
        "--datasets",
        default=",".join(PUBLISHED),
        metavar="NAMES",
        help=f"names separated by commas (default: {','.join(PUBLISHED)})",
    )
    parser.add_argument(
        "--steps",
        type=at_least_one,
        metavar="COUNT",
        help="time this number of training steps and a partial validation, and "
        "extrapolate (default: a whole epoch and validation)",
    )
    parser.add_argument(
        "--scale",
        type=positive,
        default=1.0,
        metavar="FACTOR",
        help="factor of the published counts (default: 1)",
    )
    return parser


if __name__ == "__main__":
    run_as_script(run)
