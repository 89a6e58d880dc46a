"""Command line of `run_recbole_kgif.py` and `recbole-kgif`: arguments alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Optional

from recbole_kgif import __version__
from recbole_kgif.data.checks import check_dataset
from recbole_kgif.data.locate import locate_dataset
from recbole_kgif.errors import UserError
from recbole_kgif.settings import (
    KNOWLEDGE_FAMILY,
    check_model,
    dataset_options,
    known_models,
    parse_overrides,
    read_config_file,
)

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see --help")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: those after the program's name; None takes the process's own.

    Returns:
        Exit code: 0, 2 for a mistake of the user's (told in one line), 130 when
        interrupted.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else list(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(arguments: list[str]) -> int:
    namespace, rest = _parser().parse_known_args(arguments)
    model = check_model(namespace.model)
    options: dict[str, Any] = {}
    for path in namespace.config_files:
        options.update(read_config_file(path, model))
    named = [f"--{k}={getattr(namespace, k)}" for k in ("seed", "epochs")]
    given = [argument for argument in named if not argument.endswith("=None")]
    options.update(parse_overrides([*given, *rest], model))

    location = locate_dataset(
        namespace.dataset,
        data_path=Path(options.get("data_path", "dataset")),
        source=namespace.source,
    )
    options = {**dataset_options(location.name, location.folder), **options}
    options["data_path"] = str(location.data_path)
    options.setdefault("show_progress", sys.stderr.isatty())
    counts = check_dataset(
        location.folder,
        location.name,
        benchmark_filename=options.get("benchmark_filename"),
        field_separator=options.get("field_separator", "\t"),
        unlinked_items=options.get("unlinked_items", "error"),
        needs_knowledge_graph=known_models()[model] == KNOWLEDGE_FAMILY,
    )
    print(f"{location.name}: {location.how_found} ({location.folder})")
    if counts.unlinked_interactions:
        print(
            f"{location.name}: {counts.unlinked_interactions:,} interactions of "
            f"{counts.unlinked_items:,} items that no .link line names are left out"
        )
    output = _output_folder(namespace.output, f"{model}-{location.name}")

    # Only now: loading PyTorch takes seconds, and a mistake should be told at once.
    from recbole_kgif.compat import silence_known_warnings

    silence_known_warnings()
    from recbole_kgif.experiment import run_experiment
    from recbole_kgif.summary import summarise

    record = run_experiment(model, location.name, options, output)
    print("\n" + summarise(record, output))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recbole-kgif",
        allow_abbrev=False,
        description="Train, validate and test KGIF, or any model of RecBole, on a data "
        "set with a knowledge graph.",
        epilog="Any option of RecBole or of the model can be added as --key=value, for "
        "instance --learning_rate=0.002 --attention=none. The options of KGIF stand in "
        "properties/model/KGIF.yaml.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--model", default="KGIF", help="KGIF or a model of RecBole (default: KGIF)"
    )
    parser.add_argument(
        "--dataset",
        default="ml-100k",
        help="ml-100k (inside RecBole, the default), lastfm, lastfm-split, "
        "book-crossing-split, or the name of a RecBole folder with .kg and .link",
    )
    parser.add_argument(
        "--config-files",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="RecBole configuration files; a later one overrides an earlier one",
    )
    parser.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="folder with the raw or prepared files of the data set "
        "(default: $RECBOLE_KGIF_DATA)",
    )
    parser.add_argument("--seed", help="seed of split, initialisation and sampling")
    parser.add_argument(
        "--epochs", help="most epochs to train; fewer where it stops early"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for checkpoint, record and logs "
        "(default: runs/MODEL-DATASET-TIME)",
    )
    return parser


def _output_folder(asked_for: Optional[Path], name: str) -> Path:
    """An existing, writable folder without a run in it."""
    if asked_for is None:
        asked_for = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    if (asked_for / "result.json").exists():
        raise UserError(
            f"--output {asked_for}: holds the result of a run already; "
            "name another folder"
        )
    try:
        asked_for.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=asked_for):
            return asked_for
    except OSError as error:
        raise UserError(
            f"--output {asked_for}: cannot be written to ({error.strerror}); "
            "name a folder of your own"
        ) from None
