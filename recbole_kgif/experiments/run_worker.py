"""One run of a comparison, in a process of its own.

`parallel_runs` starts it with the arguments RUN_FOLDER DATA_PATH JOBS. The run is
described by ``RUN_FOLDER/request.json``. It ends with exit code 0 and ``result.json``,
or with another code and the reason in the last line printed.
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
from recbole_kgif.options.protocols import OPTION as PROTOCOL_OPTION
from recbole_kgif.report.run_files import REQUEST_FILE, RESULT_FILE, WORK_FOLDER
from recbole_kgif.training.corruption import TripleChange
from recbole_kgif.training.specs import DataSpec, RunSpec

# Paths say nothing about a run, and would be wrong on another machine.
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
        # Whatever it is, the other runs continue, and the report shows the last line.
        traceback.print_exc()
        message = " ".join(str(error).split())
        print(f"{type(error).__name__}: {message}", file=sys.stderr, flush=True)
    return 1


def _run(folder: Path, data_path: str, jobs: int) -> None:
    request = read_object(folder / REQUEST_FILE)

    prepare_process()
    from recbole_kgif.training.run import run_experiment
    from recbole_kgif.training.run_record import write_json

    record = run_experiment(_spec_of(request, data_path), folder / WORK_FOLDER)
    for name in _PATH_OPTIONS:
        record["configuration"].pop(name, None)
    # The runner removes it: a comparison's checkpoints would take most of its space.
    record["checkpoint"] = None
    write_json(folder / RESULT_FILE, {**record, "jobs": jobs, "request": request})


def _spec_of(request: Mapping[str, Any], data_path: str) -> RunSpec:
    """The run that a request asks for."""
    triples = request.get("triples")
    data = DataSpec(
        request["dataset"],
        Path(data_path),
        request["split_seed"],
        linked_items_only=True,
        triples=None if triples is None else TripleChange(**triples),
    )
    # A tuning fixes sizes for all models, also for those without such an option.
    known = {*request["defaults"], PROTOCOL_OPTION}
    given = {name: v for name, v in request["options"].items() if name in known}
    options = {**given, "seed": request["seed"], "show_progress": False}
    # A trial of the tuning asks for no test.
    evaluate_test = request.get("evaluate_test", True)
    return RunSpec(request["model"], data, options, evaluate_test=evaluate_test)


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
