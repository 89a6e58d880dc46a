"""Runs requested runs, each in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Optional

from filelock import FileLock, Timeout
from tqdm import tqdm

from recbole_kgif.common.files import read_object
from recbole_kgif.common.process import child_environment
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.run_store import (
    check_agreement,
    note_failure,
    remove_leftovers,
    remove_work,
    reset_run,
    unfinished,
)
from recbole_kgif.options.item_groups import main_test_metric
from recbole_kgif.report.packed_records import refuse_packed
from recbole_kgif.report.run_files import LOG_FILE, RESULT_FILE

_POLL_SECONDS = 0.1
_LONGEST_REASON = 300
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Execution:
    """How requested runs are executed.

    Attributes:
        data_path: folder that holds the data set's folder.
        jobs: number of runs at a time.
        time_limit: seconds after which a run is ended; None for no limit.
        is_quiet: whether nothing is printed about single runs.
        is_verbose: whether the log of each run is printed as it is written.
    """

    data_path: Path
    jobs: int = 1
    time_limit: Optional[float] = None
    is_quiet: bool = False
    is_verbose: bool = False


@dataclass(frozen=True)
class RunOutcome:
    """A run whose process has ended.

    Attributes:
        request: What was asked for.
        folder: The run's folder.
        reason: Why there is no result, in one line; empty where there is one.
        seconds: How long it ran.
    """

    request: RunRequest
    folder: Path
    reason: str
    seconds: float


def run_all(
    requests: Sequence[RunRequest], folder: Path, execution: Execution
) -> list[RunOutcome]:
    """Do those of the requested runs that have no result yet.

    Every run writes into a folder of its own. However this process ends, the processes
    that it started end with it; the next call does what has no result.

    Args:
        requests: what is asked for.
        folder: the comparison's folder; need not exist.
        execution: how the runs are executed.

    Returns:
        The runs that failed.

    Raises:
        UserError: the folder cannot be used, is in use, or holds runs of other
            settings.
    """
    with exclusive_lock(folder, "comparison"):
        check_agreement(folder, requests)
        remove_leftovers(folder)
        missing = unfinished(folder, requests)
        if len(missing) < len(requests) and not execution.is_quiet:
            print(f"{len(requests) - len(missing)} runs are finished already")
        return _run_missing(missing, folder, execution)


@contextlib.contextmanager
def exclusive_lock(folder: Path, what: str) -> Iterator[None]:
    """Keep other processes of this package out of a folder, which need not exist.

    Args:
        folder: what ``--output`` names.
        what: what is done in it, for the message.

    Raises:
        UserError: it is in use, it holds packed records, or it cannot be
            written to.
    """
    refuse_packed(folder)
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"--output {folder}: is in use by another {what}; wait for it, or give "
            "another folder"
        ) from None
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written to ({error.strerror}); name a "
            "folder of your own"
        ) from None
    try:
        yield
    finally:
        lock.release()


class _Run:
    """A run in progress."""

    def __init__(self, request: RunRequest, folder: Path, execution: Execution):
        data_path, jobs = execution.data_path, execution.jobs
        self.request = request
        self.folder = reset_run(folder, request)
        self._n_read = 0
        self.started = time.monotonic()
        with (self.folder / LOG_FILE).open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "recbole_kgif.experiments.run_worker"),
                    *(str(self.folder.resolve()), str(data_path.resolve()), str(jobs)),
                ],
                stdin=subprocess.PIPE,  # never written to: see worker
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(jobs),
                # So that Ctrl-C reaches this process alone, which ends the others.
                start_new_session=True,
            )

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def new_lines(self) -> list[str]:
        """The whole lines that the run has logged since the last call."""
        with (self.folder / LOG_FILE).open("rb") as log:
            log.seek(self._n_read)
            text = log.read().rpartition(b"\n")[0]
        if not text:
            return []
        self._n_read += len(text) + 1
        return COLOUR.sub("", text.decode("utf-8", "replace")).splitlines()

    def end(self) -> None:
        """Kill the process and those that it started."""
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self.clear()

    def clear(self) -> None:
        """Remove what an ended run no longer needs."""
        remove_work(self.folder)
        if self.process.stdin is not None:
            self.process.stdin.close()

    def failure(self) -> Optional[str]:
        """Why the ended process has left no result; None where it has."""
        if (self.folder / RESULT_FILE).exists():
            return None
        code = self.process.returncode
        if code < 0:
            why = ", as where memory is short" if code == -signal.SIGKILL else ""
            return f"killed by signal {-code} ({signal.Signals(-code).name}){why}"
        return last_line(self.folder / LOG_FILE) or f"ended with exit code {code}"


def _run_missing(
    missing: Sequence[RunRequest], folder: Path, execution: Execution
) -> list[RunOutcome]:
    failed: list[RunOutcome] = []
    # None: no bar where nobody watches, as in a file.
    is_disabled = execution.is_quiet or None
    with tqdm(total=len(missing), unit="run", disable=is_disabled) as bar:
        runs = run_each(iter(missing), folder, execution, bar)
        with contextlib.closing(runs):
            for run in runs:
                if run.reason:
                    failed.append(run)
                if not execution.is_quiet:
                    bar.write(f"{run.request.name} {_told(run)} ({run.seconds:.0f} s)")
                bar.update()
    return failed


def _told(run: RunOutcome) -> str:
    """What has become of a run: its test metric, or why there is none."""
    if run.reason:
        return f"failed: {run.reason}"
    record = read_object(run.folder / RESULT_FILE)
    metric = main_test_metric(str(record["configuration"]["valid_metric"]))
    value = record["test"].get(metric.lower())
    return (
        "finished" if value is None else f"finished: {metric} {value:.4f} in the test"
    )


def run_each(
    requests: Iterator[RunRequest],
    folder: Path,
    execution: Execution,
    bar: tqdm[Any],
) -> Generator[RunOutcome, None, None]:
    """Do runs, each in a process of its own, and note the failures in their folders.

    Args:
        requests: what is asked for. A request is taken when there is room for its run,
            after what has ended by then was yielded; so it may depend on that.
        folder: the folder that holds the folder of the runs' folders.
        execution: how the runs are executed.
        bar: shows the names of the runs in progress.

    Yields:
        Each run as it ends. Closing the generator ends those in progress.
    """
    running: list[_Run] = []
    try:
        while True:
            for request in islice(requests, execution.jobs - len(running)):
                running.append(_Run(request, folder, execution))
                bar.set_postfix_str(", ".join(run.request.name for run in running))
            if not running:
                return
            time.sleep(_POLL_SECONDS)
            for run in list(running):
                reason = _end_of(run, execution.time_limit)
                for line in run.new_lines() if execution.is_verbose else ():
                    bar.write(f"{run.request.name}  {line}")
                if reason is None:
                    continue
                running.remove(run)
                if reason:
                    note_failure(run.folder, reason, run.seconds)
                yield RunOutcome(run.request, run.folder, reason, run.seconds)
            bar.refresh()
    finally:
        for run in running:
            run.end()


def _end_of(run: _Run, time_limit: Optional[float]) -> Optional[str]:
    """None while it runs; then the reason of its failure, empty where it succeeded."""
    if run.process.poll() is not None:
        run.clear()
        return run.failure() or ""
    if time_limit is not None and run.seconds > time_limit:
        run.end()
        # It may have finished in the moment before.
        return run.failure() and f"exceeded the time limit of {time_limit:g} s"
    return None


def last_line(path: Path) -> str:
    """The last non-empty line of a log, without colours, cut when long."""
    text = COLOUR.sub("", path.read_text("utf-8", errors="replace"))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_REASON] if lines else ""
