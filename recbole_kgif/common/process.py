"""How a process begins, before PyTorch is loaded, and how one of several ends."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
from typing import NoReturn

from recbole_kgif.common.resources import PACKAGE_FOLDER
from recbole_kgif.compat import silence_known_warnings

# Rounds that a waiting thread of GNU's OpenMP spins before it sleeps.
_SPIN_COUNT = "2000"

# Parameters of mallopt in glibc's malloc.h, and the largest threshold it takes.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_LARGEST_INT = 2**31 - 1


def prepare_process() -> None:
    """Make an epoch of many small operations fast, and keep known warnings quiet.

    It serves every model alike, and changes no result. What the environment says goes
    first.
    """
    _let_waiting_threads_sleep()
    _take_huge_pages()
    _keep_freed_memory()
    silence_known_warnings()


def child_environment(n_processes: int) -> dict[str, str]:
    """Environment of a process that is started to do a part of this one's work.

    Args:
        n_processes: how many work at a time.

    Returns:
        This process's, with where the package lies and, unless it says otherwise, a
        fair share of the cores for each.
    """
    environment = dict(os.environ)
    paths = [str(PACKAGE_FOLDER.parent), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    if n_processes > 1:
        share = max(1, (os.cpu_count() or 1) // n_processes)
        environment.setdefault("OMP_NUM_THREADS", str(share))
    return environment


def end_process(code: int) -> NoReturn:
    """End this process, which has trained with others, without Python's clearing up.

    PyTorch's threads, which have sent tensors to the other processes, may want
    Python's lock while the interpreter is being taken down; the process then hangs
    for ever, with all its work done. What is still to be written is written first.

    Args:
        code: the exit code.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _let_waiting_threads_sleep() -> None:
    """Have OpenMP's threads spin for microseconds, not for milliseconds.

    GNU's OpenMP, which PyTorch brings along on Linux, lets threads spin while they wait
    for each other. Where anything else runs on the same cores, the thousands of small
    operations of an epoch then wait for time slices: beside four busy processes on two
    cores an epoch was measured to take three times as long as with this setting, and
    beside other training runs, which spin too, over ten times as long. Threads that
    sleep at once (OMP_WAIT_POLICY=PASSIVE) are slow where nothing else runs.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)


def _take_huge_pages() -> None:
    """Have PyTorch ask Linux for huge pages where a tensor fills several.

    What `_keep_freed_memory` cannot keep, blocks of 32 MiB and above, otherwise comes
    anew page by page: filling one was measured to take five times as long.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _keep_freed_memory() -> None:
    """Have glibc keep the memory that a training step frees for the next step.

    It would otherwise return it to the system, which hands it out again page by page:
    a sixth of an epoch's time was measured to go there.
    """
    is_set = any(name.startswith("MALLOC_") for name in os.environ)
    if platform.libc_ver()[0] != "glibc" or is_set:
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
