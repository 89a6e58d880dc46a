"""What each part of KGIF earns, and what simpler recommenders reach."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from recbole_kgif.cli.arguments import ArgumentParser
from recbole_kgif.cli.studies import add_study_arguments, plan, run_study
from recbole_kgif.options.settings import known_models
from recbole_kgif.study.variants import ABLATION, parse_variants


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    variants = parse_variants(namespace.variants)
    models = dict.fromkeys(v.model for v in variants if v.model in known_models())
    planned = plan(namespace, rest, variants, asked=["KGIF"], models=list(models))

    # Only now: loading matplotlib and SciPy takes a second.
    from recbole_kgif.report.report_files import write_ablation

    return run_study(namespace, planned, partial(write_ablation, variants=ABLATION))


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif ablate",
        allow_abbrev=False,
        description="Run KGIF with and without each of its parts, and simpler "
        "recommenders, on the same interactions, split, evaluation and budget, and "
        "write ablation.md, ablation.csv and ablation.json for each data set; "
        "--dataset takes several, separated by commas. Stopped at any moment, the same "
        "command goes on: finished runs stay, failed ones are tried again.",
        epilog="Any option of KGIF or RecBole can be added as --key=value for all "
        "variants; what a variant itself sets goes over it, and a model that does not "
        "know the option goes without. Recommenders that are not trained are run once. "
        "Exit code 1 says that some run failed: it stands in the report with its "
        "reason.",
    )
    add_study_arguments(parser, Path("runs/ablate"))
    parser.add_argument(
        "--variants",
        default="all",
        help="names separated by commas, or all (the default): "
        f"{', '.join(variant.name for variant in ABLATION)}",
    )
    return parser
