"""KGIF, a knowledge-graph recommender, as a plugin for RecBole.

Importing this package makes the model known to RecBole::

    import recbole_kgif
    from recbole.quick_start import run_recbole

    run_recbole(model="KGIF", dataset="ml-100k")

A run's checkpoint recommends::

    from recbole_kgif import Recommender

    Recommender.load("runs/x/model.pth").recommend(["user1"], k=20)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recbole_kgif.common.version import __version__
from recbole_kgif.register import register, register_once_recbole_is_imported

if TYPE_CHECKING:
    from recbole_kgif.recommend import Recommender

__all__ = ["Recommender", "__version__", "register"]


def __getattr__(name: str) -> Any:
    # Imported on demand, as it needs PyTorch, which takes seconds to load.
    if name == "Recommender":
        from recbole_kgif.recommend import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


register_once_recbole_is_imported()
