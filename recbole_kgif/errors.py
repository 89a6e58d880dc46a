"""Errors of users: the exception, suggestions for names, and the exit codes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_RUNS_FAILED = 1
EXIT_PROBLEMS_FOUND = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_OUTPUT_CLOSED = 141


class UserError(Exception):
    """A user's mistake, reported in one line.

    The message names the file, line, option or value at fault and what to do about it.
    The command line prints it and exits with code 2.
    """


class NoFinishedRun(UserError):
    """There is nothing to report on, as every run has failed.

    It is a user's mistake if the user has named the runs; a command that has done them
    itself exits with `EXIT_RUNS_FAILED`.
    """


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest known names for a misspelt one.

    Returns:
        A question with up to three similar names, or the list of all if none is.
    """
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(by_lower[n] for n in near) + "?"
    return "known are " + ", ".join(sorted(by_lower.values()))
