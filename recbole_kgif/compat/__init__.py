"""Shims that let stock RecBole 1.2.1 run on today's Python, PyTorch, NumPy and SciPy.

RecBole 1.2.1 is older than the packages that ``pip`` installs with it. Each defect that
matters here has a module with a :class:`~recbole_kgif.compat.shim.Shim`: what breaks,
a check whether it breaks *in this environment*, a workaround, and when the shim can be
deleted. The changes that RecBole itself needs are in ``docs/upstream``. What cannot be
worked around (pandas 3, setuptools without ``pkg_resources`` for ray) is excluded by
the dependency ranges of this package.

Importing this package imports neither PyTorch, RecBole, NumPy nor SciPy.
"""

from __future__ import annotations

import importlib

from recbole_kgif.compat import (
    anomaly_mode,
    checkpoints,
    diversity_metrics,
    dok_matrix,
    kgat_without_dgl,
    numpy_aliases,
    scatter,
    without_ray,
)
from recbole_kgif.compat.known_warnings import silence_known_warnings
from recbole_kgif.compat.shim import Shim

__all__ = [
    "SHIMS",
    "Shim",
    "active_shims",
    "apply_shims",
    "silence_known_warnings",
]

# In the order of application: the later checks import what the first shim makes
# importable.
SHIMS: tuple[Shim, ...] = (
    without_ray.SHIM,
    checkpoints.SHIM,
    numpy_aliases.NUMPY_2,
    numpy_aliases.ON_LOAD,
    dok_matrix.SHIM,
    anomaly_mode.SHIM,
    kgat_without_dgl.SHIM,
    scatter.SHIM,
    diversity_metrics.SHIM,
)

_active: list[str] = []


def apply_shims() -> tuple[str, ...]:
    """Apply every shim that is needed and not active yet.

    A process started by ``spawn`` begins without shims and has to call this itself.

    Returns:
        The names of the active shims, as :func:`active_shims` gives them.
    """
    # First, because importing RecBole registers the model, which calls this function:
    # the inner call then does all the work.
    importlib.import_module("recbole")
    for shim in SHIMS:
        if shim.name not in _active and shim.is_needed():
            shim.apply()
            _active.append(shim.name)
    return active_shims()


def active_shims() -> tuple[str, ...]:
    """The names of the shims active in this process, in the order of application."""
    return tuple(_active)
