"""How models bear a knowledge graph with fewer triples, or with false ones."""

from __future__ import annotations

from pathlib import Path

from recbole_kgif.cli.arguments import ArgumentParser
from recbole_kgif.cli.studies import add_study_arguments, plan, run_study
from recbole_kgif.study.conditions import (
    CONDITIONS,
    parse_conditions,
    parse_knowledge_models,
    variants_of,
)


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
    planned = plan(namespace, rest, variants, asked=models, models=models)

    # Only now: loading matplotlib and SciPy takes a second.
    from recbole_kgif.report.report_files import write_robustness

    return run_study(namespace, planned, write_robustness)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif robustness",
        allow_abbrev=False,
        description="Run knowledge-aware models on a knowledge graph of which 0, 25, "
        "50, 75 and 100 % of the triples are removed, or 50 and 100 % get a random "
        "tail, the same for all models, and write robustness.md, robustness.csv, "
        "robustness.json and a plot for each data set; --dataset takes several, "
        "separated by commas. Interactions and split stay as they are. Stopped at any "
        "moment, the same command goes on: finished runs stay, failed ones are tried "
        "again.",
        epilog="Any option of RecBole can be added as --key=value for all models. Exit "
        "code 1 says that some run failed, as of a model that cannot be trained "
        "without triples: it stands in the report with its reason.",
    )
    add_study_arguments(parser, Path("runs/robustness"))
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
