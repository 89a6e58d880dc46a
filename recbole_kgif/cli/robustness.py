"""Robustness to knowledge-graph corruption: missing and false triples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import add_models_argument, add_study_arguments
from recbole_kgif.options.conditions import (
    CONDITIONS,
    parse_conditions,
    parse_knowledge_models,
    variants_of,
)
from recbole_kgif.options.models import with_preset

if TYPE_CHECKING:
    from recbole_kgif.cli.many_runs import Reporter

_OUTPUT = "runs/robustness"


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)

    # Only now: --help answers without them.
    from recbole_kgif.cli.many_runs import given_options, run_study

    models = with_preset(parse_knowledge_models(namespace.models), namespace.preset)
    variants = variants_of(models, parse_conditions(namespace.conditions))
    given = given_options(namespace, rest, asked=models, models=models)

    return run_study(
        namespace,
        variants,
        given,
        namespace.output or Path(_OUTPUT),
        _reporter,
    )


def _reporter() -> Reporter:
    from recbole_kgif.cli.many_runs import Reporter
    from recbole_kgif.cli.study_summary import robustness_summary
    from recbole_kgif.report.report_files import write_robustness

    return Reporter(write_robustness, robustness_summary)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif robustness",
        also={"--model": "--models"},
        description="Run knowledge-aware models on a knowledge graph of which 0, 25, "
        "50, 75 and 100 % of the triples are removed, or 50 and 100 % get a random "
        "tail, the same for all models, and write robustness.md, robustness.csv, "
        "robustness.json and a figure for each data set; --dataset takes several, "
        "separated by commas. Interactions and split stay the same. Interrupted at "
        "any moment, rerunning the command resumes: finished runs are kept, failed "
        "ones are tried again.",
        epilog="Any option of RecBole can be added as --key=value or --key value for "
        "all models. Exit code 1 means that some run failed, such as one of a model "
        "that cannot be trained without triples: the report lists it with the reason.",
    )
    add_study_arguments(parser, _OUTPUT, "folder with a folder for each data set")
    add_models_argument(parser, "names of knowledge-aware models, separated by commas")
    parser.add_argument(
        "--conditions",
        default="all",
        help="names separated by commas, or all (the default): "
        f"{', '.join(condition.name for condition in CONDITIONS)}",
    )
    return parser
