"""Writes the pages, tables and figures of a report."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

import pandas as pd

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.report.ablation_page import Ablation, DescribedVariant
from recbole_kgif.report.comparison_page import (
    comparison_context,
    comparison_rows,
    labels_in_order,
    leads_of,
)
from recbole_kgif.report.figures import draw_comparison, draw_robustness
from recbole_kgif.report.rendering import render
from recbole_kgif.report.robustness_page import Robustness, is_of_robustness
from recbole_kgif.report.run_records import read_comparison
from recbole_kgif.report.run_table import Comparison

FIGURES_FOLDER = "plots"

Files = Mapping[str, Union[str, bytes]]


def write_report(folders: Sequence[Path], output: Path) -> list[Path]:
    """Read the records of some folders and write the report on them.

    Args:
        folders: each written by ``compare``, or with the record of a single run.
        output: folder that receives ``report.md``, ``.csv``, ``.tex`` and ``.html``
            and the folder of figures; made where it does not exist.

    Returns:
        The files written, the figures left out.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return write_report_of(read_comparison(folders), output)


def write_report_of(comparison: Comparison, output: Path) -> list[Path]:
    """Write the report on records that have been read, as `write_report` does."""
    leads = leads_of(comparison)
    context = comparison_context(comparison, leads)
    drawn = draw_comparison(comparison, labels_in_order(comparison))
    embedded = {
        name: base64.b64encode(files["svg"]).decode("ascii")
        for name, files in drawn.items()
    }
    texts = {
        "report.md": render("comparison.j2", "md", **context),
        "report.csv": _csv(comparison_rows(comparison, leads)),
        "report.tex": render("comparison.j2", "tex", **context),
        "report.html": render("comparison.j2", "html", figures=embedded, **context),
    }
    _write(output, _figure_files(drawn))
    return _write(output, texts)


def write_study(
    comparison: Comparison, output: Path, variants: Sequence[DescribedVariant]
) -> list[Path]:
    """Write the pages of the study that records are of.

    Args:
        comparison: the records of a data set.
        output: receives the files.
        variants: those that an ablation may have.

    Returns:
        The files; none where the records are of no study.

    Raises:
        UserError: the files cannot be written.
    """
    if not all("variant" in run.request for run in comparison.runs):
        return []
    if any(is_of_robustness(run) for run in comparison.runs):
        return _write_robustness(Robustness(comparison), output)
    return _write_ablation(Ablation(comparison, variants), output)


def write_ablation(folder: Path, variants: Sequence[DescribedVariant]) -> list[Path]:
    """Write ``ablation.md``, ``.csv`` and ``.json`` from a data set's records.

    Args:
        folder: that of the data set, with its runs.
        variants: those that there may be.

    Returns:
        The files.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return _write_ablation(Ablation(read_comparison([folder]), variants), folder)


def write_robustness(folder: Path) -> list[Path]:
    """Write ``robustness.md``, ``.csv``, ``.json`` and the figure from the records.

    Args:
        folder: that of the data set, with its runs.

    Returns:
        The files.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return _write_robustness(Robustness(read_comparison([folder])), folder)


def _write_ablation(study: Ablation, output: Path) -> list[Path]:
    page = render("ablation.j2", "md", **study.context())
    return _write(output, {"ablation.md": page, **_tables("ablation", study.rows())})


def _write_robustness(study: Robustness, output: Path) -> list[Path]:
    page = render("robustness.j2", "md", **study.context())
    tables = _tables("robustness", study.rows())
    figures = _figure_files(draw_robustness(study))
    return _write(output, {"robustness.md": page, **tables, **figures})


def _tables(name: str, rows: pd.DataFrame) -> Files:
    records: list[dict[Any, Any]] = rows.to_dict("records")
    return {
        f"{name}.csv": _csv(rows),
        f"{name}.json": json.dumps(records, indent=1) + "\n",
    }


def _csv(rows: pd.DataFrame) -> str:
    return rows.to_csv(index=False, lineterminator="\n")


def _figure_files(drawn: Mapping[str, Mapping[str, bytes]]) -> Files:
    return {
        f"{FIGURES_FOLDER}/{name}.{kind}": content
        for name, files in drawn.items()
        for kind, content in files.items()
    }


def _write(folder: Path, files: Files) -> list[Path]:
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / name, content)
    except OSError as error:
        raise UserError(
            f"{folder}: the report cannot be written there ({error.strerror}); give "
            "another --output"
        ) from None
    return [folder / name for name in files]
