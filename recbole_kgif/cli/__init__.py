"""Command line of `run_recbole_kgif.py` and `recbole-kgif`: picks the command."""

from __future__ import annotations

import errno
import logging
import os
import select
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Optional

from recbole_kgif.data.names import fit_to_show
from recbole_kgif.errors import (
    EXIT_INTERRUPTED,
    EXIT_OUTPUT_CLOSED,
    EXIT_USER_ERROR,
    UserError,
    suggest,
)

# Each is a module of `recbole_kgif.cli`, imported when it is asked for.
COMMANDS = (
    "ablate",
    "compare",
    "completion",
    "datasets",
    "doctor",
    "explain",
    "export",
    "extend",
    "inspect",
    "models",
    "prepare",
    "recommend",
    "report",
    "robustness",
    "serve",
    "tune",
)

# Started without a name, too.
_TRAIN = "train"

# What a system answers where a file may not be looked at, is a folder or has no room:
# no fault of the program's, wherever it happens.
_REFUSALS_OF_THE_SYSTEM = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR, errno.ENOTDIR),
        *(errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT),
    )
)


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        arguments: those after the program's name; None takes the process's own.

    Returns:
        Exit code: 0, 1 where a compared run failed or the doctor found a problem, 2
        for a mistake of the user's (reported in one line), 130 when interrupted, 141
        where the reader of the output has closed it, as `head` does.
    """
    # A log that cannot be written is reported by what fails for the same reason.
    logging.raiseExceptions = False
    try:
        try:
            given = sys.argv[1:] if arguments is None else list(arguments)
            return _run_or_report(given)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_output_closed():
            raise
        # What is left to write would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OUTPUT_CLOSED


def _is_output_closed() -> bool:
    """Whether nobody reads the output any more: a pipe may also lead to a process."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return bool(poll.poll(0))


def _run_or_report(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    except UserError as error:
        print(f"error: {fit_to_show(str(error))}", file=sys.stderr)
        return EXIT_USER_ERROR
    except OSError as error:
        if error.errno not in _REFUSALS_OF_THE_SYSTEM:
            raise
        print(f"error: {fit_to_show(_describe(error))}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _describe(error: OSError) -> str:
    # Of two files, such as those of a renaming, the second has its final name.
    file = error.filename2 or error.filename
    place = "" if file is None else f"{file}: "
    return f"{place}{error.strerror}; name another file or folder, or make room"


def _no_command(name: str) -> str:
    advice = suggest(name, (*COMMANDS, _TRAIN))
    return f"{name}: no such command; {advice} (a training is started without one)"


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in (*COMMANDS, _TRAIN):
        name, arguments = arguments[0], arguments[1:]
    else:
        name = _TRAIN
        if arguments and not arguments[0].startswith("-"):
            raise UserError(_no_command(arguments[0]))
    try:
        code: int = import_module(f"recbole_kgif.cli.{name}").run(arguments)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in ("", "recbole_kgif"):
            raise
        raise UserError(_not_installed(missing)) from error
    return code


def _not_installed(module: str) -> str:
    from recbole_kgif.compat.without_ray import INSTALL_RECBOLE, NO_RAY_SINCE

    missing = f"the module {module} is not installed for {sys.executable}; "
    if module == "recbole" and sys.version_info >= NO_RAY_SINCE:
        return missing + f"run: {INSTALL_RECBOLE}"
    return missing + (
        "pip install -e . in the checkout brings what this package needs (activate the "
        "environment where that was done), what a model needs besides has to be "
        "installed separately"
    )
