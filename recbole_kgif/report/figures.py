"""The plots of a report, as PNG and SVG."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from recbole_kgif.report.metric_names import cutoff, ordered, title
from recbole_kgif.report.run_records import Run
from recbole_kgif.report.statistics import figure, metric_figures

ACCURACY = "accuracy"
COST = "accuracy-against-time"
CURVES = "learning-curves"

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
# Okabe and Ito's palette without its yellow, which is lost on white: it can be told
# apart with any kind of colour vision.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_LINES = ("-", "--", ":")
_PANELS_A_ROW = 3
_ROW_GAP_INCHES = 0.09


@dataclass(frozen=True)
class _Style:
    colour: str
    marker: str
    line: str


def draw_plots(
    models: Mapping[str, Sequence[Run]], main_metric: str
) -> dict[str, dict[str, bytes]]:
    """Draw every plot of a report.

    Args:
        models: the runs of each model, in the order of display.
        main_metric: the metric that models are sorted and selected by.

    Returns:
        For each plot's name its files' content, by "png" and "svg".
    """
    with matplotlib.rc_context(SETTINGS):
        styles = styles_of(models)
        return {
            ACCURACY: as_files(_accuracy(models, main_metric, styles)),
            COST: as_files(_cost(models, main_metric, styles)),
            CURVES: as_files(_curves(models, styles)),
        }


def styles_of(models: Iterable[str]) -> dict[str, _Style]:
    """A look for each model, by name, so that it is alike in all plots.

    Colour, marker and line change with different periods, so that no two of the first
    147 look alike.
    """
    return {
        model: _Style(
            _COLOURS[place % len(_COLOURS)],
            _MARKERS[(place + place // len(_COLOURS)) % len(_MARKERS)],
            _LINES[place // len(_COLOURS) % len(_LINES)],
        )
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


def _accuracy(
    models: Mapping[str, Sequence[Run]], main_metric: str, styles: Mapping[str, _Style]
) -> Figure:
    metrics = _shown_metrics(models, main_metric)
    columns = min(_PANELS_A_ROW, len(metrics))
    rows = -(-len(metrics) // columns)
    height = 0.8 + 0.28 * len(models)
    drawing = Figure(
        figsize=(3.1 * columns, max(1.7, height) * rows),
        layout=ConstrainedLayoutEngine(h_pad=_ROW_GAP_INCHES),
    )
    panels = drawing.subplots(rows, columns, squeeze=False, sharey=True)
    names = list(models)
    for panel, metric in itertools.zip_longest(panels.flat, metrics):
        if metric is None:
            panel.set_visible(False)
            continue
        figures = metric_figures(models, metric)
        for place, model in enumerate(names):
            if model not in figures:
                continue
            value, colour = figures[model], styles[model].colour
            panel.plot(
                value.values,
                [place + 0.28] * len(value.values),
                linestyle="none",
                marker="o",
                markersize=3,
                markeredgewidth=0,
                color=colour,
                alpha=0.45,
            )
            panel.errorbar(
                value.mean,
                place,
                xerr=value.deviation,
                marker=styles[model].marker,
                markersize=6,
                capsize=3,
                color=colour,
            )
        panel.set_title(title(metric), fontsize=9)
        panel.tick_params(labelleft=True)
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.locator_params(axis="x", nbins=4)
    return drawing


def _shown_metrics(models: Mapping[str, Sequence[Run]], main_metric: str) -> list[str]:
    """The metrics at the main one's cutoff, the main one first."""
    every = ordered(key for runs in models.values() for run in runs for key in run.test)
    same = [metric for metric in every if cutoff(metric) == cutoff(main_metric)]
    return sorted(same, key=lambda metric: metric != main_metric)


def _cost(
    models: Mapping[str, Sequence[Run]], metric: str, styles: Mapping[str, _Style]
) -> Figure:
    drawing = Figure(figsize=(6.8, 3.8), layout="constrained")
    axes = drawing.subplots()
    figures = metric_figures(models, metric)
    for model, value in figures.items():
        seconds = figure(
            [run.record["training_seconds_per_epoch"] for run in models[model]]
        )
        axes.errorbar(
            seconds.mean,
            value.mean,
            yerr=value.deviation,
            linestyle="none",
            marker=styles[model].marker,
            markersize=7,
            capsize=3,
            color=styles[model].colour,
            label=model,
        )
    axes.set_xscale("log")
    _plain_seconds(axes)
    axes.set_xlabel("training seconds per epoch (logarithmic)")
    axes.set_ylabel(f"test {title(metric)}")
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


def _curves(
    models: Mapping[str, Sequence[Run]], styles: Mapping[str, _Style]
) -> Figure:
    drawing = Figure(figsize=(9.3, 3.6), layout="constrained")
    by_epoch, by_seconds = drawing.subplots(1, 2, sharey=True)
    for model, runs in models.items():
        for place, run in enumerate(runs):
            curve = learning_curve(run)
            label = model if place == 0 else None
            for axes, x in ((by_epoch, curve.epochs), (by_seconds, curve.seconds)):
                _draw_curve(axes, x, curve, styles[model], label)
                label = None
    metric = str(next(iter(models.values()))[0].configuration.get("valid_metric", ""))
    by_epoch.set_xlabel("epoch")
    by_epoch.xaxis.get_major_locator().set_params(integer=True)
    by_epoch.set_ylabel(f"validation {title(metric.lower())}")
    by_seconds.set_xscale("log")
    _plain_seconds(by_seconds)
    by_seconds.set_xlabel("seconds of training (logarithmic)")
    by_seconds.tick_params(labelleft=True)
    drawing.legend(loc="outside right upper", frameon=False)
    return drawing


@dataclass(frozen=True)
class LearningCurve:
    """Validation results of a run.

    Attributes:
        epochs: Number of epochs trained, at each validation.
        seconds: Seconds of training until then.
        values: The validation metric.
        best: Place of the epoch whose parameters were tested; None where it is not
            among the validated ones.
    """

    epochs: Sequence[int]
    seconds: Sequence[float]
    values: Sequence[float]
    best: int | None


def learning_curve(run: Run) -> LearningCurve:
    """The validation metric of a run by epoch and time."""
    metric = str(run.configuration.get("valid_metric", "")).lower()
    epochs = run.record["epochs"]
    elapsed = list(itertools.accumulate(epoch["training_seconds"] for epoch in epochs))
    points = [
        (epoch["epoch"], seconds, epoch["valid"][metric])
        for epoch, seconds in zip(epochs, elapsed)
        if metric in epoch.get("valid", {})
    ]
    best = [place for place, p in enumerate(points) if p[0] == run.record["best_epoch"]]
    return LearningCurve(
        [epoch + 1 for epoch, _, _ in points],
        [seconds for _, seconds, _ in points],
        [value for _, _, value in points],
        best[0] if best else None,
    )


def _draw_curve(
    axes: Axes,
    x: Sequence[float],
    curve: LearningCurve,
    style: _Style,
    label: str | None,
) -> None:
    axes.plot(
        x,
        curve.values,
        linestyle=style.line,
        linewidth=1.1,
        marker=style.marker,
        markersize=5,
        markevery=[] if curve.best is None else [curve.best],
        alpha=0.8,
        color=style.colour,
        label=label,
    )
