"""Contribution of each component of KGIF, beside simpler recommenders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import add_study_arguments
from recbole_kgif.options.models import known_models, with_preset
from recbole_kgif.options.settings import preset_options
from recbole_kgif.options.variants import ABLATION, parse_variants, variants_of_preset

if TYPE_CHECKING:
    from recbole_kgif.cli.many_runs import Reporter

_OUTPUT = "runs/ablate"


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

    variants = parse_variants(namespace.variants)
    (model,) = with_preset(["KGIF"], namespace.preset)
    if namespace.variants == "all":
        variants = variants_of_preset(variants, preset_options(model))
    variants = [replace(v, model=model) if v.model == "KGIF" else v for v in variants]
    models = dict.fromkeys(v.model for v in variants if v.model in known_models())
    given = given_options(namespace, rest, asked=[model], models=list(models))

    return run_study(
        namespace,
        variants,
        given,
        namespace.output or Path(_OUTPUT),
        _reporter,
    )


def _reporter() -> Reporter:
    from recbole_kgif.cli.many_runs import Reporter
    from recbole_kgif.cli.study_summary import ablation_summary
    from recbole_kgif.report.report_files import write_ablation

    return Reporter(write_ablation, ablation_summary)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif ablate",
        description="Run KGIF with and without each of its components, and simpler "
        "recommenders, on the same interactions, split, evaluation and budget, and "
        "write ablation.md, ablation.csv and ablation.json for each data set; "
        "--dataset takes several, separated by commas. Interrupted at any "
        "moment, rerunning the command resumes: finished runs are kept, failed ones "
        "are tried again.",
        epilog="Any option of KGIF or RecBole can be added as --key=value or --key "
        "value for all variants; a variant's own options override it, and a model that "
        "does not know the option does without. Recommenders that are not trained are "
        "run once. Exit code 1 means that some run failed: the report lists it with "
        "the reason.",
    )
    add_study_arguments(parser, _OUTPUT, "folder with a folder for each data set")
    parser.add_argument(
        "--variants",
        default="all",
        help="names separated by commas, or all (the default): "
        f"{', '.join(variant.name for variant in ABLATION)}",
    )
    return parser
