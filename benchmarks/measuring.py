"""Measuring in fresh processes: time, memory, and what the machine is."""

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

# What RecBole loads, for models without a knowledge graph too.
LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


class ProcessEnded(Exception):
    """A process was ended from outside, in all likelihood for want of memory."""


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process that has done nothing before.

    Args:
        function: one that a module defines.
        arguments: its arguments.

    Returns:
        What it returns.

    Raises:
        ProcessEnded: the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            raise ProcessEnded from None


@contextlib.contextmanager
def in_temporary_folder() -> Iterator[Path]:
    """Work in a folder that is gone afterwards: RecBole writes into the current one.

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


def seconds_of(
    function: Callable[[], Any],
    repetitions: int,
    wait: Callable[[], None] = lambda: None,
) -> float:
    """Least time of a call, after one that does not count.

    The least, as in STREAM: whatever else the machine does only ever adds to it.

    Args:
        function: what is called.
        repetitions: how often it is timed.
        wait: returns once all is done that a call has begun.
    """
    function()
    taken = []
    for _ in range(repetitions):
        wait()
        start = time.perf_counter()
        function()
        wait()
        taken.append(time.perf_counter() - start)
    return min(taken)


def memory_now() -> int:
    """Bytes of memory that this process holds."""
    if _STATUS.exists():
        return _from_status("VmRSS")
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory() -> int:
    """Bytes that this process has held at most."""
    if _STATUS.exists():
        # Not that of getrusage: a new process inherits it from the one before.
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
    """What the figures depend on."""
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
