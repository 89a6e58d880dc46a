"""Several models side by side, and the report on them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import add_models_argument, add_study_arguments, find
from recbole_kgif.options.models import ALL_MODELS, parse_models, with_preset

if TYPE_CHECKING:
    from recbole_kgif.cli.many_runs import Reporter


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)

    # Only now: --help answers without them.
    from recbole_kgif.cli.many_runs import given_options, run_and_report
    from recbole_kgif.experiments.run_requests import plan_runs

    models = with_preset(parse_models(namespace.models), namespace.preset)
    given = given_options(namespace, rest, asked=models, models=models)
    dataset = find(namespace, given, models)
    requests = plan_runs(models, namespace.seeds, dataset, given)
    output = namespace.output or Path("runs/compare") / dataset.name
    return run_and_report(namespace, dataset, requests, output, _reporter)


def _reporter() -> Reporter:
    from recbole_kgif.cli.many_runs import Reporter
    from recbole_kgif.cli.study_summary import comparison_summary
    from recbole_kgif.report.report_files import write_comparison

    return Reporter(write_comparison, comparison_summary)


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif compare",
        also={"--model": "--models"},
        description="Run several models on the same interactions, split, evaluation "
        "and budget, each run in a process of its own, and report on them. Interrupted "
        "at any moment, rerunning the command resumes: finished runs are kept, failed "
        "ones are tried again.",
        epilog="Any option of RecBole can be added as --key=value or --key value for "
        "all models; it overrides the models' own files. Exit code 1 means that some "
        "run failed: the report lists it with the reason.",
    )
    add_study_arguments(parser, "runs/compare/DATASET", "folder for records and report")
    add_models_argument(
        parser, f"names separated by commas, or all: {', '.join(ALL_MODELS)}"
    )
    return parser
