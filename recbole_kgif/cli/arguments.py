"""What several commands share: arguments, their types, and the data set they name."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import EXIT_RUNS_FAILED, NoFinishedRun, UserError
from recbole_kgif.options.argument_types import (
    FIRST_SEED,
    at_least_one,
    positive,
    seeds_of_runs,
)
from recbole_kgif.options.protocols import add_protocol_argument

# At run time these are imported where they are called, or --help would take longer.
if TYPE_CHECKING:
    from recbole_kgif.experiments.parallel_runs import Execution
    from recbole_kgif.experiments.planning import GivenOptions, PlannedDataset

CHECKPOINT_FILE = "model.pth"
# What --output names for the terminal.
STANDARD_OUTPUT = Path("-")


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of a single run and of a comparison."""
    parser.add_argument(
        "-d",
        "--dataset",
        default="ml-100k",
        metavar="NAME",
        help="ml-100k (inside RecBole, the default), lastfm, lastfm-split, "
        "book-crossing-split, or the name of a RecBole folder with .kg and .link",
    )
    parser.add_argument(
        "--config-files",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="RecBole configuration files; a later one overrides an earlier one",
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="other defaults of KGIF: paper, its form by the paper's text; "
        "configuration files and arguments override them. The model KGIF-paper is the "
        "same",
    )
    _add_source_argument(parser)
    parser.add_argument(
        "--epochs",
        metavar="N",
        help="most epochs to train; fewer where it stops early",
    )


def add_models_argument(parser: argparse.ArgumentParser, help_of_models: str) -> None:
    """The argument that names the models of a command that runs several."""
    parser.add_argument(
        "-m", "--models", required=True, metavar="NAMES", help=help_of_models
    )


def add_output_argument(
    parser: argparse.ArgumentParser, metavar: str, help_of_output: str
) -> None:
    """The argument that says where a command writes."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar=metavar, help=help_of_output
    )


def add_console_arguments(
    parser: argparse.ArgumentParser, what_quiet: str, help_of_verbose: str
) -> None:
    """How much a command prints, and whether it only says what it would do.

    Args:
        parser: the command's parser.
        what_quiet: what is left under ``--quiet``.
        help_of_verbose: what ``--verbose`` adds.
    """
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "-q", "--quiet", action="store_true", help=f"print {what_quiet} alone"
    )
    how_much.add_argument("-v", "--verbose", action="store_true", help=help_of_verbose)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything, print what would run, how long by earlier runs, and "
        "where it is written, and start nothing",
    )


def _add_source_argument(parser: argparse.ArgumentParser) -> None:
    """Where a data set is looked for besides the usual places."""
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="folder with the raw or prepared files of the data set "
        "(default: $RECBOLE_KGIF_DATA)",
    )


def add_restoring_arguments(parser: argparse.ArgumentParser) -> None:
    """How a checkpoint and the data that it was trained on are found and read."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="the model.pth of a run, or the run's folder",
    )
    add_data_arguments(parser)


