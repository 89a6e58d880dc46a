"""Explanations: paths of the graph with their exact contributions to a score.

The data flows one way. `model_adapters` reads the arrays of a trained model,
`linear_score` and `score_decomposition` take its score apart, `path_search`,
`contribution_paths` and `attention_paths` find paths, `path_selection` selects them,
`explainer` makes frozen `explanation_records`, and `renderings` show these. Neither
records nor renderings import PyTorch. `path_evaluation` measures how faithful the paths
are, by `perturbation_effects` and `path_quality`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recbole_kgif.explain.explainer import Explainer

__all__ = ["Explainer"]


def __getattr__(name: str) -> Any:
    # Only when asked for: it imports PyTorch, and records can be read without.
    if name == "Explainer":
        from recbole_kgif.explain.explainer import Explainer

        return Explainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
