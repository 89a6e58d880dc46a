"""Robustness to knowledge-graph corruption: missing and false triples."""

from __future__ import annotations

from pathlib import Path

from recbole_kgif.cli.arguments import ArgumentParser, add_study_arguments
from recbole_kgif.cli.many_runs import given_options, run_study
from recbole_kgif.options.conditions import (
    CONDITIONS,
    parse_conditions,
    parse_knowledge_models,
    variants_of,
)

_OUTPUT = "runs/robustness"


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    models = parse_knowledge_models(namespace.models)
    variants = variants_of(models, parse_conditions(namespace.conditions))
    given = given_options(namespace, rest, asked=models, models=models)

    # Only now: loading matplotlib and SciPy takes a second.
    from recbole_kgif.report.report_files import write_robustness
    from recbole_kgif.report.run_records import read_comparison

    return run_study(
        namespace,
        variants,
        given,
        namespace.output or Path(_OUTPUT),
        lambda folder: write_robustness(read_comparison([folder]), folder),
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif robustness",
        allow_abbrev=False,
        description="Run knowledge-aware models on a knowledge graph of which 0, 25, "
        "50, 75 and 100 % of the triples are removed, or 50 and 100 % get a random "
        "tail, the same for all models, and write robustness.md, robustness.csv, "
        "robustness.json and a figure for each data set; --dataset takes several, "
        "separated by commas. Interactions and split stay the same. Interrupted at "
        "any moment, rerunning the command resumes: finished runs are kept, failed "
        "ones are tried again.",
        epilog="Any option of RecBole can be added as --key=value for all models. Exit "
        "code 1 means that some run failed, such as one of a model that cannot be "
        "trained without triples: the report lists it with the reason.",
    )
    add_study_arguments(parser, _OUTPUT, "folder with a folder for each data set")
    parser.add_argument(
        "--models",
        required=True,
        help="names of knowledge-aware models, separated by commas",
    )
    parser.add_argument(
        "--conditions",
        default="all",
        help="names separated by commas, or all (the default): "
        f"{', '.join(condition.name for condition in CONDITIONS)}",
    )
    return parser
