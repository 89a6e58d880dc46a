"""The search for each model's best options, with the same number of trials for each."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    add_common_arguments,
    add_execution_arguments,
    add_models_argument,
    add_output_argument,
    execution_of,
    find,
    named_options,
)
from recbole_kgif.errors import EXIT_RUNS_FAILED, UserError
from recbole_kgif.experiments.search_spaces import space_of
from recbole_kgif.options.argument_types import FIRST_SEED, at_least_one, seed_number
from recbole_kgif.options.models import ALL_MODELS, parse_models, with_preset
from recbole_kgif.options.protocols import add_protocol_argument
from recbole_kgif.options.settings import REFIT

if TYPE_CHECKING:
    from recbole_kgif.experiments.trial_requests import ModelPlan
    from recbole_kgif.experiments.tuning import TuningResult


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    _require_optuna()

    # Only now: --help answers without them.
    from recbole_kgif.experiments.planning import read_options, refuse_reserved
    from recbole_kgif.experiments.trial_requests import plan_models

    models = with_preset(parse_models(namespace.models), namespace.preset)
    given = read_options(
        models,
        namespace.config_files,
        [*named_options(namespace, "epochs"), *rest],
        otherwise="leave it out, or tune the models that take it by themselves",
    )
    refuse_reserved(given)
    if given.common.get(REFIT):
        raise UserError(
            f"{REFIT}=True: tune tests nothing, so nothing is fitted anew; leave it "
            "out, and give it to the run or compare that follows"
        )
    for model in models:
        space_of(model, given.common)
    dataset = find(namespace, given, models)
    plans = plan_models(
        models, dataset, given, trials=namespace.trials, seed=namespace.seed
    )
    output = namespace.output or Path("runs/tune") / dataset.name
    if namespace.dry_run:
        print(_plan_in_words(namespace, plans, output))
        return 0

    # Only now: loading Optuna takes a second.
    from recbole_kgif.experiments.tuning import tune_all

    execution = execution_of(namespace, dataset)
    tuned = tune_all(plans, output, execution, storage=namespace.storage)
    return _report(tuned, output, namespace.quiet)


def _require_optuna() -> None:
    if importlib.util.find_spec("optuna") is None:
        raise UserError(
            'tuning needs the package optuna; run pip install "recbole-kgif[tune]", or '
            'in a checkout pip install -e ".[tune]"'
        )


def _plan_in_words(
    namespace: argparse.Namespace, plans: Sequence[ModelPlan], output: Path
) -> str:
    """What a tuning would run, checked against what is in its folder."""
    from recbole_kgif.cli.earlier_runs import time_in_words
    from recbole_kgif.cli.many_runs import DRY_RUN
    from recbole_kgif.experiments.trial_requests import check_trials_agree

    check_trials_agree(output, plans)
    total = sum(plan.trials for plan in plans)
    at_a_time = f", {namespace.jobs} at a time" if namespace.jobs > 1 else ""
    lines = [f"would run up to {total} trials{at_a_time}; ended ones are kept"]
    for plan in plans:
        tuned = ", ".join(plan.space)
        lines.append(f"  {plan.model}: {plan.trials} trials of {tuned}")
    trials = [plan.model for plan in plans for _ in range(plan.trials)]
    runs = [(model, namespace.dataset) for model in trials]
    lines.append(f"  time   {time_in_words(runs, namespace.jobs, output)}")
    return "\n".join([*lines, f"  folder {output}", DRY_RUN])


def _report(tuned: Sequence[TuningResult], output: Path, is_quiet: bool) -> int:
    """Print the result of each model, and return the exit code."""
    from recbole_kgif.cli.tuning_summary import tuning_summary

    for model in tuned:
        for name, reason in model.failures:
            print(f"{name} failed: {reason}")
        if model.file is not None:
            if not is_quiet:
                print(model.file)
        elif model.elsewhere:
            print(
                f"{model.model}: {', '.join(model.elsewhere)} run elsewhere; once they "
                "have ended, rerunning the command writes the best options"
            )
        else:
            print(f"{model.model}: no trial has finished, so there are no best options")
    if not is_quiet:
        print(output / "trials.csv")
    print("\n" + tuning_summary(tuned, output))
    return 0 if all(model.file for model in tuned) else EXIT_RUNS_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif tune",
        also={"--model": "--models"},
        description="Search for the options of each model that do best in validation, "
        "with the same number of trials, data, split and budget for each. The test "
        "interactions are not evaluated. The first trials are the model's defaults and "
        "published settings, the others are chosen by Optuna's TPE; none is pruned. "
        "Interrupted at any moment, rerunning the command resumes; a larger --trials "
        "adds trials. With several --jobs the choice of parameters depends on which "
        "trial ends first.",
        epilog="Any option of RecBole can be added as --key=value or --key value: it "
        "then holds for all models and is not tuned. compare --options-from DIR reads "
        "the options of DIR/MODEL.yaml. A failed trial counts as one, and is not tried "
        "again unless its folder is removed. Exit code 1 means that some model has no "
        "best options.",
    )
    add_common_arguments(parser)
    add_protocol_argument(parser)
    add_models_argument(
        parser, f"names separated by commas, or all: {', '.join(ALL_MODELS)}"
    )
    parser.add_argument(
        "--trials",
        type=at_least_one,
        default=20,
        metavar="COUNT",
        help="number of trials for each model (default: 20)",
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        default=FIRST_SEED,
        help="seed of every trial, and of the choice of parameters (default: "
        f"{FIRST_SEED}); the split is the same for all",
    )
    add_output_argument(
        parser,
        "DIR",
        "folder for trials and best options (default: runs/tune/DATASET)",
    )
    add_execution_arguments(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="let several machines share the trials, each with an --output of its own: "
        "a database such as sqlite:///FILE, or the path of a journal file of Optuna's",
    )
    return parser
