"""Tables for a paper: what stands in them, and that LaTeX takes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from recbole_kgif.report.rendering import Marked, Table, environment

_PAPER = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
\input{report.tex}
\end{document}
"""


_PAGE = r"""
{% import layout as page with context %}
{% call page.document("A\ntitle") %}
{{ page.heading("Results") }}
{% call page.text() %}left out{% endcall %}
{% call page.table(table) %}
Accuracy in % of a_b & c^d, {not} # $1 ~ <\>
{% endcall %}
{% endcall %}
"""


def _render(n_columns: int) -> str:
    values = [
        Marked("0.2954 ± 0.0023†", "best"),
        Marked("0.2818 ± 0.0024", "second"),
    ]
    rows = [[f"model_{i}", *[value] * n_columns] for i, value in enumerate(values)]
    columns = ["Model", *["Recall@10"] * n_columns]
    table = Table("accuracy", pd.DataFrame(rows, columns=columns))
    template = environment("tex").from_string(_PAGE)
    return template.render(layout="latex.j2", headings=[], table=table).lstrip()


def test_marks_and_special_characters() -> None:
    text = _render(1)

    assert "left out" not in text
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
    (tmp_path / "report.tex").write_text(_render(n_columns))
    (tmp_path / "paper.tex").write_text(_PAPER)

    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
