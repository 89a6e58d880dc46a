"""RecBole's ``quick_start`` without ray."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from recbole_kgif.compat.shim import Shim, can_import, recbole_source

# The first Python that no ray that RecBole accepts has a build for.
NO_RAY_SINCE = (3, 12)
# Installs RecBole there.
INSTALL_RECBOLE = "pip install --no-deps recbole==1.2.1"

_QUICK_START = "quick_start.quick_start"


def _quick_start_needs_ray() -> bool:
    """Check: ``quick_start`` imports ray at its top, which is missing or broken."""
    if f"recbole.{_QUICK_START}" in sys.modules:
        return False
    source = recbole_source(_QUICK_START)
    is_used = re.search(r"^(from|import) ray\b", source, re.M) is not None
    return is_used and not can_import("ray.tune")


def _report(*_: Any, **__: Any) -> None:
    """Do nothing, as ``ray.tune.report`` does outside a search."""


@contextlib.contextmanager
def _modules(replacements: dict[str, types.ModuleType]) -> Iterator[None]:
    """Replace some of the imported modules in this context."""
    originals = {name: sys.modules.get(name) for name in replacements}
    sys.modules.update(replacements)
    try:
        yield
    finally:
        for name, original in originals.items():
            if original is None:
                del sys.modules[name]
            else:
                sys.modules[name] = original


def _import_quick_start_without_ray() -> None:
    """Import RecBole's ``quick_start`` with a substitute for ray.

    Problem: the module ``recbole.quick_start.quick_start`` imports ``ray.tune`` at its
    top, and RecBole accepts ray up to 2.6.3, which has no build for Python 3.12 and
    newer. So nothing of ``recbole.quick_start`` can be imported there (RecBole issues
    1820, 2078, 2084, 2187, 2203 and 2215). Only ``objective_function`` uses it, to
    report its result to a search by ray.

    Workaround: during this import only, ``ray`` is a module whose ``tune.report`` does
    nothing. A ray that can be imported is left alone.
    """
    ray = types.ModuleType("ray", "Substitute while RecBole is imported.")
    tune = types.ModuleType("ray.tune", "Substitute for ray.tune.")
    vars(tune)["report"] = _report
    vars(ray)["tune"] = tune
    with _modules({"ray": ray, "ray.tune": tune}):
        importlib.import_module(f"recbole.{_QUICK_START}")


SHIM = Shim(
    name="quick-start-without-ray",
    reason=(
        "RecBole imports ray when it starts, and no ray that RecBole accepts has a "
        "build for Python 3.12 and newer (RecBole issues 2187, 2203, 2215)"
    ),
    removable_when="RecBole imports ray where it is used",
    patch="import-without-ray",
    is_needed=_quick_start_needs_ray,
    apply=_import_quick_start_without_ray,
)
