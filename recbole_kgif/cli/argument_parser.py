"""The parser of every command: mistakes in one line, and several spellings."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Optional

from recbole_kgif.errors import UserError

# How similar a misspelt argument is to the intended one: RecBole has others.
_NEAR = 0.8
_NAME = re.compile(r"(--[A-Za-z_][\w-]*)(=.*)?", re.DOTALL)
# The short form of an option before the long one.
_SHORT = re.compile(r"(?<!\S)-\w/--")
# RecBole's own spelling, which takes its files in another form: refused by name.
_NOT_OURS = frozenset({"--config_files"})


class ArgumentParser(argparse.ArgumentParser):
    """A parser that reports mistakes as `UserError`, in one line.

    Hyphens and underscores are the same in the name of an option.
    """

    def __init__(
        self, *, also: Optional[Mapping[str, str]] = None, **options: Any
    ) -> None:
        """Make a parser without arguments.

        Args:
            also: other spellings that are understood and not listed, each with the
                option that it is for.
            options: those of `argparse.ArgumentParser`.
        """
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self._also = dict(also or {})

    def error(self, message: str) -> NoReturn:
        """Raise a `UserError` in place of printing the usage."""
        raise UserError(f"{_SHORT.sub('--', message)}; see --help")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and answer a misspelt argument with the nearest one.

        Returns:
            The arguments, and those that the parser does not know as a list of
            ``--key=value``, with underscores in the key. RecBole's options may be given
            in two arguments, as ``--key value``.

        Raises:
            UserError: there is a similar argument. One of the form --key=value may be
                RecBole's, and is left to whoever knows these.
        """
        given = sys.argv[1:] if args is None else args
        namespace, rest = super().parse_known_args(
            [self._as_listed(argument) for argument in given], namespace
        )
        for argument in rest:
            if argument.startswith("--") and "=" not in argument:
                self._refuse_misspelt(argument)
        return namespace, _joined(rest)

    def _as_listed(self, argument: str) -> str:
        """The argument with its option spelt as the parser has it."""
        match = _NAME.fullmatch(argument)
        if match is None:
            return argument
        name, value = match[1], match[2] or ""
        options = self._option_string_actions
        candidates = [name]
        if name not in _NOT_OURS:
            stem = name[2:]
            candidates += [
                f"--{stem.replace('_', '-')}",
                f"--{stem.replace('-', '_')}",
            ]
        for candidate in candidates:
            candidate = self._also.get(candidate, candidate)
            if candidate in options:
                return candidate + value
        return argument

    def _refuse_misspelt(self, argument: str) -> None:
        near = difflib.get_close_matches(
            argument, self._option_string_actions, cutoff=_NEAR
        )
        if near and not _is_option_of_recbole(argument[2:].replace("-", "_")):
            raise UserError(
                f"{argument}: no such argument; did you mean {' or '.join(near)}?"
            )


def _is_option_of_recbole(name: str) -> bool:
    # Only now: it reads RecBole's files.
    from recbole_kgif.options.models import ALL_MODELS
    from recbole_kgif.options.settings import default_options

    return any(name in default_options(model) for model in ALL_MODELS)


def _joined(rest: Sequence[str]) -> list[str]:
    """Unknown arguments in one form: ``--key value`` becomes ``--key=value``."""
    joined: list[str] = []
    waiting = ""
    for argument in rest:
        match = _NAME.fullmatch(argument)
        if match is None and waiting:
            joined.append(f"{waiting}={argument}")
            waiting = ""
            continue
        joined += [waiting] if waiting else []
        waiting = ""
        if match is None:
            joined.append(argument)
            continue
        key = f"--{match[1][2:].replace('-', '_')}"
        if match[2] is None:
            waiting = key
        else:
            joined.append(f"{key}{match[2]}")
    return joined + ([waiting] if waiting else [])
