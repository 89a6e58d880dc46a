"""RecBole's configuration, made from checked options alone."""

from __future__ import annotations

import ast
import contextlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from recbole.config import Config

from recbole_kgif.options.gpus import gpu_id_for
from recbole_kgif.training.refusals import refused_as_user_error


def make_config(
    model: str,
    dataset: str,
    options: Mapping[str, Any],
    *,
    are_resolved: bool = False,
) -> Config:
    """RecBole's configuration from options alone.

    Args:
        model: the model's name.
        dataset: the data set's name.
        options: options that override RecBole's and the model's defaults.
        are_resolved: whether the options come from a configuration that RecBole has
            made, so that a text is a text; otherwise a text such as "None" is a value.

    Raises:
        UserError: RecBole refuses an option.
    """
    quote = _literal if are_resolved else _without_code
    given = {name: quote(value) for name, value in options.items()}
    gpu_id = gpu_id_for(given)
    if gpu_id is not None:
        given["gpu_id"] = _without_code(gpu_id)
    with _no_command_line():
        config: Config = refused_as_user_error(
            "configuration", Config, model, dataset, None, given
        )
    return config


def _literal(value: Any) -> Any:
    """A text as the Python literal of itself: Config evaluates every text."""
    return repr(value) if isinstance(value, str) else value


def _without_code(value: Any) -> Any:
    """The value that RecBole's Config makes of a text, unless that would run code.

    Config evaluates a text as Python. Here a literal, such as "None", is that value,
    and any other text is passed on as the literal of itself.
    """
    if not isinstance(value, str):
        return value
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return repr(value)
    if isinstance(literal, str):
        return repr(literal)
    is_known = literal is None or isinstance(literal, (int, float, list, tuple, dict))
    return literal if is_known else repr(value)


@contextlib.contextmanager
def _no_command_line() -> Iterator[None]:
    """RecBole's Config reads ``sys.argv`` and evaluates it; it is parsed already."""
    before = sys.argv
    sys.argv = before[:1] or [""]
    try:
        yield
    finally:
        sys.argv = before
