"""A script by which a shell completes commands, options, models and data sets."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from recbole_kgif.cli import COMMANDS
from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.data.locate import list_datasets
from recbole_kgif.errors import UserError
from recbole_kgif.options.models import known_models
from recbole_kgif.options.settings import default_options

PROGRAM = "recbole-kgif"
SHELLS = ("bash", "zsh", "tcsh")
_TRAIN = "train"
# Commands that take options of RecBole and of the models, too.
_WITH_OPTIONS = (_TRAIN, "ablate", "compare", "robustness", "tune")


def run(arguments: list[str]) -> int:
    """Run the command.

    Args:
        arguments: those after the command's name.

    Returns:
        Exit code.
    """
    namespace = _parser().parse_args(arguments)
    try:
        import shtab
    except ModuleNotFoundError:
        raise UserError(
            "completion: needs the package shtab; run pip install shtab"
        ) from None
    print(shtab.complete(whole_parser(), shell=namespace.shell))
    return 0


def whole_parser() -> argparse.ArgumentParser:
    """One parser with all commands, and the training's options at its top."""
    whole = argparse.ArgumentParser(
        prog=PROGRAM, parents=[_own(_TRAIN)], add_help=False
    )
    commands = whole.add_subparsers()
    for name in (*COMMANDS, _TRAIN):
        own = _own(name)
        # shtab leaves out a command without help.
        commands.add_parser(name, parents=[own], add_help=False, help=own.description)
    return whole


def _own(command: str) -> argparse.ArgumentParser:
    """The parser of a command, with what its arguments may be."""
    module = import_module(f"recbole_kgif.cli.{command}")
    parser: argparse.ArgumentParser = module._parser()
    for action in parser._actions:
        _complete(action)
    if command in _WITH_OPTIONS:
        _add_options(parser, default_options("KGIF"))
    return parser


def _complete(action: argparse.Action) -> None:
    """Say what an argument may be; nothing is parsed by it."""
    import shtab

    if action.dest in ("model", "models"):
        action.choices = sorted(known_models())
    elif action.dest == "dataset":
        action.choices = list(list_datasets(Path("dataset"), None))
    elif action.metavar == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif action.metavar == "FILE":
        action.complete = shtab.FILE  # type: ignore[attr-defined]


def _add_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    for name in names:
        if f"--{name}" not in parser._option_string_actions:
            parser.add_argument(f"--{name}")


def _parser() -> argparse.ArgumentParser:
    parser = ArgumentParser(
        prog=f"{PROGRAM} completion",
        description="Print a script for a shell, by which it completes commands, "
        "options, and the names of models and data sets.",
        epilog="For bash: recbole-kgif completion bash > "
        "~/.local/share/bash-completion/completions/recbole-kgif",
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell")
    return parser
