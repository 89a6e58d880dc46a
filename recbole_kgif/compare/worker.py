"""One run of a comparison, in a process of its own.

Started by `runner` as ``python -m recbole_kgif.compare.worker RUN_FOLDER DATA_PATH
JOBS``. The run is described by ``RUN_FOLDER/request.json``. It ends with exit code 0
and ``result.json``, or with another code and the reason in the last line printed.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_kgif.common.files import read_object
from recbole_kgif.common.process import prepare_process
from recbole_kgif.errors import UserError
from recbole_kgif.report.run_files import REQUEST_FILE, RESULT_FILE, WORK_FOLDER

# Where a file lies says nothing about a run, and would not be true elsewhere.
_PATH_OPTIONS = ("data_path", "checkpoint_dir")


def main(folder: Path, data_path: str, jobs: int) -> int:
    """Do the run of a folder.

    Args:
        folder: the run's folder, with a request.
        data_path: parent of the data set's folder.
        jobs: how many runs share the machine, for the record.

    Returns:
        Exit code: 0 once the result is written.
    """
    try:
        _run(folder, data_path, jobs)
        return 0
    except UserError as error:
        print(error, flush=True)
    except Exception as error:
        # Whatever it is, the others go on, and the report names it by the last line.
        traceback.print_exc()
        message = " ".join(str(error).split())
        print(f"{type(error).__name__}: {message}", file=sys.stderr, flush=True)
    return 1


def _run(folder: Path, data_path: str, jobs: int) -> None:
    request = read_object(folder / REQUEST_FILE)

    prepare_process()
    from recbole_kgif.training.experiment import run_experiment, write_json

    work = folder / WORK_FOLDER
    record = run_experiment(
        request["model"],
        request["dataset"],
        {
            **request["options"],
            "seed": request["seed"],
            "data_path": data_path,
            "show_progress": False,
        },
        work,
        split_seed=request["split_seed"],
        linked_items_only=True,
        # A trial of the tuning asks for none.
        evaluate_test=request.get("evaluate_test", True),
        **_of_study(request),
    )
    for name in _PATH_OPTIONS:
        record["configuration"].pop(name, None)
    # The runner removes it: a comparison's checkpoints would take most of its space.
    record["checkpoint"] = None
    write_json(folder / RESULT_FILE, {**record, "jobs": jobs, "request": request})


def _of_study(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a variant of a study asks for besides."""
    if request.get("triples") is None:
        return {}
    from recbole_kgif.training.corruption import TripleChange

    return {"triples": TripleChange(**request["triples"])}


def _end_with_the_parent() -> None:
    """Watch the pipe that the parent holds open: it ends when the parent does."""

    def watch() -> None:
        # Not sys.stdin: its lock, held by this thread, would abort the normal end.
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    _end_with_the_parent()
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
