"""What the commands of the studies share: arguments, data sets, and the runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole_kgif.cli.arguments import (
    add_common_arguments,
    add_runner_arguments,
    check_files,
    locate,
    named_options,
    tell_nothing_finished,
)
from recbole_kgif.compare.plan import (
    FIRST_SEED,
    options_by_model,
    options_for_all,
)
from recbole_kgif.compare.runner import run_all
from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.errors import EXIT_RUNS_FAILED, NoFinishedRun, UserError
from recbole_kgif.options.argument_types import at_least_one
from recbole_kgif.options.protocols import add_protocol_argument, under_protocol
from recbole_kgif.options.settings import dataset_options
from recbole_kgif.report.metric_names import validation_metric
from recbole_kgif.study.plan import VariantRequest, plan_study
from recbole_kgif.study.variants import Variant


@dataclass(frozen=True)
class StudiedDataset:
    """A data set that is there and was checked.

    Attributes:
        location: Where it lies.
        options: The options that it has by itself.
        files: Fingerprints of its files.
    """

    location: DatasetLocation
    options: Mapping[str, Any]
    files: Mapping[str, str]


def add_study_arguments(parser: argparse.ArgumentParser, output: Path) -> None:
    """Those that all studies take.

    Args:
        parser: gets them.
        output: the folder that is written to by default.
    """
    add_common_arguments(parser)
    add_protocol_argument(parser)
    parser.add_argument(
        "--seeds",
        type=at_least_one,
        default=5,
        metavar="COUNT",
        help=f"number of seeds, from {FIRST_SEED} on (default: 5); the split is the "
        "same for all",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=output,
        metavar="DIR",
        help=f"folder with a folder for each data set (default: {output})",
    )
    add_runner_arguments(parser)


def plan(
    namespace: argparse.Namespace,
    rest: Sequence[str],
    variants: Sequence[Variant],
    *,
    asked: Sequence[str],
    models: Sequence[str],
) -> list[tuple[StudiedDataset, list[VariantRequest]]]:
    """Find the data sets, and plan all runs before the first one starts.

    Args:
        namespace: the arguments.
        rest: those that the parser does not know: options of RecBole or of a model.
        variants: what is run on each data set.
        asked: names of the models that have to know the given options.
        models: names of those that may have options of their own.

    Returns:
        Each data set with its runs.

    Raises:
        UserError: an option or a data set is not as it should be.
    """
    given = named_options(namespace, "epochs")
    in_files, in_arguments = options_for_all(
        asked, namespace.config_files, [*given, *rest]
    )
    of_models = options_by_model(models, namespace.options_from)
    planned = [
        (
            dataset,
            plan_study(
                variants,
                namespace.seeds,
                dataset.location.name,
                of_dataset=dataset.options,
                in_files=in_files,
                of_models=of_models,
                in_arguments=in_arguments,
                files=dataset.files,
            ),
        )
        for dataset in _find_all(namespace, {**in_files, **in_arguments})
    ]
    for _, requests in planned:
        for request in requests:
            validation_metric({**request.defaults, **request.options})
    return planned


def _find_all(
    namespace: argparse.Namespace, given: Mapping[str, Any]
) -> list[StudiedDataset]:
    """Find and check every data set that ``--dataset`` names."""
    names = [name.strip() for name in namespace.dataset.split(",")]
    for name in names:
        if not name or names.count(name) > 1:
            told = "a name is empty; leave a comma out"
            if name:
                told = f"{name} stands twice; name it once"
            elif len(names) == 1:
                told = "names no data set; give one"
            raise UserError(f"--dataset {namespace.dataset}: {told}")
    return [_find(namespace, name, given) for name in names]


def _find(
    namespace: argparse.Namespace, name: str, given: Mapping[str, Any]
) -> StudiedDataset:
    of_one = argparse.Namespace(**{**vars(namespace), "dataset": name})
    location = locate(of_one, dict(given))
    options = under_protocol(
        namespace.protocol, dataset_options(location.name, location.folder), given
    )
    both = {**options, **given}
    # For general models too: they get the interactions of linked items alone.
    checked = check_files(location, both, needs_knowledge_graph=True)
    return StudiedDataset(location, options, checked.sha256)


def run_study(
    namespace: argparse.Namespace,
    planned: Sequence[tuple[StudiedDataset, Sequence[VariantRequest]]],
    write: Callable[[Path], list[Path]],
) -> int:
    """Do what is planned for each data set that has not been done, and report on it.

    Args:
        namespace: the arguments.
        planned: each data set with its runs.
        write: writes the report of a data set's folder.

    Returns:
        Exit code.
    """
    some_failed = False
    for dataset, requests in planned:
        folder = namespace.output / dataset.location.name
        failed = run_all(
            requests,
            folder,
            dataset.location.data_path,
            jobs=namespace.jobs,
            time_limit=namespace.time_limit,
        )
        some_failed = some_failed or bool(failed)
        try:
            for path in write(folder):
                print(path)
        except NoFinishedRun as error:
            tell_nothing_finished(error)
    return EXIT_RUNS_FAILED if some_failed else 0
