"""Command line of `run_recbole_kgif.py` and `recbole-kgif`: arguments alone."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, Optional

from recbole_kgif import __version__
from recbole_kgif.compare.plan import (
    ALL_MODELS,
    FIRST_SEED,
    fingerprints,
    options_by_model,
    options_for_all,
    parse_models,
    plan_runs,
)
from recbole_kgif.compare.runner import run_all
from recbole_kgif.data.checks import check_dataset
from recbole_kgif.data.locate import DatasetLocation, locate_dataset
from recbole_kgif.errors import UserError
from recbole_kgif.process import prepare_process
from recbole_kgif.settings import (
    KNOWLEDGE_FAMILY,
    check_model,
    dataset_options,
    field_names,
    known_models,
    parse_overrides,
    read_config_file,
)

EXIT_RUNS_FAILED = 1
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
        Exit code: 0, 1 where a compared run failed, 2 for a mistake of the user's
        (told in one line), 130 when interrupted.
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
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    return _train(arguments)


def _train(arguments: list[str]) -> int:
    namespace, rest = _parser().parse_known_args(arguments)
    model = check_model(namespace.model)
    options: dict[str, Any] = {}
    for path in namespace.config_files:
        options.update(read_config_file(path, model))
    given = _named_options(namespace, "seed", "epochs")
    options.update(parse_overrides([*given, *rest], model))

    location = _locate(namespace, options)
    options = {**dataset_options(location.name, location.folder), **options}
    options["data_path"] = str(location.data_path)
    options.setdefault("show_progress", sys.stderr.isatty())
    is_knowledge_aware = known_models()[model] == KNOWLEDGE_FAMILY
    _check(location, options, needs_knowledge_graph=is_knowledge_aware)
    output = _output_folder(namespace.output, f"{model}-{location.name}")

    # Only now: loading PyTorch takes seconds, and a mistake should be told at once.
    prepare_process()
    from recbole_kgif.experiment import run_experiment
    from recbole_kgif.summary import summarise

    record = run_experiment(model, location.name, options, output)
    print("\n" + summarise(record, output))
    return 0


def _compare(arguments: list[str]) -> int:
    namespace, rest = _compare_parser().parse_known_args(arguments)
    models = parse_models(namespace.models)
    given = _named_options(namespace, "epochs")
    in_files, in_arguments = options_for_all(
        models, namespace.config_files, [*given, *rest]
    )
    own_options = options_by_model(models, namespace.options_from)

    common = {**in_files, **in_arguments}
    location = _locate(namespace, common)
    of_dataset = dataset_options(location.name, location.folder)
    common = {**of_dataset, **common}
    # For general models too: they get the interactions of linked items alone.
    _check(location, common, needs_knowledge_graph=True)
    requests = plan_runs(
        models,
        namespace.seeds,
        location.name,
        options_below={**of_dataset, **in_files},
        options_of_models=own_options,
        options_above=in_arguments,
        files=fingerprints(
            location.folder, location.name, common.get("benchmark_filename")
        ),
    )
    output = namespace.output or Path("results") / location.name
    failed = run_all(
        requests,
        output,
        location.data_path,
        jobs=namespace.jobs,
        time_limit=namespace.time_limit,
    )
    _write_report([output], output)
    return EXIT_RUNS_FAILED if failed else 0


def _report(arguments: list[str]) -> int:
    namespace = _report_parser().parse_args(arguments)
    _write_report(namespace.folders, namespace.output or namespace.folders[0])
    return 0


def _write_report(folders: Sequence[Path], output: Path) -> None:
    # Only now: loading matplotlib and SciPy takes a second.
    from recbole_kgif.compare.report import write_report

    for path in write_report(folders, output):
        print(path)


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "compare": _compare,
    "report": _report,
}


def _named_options(namespace: argparse.Namespace, *names: str) -> list[str]:
    """Options of RecBole with an argument of their own, as ``--key=value``."""
    given = {name: getattr(namespace, name) for name in names}
    return [f"--{name}={value}" for name, value in given.items() if value is not None]


def _locate(namespace: argparse.Namespace, options: dict[str, Any]) -> DatasetLocation:
    return locate_dataset(
        namespace.dataset,
        data_path=Path(options.get("data_path", "dataset")),
        source=namespace.source,
    )


def _check(
    location: DatasetLocation, options: dict[str, Any], *, needs_knowledge_graph: bool
) -> None:
    """Check the data set's files, and tell what was found."""
    counts = check_dataset(
        location.folder,
        location.name,
        benchmark_filename=options.get("benchmark_filename"),
        field_separator=options.get("field_separator", "\t"),
        field_names=field_names(options),
        unlinked_items=options.get("unlinked_items", "error"),
        needs_knowledge_graph=needs_knowledge_graph,
    )
    print(f"{location.name}: {location.how_found} ({location.folder})")
    if counts.unlinked_interactions:
        print(
            f"{location.name}: {counts.unlinked_interactions:,} interactions of "
            f"{counts.unlinked_items:,} items that no .link line names are left out"
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
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
    _add_common_arguments(parser)
    parser.add_argument("--seed", help="seed of split, initialisation and sampling")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for checkpoint, record and logs "
        "(default: runs/MODEL-DATASET-TIME)",
    )
    return parser


def _add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a single run and of a comparison alike."""
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
    parser.add_argument(
        "--epochs", help="most epochs to train; fewer where it stops early"
    )


def _compare_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recbole-kgif compare",
        allow_abbrev=False,
        description="Run several models on the same interactions, split, evaluation "
        "and budget, each run in a process of its own, and report on them. Stopped at "
        "any moment, the same command goes on: finished runs stay, failed ones are "
        "tried again.",
        epilog="Any option of RecBole can be added as --key=value for all models; it "
        "overrides the models' own files. Exit code 1 says that some run failed: it "
        "stands in the report with its reason.",
    )
    _add_common_arguments(parser)
    parser.add_argument(
        "--models",
        required=True,
        help=f"names separated by commas, or all: {', '.join(ALL_MODELS)}",
    )
    parser.add_argument(
        "--seeds",
        type=_at_least_one,
        default=5,
        metavar="COUNT",
        help=f"number of seeds, from {FIRST_SEED} on (default: 5); the split is the "
        "same for all",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for records and report (default: results/DATASET)",
    )
    parser.add_argument(
        "--jobs",
        type=_at_least_one,
        default=1,
        metavar="COUNT",
        help="runs at a time (default: 1); several lengthen each other's times",
    )
    parser.add_argument(
        "--time-limit",
        type=_positive,
        metavar="SECONDS",
        help="end a run that takes longer, and let it count as failed",
    )
    parser.add_argument(
        "--options-from",
        type=Path,
        metavar="DIR",
        help="folder with MODEL.yaml for models with options of their own, such as "
        "tuned ones; they override --config-files",
    )
    return parser


def _report_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="recbole-kgif report",
        allow_abbrev=False,
        description="Write report.md, report.csv, report.tex, report.html and plots "
        "from the records of runs, without running anything.",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folder written by compare, or with the result.json of a single run",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the report (default: the first DIR)",
    )
    return parser


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 on")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


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
