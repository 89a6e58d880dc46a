"""What an ablation's report says, from hand-made records."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.report.ablation_page import Ablation
from recbole_kgif.report.report_files import write_ablation
from recbole_kgif.report.run_records import read_comparison
from tests.report.variant_records import (
    variant_record,
    write_failed_variant,
    write_variant,
)


def write(folder: Path) -> list[Path]:
    return write_ablation(read_comparison([folder]), folder)


def fill(folder: Path) -> None:
    """Full by two seeds, one variant worse for every user, one not trained."""
    write_variant(folder, variant_record("full", [0.9, 0.8, 0.9, 0.8]))
    write_variant(folder, variant_record("full", [0.7, 0.8, 0.7, 0.8], seed=2021))
    write_variant(folder, variant_record("without-walks", [0.1, 0.1, 0.2, 0.2]))
    write_variant(folder, variant_record("popularity", [0.8, 0.9, 0.7, 1], model="Pop"))
    write_failed_variant(folder, "bpr", "killed by signal 9 (SIGKILL)")


def line_of(text: str, start: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(start))
    return line


def test_the_tables(tmp_path: Path) -> None:
    fill(tmp_path)
    paths = write(tmp_path)
    assert [path.name for path in paths] == [
        *("ablation.md", "ablation.csv", "ablation.json"),
    ]
    text = paths[0].read_text("utf-8")
    assert "# Ablation of KGIF on toy" in text
    # Means over four users, then over seeds; 0.5 seconds an epoch in every record.
    full = "| full | 2 | 0.5000 ± 0.0000 | 0.8000 ± 0.0707 | 0.50 ± 0.00 |"
    assert full in text
    assert "| without-walks | 1 | 0.5000 | 0.1500† | 0.50 |" in text
    assert "| popularity | 1 | 0.5000 | 0.8500 | - |" in text
    assert "| bpr | 0 of 1 | failed | failed | - |" in text
    assert "| bpr | 2020 | killed by signal 9 (SIGKILL) |" in text
    assert line_of(text, "| without-walks | KGIF without").endswith("walks=False |")
    assert line_of(text, "| without-walks | -0.6500 |").endswith("| yes |")
    assert line_of(text, "| popularity | +0.0500 |").endswith("| no |")
    # Where the figures come from, as in a comparison.
    for section in ("## Data", "## Protocol", "## Settings", "## Environment"):
        assert section in text


def test_the_form_of_the_paper_is_a_variant(tmp_path: Path) -> None:
    write_variant(tmp_path, variant_record("full", [0.9, 0.8, 0.9, 0.8]))
    paper = variant_record("paper", [0.1, 0.1, 0.2, 0.2], model="KGIF-paper")
    write_variant(tmp_path, paper)
    text = write(tmp_path)[0].read_text("utf-8")
    assert "# Ablation of KGIF on toy" in text
    assert "| paper | 1 | 0.5000 | 0.1500† | 0.50 |" in text
    assert line_of(text, "| paper | KGIF in the form").count("=") == 0


def test_the_form_of_the_paper_is_not_what_is_ablated(tmp_path: Path) -> None:
    write_failed_variant(tmp_path, "full", "killed by signal 9 (SIGKILL)")
    paper = variant_record("paper", [0.1, 0.1, 0.2, 0.2], model="KGIF-paper")
    write_variant(tmp_path, paper)  # the first run with a result
    write_variant(tmp_path, variant_record("without-walks", [0.1, 0.1, 0.2, 0.2]))
    assert "# Ablation of KGIF on toy" in write(tmp_path)[0].read_text("utf-8")


def test_the_rows_hold_all_digits_and_the_failures(tmp_path: Path) -> None:
    fill(tmp_path)
    _, csv_path, json_path = write(tmp_path)
    rows = json.loads(json_path.read_text("utf-8"))
    by_key = {(row["variant"], row["metric"]): row for row in rows}
    walks = by_key["without-walks", "ndcg@2"]
    assert walks["mean"] == 0.15
    assert walks["minus_full"] == pytest.approx(-0.65)
    assert walks["standard_deviation"] is None
    assert 0 < walks["p_value"] < walks["p_value_holm"] < 0.05
    assert by_key["full", "ndcg@2"]["minus_full"] is None
    assert by_key["full", "ndcg@2"]["training_seconds_per_epoch"] == 0.5
    assert by_key["popularity", "ndcg@2"]["training_seconds_per_epoch"] is None
    assert by_key["bpr", None]["failure"] == "seed 2020: killed by signal 9 (SIGKILL)"
    with csv_path.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["variant"] for row in written] == [row["variant"] for row in rows]
    assert float(written[1]["mean"]) == rows[1]["mean"]


def test_holms_correction_is_over_the_variants(tmp_path: Path) -> None:
    fill(tmp_path)
    tests = Ablation(read_comparison([tmp_path])).tests["ndcg@2"]
    assert list(tests.index) == ["without-walks", "popularity"]
    p_values, adjusted = tests["p_value"], tests["adjusted"]
    assert adjusted["without-walks"] == pytest.approx(2 * p_values["without-walks"])
    assert adjusted["popularity"] == p_values["popularity"]


def test_without_the_full_model_nothing_is_tested(tmp_path: Path) -> None:
    write_failed_variant(tmp_path, "full", "no memory")
    write_variant(tmp_path, variant_record("bpr", [0, 1, 0, 1]))
    text = write(tmp_path)[0].read_text("utf-8")
    assert "The full model has not finished" in text
    assert "| full | 0 of 1 | failed | failed | - |" in text
    assert "| bpr | 1 | 0.5000 | 0.5000 | 0.50 |" in text


def test_runs_of_another_study_are_no_variants(tmp_path: Path) -> None:
    write_variant(tmp_path, variant_record("KGIF-full", [0, 1, 0, 1]))
    with pytest.raises(UserError, match="no variant of an ablation has finished"):
        write(tmp_path)
    assert not (tmp_path / "ablation.md").exists()


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "ablation.md").mkdir()
    with pytest.raises(UserError, match="the report cannot be written there"):
        write(tmp_path)


def test_an_ablation_of_a_preset_names_it(tmp_path: Path) -> None:
    for name in ("full", "without-knowledge-loss"):
        record = variant_record(name, [0.9, 0.8, 0.9, 0.8], model="KGIF-paper")
        write_variant(tmp_path, record)
    text = write(tmp_path)[0].read_text("utf-8")
    assert "# Ablation of KGIF (paper) on toy" in text
    row = line_of(text, "| without-knowledge-loss | KGIF trained")
    assert "| KGIF (paper) |" in row and "attention\\_update=step" in row
