"""The figures of an inspection."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recbole_kgif.doctor.model_arrays import WalkArrays
from recbole_kgif.report.figures import SETTINGS
from recbole_kgif.training.candidates import Floats

_BLUE, _RED, _GREEN = "#0072B2", "#D55E00", "#009E73"
_SHOWN_RELATIONS = 15
_LONGEST_NAME = 34
_SIZE = (9.3, 3.6)


def as_svg(draw: Callable[[Figure], None]) -> str:
    """A drawing as SVG in base 64, as a page has it inline.

    Args:
        draw: draws on the figure that it is given.
    """
    with matplotlib.rc_context(SETTINGS):
        drawing = Figure(figsize=_SIZE, layout="constrained")
        draw(drawing)
        content = io.BytesIO()
        # Without a date, equal models give equal pages.
        drawing.savefig(content, format="svg", metadata={"Date": None})
    return base64.b64encode(content.getvalue()).decode("ascii")


def draw_factors(figure: Figure, factor: Floats, relations: pd.DataFrame) -> None:
    """The distribution of attention factors, over all edges and by relation."""
    histogram, by_relation = figure.subplots(1, 2)
    _histogram(histogram, factor)
    histogram.set_xlabel("attention factor of an edge")
    _ranges(by_relation, relations)
    by_relation.set_xlabel("attention factor")


def draw_fusion(figure: Figure, size: Floats, relations: pd.DataFrame) -> None:
    """What the fusion adds, and its weights by relation."""
    histogram, by_relation = figure.subplots(1, 2)
    _histogram(histogram, size)
    histogram.set_xlabel("length of what is added / length of the embedding")
    _ranges(by_relation, relations)
    by_relation.set_xlabel("weight of a relation at a node")


def draw_projection(figure: Figure, moves: pd.DataFrame, differences: Floats) -> None:
    """How far relations move the ends of their edges, and differ from each other."""
    by_relation, matrix = figure.subplots(1, 2)
    shown = moves.head(_SHOWN_RELATIONS)
    place = np.arange(len(shown))
    by_relation.barh(place - 0.2, shown["heads"], 0.4, color=_BLUE, label="heads")
    by_relation.barh(place + 0.2, shown["tails"], 0.4, color=_RED, label="tails")
    _names(by_relation, shown)
    by_relation.set_xlabel("movement / length of the node (median)")
    by_relation.legend(frameon=False)
    image = matrix.imshow(differences, cmap="viridis", vmin=0)
    matrix.grid(visible=False)
    matrix.set_xlabel("relation")
    matrix.set_ylabel("relation")
    figure.colorbar(image, ax=matrix, label="difference / length of the node")


def draw_layers(figure: Figure, table: pd.DataFrame) -> None:
    """Smoothness and probe by layer."""
    columns = ("cosine of random items", "AUC of relations")
    for axes, column, colour in zip(figure.subplots(1, 2), columns, (_BLUE, _RED)):
        axes.plot(table["vectors"], table[column], marker="o", color=colour)
        axes.set_ylabel(column)
        axes.tick_params(axis="x", labelrotation=20)
        lower = 0.5 if column.startswith("AUC") else 0.0
        axes.axhline(lower, color="0.6", linewidth=0.8)


def draw_walks(figure: Figure, relations: pd.DataFrame, walks: WalkArrays) -> None:
    """Relation weights, and the spectral filter."""
    weights, response = figure.subplots(1, 2)
    shown = relations.head(_SHOWN_RELATIONS)
    weights.plot(shown["weight"], np.arange(len(shown)), "o", color=_BLUE)
    weights.axvline(1, color="0.6", linewidth=0.8)
    weights.set_xscale("log")
    _names(weights, shown)
    weights.set_xlabel("relation weight (logarithmic)")
    response.plot(
        walks.filter_range, walks.filter_response, color=_BLUE, label="filter P"
    )
    response.plot(
        walks.filter_range,
        walks.exact_response,
        color=_RED,
        linestyle="--",
        label="ridge regression",
    )
    response.set_xlabel("eigenvalue of the item kernel / mean of its diagonal")
    response.set_ylabel("factor")
    response.legend(frameon=False)


def draw_scores(figure: Figure, table: pd.DataFrame) -> None:
    """How much each part of the score differs between items."""
    axes = figure.subplots()
    axes.barh(table["part"], table["deviation"], color=_GREEN)
    axes.invert_yaxis()
    axes.set_xlabel("standard deviation over items (mean over users)")


def _histogram(axes: Axes, values: Floats) -> None:
    counts, edges = np.histogram(values, 60)
    axes.stairs(counts, edges, fill=True, color=_BLUE, alpha=0.85)
    axes.set_ylabel("number")


def _ranges(axes: Axes, relations: pd.DataFrame) -> None:
    """Median and range of each of the most frequent relations."""
    shown = relations.head(_SHOWN_RELATIONS)
    place = np.arange(len(shown))
    axes.hlines(place, shown["5 %"], shown["95 %"], color=_BLUE, linewidth=2)
    axes.plot(shown["median"], place, "o", color=_RED, markersize=4)
    _names(axes, shown)


def _names(axes: Axes, relations: pd.DataFrame) -> None:
    names = [_shortened(str(name)) for name in relations["relation"]]
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.5, -0.5)


def _shortened(name: str) -> str:
    """The end of a long name, which tells relations of one vocabulary apart."""
    return name if len(name) <= _LONGEST_NAME else f"...{name[-_LONGEST_NAME + 3 :]}"
