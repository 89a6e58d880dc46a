"""Time and memory in fresh processes, and the description of the machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from typing import Any, Callable

_STATUS = Path("/proc/self/status")
_PACKAGES = ("torch", "numpy", "scipy", "recbole")

# Columns that RecBole loads, the same for models without a knowledge graph.
LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


class ProcessKilled(Exception):
    """A process was killed, probably because memory ran out."""


def run_in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process.

    Args:
        function: a function of a module, which can be pickled.
        arguments: its arguments.

    Returns:
        Its result.

    Raises:
        ProcessKilled: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise ProcessKilled from None


@contextlib.contextmanager
def temporary_working_directory() -> Iterator[Path]:
    """Change to a temporary folder, because RecBole writes to the current one.

    Yields:
        The folder.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def min_seconds(
    function: Callable[[], Any],
    repetitions: int,
    synchronize: Callable[[], None] = lambda: None,
) -> float:
    """Minimum time of a call, after one warm-up call.

    The minimum, as in STREAM: other load on the machine can only add to it.

    Args:
        function: the function to time.
        repetitions: number of timed calls.
        synchronize: waits until the work started by a call is finished.

    Returns:
        Seconds.
    """
    function()
    seconds = []
    for _ in range(repetitions):
        synchronize()
        start = time.perf_counter()
        function()
        synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def current_memory() -> int:
    """Bytes of memory used by this process."""
    if _STATUS.exists():
        return _from_status("VmRSS")
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Peak of the bytes of memory used by this process."""
    if _STATUS.exists():
        # Not from getrusage: a new process inherits that of its parent.
        return _from_status("VmHWM")
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _from_status(name: str) -> int:
    for line in _STATUS.read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise ValueError(f"{_STATUS} has no {name}")


def environment() -> dict[str, Any]:
    """Hardware, load and versions on which measurements depend."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_at_the_start": [round(x, 2) for x in _load()],
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
    }


def _load() -> tuple[float, ...]:
    return os.getloadavg() if hasattr(os, "getloadavg") else ()


def _processor() -> str:
    description = Path("/proc/cpuinfo")
    if description.exists():
        for line in description.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
