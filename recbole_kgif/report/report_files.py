"""Writes the pages, tables and figures of a report."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union

import pandas as pd

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.report.ablation_page import Ablation
from recbole_kgif.report.comparison_page import (
    comparison_context,
    comparison_rows,
    labels_in_order,
    leads_of,
)
from recbole_kgif.report.figures import draw_comparison, draw_robustness
from recbole_kgif.report.rendering import render
from recbole_kgif.report.robustness_page import Robustness, is_of_robustness
from recbole_kgif.report.run_table import Comparison

FIGURES_FOLDER = "plots"

Files = Mapping[str, Union[str, bytes]]


def write_comparison(comparison: Comparison, output: Path) -> list[Path]:
    """Write the report on the records of a comparison.

    Args:
        comparison: the records.
        output: folder that receives ``report.md``, ``.csv``, ``.tex`` and ``.html``
            and the folder of figures; made where it does not exist.

    Returns:
        The files written, the figures left out.

    Raises:
        UserError: the files cannot be written.
    """
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


def write_study(comparison: Comparison, output: Path) -> list[Path]:
    """Write ``ablation`` or ``robustness``, as Markdown, CSV and JSON.

    Args:
        comparison: the records of a data set.
        output: folder that receives the files.

    Returns:
        The files; none where the records are of no study.

    Raises:
        UserError: the files cannot be written.
    """
    if not all("variant" in run.request for run in comparison.runs):
        return []
    if any(is_of_robustness(run) for run in comparison.runs):
        return write_robustness(comparison, output)
    return write_ablation(comparison, output)


def write_ablation(comparison: Comparison, output: Path) -> list[Path]:
    """As `write_study`; a UserError also where no variant has finished."""
    study = Ablation(comparison)
    page = render("ablation.j2", "md", **study.context())
    return _write(output, {"ablation.md": page, **_tables("ablation", study.rows())})


def write_robustness(comparison: Comparison, output: Path) -> list[Path]:
    """As `write_study`, with a figure; a UserError also where no run has finished."""
    study = Robustness(comparison)
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
