"""What RecBole refuses, reported as a mistake of the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recbole_kgif.errors import UserError


def refused_as_user_error(
    what: str, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Call RecBole, and report what it refuses in one line.

    RecBole answers bad options and data by these exceptions, with a readable message.
    """
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError, NotImplementedError, AssertionError) as error:
        if not _is_refusal(error):
            raise
        message = " ".join(str(error).split())
        raise UserError(f"{what}: {message}") from error


def _is_refusal(error: BaseException) -> bool:
    """Whether RecBole or KGIF raised this itself, not something that they called."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.split(".")[0] in ("recbole", "recbole_kgif") and bool(str(error))
