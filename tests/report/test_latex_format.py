"""Tables for a paper: what stands in them, and that LaTeX takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from recbole_kgif.report.document import Cell, Document, Mark, Section, Table
from recbole_kgif.report.latex_format import render

_PAPER = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
\input{report.tex}
\end{document}
"""


def _document(n_columns: int) -> Document:
    figures = [
        Cell("0.2954 ± 0.0023†", Mark.BEST),
        Cell("0.2818 ± 0.0024", Mark.SECOND),
    ]
    table = Table(
        label="accuracy",
        caption="Accuracy in % of a_b & c^d, {not} # $1 ~ <\\>",
        header=["Model", *["Recall@10"] * n_columns],
        rows=[
            [Cell(f"model_{i}"), *[figure] * n_columns]
            for i, figure in enumerate(figures)
        ],
    )
    return Document(title="A\ntitle", sections=[Section("Results", [table])])


def test_marks_and_special_characters() -> None:
    text = render(_document(1))

    assert text.startswith("% A title\n% Needs \\usepackage{booktabs,graphicx}.\n")
    assert "\\textbf{0.2954 $\\pm$ 0.0023$^\\dagger$} \\\\" in text
    assert "model\\_1 & \\underline{0.2818 $\\pm$ 0.0024} \\\\" in text
    assert (
        "Accuracy in \\% of a\\_b \\& c\\textasciicircum{}d, \\{not\\} \\# \\$1 "
        "\\textasciitilde{} \\textless{}\\textbackslash{}\\textgreater{}" in text
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("n_columns", [1, 12])
def test_latex_sets_the_table_within_the_line(n_columns: int, tmp_path: Path) -> None:
    (tmp_path / "report.tex").write_text(render(_document(n_columns)))
    (tmp_path / "paper.tex").write_text(_PAPER)

    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
