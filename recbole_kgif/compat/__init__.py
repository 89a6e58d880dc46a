"""Shims that let stock RecBole 1.2.1 run on today's Python, PyTorch, NumPy and SciPy.

RecBole 1.2.1 is older than what ``pip`` installs beside it. Each of its defects that
matters here has a module with a :class:`~recbole_kgif.compat.shim.Shim`, which says
what breaks, checks whether it is broken *in this environment*, and says when the shim
can be deleted. :func:`apply_shims` applies those that are needed and leaves a healthy
RecBole alone. The change that RecBole itself would need is in ``docs/upstream``.

What cannot be worked around from here (pandas 3, setuptools without ``pkg_resources``
for ray) is excluded by the dependency ranges of this package.

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

# In the order in which they are applied: the checks of the later ones import what the
# first one makes importable.
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
    """Apply every shim that is needed.

    Idempotent: a shim that is active already is neither checked nor applied again.
    A process started by ``spawn`` begins without them and has to call this itself.

    Returns:
        The names of the active shims, as :func:`active_shims` gives them.
    """
    # First of all, because importing RecBole may itself lead here (the package
    # registers its model then). That inner call does the work, and this one finds
    # it done instead of half done.
    importlib.import_module("recbole")
    for shim in SHIMS:
        if shim.name not in _active and shim.is_needed():
            shim.apply()
            _active.append(shim.name)
    return active_shims()


def active_shims() -> tuple[str, ...]:
    """The names of the shims active in this process, in the order applied."""
    return tuple(_active)
