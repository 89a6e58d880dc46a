"""The one kind of failure that is told without a traceback, and the exit codes."""

from __future__ import annotations

EXIT_RUNS_FAILED = 1
EXIT_PROBLEMS_FOUND = 1
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_OUTPUT_CLOSED = 141


class UserError(Exception):
    """A mistake of the user's, told in one line.

    The message names the file, line, option or value at fault and what to do about it.
    The command line prints it and exits with code 2.
    """


class NoFinishedRun(UserError):
    """There is nothing to report on, as every run has failed.

    To whom names the runs it is a mistake; a command that has done them itself exits
    with `EXIT_RUNS_FAILED`.
    """
