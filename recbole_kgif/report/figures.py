"""The figures of reports, as PNG and SVG."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from recbole_kgif.report.metric_names import by_table, title
from recbole_kgif.report.robustness_page import Robustness
from recbole_kgif.report.run_table import Comparison, Run
from recbole_kgif.report.statistics import fmean

ACCURACY = "accuracy"
COST = "accuracy-against-time"
CURVES = "learning-curves"
ROBUSTNESS = "robustness"

SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.dpi": 150,
    "text.parse_math": False,  # a "$" in a name is a "$"
    "svg.hashsalt": "recbole_kgif",  # equal records give equal files
}
# Okabe and Ito's palette without its yellow, which is lost on white: its
# colours differ for any kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", ":")
_PANELS_A_ROW = 3
_ROW_GAP_INCHES = 0.09

Styles = Mapping[str, Mapping[str, Any]]


def draw_comparison(
    comparison: Comparison, labels: Sequence[str]
) -> dict[str, dict[str, bytes]]:
    """Draw every figure of a comparison.

    Args:
        comparison: the runs.
        labels: those of the runs, in the order of display.

    Returns:
        For each figure's name its files' content, by "png" and "svg".
    """
    with matplotlib.rc_context(SETTINGS):
        styles = styles_of(labels)
        return {
            ACCURACY: as_files(_accuracy(comparison, labels, styles)),
            COST: as_files(_cost(comparison, labels, styles)),
            CURVES: as_files(_curves(comparison, labels, styles)),
        }


def styles_of(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """A look for each model, by name, so that it is alike in all figures.

    Colour, marker and line change with different periods, so that no two of the first
    147 look alike.

    Returns:
        Arguments of Matplotlib for each model.
    """
    return {
        model: {
            "color": _COLOURS[place % len(_COLOURS)],
            "marker": _MARKERS[(place + place // len(_COLOURS)) % len(_MARKERS)],
            "linestyle": _LINES[place // len(_COLOURS) % len(_LINES)],
        }
        for place, model in enumerate(sorted(models))
    }


def as_files(drawing: Figure) -> dict[str, bytes]:
    """A drawing as the content of files, by "png" and "svg"."""
    content = {}
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        # Without a date, equal records give equal files.
        metadata = {"Date": None} if kind == "svg" else {}
        drawing.savefig(buffer, format=kind, metadata=metadata)
        content[kind] = buffer.getvalue()
    return content


def _accuracy(comparison: Comparison, labels: Sequence[str], styles: Styles) -> Figure:
    metrics = _shown_metrics(comparison)
    columns = min(_PANELS_A_ROW, len(metrics))
    rows = -(-len(metrics) // columns)
    height = 0.8 + 0.28 * len(labels)
    drawing = Figure(
        figsize=(3.1 * columns, max(1.7, height) * rows),
        layout=ConstrainedLayoutEngine(h_pad=_ROW_GAP_INCHES),
    )
    panels = drawing.subplots(rows, columns, squeeze=False, sharey=True)
    for panel, metric in itertools.zip_longest(panels.flat, metrics):
        if metric is None:
            panel.set_visible(False)
            continue
        _draw_accuracy(panel, comparison, labels, metric, styles)
        panel.set_title(title(metric), fontsize=9)
        panel.tick_params(labelleft=True)
        panel.set_yticks(range(len(labels)), labels)
        panel.set_ylim(len(labels) - 0.5, -0.5)
        panel.locator_params(axis="x", nbins=4)
    return drawing


def _draw_accuracy(
    panel: Axes,
    comparison: Comparison,
    labels: Sequence[str],
    metric: str,
    styles: Styles,
) -> None:
    means = comparison.over_seeds(metric).to_dict("index")
    for place, label in enumerate(labels):
        if label not in means:
            continue
        values = [run.test[metric] for run in comparison.by_label[label]]
        panel.plot(
            values,
            [place + 0.28] * len(values),
            linestyle="none",
            marker="o",
            markersize=3,
            markeredgewidth=0,
            color=styles[label]["color"],
            alpha=0.45,
        )
        panel.errorbar(
            means[label]["mean"],
            place,
            xerr=_bar(means[label]["deviation"]),
            markersize=6,
            capsize=3,
            **styles[label],
        )


def _bar(deviation: float) -> float | None:
    return None if math.isnan(deviation) else deviation


def _shown_metrics(comparison: Comparison) -> list[str]:
    """The metrics of the main one's table at its cutoff, the main one first."""
    main = comparison.main_metric
    tables = by_table(comparison.metrics)
    same = next(table.metrics for table in tables if main in table.metrics)
    return sorted(same, key=lambda metric: metric != main)


