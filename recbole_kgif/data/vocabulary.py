"""Ids in the files, and the numbers that represent them in arrays."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Callable, Optional

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

_READ_AS_MISSING = frozenset(
    (
        *("#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan"),
        *("1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None"),
        *("n/a", "nan", "null"),
    )
)
_RECBOLE_OWN_TOKENS = frozenset(("[PAD]", "[UI-Relation]"))
# Ids are printed: a terminal takes such a character for a command.
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A signed integer of 64 bits holds every number of so many digits.
_MOST_DIGITS = 18


def checked_id(text: str) -> str:
    """The id itself where RecBole reads it as it is.

    Raises:
        ValueError: RecBole, or a terminal, would misread it; the message continues a
            sentence that begins with the id.
    """
    if text == "":
        raise ValueError("is empty")
    if text in _READ_AS_MISSING:
        raise ValueError("is read as a missing value by RecBole")
    if text in _RECBOLE_OWN_TOKENS:
        raise ValueError("is used by RecBole itself")
    if _CONTROL_CHARACTER.search(text):
        raise ValueError("holds a control character")
    return text


def unpadded_id(text: str) -> str:
    """The id itself, as for `checked_id`, where no blank is at its ends.

    Files of ids are read without surrounding white space, so that such an id could be
    trained on but not asked for.

    Raises:
        ValueError: It does, or RecBole would misread it.
    """
    if text != text.strip():
        raise ValueError(
            "begins or ends with a blank, so that no file of ids can name it"
        )
    return checked_id(text)


def plain_token(text: str) -> str:
    """An id without surrounding white space, as an atomic file can hold it.

    Raises:
        ValueError: RecBole would misread it, as for `checked_id`.
    """
    token = text.strip()
    if any(mark in token for mark in "\t\r\n"):
        raise ValueError("holds a tab or a line break")
    if token.startswith('"'):
        raise ValueError("begins with a quotation mark, which RecBole misreads")
    return checked_id(token)


def whole_number(text: str) -> str:
    """A whole number from 0 on, without leading zeros.

    Raises:
        ValueError: it is none, or a larger one than 64 bits hold.
    """
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("is not a whole number from 0 on")
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"has more than {_MOST_DIGITS} digits")
    return str(int(text))


class Vocabulary(dict[str, int]):
    """Numbers the distinct ids of one kind in the order of their first occurrence.

    ``vocabulary[text]`` is an id's number. An id is checked when it is new.

    Args:
        kind: what the ids are, for messages, such as "user id".
        canonical: the form of an id in the atomic files; raises ValueError for a bad
            one, and leaves its own results as they are.

    Attributes:
        tokens: all ids in the order of their numbers.
    """

    def __init__(self, kind: str, canonical: Callable[[str], str] = plain_token):
        self._kind = kind
        self._canonical = canonical
        self.tokens: list[str] = []

    def __missing__(self, text: str) -> int:
        """Number a new id.

        Raises:
            ValueError: it cannot be an id.
        """
        token = self._canonical(text)
        number: Optional[int] = self.get(token)
        if number is None:
            number = self[token] = len(self.tokens)
            self.tokens.append(token)
        self[text] = number
        return number

    def number(self, text: str, path: Path, line: int) -> int:
        """Number of an id that a line of a file holds.

        Args:
            text: the id as it is in the file.
            path: that file.
            line: the line in it, from 1 on.

        Returns:
            The number, from 0 on.

        Raises:
            UserError: it cannot be an id.
        """
        try:
            return self[text]
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: the {self._kind} {shown(text)} {error}; "
                "correct the line"
            ) from None
