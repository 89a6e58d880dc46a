"""One run: train, validate and test one model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from recbole_kgif import __version__
from recbole_kgif.commands.arguments import (
    ArgumentParser,
    add_common_arguments,
    check_files,
    locate,
    named_options,
    output_folder,
)
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
    output = output_folder(namespace.output, f"{model}-{location.name}")

    # Only now: loading PyTorch takes seconds, and a mistake should be told at once.
    prepare_process()
    from recbole_kgif.experiment import run_experiment
    from recbole_kgif.summary import summarise

    record = run_experiment(model, location.name, options, output)
    print("\n" + summarise(record, output))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif",
        allow_abbrev=False,
        description="Train, validate and test KGIF, or any model of RecBole, on a data "
        "set with a knowledge graph.",
        epilog="Any option of RecBole or of the model can be added as --key=value, for "
        "instance --learning_rate=0.002 --attention=none. The options of KGIF stand in "
        "properties/model/KGIF.yaml. Two commands have a --help of their own: compare "
        "runs several models and reports on them, report reports on runs again.",
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
    return parser
