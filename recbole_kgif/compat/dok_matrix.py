"""The private method ``_update`` of SciPy's ``dok_matrix``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_kgif.compat.shim import Shim, recbole_source

_CALLERS = (
    "general_recommender.gcmc",
    "general_recommender.lightgcn",
    "general_recommender.ncl",
    "general_recommender.ngcf",
    "general_recommender.spectralcf",
    "knowledge_aware_recommender.kgin",
    "knowledge_aware_recommender.mcclk",
)


def _dok_update_is_gone() -> bool:
    """Check: SciPy's ``dok_matrix`` has no ``_update``, and RecBole calls it."""
    from scipy.sparse import dok_matrix

    if hasattr(dok_matrix, "_update"):
        return False
    return any("._update(" in recbole_source(f"model.{model}") for model in _CALLERS)


def _dok_update(matrix: Any, data: Mapping[tuple[int, int], float]) -> None:
    """Store entries in a ``dok_matrix``, unchecked, as SciPy's method did.

    Args:
        matrix: A ``scipy.sparse.dok_matrix``.
        data: Maps ``(row, column)`` to a value.
    """
    matrix._dict.update(data)


def _restore_dok_update() -> None:
    """Restore the private method ``_update`` of ``dok_matrix``.

    Problem: SciPy 1.13 removed it. LightGCN, NGCF, NCL, GCMC, SpectralCF, KGIN and
    MCCLK fill their adjacency matrix with it and fail when constructed (RecBole
    issues 2034 and 2090).

    Workaround: a method of that name, if there is none.
    """
    from scipy.sparse import dok_matrix

    dok_matrix._update = _dok_update


SHIM = Shim(
    name="scipy-dok-update",
    reason=(
        "scipy >= 1.13 has no dok_matrix._update, so LightGCN, NGCF, KGIN and "
        "others cannot be constructed (RecBole issues 2034, 2090)"
    ),
    removable_when="RecBole no longer calls dok_matrix._update",
    patch="dok-update",
    is_needed=_dok_update_is_gone,
    apply=_restore_dok_update,
)
