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


def suggest(name: str, known: Iterable[str], listed_in: str = "") -> str:
    """Suggest known names for a misspelt one.

    Args:
        name: the misspelt name.
        known: all names.
        listed_in: where the names are listed, if they are too many for a message.

    Returns:
        A question with up to three similar names. Without any, the list of all names,
        or where they are listed, with the most similar one.
    """
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(by_lower[n] for n in near) + "?"
    if listed_in:
        nearest = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0)
        most_similar = "".join(
            f"the most similar is {by_lower[n]}, and " for n in nearest
        )
        return f"{most_similar}{listed_in} lists all"
    return "known are " + ", ".join(sorted(by_lower.values()))
