"""The page on the faithfulness of reasons, from an evaluation's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import pandas as pd

from recbole_kgif.report.rendering import Table, render


def faithfulness_page(record: Mapping[str, Any]) -> str:
    """Tables in Markdown.

    Args:
        record: an `explain.faithfulness.Evaluation` as JSON.
    """
    return render(
        "faithfulness.j2",
        "md",
        **record,
        effect_table=_effects(record),
        ratio_table=_ratios(record),
    )


def _effects(record: Mapping[str, Any]) -> Table:
    rows = [
        {"interactions": name, **{k: _estimate(value) for k, value in effects.items()}}
        for name, effects in record["effects"].items()
    ]
    return Table("effects", pd.DataFrame(rows))


def _ratios(record: Mapping[str, Any]) -> Table:
    rows = [
        {"strongest, compared with": name, "comprehensiveness, ratio": _ratio(ratio)}
        for name, ratio in record["ratios"].items()
    ]
    return Table("ratios", pd.DataFrame(rows))


def _estimate(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _ratio(ratio: Optional[Mapping[str, float]]) -> str:
    if ratio is None:
        return "\N{EN DASH}"
    return f"{ratio['value']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"
