from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recbole_kgif.doctor.degree_figure import bin_edges, draw_degrees
from recbole_kgif.doctor.examination import (
    Examination,
    in_json,
    in_markdown,
    in_text,
    summary,
)
from recbole_kgif.doctor.findings import Finding, Level, count
from tests.doctor.helpers import TRIPLES, examine, write_dataset

FINDINGS = [
    Finding("short", "3"),
    Finding("a longer name", "4 of 5", Level.WARNING, "It is so. " * 20, "Do that.", 4),
]


def hostile(tmp_path: Path) -> Examination:
    triples = [*TRIPLES, ("A", "<script>alert(1)</script>|*x*", "$y$")]
    location = write_dataset(tmp_path / "d<b>", triples=triples)
    return Examination(FINDINGS, [examine(location)])


def test_a_terminal_shows_columns_and_what_to_do() -> None:
    title, first, second, *words = in_text("Things", FINDINGS).splitlines()
    assert title == "Things"
    assert first == "  ok       short          3"
    assert second == "  warning  a longer name  4 of 5"
    assert first.index("3") == second.index("4 of 5")
    assert all(line.startswith(" " * 13) and len(line) <= 88 for line in words)
    assert " ".join(words).split()[-2:] == ["Do", "that."]


def test_none_of_what_should_not_be_there_is_fine() -> None:
    assert count("x", 0, Level.PROBLEM, "bad", of=4).level is Level.OK
    assert count("x", 0, Level.PROBLEM, "bad", of=4).value == "0 of 4"
    assert count("x", 1, Level.PROBLEM, "bad", of=4).value == "1 of 4 (25.0%)"
    assert count("x", 1_000, Level.NOTE, "bad").value == "1,000"


def test_the_summary_counts_the_levels() -> None:
    assert summary(FINDINGS) == "0 problems, 1 warning, 0 notes"


def test_hostile_names_are_text(tmp_path: Path) -> None:
    examination = hostile(tmp_path)
    page = in_markdown(examination, has_figure=True)
    assert "<script>" not in page
    assert "![degrees](degrees.png)" in page
    assert "degrees.png" not in in_markdown(examination, has_figure=False)


def test_an_id_that_is_an_order_to_a_terminal_is_told_and_not_shown(
    tmp_path: Path,
) -> None:
    triples = [*TRIPLES, ("A", "r", "\x1b[31m")]
    examined = examine(write_dataset(tmp_path / "data", triples=triples))
    text = in_text("data", examined.findings)
    assert "control character" in text
    assert "\x1b" not in text


def test_the_json_holds_every_figure(tmp_path: Path) -> None:
    content = json.loads(in_json(hostile(tmp_path)))
    assert content["has_problem"] is False
    assert content["environment"][1]["level"] == "warning"
    assert content["environment"][1]["number"] == 4
    dataset = content["datasets"]["d<b>"]
    assert dataset["relations"]["<script>alert(1)</script>|*x*"] == 1
    assert dataset["degrees"]["users"]["histogram"] == {"2": 1, "3": 1}
    assert dataset["degrees"]["users"]["mean"] == 2.5


def test_the_figure_is_drawn_for_every_data_set(tmp_path: Path) -> None:
    (one,) = hostile(tmp_path).datasets
    files = draw_degrees([one])
    assert files["png"].startswith(b"\x89PNG")
    assert b"<svg" in files["svg"]
    assert b"<b>" not in files["svg"]
    assert draw_degrees([one]) == files
    assert len(draw_degrees([one, one])["svg"]) > len(files["svg"])


def test_bins_hold_every_degree_once() -> None:
    for largest in (1, 2, 9, 10, 11, 1000, 123_456):
        edges = bin_edges(largest)
        assert edges[0] == 1
        assert edges[-1] > largest
        assert (np.diff(edges) > 0).all()
        counts, _ = np.histogram(np.arange(1, largest + 1), edges)
        assert counts.sum() == largest
