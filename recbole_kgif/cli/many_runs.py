"""What the commands that compare models share: planning, running, reporting."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from recbole_kgif.cli.arguments import (
    execution_of,
    find,
    named_options,
    report_nothing_finished,
)
from recbole_kgif.cli.earlier_runs import time_in_words
from recbole_kgif.errors import EXIT_RUNS_FAILED, NoFinishedRun, UserError
from recbole_kgif.experiments.parallel_runs import run_all
from recbole_kgif.experiments.planning import (
    GivenOptions,
    PlannedDataset,
    options_by_model,
    read_options,
    refuse_reserved,
)
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.run_store import check_agreement, unfinished
from recbole_kgif.experiments.variant_requests import plan_study
from recbole_kgif.options.argument_types import seed_numbers
from recbole_kgif.options.variants import Variant

if TYPE_CHECKING:
    from recbole_kgif.report.run_table import Comparison

DRY_RUN = "dry run: nothing was started"


class Reporter(NamedTuple):
    """The report of a command.

    Attributes:
        write: Writes it from records into a folder, and returns its files.
        summarise: Its end in the terminal, from the same records.
    """

    write: Callable[[Comparison, Path], list[Path]]
    summarise: Callable[[Comparison], str]


def given_options(
    namespace: argparse.Namespace,
    rest: Sequence[str],
    asked: Sequence[str],
    models: Sequence[str],
) -> GivenOptions:
    """The options that a user gives to a comparison.

    Args:
        namespace: the arguments.
        rest: those that the parser does not know: options of RecBole or of a model.
        asked: names of the models that have to know the given options.
        models: names of those that may have options of their own.

    Raises:
        UserError: an option is unknown, or a comparison sets it itself.
    """
    arguments = [*named_options(namespace, "epochs"), *rest]
    given = read_options(asked, namespace.config_files, arguments)
    refuse_reserved(given)
    of_models = options_by_model(models, namespace.options_from)
    return dataclasses.replace(given, of_models=of_models)


def run_and_report(
    namespace: argparse.Namespace,
    dataset: PlannedDataset,
    requests: Sequence[RunRequest],
    folder: Path,
    load_reporter: Callable[[], Reporter],
) -> int:
    """Do the requested runs that have no result yet, and report on them.

    Args:
        namespace: the arguments.
        dataset: the data set of the runs.
        requests: the runs.
        folder: the folder of runs and report.
        load_reporter: returns the report; called when the runs have ended, as it loads
            matplotlib and SciPy, which takes a second.

    Returns:
        Exit code.
    """
    if namespace.dry_run:
        print(_plan_in_words(namespace, requests, folder))
        return 0
    failed = run_all(requests, folder, execution_of(namespace, dataset))
    reporter = load_reporter()
    from recbole_kgif.report.run_records import read_comparison

    try:
        comparison = read_comparison([folder])
        written = reporter.write(comparison, folder)
        summary = reporter.summarise(comparison)
    except NoFinishedRun as error:
        return report_nothing_finished(error)
    if not namespace.quiet:
        print("\n".join(map(str, written)) + "\n")
    print(summary)
    return EXIT_RUNS_FAILED if failed else 0


def _plan_in_words(
    namespace: argparse.Namespace, requests: Sequence[RunRequest], folder: Path
) -> str:
    """What a comparison would run, checked against what is in its folder."""
    check_agreement(folder, requests)
    missing = unfinished(folder, requests)
    finished = len(requests) - len(missing)
    done = f"; {finished} more are finished already" if finished else ""
    count = f"{len(missing)} runs on {requests[0].dataset}"
    seeds = ", ".join(map(str, seed_numbers(namespace.seeds)))
    at_a_time = f", {namespace.jobs} at a time" if namespace.jobs > 1 else ""
    runs = [(request.model, request.dataset) for request in missing]
    names = dict.fromkeys(r.name.rpartition("-")[0] for r in requests)
    return "\n".join(
        [
            f"would start {count}{at_a_time}{done}",
            f"  what   {', '.join(names)}",
            f"  seeds  {seeds}",
            f"  time   {time_in_words(runs, namespace.jobs, folder)}",
            f"  folder {folder}",
            DRY_RUN,
        ]
    )


def run_study(
    namespace: argparse.Namespace,
    variants: Sequence[Variant],
    given: GivenOptions,
    output: Path,
    load_reporter: Callable[[], Reporter],
) -> int:
    """Run variants on each of the data sets, all planned before the first run starts.

    Args:
        namespace: the arguments.
        variants: what is run on each data set.
        given: the options that the user gives.
        output: folder with a folder for each data set.
        load_reporter: as for `run_and_report`.

    Returns:
        Exit code.

    Raises:
        UserError: an option or a data set is not as it should be.
    """
    models = list(dict.fromkeys(variant.model for variant in variants))
    planned = []
    for name in _dataset_names(namespace.dataset):
        dataset = find(namespace, given, models, name=name)
        planned.append((dataset, plan_study(variants, namespace.seeds, dataset, given)))
    codes = [
        run_and_report(
            namespace, dataset, requests, output / dataset.name, load_reporter
        )
        for dataset, requests in planned
    ]
    return max(codes)


def _dataset_names(text: str) -> list[str]:
    """The names that ``--dataset`` lists."""
    names = [name.strip() for name in text.split(",")]
    if names == [""]:
        raise UserError(f"--dataset {text}: names no data set; give one")
    for name in names:
        if not name:
            raise UserError(f"--dataset {text}: a name is empty; remove a comma")
        if names.count(name) > 1:
            raise UserError(f"--dataset {text}: {name} is listed twice")
    return names
