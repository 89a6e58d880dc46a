"""One run: train, validate and test one model."""

from __future__ import annotations

import argparse
import ast
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from recbole_kgif.cli import COMMANDS
from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.cli.arguments import (
    add_common_arguments,
    add_console_arguments,
    add_output_argument,
    find,
    named_options,
    output_folder,
)
from recbole_kgif.common.files import read_object
from recbole_kgif.common.process import prepare_process
from recbole_kgif.common.resources import PACKAGE_FOLDER
from recbole_kgif.common.version import __version__
from recbole_kgif.errors import EXIT_RUNS_FAILED, UserError
from recbole_kgif.options.models import (
    BASELINES,
    base_model,
    check_model,
    is_knowledge_aware,
    with_preset,
)
from recbole_kgif.options.protocols import add_protocol_argument
from recbole_kgif.training.distributed.layout import (
    Layout,
    add_layout_arguments,
    check_shareable,
    layout_of,
)

# At run time these are imported where they are called: --help answers without them.
if TYPE_CHECKING:
    from recbole_kgif.training.distributed.launcher import ProcessFailed
    from recbole_kgif.training.specs import RunSpec

_HELP_WIDTH = 78


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace, rest = _parser().parse_known_args(arguments)
    (model,) = with_preset([check_model(namespace.model)], namespace.preset)
    layout = layout_of(namespace, base_model(model))
    spec = _plan(namespace, rest, model)
    if layout is not None:
        check_shareable(spec.options)
        if not layout.has_first:
            return _help_other_machine(layout, spec)
    if namespace.dry_run:
        print(_plan_in_words(namespace, spec))
        return 0
    return _run_in_folder(namespace, spec, layout)


def _plan(namespace: argparse.Namespace, rest: list[str], model: str) -> RunSpec:
    """The run that the arguments ask for, its options and data checked."""
    from recbole_kgif.experiments.planning import read_options
    from recbole_kgif.experiments.run_requests import LOADED_COLUMNS
    from recbole_kgif.options.settings import default_options
    from recbole_kgif.report.metric_names import validation_metric
    from recbole_kgif.training import console, run_folder
    from recbole_kgif.training.specs import DataSpec, RunSpec

    given_arguments = [*named_options(namespace, "seed", "epochs"), *rest]
    given = read_options([model], namespace.config_files, given_arguments)
    is_aware = is_knowledge_aware(model)
    dataset = find(namespace, given, [model], needs_knowledge_graph=is_aware)
    options = given.options_of(model, dataset.options)
    options.pop("data_path", None)
    options.setdefault("show_progress", sys.stderr.isatty())
    if model in BASELINES:
        options.setdefault("load_col", LOADED_COLUMNS)
    validation_metric({**default_options(model), **options})
    if is_aware and options.get("save_dataloaders"):
        raise UserError(
            f"save_dataloaders=True: RecBole cannot store those of {model}; leave it "
            "out"
        )
    data = DataSpec(dataset.name, dataset.location.data_path)
    resumable = base_model(model) in run_folder.RESUMABLE_MODELS
    shown = console.EPOCHS
    if namespace.verbose or namespace.quiet:
        shown = console.LOG if namespace.verbose else console.QUIET
        options["show_progress"] &= not namespace.quiet
    return RunSpec(model, data, options, resumable=resumable, console=shown)


def _plan_in_words(namespace: argparse.Namespace, spec: RunSpec) -> str:
    """What a training would do."""
    from recbole_kgif.cli.earlier_runs import time_in_words
    from recbole_kgif.cli.many_runs import DRY_RUN
    from recbole_kgif.options.settings import default_options

    options = {**default_options(spec.model), **spec.options}
    output = namespace.output or f"runs/{spec.model}-{spec.data.name}-TIME"
    given = ", ".join(f"{k}={options[k]}" for k in ("epochs", "seed", "valid_metric"))
    action = "resume" if namespace.resume else "start"
    return "\n".join(
        [
            f"would {action} 1 run: {spec.model} on {spec.data.name}",
            f"  with   {given}",
            f"  time   {time_in_words([(spec.model, spec.data.name)])}",
            f"  folder {output}",
            DRY_RUN,
        ]
    )


