"""Several models side by side, and the report on them."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_kgif.cli.arguments import (
    ArgumentParser,
    add_common_arguments,
    add_runner_arguments,
    check_files,
    locate,
    named_options,
    tell_nothing_finished,
)
from recbole_kgif.cli.report import write_reports
from recbole_kgif.compare.plan import (
    ALL_MODELS,
    FIRST_SEED,
    options_by_model,
    options_for_all,
    parse_models,
    plan_runs,
)
from recbole_kgif.compare.runner import run_all
from recbole_kgif.errors import EXIT_RUNS_FAILED, NoFinishedRun
from recbole_kgif.options.argument_types import at_least_one
from recbole_kgif.options.protocols import add_protocol_argument, under_protocol
from recbole_kgif.options.settings import dataset_options
from recbole_kgif.report.metric_names import validation_metric


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    models = parse_models(namespace.models)
    given = named_options(namespace, "epochs")
    in_files, in_arguments = options_for_all(
        models, namespace.config_files, [*given, *rest]
    )
    own_options = options_by_model(models, namespace.options_from)

    common = {**in_files, **in_arguments}
    location = locate(namespace, common)
    of_dataset = under_protocol(
        namespace.protocol, dataset_options(location.name, location.folder), common
    )
    common = {**of_dataset, **common}
    # For general models too: they get the interactions of linked items alone.
    checked = check_files(location, common, needs_knowledge_graph=True)
    requests = plan_runs(
        models,
        namespace.seeds,
        location.name,
        options_below={**of_dataset, **in_files},
        options_of_models=own_options,
        options_above=in_arguments,
        files=checked.sha256,
    )
    for request in requests:
        validation_metric({**request.defaults, **request.options})
    output = namespace.output or Path("runs/compare") / location.name
    failed = run_all(
        requests,
        output,
        location.data_path,
        jobs=namespace.jobs,
        time_limit=namespace.time_limit,
    )
    try:
        write_reports([output], output)
    except NoFinishedRun as error:
        return tell_nothing_finished(error)
    return EXIT_RUNS_FAILED if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif compare",
        allow_abbrev=False,
        description="Run several models on the same interactions, split, evaluation "
        "and budget, each run in a process of its own, and report on them. Stopped at "
        "any moment, the same command goes on: finished runs stay, failed ones are "
        "tried again.",
        epilog="Any option of RecBole can be added as --key=value for all models; it "
        "overrides the models' own files. Exit code 1 says that some run failed: it "
        "stands in the report with its reason.",
    )
    add_common_arguments(parser)
    add_protocol_argument(parser)
    parser.add_argument(
        "--models",
        required=True,
        help=f"names separated by commas, or all: {', '.join(ALL_MODELS)}",
    )
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
        metavar="DIR",
        help="folder for records and report (default: runs/compare/DATASET)",
    )
    add_runner_arguments(parser)
    return parser
