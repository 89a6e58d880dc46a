"""PyTorch's anomaly mode, which an import of RecBole's turns on."""

from __future__ import annotations

import importlib

from recbole_kgif.compat.shim import Shim, recbole_source

_SINE = "model.sequential_recommender.sine"


def _sine_turns_on_anomaly_mode() -> bool:
    """Check: the source of RecBole's module ``sine`` turns the anomaly mode on."""
    # Importing it is what has the effect.
    return "set_detect_anomaly(True)" in recbole_source(_SINE)


def _leave_anomaly_mode_off() -> None:
    """Import RecBole's module ``sine``, and turn the anomaly mode off again.

    Problem: nothing breaks, but it is slow. RecBole imports all models when it looks
    for one, and ``sine`` turns on ``torch.autograd.set_detect_anomaly``, for the whole
    process: each backward operation of any model is then searched for NaN, which took
    about a third of KGIF's step. RecBole itself refuses a loss that is NaN.

    Workaround: the import is done here, once, and the mode is off afterwards. Whoever
    turns it on later has it on. What is computed stays the same.

    Removable when: importing ``sine`` leaves the mode as it was.
    """
    import torch

    importlib.import_module(f"recbole.{_SINE}")
    torch.autograd.set_detect_anomaly(False)


SHIM = Shim(
    name="no-anomaly-mode",
    reason=(
        "RecBole's module sine turns on PyTorch's anomaly mode for the whole "
        "process when it is imported, which searches every gradient for NaN"
    ),
    removable_when="importing RecBole's sine leaves the anomaly mode as it was",
    patch="anomaly-mode",
    is_needed=_sine_turns_on_anomaly_mode,
    apply=_leave_anomaly_mode_off,
)