def _run_in_folder(
    namespace: argparse.Namespace, spec: RunSpec, layout: Optional[Layout]
) -> int:
    """Run in the folder of ``--output``, which keeps nothing of a refused run."""
    from recbole_kgif.training import run_folder
    from recbole_kgif.training.distributed.launcher import ProcessFailed

    settings = dict(spec.options)
    if layout is not None:
        settings["world_size"] = layout.world_size
    is_new = False
    if namespace.resume:
        output = _begun_folder(namespace.output)
        run_folder.check_resumable(output, spec.model, spec.data.name, settings)
    else:
        if namespace.output is not None:
            run_folder.check_not_begun(namespace.output)
        is_new = namespace.output is None or not namespace.output.exists()
        output = output_folder(namespace.output, f"{spec.model}-{spec.data.name}")

    with run_folder.held(output):
        if not namespace.resume:
            run_folder.begin(output, spec.model, spec.data.name, settings)
        try:
            summary = _train(layout, spec, output, namespace.verbose)
        except (UserError, OSError) as error:
            run_folder.forget(output)
            if is_new and isinstance(error, UserError):
                run_folder.remove_refused(output)
            raise
        except ProcessFailed as error:
            return _failed(error)
    print("\n" + summary)
    return 0


def _help_other_machine(layout: Layout, spec: RunSpec) -> int:
    """Do this machine's part of a run whose folder is on another one."""
    from recbole_kgif.training.distributed.launcher import (
        ProcessFailed,
        train_in_processes,
    )

    first, last = layout.ranks[0], layout.ranks[-1]
    print(
        f"processes {first} to {last} of {layout.world_size}: what is printed and "
        f"written is on the machine with --group_offset 0 ({layout.ip})"
    )
    try:
        train_in_processes(layout, spec, None)
    except ProcessFailed as error:
        return _failed(error)
    return 0


def _failed(error: ProcessFailed) -> int:
    print(f"error: {error}", file=sys.stderr)
    return EXIT_RUNS_FAILED


def _begun_folder(asked_for: Optional[Path]) -> Path:
    if asked_for is None:
        raise UserError("--resume: name the unfinished run's folder by --output DIR")
    return asked_for


def _train(
    layout: Optional[Layout], spec: RunSpec, output: Path, is_verbose: bool
) -> str:
    """Run, and return the summary."""
    # Only now: loading PyTorch takes seconds, and a mistake should be reported at once.
    prepare_process()
    from recbole_kgif.cli.summary import summarise

    if layout is not None:
        from recbole_kgif.training.distributed.launcher import train_in_processes
        from recbole_kgif.training.run_folder import RESULT_FILE

        train_in_processes(layout, spec, output)
        return summarise(read_object(output / RESULT_FILE), output, is_verbose)
    from recbole_kgif.training.run import run_experiment

    return summarise(run_experiment(spec, output), output, is_verbose)


class _EpilogAsItIs(argparse.HelpFormatter):
    """Keeps the line breaks of a text that has some."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return text
        return super()._fill_text(text, width, indent)


def _epilog() -> str:
    """The help below the arguments: further options, and the other commands."""
    options = (
        "Any option of RecBole or of the model can be added as --key=value or --key "
        "value, for instance --learning_rate=0.002 --attention none. The options of "
        "KGIF are listed in properties/model/KGIF.yaml. Further commands, each with "
        "its own --help:"
    )
    width = max(map(len, COMMANDS))
    lines = textwrap.wrap(options, _HELP_WIDTH)
    for name in COMMANDS:
        lines += textwrap.wrap(
            _summary(name),
            _HELP_WIDTH,
            initial_indent=f"  {name:{width}}  ",
            subsequent_indent=" " * (width + 4),
        )
    return "\n".join(lines)


def _summary(command: str) -> str:
    """The first line of a command's module, which is read as syntax, not run."""
    source = (PACKAGE_FOLDER / "cli" / f"{command}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog="recbole-kgif",
        also={"--models": "--model"},
        description="Train, validate and test KGIF, or any model of RecBole, on a data "
        "set with a knowledge graph.",
        formatter_class=_EpilogAsItIs,
        epilog=_epilog(),
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "-m",
        "--model",
        default="KGIF",
        metavar="NAME",
        help="KGIF or a model of RecBole, in any case (default: KGIF)",
    )
    add_common_arguments(parser)
    add_protocol_argument(parser)
    add_layout_arguments(parser)
    parser.add_argument(
        "--seed", metavar="N", help="seed of split, initialisation and sampling"
    )
    add_output_argument(
        parser,
        "DIR",
        "folder for checkpoint, record and logs (default: runs/MODEL-DATASET-TIME)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="resume the unfinished run in --output, given the settings that it "
        "began with; the result is that of an uninterrupted run",
    )
    add_console_arguments(
        parser,
        "the summary",
        "show RecBole's whole log, which a file in the run's folder has anyway, in "
        "place of a line for an epoch",
    )
    return parser
