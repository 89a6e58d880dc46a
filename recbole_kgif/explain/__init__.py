"""Explanations: paths of the graph with their exact share of a score.

The data flows one way: `kgif` and `kgat` take the numbers out of a trained model,
`graph`, `linear`, `search` and `shares` work on arrays alone, `explainer` makes frozen
`records` of what they find, and `text`, `dot`, `picture` and `html` show such records.
None of these four imports PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

__all__ = ["Explainer"]


def __getattr__(name: str) -> Any:
    # Only when asked for: it takes PyTorch, and records are to be read without.
    if name == "Explainer":
        from recbole_kgif.explain.explainer import Explainer

        return Explainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
