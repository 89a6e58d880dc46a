from __future__ import annotations

import os
import time

import numpy as np
import pytest
from measurement import (
    ProcessKilled,
    current_memory,
    min_seconds,
    peak_memory,
    run_in_fresh_process,
)

MIB = 2**20


def test_a_fresh_process_has_a_peak_of_its_own() -> None:
    held = np.ones(100 * MIB // 8)
    assert peak_memory() > held.nbytes
    # It loads this module and NumPy, and none of what is held here.
    assert run_in_fresh_process(peak_memory) < 90 * MIB


def memory_before_at_and_after_an_array() -> tuple[int, int, int]:
    before = current_memory()
    np.ones(200 * MIB // 8)
    return before, peak_memory(), current_memory()


def test_the_peak_outlasts_what_is_given_back() -> None:
    # In a process of its own: another one may give back more at the same time.
    before, peak, after = run_in_fresh_process(memory_before_at_and_after_an_array)
    assert peak >= before + 190 * MIB
    assert after < before + 100 * MIB


def test_a_killed_process_is_distinguished_from_an_error() -> None:
    with pytest.raises(ProcessKilled):
        run_in_fresh_process(os._exit, 9)
    with pytest.raises(ZeroDivisionError):
        run_in_fresh_process(divmod, 1, 0)


def test_the_least_time_is_taken_and_the_first_call_not_counted() -> None:
    pauses = iter([0.0, 0.2, 0.02, 0.2])
    seconds = min_seconds(lambda: time.sleep(next(pauses)), 3)
    assert 0.02 <= seconds < 0.2
