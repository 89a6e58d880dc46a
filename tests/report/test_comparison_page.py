"""The report in all its formats, from hand-made records."""

from __future__ import annotations

import csv
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Optional
from xml.etree import ElementTree as ET

import pytest

from recbole_kgif.report.comparison_page import labels_in_order
from recbole_kgif.report.figures import learning_curve
from recbole_kgif.report.report_files import write_comparison
from recbole_kgif.report.run_records import read_comparison
from recbole_kgif.report.table_texts import p_text
from tests.report.records_by_hand import (
    comparison,
    page,
    record,
    write_failure,
    write_record,
)

CHECKOUT = Path(__file__).parents[2]
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and keeps cells and addresses."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.cells: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        self.addresses += [v or "" for k, v in attrs if k in ("href", "src")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append((named.get("class") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open and self.open[-1] == "td":
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)


def report_of(folder: Path, *records: dict[str, Any]) -> dict[str, str]:
    for content in records:
        write_record(folder, content)
    write_comparison(read_comparison([folder]), folder)
    return {
        path.suffix[1:]: path.read_text("utf-8") for path in folder.glob("report.*")
    }


def lines_with(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip().startswith(start)]


@pytest.fixture
def three_models() -> list[dict[str, Any]]:
    """A is best in recall; B and C share NDCG's first place."""
    return [
        record("A", 2020, {"recall@2": [1, 1, 1, 0.8], "ndcg@2": [0, 0, 0, 0.4]}),
        record("A", 2021, {"recall@2": [1, 1, 1, 1], "ndcg@2": [0, 0, 0, 0.4]}),
        record("B", 2020, {"recall@2": [0, 0.1, 0, 0], "ndcg@2": [0, 0, 1, 1]}),
        record("B", 2021, {"recall@2": [0, 0.1, 0, 0.2], "ndcg@2": [0, 0, 1, 1]}),
        record("C", 2020, {"recall@2": [0, 0, 0, 0], "ndcg@2": [1, 1, 0, 0]}),
        record("C", 2021, {"recall@2": [0, 0, 0, 0], "ndcg@2": [1, 1, 0, 0]}),
    ]


