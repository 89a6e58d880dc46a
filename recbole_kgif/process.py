"""What has to be set in a process before PyTorch is loaded."""

from __future__ import annotations

import os

from recbole_kgif.compat import silence_known_warnings


def prepare_process() -> None:
    """Let waiting threads sleep, and keep known warnings from the user.

    OpenMP's threads spin while they wait for each other. Where anything else runs on
    the same cores, each of the thousands of small operations of an epoch then waits for
    a whole time slice: on two busy cores an epoch was measured to take over twenty
    times longer than with threads that sleep. What the environment says goes first.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    silence_known_warnings()
