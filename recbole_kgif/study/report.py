"""Writes what came of a study."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.report import markdown_format
from recbole_kgif.report.run_records import Comparison
from recbole_kgif.study.ablation import (
    Ablation,
    ablation_document,
    ablation_of,
    ablation_rows,
    read_ablation,
)
from recbole_kgif.study.plots import draw_robustness
from recbole_kgif.study.robustness import (
    PLOT,
    Robustness,
    is_of_robustness,
    read_robustness,
    robustness_document,
    robustness_of,
    robustness_rows,
)


def write_study(comparison: Comparison, folder: Path, output: Path) -> list[Path]:
    """Write the pages of the study that records are of.

    Args:
        comparison: the records of a data set.
        folder: where they are, for a message.
        output: receives the files.

    Returns:
        The files; none where the records are of no study.

    Raises:
        UserError: the files cannot be written.
    """
    runs = comparison.runs
    if not all("variant" in (run.record.get("request") or {}) for run in runs):
        return []
    if any(is_of_robustness(run.model) for run in runs):
        return _write(output, _robustness_files(robustness_of(comparison, folder)))
    return _write(output, _ablation_files(ablation_of(comparison, folder)))


def write_ablation(folder: Path) -> list[Path]:
    """Write ``ablation.md``, ``.csv`` and ``.json`` from a data set's records.

    Args:
        folder: that of the data set, with its runs.

    Returns:
        The files.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return _write(folder, _ablation_files(read_ablation(folder)))


def write_robustness(folder: Path) -> list[Path]:
    """Write ``robustness.md``, ``.csv``, ``.json`` and the plot from the records.

    Args:
        folder: that of the data set, with its runs.

    Returns:
        The files.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return _write(folder, _robustness_files(read_robustness(folder)))


def _ablation_files(ablation: Ablation) -> dict[str, Union[str, bytes]]:
    text = markdown_format.render(ablation_document(ablation))
    return _tables("ablation", text, ablation_rows(ablation))


def _robustness_files(study: Robustness) -> dict[str, Union[str, bytes]]:
    text = markdown_format.render(robustness_document(study))
    files = _tables("robustness", text, robustness_rows(study))
    plots = {f"plots/{PLOT}.{kind}": v for kind, v in draw_robustness(study).items()}
    return {**files, **plots}


def _tables(
    name: str, text: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Union[str, bytes]]:
    return {
        f"{name}.md": text,
        f"{name}.csv": _csv(rows),
        f"{name}.json": json.dumps(rows, indent=1) + "\n",
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _write(folder: Path, files: Mapping[str, Union[str, bytes]]) -> list[Path]:
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
