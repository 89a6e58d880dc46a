"""The one kind of failure that is told to the user without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """A mistake of the user's, told in one line.

    The message names the file, line, option or value at fault and what to do about it.
    The command line prints it and exits with code 2.
    """
