from __future__ import annotations

import os
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from recbole_kgif.common.process import prepare_process

# Takes and frees 16 MiB twenty times, and prints how many pages the system handed out.
PAGES = """
import resource
import numpy
from recbole_kgif.common.process import prepare_process
{prepare}
numpy.ones(2**21)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    numpy.ones(2**21), numpy.ones(2**21), numpy.ones(2**21)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(prepare: str, **environment: str) -> int:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    process = subprocess.run(
        [sys.executable, "-c", PAGES.format(prepare=prepare)],
        cwd=Path(__file__).parents[2],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(process.stdout)


def test_waiting_threads_sleep_soon_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    with warnings.catch_warnings():
        prepare_process()
        assert os.environ["GOMP_SPINCOUNT"] == "2000"
        monkeypatch.setenv("GOMP_SPINCOUNT", "5")
        prepare_process()
        assert os.environ["GOMP_SPINCOUNT"] == "5"
        monkeypatch.delenv("GOMP_SPINCOUNT")
        monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
        prepare_process()
        assert "GOMP_SPINCOUNT" not in os.environ


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc's malloc is tuned"
)
def test_freed_memory_is_used_again_unless_the_environment_says_otherwise() -> None:
    untouched, prepared = pages("pass"), pages("prepare_process()")
    assert prepared < untouched / 10
    asked_for = pages("prepare_process()", MALLOC_TRIM_THRESHOLD_="131072")
    assert asked_for > 10 * prepared


# Python would wait for the thread.
ENDLESS = """
import logging, threading
from recbole_kgif.common.process import end_process
logging.getLogger().addHandler(logging.FileHandler("log"))
logging.getLogger().warning("logged")
threading.Thread(target=threading.Event().wait).start()
print("printed", end="")
end_process(3)
"""


def test_a_process_ends_with_all_it_has_said_whatever_its_threads_do(
    tmp_path: Path,
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", ENDLESS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 3
    assert process.stdout == "printed"
    assert (tmp_path / "log").read_text() == "logged\n"
