"""What the commands that compare models share: planning, running, reporting."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from recbole_kgif.cli.arguments import (
    execution_of,
    find,
    named_options,
    report_nothing_finished,
)
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
from recbole_kgif.experiments.variant_requests import plan_study
from recbole_kgif.options.variants import Variant


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
    write: Callable[[Path], list[Path]],
) -> int:
    """Do the requested runs that have no result yet, and report on them.

    Args:
        namespace: the arguments.
        dataset: the data set of the runs.
        requests: the runs.
        folder: the folder of runs and report.
        write: writes the report of the folder.

    Returns:
        Exit code.
    """
    failed = run_all(requests, folder, execution_of(namespace, dataset))
    try:
        for path in write(folder):
            print(path)
    except NoFinishedRun as error:
        return report_nothing_finished(error)
    return EXIT_RUNS_FAILED if failed else 0


def run_study(
    namespace: argparse.Namespace,
    variants: Sequence[Variant],
    given: GivenOptions,
    output: Path,
    write: Callable[[Path], list[Path]],
) -> int:
    """Run variants on each of the data sets, all planned before the first run starts.

    Args:
        namespace: the arguments.
        variants: what is run on each data set.
        given: the options that the user gives.
        output: folder with a folder for each data set.
        write: writes the report of a data set's folder.

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
        run_and_report(namespace, dataset, requests, output / dataset.name, write)
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
