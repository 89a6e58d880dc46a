"""The page on the faithfulness of paths, from an evaluation's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

import pandas as pd

from recbole_kgif.report.rendering import Table, render

# What a ratio is worth no digits above.
_MANY_TIMES = 100


def faithfulness_page(record: Mapping[str, Any], list_length: int) -> str:
    """Tables in Markdown.

    Args:
        record: an `explain.path_evaluation.Evaluation` as JSON.
        list_length: number of best items whose first paths the quality measures cover.
    """
    return render(
        "faithfulness.j2",
        "md",
        **record,
        list_length=list_length,
        effect_table=_effects(record),
        ratio_table=_ratios(record),
        quality_table=_quality(record),
    )


def _effects(record: Mapping[str, Any]) -> Table:
    rows = dict(record["outcomes"])
    for selection, by_baseline in record["random"].items():
        for baseline, outcome in by_baseline.items():
            rows[f"random {baseline}, compared with {selection}"] = outcome
    shown = {
        label: {name: _estimate(estimate, 4) for name, estimate in outcome.items()}
        for label, outcome in rows.items()
    }
    return _table("paths", shown)


def _ratios(record: Mapping[str, Any]) -> Table:
    """All selections over all users; by number of paths the strongest ones alone."""
    rows = [
        {
            "users": f"{comparison['n_users']:,}: {comparison['users']}",
            "paths": comparison["selection"],
            "measure": comparison["measure"],
            **{
                name if name.endswith("attention") else f"to random {name}": _ratio(r)
                for name, r in comparison["ratios"].items()
            },
        }
        for comparison in record["comparisons"]
        if comparison["users"] == "all" or comparison["selection"] == "strongest"
    ]
    return Table("ratios", pd.DataFrame(rows))


def _quality(record: Mapping[str, Any]) -> Table:
    selections = record["outcomes"]
    shown = {
        selection if selection in selections else f"random {selection}": {
            name: "no times" if value is None else f"{value:.3f}"
            for name, value in values.items()
        }
        for selection, values in record["quality"].items()
    }
    return _table("paths", shown)


def _table(head: str, rows: Mapping[str, Mapping[str, str]]) -> Table:
    frame = pd.DataFrame([{head: label, **cells} for label, cells in rows.items()])
    return Table(head, frame)


def _ratio(estimate: Optional[Mapping[str, float]]) -> str:
    if estimate is None:
        return "\N{EN DASH}"
    if estimate["low"] >= _MANY_TIMES:
        return f"over {_MANY_TIMES}"
    return _estimate(estimate, 2)


def _estimate(estimate: Mapping[str, float], digits: int) -> str:
    # Adding 0 takes the sign off a rounded 0.
    value, low, high = (
        f"{round(estimate[name], digits) + 0:.{digits}f}"
        for name in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"
