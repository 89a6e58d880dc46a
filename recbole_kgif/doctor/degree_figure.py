"""Histograms of degrees as a figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from recbole_kgif.data.numbered import IntArray
from recbole_kgif.doctor.dataset_findings import DatasetExamination
from recbole_kgif.report.figures import SETTINGS, as_files

# Kinds with the label of their degrees and a colour of Okabe and Ito's palette.
_PANELS = {
    "users": ("interactions of a user", "#0072B2"),
    "items": ("interactions of an item", "#D55E00"),
    "entities": ("triples of an entity", "#009E73"),
}
_BINS_A_DECADE = 8


def draw_degrees(datasets: Sequence[DatasetExamination]) -> dict[str, bytes]:
    """Draw histograms of degrees, a row for each data set.

    Args:
        datasets: those with degrees, at least one.

    Returns:
        The files' content by "png" and "svg".
    """
    with matplotlib.rc_context({**SETTINGS, "axes.grid": False}):
        rows = len(datasets)
        drawing = Figure(figsize=(9.3, 2.6 * rows), layout="constrained")
        panels = drawing.subplots(rows, len(_PANELS), squeeze=False)
        for row, dataset in zip(panels, datasets):
            for axes, (kind, (label, colour)) in zip(row, _PANELS.items()):
                _draw(axes, dataset.degrees[kind], colour)
                axes.set_xlabel(label)
                axes.set_ylabel(f"number of {kind}")
                axes.set_title(dataset.name, fontsize=9)
        return as_files(drawing)


def _draw(axes: Axes, degrees: IntArray, colour: str) -> None:
    edges = bin_edges(int(degrees.max()))
    counts, _ = np.histogram(degrees, edges)
    axes.stairs(counts, edges, fill=True, color=colour, alpha=0.85, baseline=0.5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axis.set_minor_formatter(NullFormatter())


def bin_edges(largest: int) -> IntArray:
    """Edges of bins of equal width on a logarithmic axis, between whole numbers.

    Args:
        largest: the largest degree, from 1 on.

    Returns:
        Edges from 1 to more than the largest degree, shape: [n_bins + 1]
    """
    decades = np.log10(largest + 1)
    steps = int(np.ceil(decades * _BINS_A_DECADE)) + 1
    edges = np.unique(np.floor(10 ** (np.arange(steps + 1) / _BINS_A_DECADE)))
    return edges.astype(np.int64)
