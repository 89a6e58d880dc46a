"""Writes a report in all its formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.report import (
    comparison_csv,
    html_format,
    latex_format,
    markdown_format,
)
from recbole_kgif.report.comparison_page import (
    build_document,
    main_metric,
    sorted_models,
)
from recbole_kgif.report.figures import draw_plots
from recbole_kgif.report.run_records import Comparison, read_comparison

PLOTS_FOLDER = "plots"


def write_report(folders: Sequence[Path], output: Path) -> list[Path]:
    """Read the records of some folders and write the report of them.

    Args:
        folders: each written by ``compare``, or with the record of a single run.
        output: folder that receives ``report.md``, ``.csv``, ``.tex`` and ``.html``
            and the folder ``plots``; made where it does not exist.

    Returns:
        The files written, the plots left out.

    Raises:
        UserError: the records cannot be read or compared, or the files not be written.
    """
    return write_report_of(read_comparison(folders), output)


def write_report_of(comparison: Comparison, output: Path) -> list[Path]:
    """Write the report of records that have been read, as `write_report` does.

    Args:
        comparison: the records.
        output: as of `write_report`.

    Returns:
        The files written, the plots left out.

    Raises:
        UserError: the files cannot be written.
    """
    models = sorted_models(comparison)
    document = build_document(comparison)
    plots = draw_plots(models, main_metric(comparison))
    drawings = {name: files["svg"] for name, files in plots.items()}
    texts = {
        "report.md": markdown_format.render(document),
        "report.csv": comparison_csv.render(comparison, models),
        "report.tex": latex_format.render(document),
        "report.html": html_format.render(document, drawings),
    }
    try:
        (output / PLOTS_FOLDER).mkdir(parents=True, exist_ok=True)
        for name, files in plots.items():
            for kind, content in files.items():
                write_atomic(output / PLOTS_FOLDER / f"{name}.{kind}", content)
        for name, text in texts.items():
            write_atomic(output / name, text)
    except OSError as error:
        raise UserError(
            f"{output}: the report cannot be written there ({error.strerror}); give "
            "another --output"
        ) from None
    return [output / name for name in texts]
