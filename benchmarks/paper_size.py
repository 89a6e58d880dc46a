"""KGIF on data sets as large as the paper's: time of epoch and validation, and memory.

The data are synthetic twins with the published counts (see `synthetic.py`): they say
what KGIF takes, not how well it ranks. They are written as RecBole's files, loaded and
trained on as a user's would be, each in a process of its own.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import pandas as pd
from device import Device, add_device_argument, chosen_device
from matplotlib.axes import Axes
from measuring import (
    LOADED_COLUMNS,
    ProcessEnded,
    in_fresh_process,
    in_temporary_folder,
)
from reporting import (
    COLOURS,
    Report,
    add_output_argument,
    prepare_output,
    run_as_script,
    shown_bytes,
    shown_seconds,
    write_report,
)
from synthetic import PUBLISHED, Counts, SyntheticData, generate, scaled
from tqdm import tqdm

from recbole_kgif.cli.arguments import ArgumentParser
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one, positive

# KGAT's data: a fifth is for the test, and a tenth of the rest for validation.
PARTS = {"train": 0.72, "valid": 0.08, "test": 0.2}

# The first steps make the optimiser's state, and find the memory for everything.
WARM_UP_STEPS = 3

# Users whose items are ranked, where not all users' are.
RANKED_USERS = 2000


def run() -> None:
    """Measure as the command line asks for, and write the report."""
    namespace = _parser().parse_args()
    device = chosen_device(namespace)
    output = prepare_output(namespace.output)
    names = _names(namespace.datasets)
    measured: dict[str, Optional[dict[str, Any]]] = {}
    for name in tqdm(names, desc="data sets", unit="set"):
        counts = _counts(name, namespace.scale)
        try:
            measured[name] = in_fresh_process(
                measure, name, counts, namespace.steps, device
            )
        except ProcessEnded:
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
                f"--datasets {name}: not known; known are {', '.join(PUBLISHED)}"
            )
    return names


def _counts(name: str, scale: float) -> Counts:
    counts = PUBLISHED[name]
    if scale == 1:
        return counts
    smaller = scaled(counts, round(counts.edges * scale))
    if smaller.interactions > 0.5 * smaller.users * smaller.items:
        raise UserError(
            f"--scale {scale:g}: {name} would have more interactions than pairs of "
            "users and items to choose from; give a larger one"
        )
    return replace(smaller, relations=counts.relations)


# --- measuring ----------------------------------------------------------------------


def write_files(folder: Path, name: str, data: SyntheticData, seed: int = 0) -> None:
    """Write a data set as RecBole's atomic files, split.

    The few items that by chance are in no triple are left out with their interactions:
    RecBole cannot load them.

    Args:
        folder: existing folder.
        name: the data set's name.
        data: the data set.
        seed: of the split.
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


class EnoughSteps(Exception):
    """Ends an epoch of training early."""


class StepClock:
    """A loss that notes when each step begins, and ends the epoch after some.

    Args:
        loss: the model's loss of a batch.
        n_steps: steps of the epoch that are taken; None for all.
        device: where the model is trained.
    """

    def __init__(
        self, loss: Callable[[Any], Any], n_steps: Optional[int], device: Device
    ) -> None:
        self.loss = loss
        self.n_steps = n_steps
        self.device = device
        self.times: list[float] = []

    def __call__(self, batch: Any) -> Any:
        """The loss of a batch.

        Raises:
            EnoughSteps: the steps before it were all that was asked for.
        """
        self.device.wait()
        self.times.append(time.perf_counter())
        if self.n_steps is not None and len(self.times) > self.n_steps:
            raise EnoughSteps
        return self.loss(batch)

    def train(self, trainer: Any, loader: Any) -> None:
        """Take the steps, and note when the last one has ended."""
        try:
            trainer._train_epoch(loader, 0, loss_func=self)
        except EnoughSteps:
            return
        self.device.wait()
        self.times.append(time.perf_counter())

    def seconds_of_a_step(self, n_first: int) -> float:
        """Mean over all steps but the first ones, the reading of batches included."""
        n_counted = len(self.times) - 1 - n_first
        return (self.times[-1] - self.times[n_first]) / n_counted


def measure(
    name: str, counts: Counts, steps: Optional[int], device: Device
) -> dict[str, Any]:
    """Time and memory of KGIF, with its defaults, on a synthetic twin.

    Args:
        name: the data set's name.
        counts: its sizes.
        steps: training steps that are timed; None for a whole epoch and validation.
        device: where it is trained.

    Returns:
        The figures of a row, and the environment.
    """
    prepare_process()
    with in_temporary_folder() as folder:
        place = folder / name
        place.mkdir()
        write_files(place, name, generate(counts))
        return _train(name, folder, counts, steps, device)


def _train(
    name: str, data_path: Path, counts: Counts, steps: Optional[int], device: Device
) -> dict[str, Any]:
    from recbole.utils import KGDataLoaderState, get_trainer

    from recbole_kgif.training.loading import load_data, make_config, make_model
    from recbole_kgif.training.preflight import estimate, sizes_of

    options = {
        "data_path": str(data_path),
        "benchmark_filename": list(PARTS),
        "load_col": LOADED_COLUMNS,
        "state": "ERROR",
        **device.options,
    }
    start = time.perf_counter()
    config = make_config("KGIF", name, options)
    data = load_data(
        config, split_seed=2020, linked_items_only=False, size_evaluation_batches=True
    )
    loaded = time.perf_counter()
    before = device.memory_now()
    model = make_model(config, data)
    made = time.perf_counter()
    trainer = get_trainer(config["MODEL_TYPE"], "KGIF")(config, model)
    data.train.set_mode(KGDataLoaderState.RSKG)
    steps_an_epoch = len(data.train)
    n_warm_up = min(WARM_UP_STEPS, steps_an_epoch - 1)
    n_taken = None if steps is None else n_warm_up + steps
    clock = StepClock(model.calculate_loss, n_taken, device)
    clock.train(trainer, data.train)
    a_step = clock.seconds_of_a_step(n_warm_up)
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
        "steps_an_epoch": steps_an_epoch,
        "step_seconds": a_step,
        "epoch_seconds": a_step * steps_an_epoch,
        "ranked_users": n_ranked,
        "validation_users": n_users,
        "validation_seconds": validation,
        "peak_bytes": device.peak_memory(),
        "before_bytes": before,
        "estimated_bytes": estimate(sizes).total,
        "environment": device.environment(),
    }


