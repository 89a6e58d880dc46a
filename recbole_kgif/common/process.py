"""Settings of a process before PyTorch is loaded, and the end of one of several."""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
from typing import NoReturn

from recbole_kgif.common.resources import PACKAGE_FOLDER
from recbole_kgif.compat import silence_known_warnings

# Rounds for which a waiting thread of GNU's OpenMP spins before it sleeps.
_SPIN_COUNT = "2000"

# Parameters of mallopt in glibc's malloc.h, and the largest threshold it takes.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_LARGEST_INT = 2**31 - 1


def prepare_process() -> None:
    """Make epochs of many small operations fast, and silence known warnings.

    No result of any model changes. Environment variables take precedence.
    """
    _let_waiting_threads_sleep()
    _take_huge_pages()
    _keep_freed_memory()
    silence_known_warnings()


def child_environment(n_processes: int) -> dict[str, str]:
    """Environment for a child process that does a part of this one's work.

    Args:
        n_processes: how many work at the same time.

    Returns:
        This process's, with the package's folder on the path and, unless the number of
        threads is set, an equal share of the cores.
    """
    environment = dict(os.environ)
    paths = [str(PACKAGE_FOLDER.parent), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    if n_processes > 1:
        share = max(1, (os.cpu_count() or 1) // n_processes)
        environment.setdefault("OMP_NUM_THREADS", str(share))
    return environment


def end_process(code: int) -> NoReturn:
    """End this process, which has trained with others, without interpreter shutdown.

    PyTorch's communication threads may request Python's lock during the shutdown, and
    the process then hangs for ever with all its work done. Output is flushed first.

    Args:
        code: the exit code.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _let_waiting_threads_sleep() -> None:
    """Let OpenMP's threads spin for microseconds instead of milliseconds.

    The threads of GNU's OpenMP, which PyTorch uses on Linux, spin while they wait for
    each other. On cores that are shared, the thousands of small operations of an epoch
    then wait for time slices: with four busy processes on two cores an epoch was
    measured to take three times as long as with this setting, and with other training
    runs, which spin too, over ten times as long. Threads that sleep at once
    (OMP_WAIT_POLICY=PASSIVE) are slow on idle cores.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPIN_COUNT)


def _take_huge_pages() -> None:
    """Let PyTorch ask Linux for huge pages for large tensors.

    Blocks of 32 MiB and above, which `_keep_freed_memory` cannot keep, are otherwise
    allocated page by page: filling one was measured to take five times as long.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _keep_freed_memory() -> None:
    """Let glibc keep the memory that a training step frees for the next step.

    Returning it to the system and allocating it again page by page was measured to take
    a sixth of an epoch's time.
    """
    is_set = any(name.startswith("MALLOC_") for name in os.environ)
    if platform.libc_ver()[0] != "glibc" or is_set:
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT)
