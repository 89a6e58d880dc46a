"""Explanations: the reasons for a score, which add up to it.

The data flows one way. `model_adapters` asks a trained model for the terms of its
score, `linear_score` holds them as arrays, `reason_tree` takes a score apart and
`what_if` computes it without some interactions. `reason_records`, `user_summary` and
`comparison` make frozen `explanation_records` of the numbers, with names from
`node_names`; `user_view` puts them together for one user, `explainer` for ids of a data
set. `explanation_json` and `renderings` show the records; neither these nor the records
import PyTorch. For KGAT, `attention_paths` finds paths by `path_search`. `faithfulness`
measures how far scores depend on their reasons.
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