def test_exact_cells_of_every_format(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    texts = report_of(tmp_path, *three_models)
    # 0.95 and 1: mean 0.975, deviation 0.05 / sqrt 2; 0.025 and 0.075 likewise.
    assert lines_with(texts["md"], "| ")[2:5] == [
        "| B | 2 | <ins>0.0500 ± 0.0354</ins> | **0.5000 ± 0.0000** |",
        "| C | 2 | 0.0000 ± 0.0000 | **0.5000 ± 0.0000** |",
        "| A | 2 | **0.9750 ± 0.0354†** | 0.1000 ± 0.0000 |",
    ]
    assert (
        "\n    A & 2 & \\textbf{0.9750 $\\pm$ 0.0354$^\\dagger$} & 0.1000 "
        in (texts["tex"])
    )
    assert (
        "B & 2 & \\underline{0.0500 $\\pm$ 0.0354} & \\textbf{0.5000 " in texts["tex"]
    )
    cells = Page(texts["html"]).cells
    assert ("best", "0.9750 ± 0.0354†") in cells
    assert ("second", "0.0500 ± 0.0354") in cells
    assert ("", "0.1000 ± 0.0000") in cells
    rows = list(csv.DictReader(texts["csv"].splitlines()))
    of_a = next(r for r in rows if (r["model"], r["metric"]) == ("A", "recall@2"))
    assert float(of_a["mean"]) == pytest.approx(0.975)
    assert float(of_a["standard_deviation"]) == pytest.approx(0.05 / 2**0.5)
    assert (of_a["seeds"], of_a["rank"], of_a["best_model"]) == ("2", "1", "")
    of_b = next(r for r in rows if (r["model"], r["metric"]) == ("B", "recall@2"))
    assert (of_b["rank"], of_b["best_model"]) == ("2", "A")
    assert float(of_b["best_minus_this"]) == pytest.approx(0.925)


def test_the_first_metric_of_the_protocol_sorts(
    three_models: list[dict[str, Any]],
) -> None:
    assert labels_in_order(comparison(*three_models)) == ["B", "C", "A"]


def test_what_a_reader_needs_is_said(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    text = " ".join(report_of(tmp_path, *three_models)["md"].split())
    for words in (
        "paired t-test over the 4 test users",
        "Holm's correction",
        "by 0.8 / 0.1 / 0.1 of each user's interactions, in random order (seed 2020)",
        "all items are ranked but those that the user has in the training or",
        "at most 3 epochs and validated after every epoch",
        "Seeds of initialisation, order and sampling: 2020, 2021",
        "ab" * 32,
        "| A | 0.50 ± 0.00 | 0.25 ± 0.00 | 3 | 2 | 1.5 | 100 | 12,345 |",
        # 12 interactions of 4 x 5 pairs.
        "| Density | 60.000% |",
        "layers=1; learning\\_rate=0.001",
        "| epochs | 3 | 300 |",
        "| Version of torch | 2.0 |",
        "scipy-dok-update",
        "CPU (test)",
    ):
        assert words in text, words
    assert "standard deviation over seeds can be given" not in text


def test_what_recbole_does_in_a_model_is_said_where_there_is_something_to_say(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    assert "## Known issues" not in report_of(tmp_path, *three_models)["md"]
    text = report_of(tmp_path, record("KGIN"))["md"]
    (row,) = lines_with(text, "| KGIN | tested")
    assert "last validation, not of its best" in row
    assert "| KGAT |" not in text


def test_one_seed_and_one_model(tmp_path: Path) -> None:
    texts = report_of(tmp_path, record("A"))
    assert "one seed only, so no standard deviation" in texts["md"]
    assert "one model only, so nothing is tested" in texts["md"]
    assert lines_with(texts["md"], "| A |")[0] == "| A | 1 | 0.5000 | 0.2500 |"
    assert "±" not in texts["md"]


def test_missing_metrics_and_values_per_user(tmp_path: Path) -> None:
    other = record("B", values={"recall@2": [0, 0, 0, 1], "hit@3": [1, 1, 1, 1]})
    texts = report_of(tmp_path, record("A", test_per_user=None), other)
    assert "| A | 1 | **0.5000** | 0.2500 |" in texts["md"]
    assert "| B | 1 | <ins>0.2500</ins> | - |" in texts["md"]
    # Alone in a metric, nothing is best.
    assert "| B | 1 | 1.0000 |" in texts["md"]
    assert "hold no values of single users" in texts["md"]
    assert "†" not in texts["md"]


def test_failed_runs_are_in_the_table_with_their_reason(tmp_path: Path) -> None:
    write_failure(tmp_path, "B", 2020, "exceeded the time limit of 5 s")
    write_failure(tmp_path, "A", 2021, "RuntimeError: a | b")
    texts = report_of(tmp_path, record("A"))
    assert "| A | 1 of 2 | 0.5000 | 0.2500 |" in texts["md"]
    assert "| B | 0 of 1 | failed | failed |" in texts["md"]
    assert "| B | 2020 | exceeded the time limit of 5 s |" in texts["md"]
    assert "| A | 2021 | RuntimeError: a \\| b |" in texts["md"]
    assert "seed 2020: exceeded the time limit of 5 s" in texts["csv"]


def test_names_are_escaped_everywhere(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>&_$%#{x}"
    harmless = record("A", dataset=name, device=name)
    texts = report_of(tmp_path, harmless)
    page = Page(texts["html"])
    assert "script" not in page.tags
    assert any(name in words for words in page.words)
    assert "<script" not in texts["md"]
    assert "\\textless{}script\\textgreater{}alert(1)" in texts["tex"]
    assert "\\&\\_\\$\\%\\#\\{x\\}" in texts["tex"]


def test_strange_model_names_can_be_drawn(tmp_path: Path) -> None:
    report_of(tmp_path, record("$x^"), record("<b>"))
    assert "<text" not in (tmp_path / "plots/accuracy.svg").read_text("utf-8")


def test_the_page_needs_no_other_file(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    text = report_of(tmp_path, *three_models)["html"]
    assert text.startswith("<!DOCTYPE html>")
    page = Page(text)
    assert {"html", "head", "title", "body", "table", "img"} <= page.tags
    assert not {"script", "link", "iframe"} & page.tags
    plots = [a for a in page.addresses if a.startswith("data:image/svg+xml;base64,")]
    assert len(plots) == 3
    assert all(a.startswith(("data:", "#part-")) for a in page.addresses)
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text


def test_every_figure_is_written_as_png_and_svg(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    report_of(tmp_path, *three_models)
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    stems = ("accuracy", "accuracy-against-time", "learning-curves")
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    for path in (tmp_path / "plots").iterdir():
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_equal_records_give_equal_files(
    tmp_path: Path, three_models: list[dict[str, Any]]
) -> None:
    first = report_of(tmp_path, *three_models)
    drawn = {p.name: p.read_bytes() for p in (tmp_path / "plots").iterdir()}
    assert report_of(tmp_path) == first
    assert drawn == {p.name: p.read_bytes() for p in (tmp_path / "plots").iterdir()}


def test_the_learning_curve_by_hand() -> None:
    (run,) = comparison(record("A")).runs
    curve = learning_curve(run)
    assert list(curve["epoch"]) == [1, 2, 3]
    assert list(curve["seconds"]) == [0.5, 1.0, 1.5]
    assert list(curve["value"]) == pytest.approx([0, 0.1, 0.2])


def test_records_without_validation_results_can_be_drawn(tmp_path: Path) -> None:
    epochs = [{"epoch": 0, "training_seconds": 0.5, "loss": 1.0}]
    report_of(tmp_path, record("A", epochs=epochs, best_epoch=0))
    assert (tmp_path / "plots/learning-curves.png").stat().st_size > 0


def test_a_budget_that_was_too_small_is_named() -> None:
    assert (
        "Still improving when the epochs ran out, so that more epochs may do better: "
        "A-2020."
    ) in page(record("A", best_epoch=2), record("B"))


@pytest.mark.parametrize(
    ("best_epoch", "changes", "is_told"),
    [
        (3, {"epochs": 5, "eval_step": 2}, True),
        (1, {"epochs": 5, "eval_step": 2}, False),
        (0, {"epochs": 1, "eval_step": 5}, True),
        (0, {"epochs": 1, "MODEL_TYPE": "TRADITIONAL"}, False),
    ],
)
def test_a_budget_ends_with_its_last_validation(
    best_epoch: int, changes: dict[str, Any], is_told: bool
) -> None:
    content = record("A", best_epoch=best_epoch)
    content["configuration"].update(changes)
    assert ("Still improving" in page(content)) is is_told


@pytest.mark.parametrize(
    ("p_value", "text"), [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.0456, "0.046")]
)
def test_p_values(p_value: float, text: str) -> None:
    assert p_text(p_value) == text


def test_a_report_imports_neither_torch_nor_recbole(tmp_path: Path) -> None:
    write_record(tmp_path, record("A"))
    code = (
        "import sys; from recbole_kgif.cli import main\n"
        "assert main(['report', sys.argv[1]]) == 0\n"
        "print({'torch', 'recbole'} & set(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.splitlines()[-1] == "set()"