def _validation_seconds(trainer: Any, data: Any, n_ranked: int) -> float:
    """Seconds of a validation, of which so many users are ranked."""
    from recbole.data.dataloader import FullSortEvalDataLoader

    trainer.eval_collector.data_collect(data.train)
    held_out, users = data.valid._dataset, data.valid.uid_list

    def seconds(n_users: int) -> float:
        of_users = held_out.inter_feat[held_out.uid_field] <= users[n_users - 1]
        few = held_out.copy(held_out.inter_feat[of_users])
        loader = FullSortEvalDataLoader(trainer.config, few, data.valid._sampler)
        # Forgets what the model keeps from user to user.
        trainer.model.train()
        start = time.perf_counter()
        trainer._valid_epoch(loader)
        return time.perf_counter() - start

    found, n_left = seconds(n_ranked), len(users) - n_ranked
    # What is worked out once, such as the propagation, falls to the first user.
    return found + n_left * (found - seconds(1)) / (n_ranked - 1) if n_left else found


# --- reporting ----------------------------------------------------------------------


def _report(
    namespace: argparse.Namespace,
    measured: Mapping[str, Optional[Mapping[str, Any]]],
    device: Device,
) -> Report:
    rows = []
    for name, row in measured.items():
        if row is None:
            rows.append([name, *["killed"] * 10])
            continue
        is_whole = row["timed_steps"] + WARM_UP_STEPS >= row["steps_an_epoch"]
        about = "" if row["ranked_users"] == row["validation_users"] else "≈ "
        rows.append(
            [
                name,
                f"{row['edges']:,}",
                f"{row['nodes']:,}",
                shown_seconds(row["load_seconds"]),
                shown_seconds(row["model_seconds"]),
                shown_seconds(row["step_seconds"]),
                f"{'' if is_whole else '≈ '}{shown_seconds(row['epoch_seconds'])}",
                f"{about}{shown_seconds(row['validation_seconds'])}",
                shown_bytes(row["peak_bytes"]),
                shown_bytes(row["peak_bytes"] - row["before_bytes"]),
                shown_bytes(row["estimated_bytes"]),
            ]
        )
    if namespace.steps is None:
        extent = (
            "A whole epoch was trained, of which the first three steps do not count in "
            "the means, and a whole validation made."
        )
    else:
        extent = (
            f"Only {namespace.steps} steps were timed, after three that do not count; "
            "an epoch with ≈ is the time of a step times the steps of an epoch, a "
            f"validation that of {RANKED_USERS:,} users carried on to all."
        )
    of_size = "" if namespace.scale == 1 else f" times {namespace.scale:g}"
    whole = [row for row in measured.values() if row is not None]
    return Report(
        name=f"paper-size{device.suffix}",
        title=f"KGIF at the size of the paper's data{device.place}",
        introduction="Synthetic twins with the counts of Table 1 of the KGAT paper"
        f"{of_size}; 72 % of the interactions are trained on. KGIF with its defaults: "
        "embeddings of 64, three layers, batches of 2,048.",
        header=[
            "data set",
            "edges",
            "nodes",
            "loading by RecBole",
            "making the model",
            "training step",
            "training epoch",
            "validation",
            "peak memory",
            "of it the model's",
            "estimated for it",
        ],
        rows=rows,
        notes=[
            f"{extent} Edges and nodes are those that link something, both directions "
            "counted. The model's memory is what the process takes above the "
            "interpreter, the libraries and the loaded data; the estimate is the one "
            "that is logged before a training. It leaves out what making the model "
            "takes for a moment, and what the allocator keeps.",
        ],
        figures={
            "environment": whole[0]["environment"] if whole else {},
            "scale": namespace.scale,
            "datasets": measured,
        },
    )


def _draw(
    axes: Sequence[Axes], measured: Mapping[str, Optional[Mapping[str, Any]]]
) -> None:
    rows = {name: row for name, row in measured.items() if row is not None}
    for panel, figure, label in (
        (axes[0], "epoch_seconds", "seconds a training epoch"),
        (axes[1], "peak_bytes", "peak memory, GiB"),
    ):
        unit = 2**30 if figure == "peak_bytes" else 1
        values = [row[figure] / unit for row in rows.values()]
        panel.barh(range(len(rows)), values, color=COLOURS[: len(rows)])
        panel.set_yticks(range(len(rows)), list(rows))
        panel.invert_yaxis()
        panel.set_xlabel(label)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(allow_abbrev=False, description=__doc__)
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
        help="time so many training steps and some of a validation, and extrapolate "
        "(default: a whole epoch and validation)",
    )
    parser.add_argument(
        "--scale",
        type=positive,
        default=1.0,
        metavar="FACTOR",
        help="times the published counts (default: 1)",
    )
    add_device_argument(parser)
    add_output_argument(parser)
    return parser


if __name__ == "__main__":
    run_as_script(run)
