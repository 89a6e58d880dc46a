"""The plot of a robustness study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from recbole_kgif.report.figures import SETTINGS, as_files, styles_of
from recbole_kgif.report.metric_names import title
from recbole_kgif.study.conditions import Condition
from recbole_kgif.study.robustness import Robustness, condition_figures, share_of_full
from recbole_kgif.study.variants import FULL


def draw_robustness(study: Robustness) -> dict[str, bytes]:
    """Draw how the models do with fewer triples, and with false ones.

    Args:
        study: what came of it.

    Returns:
        The files' content, by "png" and "svg".
    """
    with matplotlib.rc_context(SETTINGS):
        drawing = Figure(figsize=(9.3, 3.6), layout="constrained")
        removed, replaced = drawing.subplots(1, 2, sharey=True)
        _draw(removed, study, [c for c in study.conditions if not c.replaced], True)
        _draw(replaced, study, [c for c in study.conditions if not c.removed], False)
        removed.set_xlabel("triples removed (%)")
        removed.set_ylabel(
            f"test {title(study.main)}, share of that\non the full graph"
        )
        replaced.set_xlabel("triples with a random tail (%)")
        replaced.tick_params(labelleft=True)
        handles, _ = removed.get_legend_handles_labels()
        if handles:
            drawing.legend(loc="outside right upper", frameon=False)
        return as_files(drawing)


def _draw(
    axes: Any, study: Robustness, conditions: Sequence[Condition], is_labelled: bool
) -> None:
    styles = styles_of(study.runs)
    axes.axhline(1, color="0.6", linewidth=0.8)
    for model, by_condition in study.runs.items():
        figures = condition_figures(by_condition, study.main)
        points = [
            (100 * (c.removed + c.replaced), share, figures[c.name].deviation or 0)
            for c in conditions
            if (share := share_of_full(figures, c.name)) is not None
        ]
        if not points:
            continue
        places, shares, deviations = zip(*points)
        style = styles[model]
        axes.errorbar(
            places,
            shares,
            yerr=[deviation / figures[FULL].mean for deviation in deviations],
            capsize=3,
            linestyle=style.line,
            linewidth=1.1,
            marker=style.marker,
            markersize=5,
            color=style.colour,
            label=model if is_labelled else None,
        )
    axes.set_xticks([0, 25, 50, 75, 100])
