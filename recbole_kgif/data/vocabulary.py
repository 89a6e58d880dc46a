"""Ids as they stand in the files, and the numbers that stand for them in arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from recbole_kgif.data.checks import problem_of_id
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

# A signed integer of 64 bits holds every number of so many digits.
_MOST_DIGITS = 18


def plain_token(text: str) -> str:
    """An id without the white space around it, as it can stand in an atomic file.

    Args:
        text: the field.

    Returns:
        The id.

    Raises:
        ValueError: RecBole would misread it; the message goes on after the id.
    """
    token = text.strip()
    problem = problem_of_id(token)
    if problem is None and token.startswith('"'):
        problem = "begins with a quotation mark, which RecBole misreads"
    if any(mark in token for mark in "\t\r\n"):
        problem = "holds a tab or a line break"
    if problem is not None:
        raise ValueError(problem)
    return token


def whole_number(text: str) -> str:
    """A number of the KGAT format, from 0 on, without leading zeros.

    Args:
        text: the field.

    Returns:
        The number in decimal digits.

    Raises:
        ValueError: it is none, or a larger one than 64 bits hold.
    """
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("is not a whole number from 0 on")
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"has more than {_MOST_DIGITS} digits")
    return str(int(text))


class Vocabulary:
    """Numbers the distinct ids of one kind in the order in which they come.

    Args:
        kind: what the ids are, for messages, such as "user id".
        canonical: the form of an id in the atomic files; its ValueError becomes a
            `UserError` with file and line.
    """

    def __init__(self, kind: str, canonical: Callable[[str], str] = plain_token):
        self._kind = kind
        self._canonical = canonical
        self._of_text: dict[str, int] = {}
        self._of_token: dict[str, int] = {}

    def number(self, text: str, path: Path, line: int) -> int:
        """Number of an id, a new one where the id is new.

        Args:
            text: the id as it stands in the file.
            path: that file.
            line: the line in it, from 1 on.

        Returns:
            The number, from 0 on.

        Raises:
            UserError: it cannot be an id.
        """
        known = self._of_text.get(text)
        if known is not None:
            return known
        try:
            token = self._canonical(text)
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: the {self._kind} {shown(text)} {error}; "
                "correct the line"
            ) from None
        number = self._of_token.setdefault(token, len(self._of_token))
        self._of_text[text] = number
        return number

    @property
    def tokens(self) -> list[str]:
        """All ids in the order of their numbers."""
        return list(self._of_token)
