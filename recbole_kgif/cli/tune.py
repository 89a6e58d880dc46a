"""The search for each model's best options, with the same number of trials for each."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_kgif.cli.arguments import (
    ArgumentParser,
    add_common_arguments,
    check_files,
    locate,
    named_options,
)
from recbole_kgif.compare.plan import (
    FIRST_SEED,
    options_for_all,
    parse_models,
)
from recbole_kgif.errors import EXIT_RUNS_FAILED, UserError
from recbole_kgif.options.argument_types import at_least_one, positive, seed_number
from recbole_kgif.options.settings import dataset_options
from recbole_kgif.tune.plan import plan_models
from recbole_kgif.tune.spaces import SPACES, space_of

if TYPE_CHECKING:
    from recbole_kgif.tune.runner import TuningResult


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    _require_optuna()
    models = parse_models(namespace.models)
    given = named_options(namespace, "epochs")
    in_files, in_arguments = options_for_all(
        models,
        namespace.config_files,
        [*given, *rest],
        otherwise="leave it out, or tune the models that take it by themselves",
    )
    asked_for = {**in_files, **in_arguments}
    for model in models:
        space_of(model, asked_for)

    location = locate(namespace, asked_for)
    of_dataset = dataset_options(location.name, location.folder)
    common = {**of_dataset, **asked_for}
    # For general models too: they get the interactions of linked items alone.
    checked = check_files(location, common, needs_knowledge_graph=True)
    plans = plan_models(
        models,
        location.name,
        trials=namespace.trials,
        seed=namespace.seed,
        options_below={**of_dataset, **in_files},
        options_above=in_arguments,
        given=asked_for,
        files=checked.sha256,
    )
    output = namespace.output or Path("runs/tune") / location.name

    # Only now: loading Optuna takes a second.
    from recbole_kgif.tune.runner import tune_all

    tuned = tune_all(
        plans,
        output,
        location.data_path,
        jobs=namespace.jobs,
        time_limit=namespace.time_limit,
        storage=namespace.storage,
    )
    return _tell(tuned, output)


def _require_optuna() -> None:
    if importlib.util.find_spec("optuna") is None:
        raise UserError(
            'tuning needs the package optuna; run pip install "recbole-kgif[tune]", or '
            'in a checkout pip install -e ".[tune]"'
        )


def _tell(tuned: Sequence[TuningResult], output: Path) -> int:
    """Print what came of each model, and return the exit code."""
    for model in tuned:
        for name, reason in model.failures:
            print(f"{name} failed: {reason}")
        if model.file is not None:
            print(model.file)
        elif model.elsewhere:
            print(
                f"{model.model}: {', '.join(model.elsewhere)} run elsewhere; once they "
                "have ended, the same command writes the best options"
            )
        else:
            print(f"{model.model}: no trial has finished, so there are no best options")
    print(output / "trials.csv")
    return 0 if all(model.file for model in tuned) else EXIT_RUNS_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif tune",
        allow_abbrev=False,
        description="Search for the options of each model that do best in validation, "
        "with the same number of trials, data, split and budget for each. The test "
        "interactions are not evaluated. The first trials are the model's defaults and "
        "published settings, the others are chosen by Optuna's TPE; none is pruned. "
        "Stopped at any moment, the same command goes on; with a larger --trials it "
        "adds to what is there.",
        epilog="Any option of RecBole can be added as --key=value: it then holds for "
        "all models and is not tuned. The options of DIR/MODEL.yaml are taken up by "
        "compare --options-from DIR. A failed trial counts as one, and is not tried "
        "again unless its folder is removed. Exit code 1 says that some model has no "
        "best options.",
    )
    add_common_arguments(parser)
    parser.add_argument(
        "--models",
        "--model",
        required=True,
        dest="models",
        metavar="MODELS",
        help=f"names separated by commas, or all: {', '.join(SPACES)}",
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
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for trials and best options (default: runs/tune/DATASET)",
    )
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        default=1,
        metavar="COUNT",
        help="trials at a time (default: 1); with several the choice of parameters "
        "depends on which ends first",
    )
    parser.add_argument(
        "--time-limit",
        type=positive,
        metavar="SECONDS",
        help="end a trial that takes longer, and let it count as failed",
    )
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="let several machines share the trials, each with an --output of its own: "
        "a database such as sqlite:///FILE, or the path of a journal file of Optuna's",
    )
    return parser