def add_served_model_arguments(
    parser: argparse.ArgumentParser, help_of_export: str
) -> None:
    """A checkpoint with its data, or an export, which needs none."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="the model.pth of a run, or the run's folder",
    )
    which.add_argument("--export", type=Path, metavar="DIR", help=help_of_export)
    add_data_arguments(parser)


def refuse_data_of_export(namespace: argparse.Namespace) -> None:
    """Refuse options that say where the data of a checkpoint are.

    Raises:
        UserError: one of them is given.
    """
    if namespace.dataset_path or namespace.source or namespace.trust:
        raise UserError(
            "--dataset-path, --source and --trust: are for --checkpoint, and an export "
            "needs no data set; leave them out"
        )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """How the data that a checkpoint was trained on are found and read."""
    parser.add_argument(
        "--dataset-path",
        type=Path,
        metavar="DIR",
        help="folder of the prepared data sets (default: dataset beside the "
        "checkpoint, else where they were for the training, else dataset)",
    )
    _add_source_argument(parser)
    parser.add_argument(
        "--trust",
        action="store_true",
        help="read also a checkpoint of RecBole's own, which is a pickle and runs what "
        "its author put in",
    )


def add_study_arguments(
    parser: argparse.ArgumentParser, output: str, help_of_output: str
) -> None:
    """Arguments of every command that compares models over seeds.

    Args:
        parser: the command's parser.
        output: where it writes by default.
        help_of_output: what the folder is for.
    """
    add_common_arguments(parser)
    add_protocol_argument(parser)
    parser.add_argument(
        "--seeds",
        type=seeds_of_runs,
        default=5,
        metavar="COUNT",
        help=f"number of seeds, from {FIRST_SEED} on (default: 5), or the seeds "
        "themselves, separated by commas; the split is the same for all",
    )
    add_output_argument(parser, "DIR", f"{help_of_output} (default: {output})")
    add_execution_arguments(parser)
    parser.add_argument(
        "--options-from",
        type=Path,
        metavar="DIR",
        help="folder with MODEL.yaml for models with options of their own, such as "
        "tuned ones; they override --config-files",
    )


def add_execution_arguments(parser: argparse.ArgumentParser) -> None:
    """How many runs are done at a time, and how long one may take."""
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        default=1,
        metavar="COUNT",
        help="runs at a time (default: 1); several lengthen each other's times",
    )
    parser.add_argument(
        "--time-limit",
        type=positive,
        metavar="SECONDS",
        help="end a run that takes longer; it counts as failed",
    )
    add_console_arguments(
        parser,
        "the table of results and what it says",
        "show the log of each run as it is written, with the run's name",
    )


def named_options(namespace: argparse.Namespace, *names: str) -> list[str]:
    """Options of RecBole with an argument of their own, as ``--key=value``."""
    given = {name: getattr(namespace, name) for name in names}
    return [f"--{name}={value}" for name, value in given.items() if value is not None]


def find(
    namespace: argparse.Namespace,
    given: GivenOptions,
    models: Sequence[str],
    *,
    name: Optional[str] = None,
    needs_knowledge_graph: bool = True,
) -> PlannedDataset:
    """Find and check a data set, and print what was found.

    Args:
        namespace: the arguments.
        given: the options that the user gives.
        models: names of the models that are run.
        name: name of the data set; None takes that of ``--dataset``.
        needs_knowledge_graph: see `planning.find_dataset`.
    """
    from recbole_kgif.experiments.planning import find_dataset

    dataset = find_dataset(
        namespace.dataset if name is None else name,
        namespace.source,
        namespace.protocol,
        given,
        models=models,
        needs_knowledge_graph=needs_knowledge_graph,
    )
    for warning in dataset.warnings:
        print(f"WARNING: {warning}", file=sys.stderr)
    if namespace.quiet:
        return dataset
    location, counts = dataset.location, dataset.counts
    print(f"{location.name}: {location.how_found} ({location.folder})")
    if counts.unlinked_interactions:
        print(
            f"{location.name}: {counts.unlinked_interactions:,} interactions of "
            f"{counts.unlinked_items:,} items that no .link line names are left out"
        )
    return dataset


def execution_of(namespace: argparse.Namespace, dataset: PlannedDataset) -> Execution:
    """How the runs of a command are executed."""
    from recbole_kgif.experiments.parallel_runs import Execution

    return Execution(
        dataset.location.data_path,
        namespace.jobs,
        namespace.time_limit,
        is_quiet=namespace.quiet,
        is_verbose=namespace.verbose,
    )


def output_folder(asked_for: Optional[Path], name: str) -> Path:
    """An existing, writable folder without a run in it."""
    if asked_for is None:
        asked_for = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    if (asked_for / "result.json").exists():
        raise UserError(
            f"--output {asked_for}: holds the result of a run already; "
            "name another folder"
        )
    try:
        asked_for.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=asked_for):
            return asked_for
    except OSError as error:
        raise UserError(
            f"--output {asked_for}: cannot be written to ({error.strerror}); "
            "name a folder of your own"
        ) from None


def report_nothing_finished(error: NoFinishedRun) -> int:
    """Report that all runs of a command have failed, and return its exit code."""
    print(f"error: {error}", file=sys.stderr)
    return EXIT_RUNS_FAILED


def check_checkpoint(namespace: argparse.Namespace) -> None:
    """Check what the arguments of `add_restoring_arguments` name.

    A run's folder is replaced by its checkpoint.

    Raises:
        UserError: there is no such file or folder.
    """
    if (namespace.checkpoint / CHECKPOINT_FILE).is_file():
        namespace.checkpoint = namespace.checkpoint / CHECKPOINT_FILE
    checkpoint = namespace.checkpoint
    if not checkpoint.is_file():
        reason = "does not exist"
        if checkpoint.is_dir():
            reason = f"is a folder without {CHECKPOINT_FILE}"
        elif checkpoint.exists():
            reason = "is not a regular file"
        raise UserError(
            f"--checkpoint {checkpoint}: {reason}; give the model.pth of a run"
        )
    data_path = namespace.dataset_path
    if data_path is not None and not data_path.is_dir():
        raise UserError(
            f"--dataset-path {data_path}: is not a folder; give the parent of the "
            "data set's folder, or leave it out"
        )


def check_restoring(namespace: argparse.Namespace) -> None:
    """Check the arguments as `check_checkpoint` does, and the file of ``--output``.

    Raises:
        UserError: there is no such file or folder, or the output is something else than
            a file, or the checkpoint.
    """
    check_checkpoint(namespace)
    output = namespace.output
    if output in (None, STANDARD_OUTPUT) or not output.exists():
        return
    if output.is_dir():
        raise UserError(f"--output {output}: is a folder; name a file")
    if not output.is_file():
        raise UserError(f"--output {output}: is not a regular file; name another one")
    if output.samefile(namespace.checkpoint):
        raise UserError(f"--output {output}: is the checkpoint; name another file")


def loading_options(namespace: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `add_restoring_arguments` for `TrainedModel.load`."""
    return {
        "path": namespace.checkpoint,
        "data_path": namespace.dataset_path,
        "source": namespace.source,
        "trust": namespace.trust,
    }


def write_output(path: Path, content: Union[str, bytes]) -> None:
    """Write the file that ``--output`` names, atomically.

    Args:
        path: the file; folders above it are made.
        content: what it is to hold.

    Raises:
        UserError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise UserError(
            f"--output {path}: cannot be written ({error.strerror}); name another file"
        ) from None
