"""PyTorch's anomaly mode, which importing RecBole's ``sine`` turns on."""

from __future__ import annotations

import importlib

from recbole_kgif.compat.shim import Shim, recbole_source

_SINE = "model.sequential_recommender.sine"


def _sine_turns_on_anomaly_mode() -> bool:
    """Check: RecBole's module ``sine``, which must not be imported, turns it on."""
    return "set_detect_anomaly(True)" in recbole_source(_SINE)


def _leave_anomaly_mode_off() -> None:
    """Import RecBole's module ``sine``, then turn the anomaly mode off.

    Problem: RecBole imports all models when it looks for one, and ``sine`` turns on
    ``torch.autograd.set_detect_anomaly`` for the whole process. Every backward
    operation of any model is then searched for NaN, which took about a third of KGIF's
    step. Results are the same, and RecBole refuses a loss that is NaN anyway.

    Workaround: the module is imported here, once, and the mode turned off; it can still
    be turned on later.
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
