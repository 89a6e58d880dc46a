"""Command line of `run_recbole_kgif.py` and `recbole-kgif`: picks the command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Optional

from recbole_kgif.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, UserError

# Each is a module of `recbole_kgif.commands`, imported when it is asked for.
COMMANDS = (
    "ablate",
    "compare",
    "doctor",
    "explain",
    "prepare",
    "recommend",
    "report",
    "robustness",
    "tune",
)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: those after the program's name; None takes the process's own.

    Returns:
        Exit code: 0, 1 where a compared run failed or the doctor found a problem, 2
        for a mistake of the user's (told in one line), 130 when interrupted.
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
    if arguments and arguments[0] in COMMANDS:
        name, arguments = arguments[0], arguments[1:]
    else:
        name = "train"
    code: int = import_module(f"recbole_kgif.commands.{name}").run(arguments)
    return code
