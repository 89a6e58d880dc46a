"""One process of a training, started by `launcher`.

It reads what it is asked for from the first line of its standard input, and ends with
exit code 0, or with another one and the reason in a file that the request names.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kgif.common.files import write_atomic
from recbole_kgif.common.process import end_process, prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.training.distributed.layout import Place
from recbole_kgif.training.specs import RunSpec

_LONGEST_REASON = 300


def main() -> int:
    """Do this process's part of a training.

    Returns:
        Exit code: 0 once it is done.
    """
    request = json.loads(_first_line())
    _end_with_the_parent()
    try:
        _train(request)
        return 0
    except UserError as error:
        _report(request, str(error), is_user_error=True)
    except Exception as error:
        message = f"{type(error).__name__}: {' '.join(str(error).split())}"
        _report(request, message[:_LONGEST_REASON], is_user_error=False)
    return 1


def _train(request: Mapping[str, Any]) -> None:
    prepare_process()
    from recbole_kgif.training.run import run_experiment

    spec = RunSpec.from_json(request["spec"])
    run_experiment(spec, Path(request["output"]), place=Place(**request["place"]))


def _report(request: Mapping[str, Any], message: str, *, is_user_error: bool) -> None:
    report = {
        "message": message,
        "is_user_error": is_user_error,
        "traceback": traceback.format_exc(),
        "time": time.time(),
    }
    write_atomic(Path(request["report"]), json.dumps(report))


def _first_line() -> bytes:
    """A line of standard input, past which nothing is read."""
    # Not sys.stdin: its lock, held by the thread below, would abort the normal end.
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            sys.exit(1)
        line += piece
    return line


def _end_with_the_parent() -> None:
    """Watch the pipe that the parent holds open: it ends when the parent does."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_process(main())