def _cost(comparison: Comparison, labels: Sequence[str], styles: Styles) -> Figure:
    drawing = Figure(figsize=(6.8, 3.8), layout="constrained")
    axes = drawing.subplots()
    means = comparison.over_seeds(comparison.main_metric).to_dict("index")
    costs = comparison.costs.groupby("label")["training_seconds_per_epoch"].agg(fmean)
    for label in labels:
        if label not in means:
            continue
        axes.errorbar(
            costs[label],
            means[label]["mean"],
            yerr=_bar(means[label]["deviation"]),
            markersize=7,
            capsize=3,
            label=label,
            **{**styles[label], "linestyle": "none"},
        )
    axes.set_xscale("log")
    _plain_seconds(axes)
    axes.set_xlabel("training seconds per epoch (logarithmic)")
    axes.set_ylabel(f"test {title(comparison.main_metric)}")
    drawing.legend(loc="outside right upper", frameon=False)
    return drawing


def _plain_seconds(axes: Axes) -> None:
    """0.5 and 20 instead of powers of ten, also where one decade holds all."""
    low, high = axes.get_xlim()
    low, high = low / 1.5, high * 1.5
    axes.set_xlim(low, high)
    steps = (1.0,) if high / low > 300 else (1.0, 2.0, 5.0)
    ticks = [step * 10.0**power for power in range(-6, 7) for step in steps]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.set_xticks([], minor=True)


def _curves(comparison: Comparison, labels: Sequence[str], styles: Styles) -> Figure:
    drawing = Figure(figsize=(9.3, 3.6), layout="constrained")
    by_epoch, by_seconds = drawing.subplots(1, 2, sharey=True)
    for model in labels:
        for seed, run in enumerate(comparison.by_label[model]):
            curve = learning_curve(run)
            best = np.flatnonzero(curve["epoch"] == run.record["best_epoch"] + 1)
            for axes, x in ((by_epoch, "epoch"), (by_seconds, "seconds")):
                axes.plot(
                    curve[x],
                    curve["value"],
                    linewidth=1.1,
                    markersize=5,
                    markevery=best[:1].tolist(),
                    alpha=0.8,
                    # Once for the legend.
                    label=model if seed == 0 and x == "epoch" else None,
                    **styles[model],
                )
    metric = comparison.by_label[labels[0]][0].validation_metric
    by_epoch.set_xlabel("epoch")
    by_epoch.xaxis.get_major_locator().set_params(integer=True)
    by_epoch.set_ylabel(f"validation {title(metric)}")
    by_seconds.set_xscale("log")
    _plain_seconds(by_seconds)
    by_seconds.set_xlabel("seconds of training (logarithmic)")
    by_seconds.tick_params(labelleft=True)
    drawing.legend(loc="outside right upper", frameon=False)
    return drawing


def learning_curve(run: Run) -> pd.DataFrame:
    """The validation metric of a run by time.

    Returns:
        A row for each validation: number of the epoch, from 1 on, ``seconds`` of
        training until then, and ``value`` of the metric.
    """
    metric = run.validation_metric
    epochs = run.record["epochs"]
    elapsed = itertools.accumulate(epoch["training_seconds"] for epoch in epochs)
    points = [
        (epoch["epoch"] + 1, seconds, epoch["valid"][metric])
        for epoch, seconds in zip(epochs, elapsed)
        if metric in epoch.get("valid", {})
    ]
    return pd.DataFrame(points, columns=["epoch", "seconds", "value"])


def draw_robustness(study: Robustness) -> dict[str, dict[str, bytes]]:
    """Draw how the models do with fewer triples, and with false ones.

    Args:
        study: the runs.

    Returns:
        The files' content, by "png" and "svg", under the figure's name.
    """
    with matplotlib.rc_context(SETTINGS):
        drawing = Figure(figsize=(9.3, 3.6), layout="constrained")
        removed, replaced = drawing.subplots(1, 2, sharey=True)
        styles = styles_of(study.labels)
        rows = study.summary[study.summary["measure"] == study.main_measure]
        rows = rows[rows["share_of_full"].notna()]
        _draw_shares(
            removed, rows[rows["triples_replaced"] == 0], "triples_removed", styles
        )
        _draw_shares(
            replaced, rows[rows["triples_removed"] == 0], "triples_replaced", styles
        )
        removed.set_xlabel("triples removed (%)")
        removed.set_ylabel(
            f"test {title(study.main)}, share of that\non the full graph"
        )
        replaced.set_xlabel("triples with a random tail (%)")
        replaced.tick_params(labelleft=True)
        handles, labels = removed.get_legend_handles_labels()
        if handles:
            drawing.legend(handles, labels, loc="outside right upper", frameon=False)
        return {ROBUSTNESS: as_files(drawing)}


def _draw_shares(axes: Axes, rows: pd.DataFrame, x: str, styles: Styles) -> None:
    axes.axhline(1, color="0.6", linewidth=0.8)
    for model, of_model in rows.groupby("model"):
        deviations = of_model["deviation"].fillna(0) / of_model["whole"]
        axes.errorbar(
            100 * of_model[x],
            of_model["share_of_full"],
            yerr=deviations,
            capsize=3,
            linewidth=1.1,
            markersize=5,
            label=str(model),
            **styles[str(model)],
        )
    axes.set_xticks([0, 25, 50, 75, 100])
