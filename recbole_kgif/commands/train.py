"""One run: train, validate and test one model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Optional

from recbole_kgif import __version__, run_folder
from recbole_kgif.commands.arguments import (
    ArgumentParser,
    add_common_arguments,
    check_files,
    locate,
    named_options,
    output_folder,
)
from recbole_kgif.errors import UserError
from recbole_kgif.process import prepare_process
from recbole_kgif.settings import (
    KNOWLEDGE_FAMILY,
    check_model,
    dataset_options,
    known_models,
    parse_overrides,
    read_config_file,
)


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    model = check_model(namespace.model)
    options: dict[str, Any] = {}
    for path in namespace.config_files:
        options.update(read_config_file(path, model))
    given = named_options(namespace, "seed", "epochs")
    options.update(parse_overrides([*given, *rest], model))

    location = locate(namespace, options)
    options = {**dataset_options(location.name, location.folder), **options}
    options["data_path"] = str(location.data_path)
    options.setdefault("show_progress", sys.stderr.isatty())
    is_knowledge_aware = known_models()[model] == KNOWLEDGE_FAMILY
    check_files(location, options, needs_knowledge_graph=is_knowledge_aware)
    if namespace.resume:
        output = _begun_folder(namespace.output)
        run_folder.check_resumable(output, model, location.name, options)
    else:
        if namespace.output is not None:
            run_folder.check_not_begun(namespace.output)
        output = output_folder(namespace.output, f"{model}-{location.name}")

    with run_folder.held(output):
        if not namespace.resume:
            run_folder.begin(output, model, location.name, options)
        try:
            summary = _train(model, location.name, options, output)
        except UserError:
            run_folder.forget(output)
            raise
    print("\n" + summary)
    return 0


def _begun_folder(asked_for: Optional[Path]) -> Path:
    if asked_for is None:
        raise UserError("--resume: name the unfinished run's folder by --output DIR")
    return asked_for


def _train(model: str, dataset: str, options: dict[str, Any], output: Path) -> str:
    """Run, and return the summary."""
    # Only now: loading PyTorch takes seconds, and a mistake should be told at once.
    prepare_process()
    from recbole_kgif.experiment import run_experiment
    from recbole_kgif.summary import summarise

    record = run_experiment(
        model,
        dataset,
        options,
        output,
        resumable=model in run_folder.RESUMABLE_MODELS,
    )
    return summarise(record, output)


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif",
        allow_abbrev=False,
        description="Train, validate and test KGIF, or any model of RecBole, on a data "
        "set with a knowledge graph.",
        epilog="Any option of RecBole or of the model can be added as --key=value, for "
        "instance --learning_rate=0.002 --attention=none. The options of KGIF stand in "
        "properties/model/KGIF.yaml. These commands have a --help of their own: "
        "compare runs several models and reports on them, report reports on runs "
        "again, tune chooses a model's options, prepare makes a data set of your own, "
        "recommend writes the best new items of users.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--model", default="KGIF", help="KGIF or a model of RecBole (default: KGIF)"
    )
    add_common_arguments(parser)
    parser.add_argument("--seed", help="seed of split, initialisation and sampling")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for checkpoint, record and logs "
        "(default: runs/MODEL-DATASET-TIME)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the unfinished run in --output, given the settings that it "
        "began with; it ends as if it had never stopped",
    )
    return parser
