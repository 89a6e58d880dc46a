"""KGIF, a knowledge-graph recommender, as a plugin for RecBole.

Train on pandas data frames or a named data set, and ask the model::

    import recbole_kgif as rk

    model = rk.fit("ml-100k", epochs=50)
    model.metrics
    model.recommend("196", k=10)

Importing this package makes the model known to RecBole::

    from recbole.quick_start import run_recbole

    run_recbole(model="KGIF", dataset="ml-100k")

What is wrong with data or options is raised as `UserError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from recbole_kgif.common.version import __version__
from recbole_kgif.register import register, register_once_recbole_is_imported

if TYPE_CHECKING:
    from recbole_kgif.api.fitted_model import FittedModel
    from recbole_kgif.api.fitting import fit
    from recbole_kgif.api.saved_model import load
    from recbole_kgif.errors import UserError
    from recbole_kgif.recommend import Recommender

__all__ = [
    "FittedModel",
    "Recommender",
    "UserError",
    "__version__",
    "fit",
    "load",
    "register",
]

# Imported on demand, as these need pandas or PyTorch, which take seconds to load.
_MODULES = {
    "FittedModel": "recbole_kgif.api.fitted_model",
    "load": "recbole_kgif.api.saved_model",
    "fit": "recbole_kgif.api.fitting",
    "Recommender": "recbole_kgif.recommend",
    "UserError": "recbole_kgif.errors",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # For completion in a notebook.
    return sorted({*globals(), *__all__})


register_once_recbole_is_imported()
