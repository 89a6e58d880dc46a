"""Messages on files and arguments of a command, in the terms of Python."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from recbole_kgif.data.data_frames import in_terms_of_frames
from recbole_kgif.errors import UserError

_OPTION = re.compile(r"--(\w+)=(\[[^\]]*\]|[\w@.+-]*\w)")


@contextlib.contextmanager
def in_python(frames: Optional[Path] = None) -> Iterator[None]:
    """Messages that name options as Python does, and rows in place of files' lines.

    Args:
        frames: folder that data frames were written to.
    """
    try:
        yield
    except UserError as error:
        text = str(error)
        if frames is not None:
            text = in_terms_of_frames(text, frames)
        raise UserError(_OPTION.sub(_as_keyword, text)) from error


def _as_keyword(match: re.Match[str]) -> str:
    name, value = match.groups()
    is_text = value[:1].isalpha() and value not in ("True", "False", "None")
    return f"{name}={value!r}" if is_text else f"{name}={value}"
