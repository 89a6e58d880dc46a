"""What a robustness study's report says, from hand-made records."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.report.report_files import write_robustness
from recbole_kgif.report.run_records import read_comparison
from tests.report.variant_records import (
    variant_record,
    write_failed_variant,
    write_variant,
)


def write(folder: Path) -> list[Path]:
    return write_robustness(read_comparison([folder]), folder)


def fill(folder: Path) -> None:
    """KGIF by two seeds loses a quarter; CKE cannot do without triples."""
    for seed in (2020, 2021):
        full = variant_record("KGIF-full", [0.8, 0.8, 0.4, 0.4], seed=seed)
        write_variant(folder, full)
        changed = variant_record(
            "KGIF-removed-50",
            [0.4, 0.4, 0.5, 0.5] if seed == 2020 else [0.4, 0.4, 0.3, 0.7],
            seed=seed,
            item_hits=[0, 2],
        )
        write_variant(folder, changed)
    write_variant(folder, variant_record("CKE-full", [0.2, 0, 0, 0], model="CKE"))
    write_failed_variant(folder, "CKE-removed-50", "CKE: learns from triples", "CKE")


def test_the_tables(tmp_path: Path) -> None:
    fill(tmp_path)
    paths = write(tmp_path)
    text = paths[0].read_text("utf-8")
    assert "| Model | 0% removed | 50% removed |" in text
    assert "| KGIF | 0.6000 ± 0.0000 | 0.4500 ± 0.0000 (75.0%) |" in text
    assert "| CKE | 0.0500 | failed |" in text
    assert "| CKE-removed-50 | 2020 | CKE: learns from triples |" in text
    assert "| KGIF | 50% removed | -0.1500 |" in text
    # Users with 1, 5 and 9 training interactions; items with 1 and 7.
    assert "| KGIF | 1 | 2 | 0.8000 ± 0.0000 | 0.4000 ± 0.0000 (50.0%) |" in text
    assert "| KGIF | 5 | 1 | 0.4000 ± 0.0000 | 0.4000 ± 0.1414 (100.0%) |" in text
    assert "| KGIF | 9 | 1 | 0.4000 ± 0.0000 | 0.6000 ± 0.1414 (150.0%) |" in text
    assert "| KGIF | 1 | 1 | 0.0000 ± 0.0000 | 0.0000 ± 0.0000 |" in text
    assert "| KGIF | 7 | 1 | 0.5000 ± 0.0000 | 1.0000 ± 0.0000 (200.0%) |" in text
    assert "## Protocol" in text
    # Those with changed triples were run, too.
    assert "\n5 runs" in text


def test_the_rows_hold_conditions_groups_and_failures(tmp_path: Path) -> None:
    fill(tmp_path)
    rows = json.loads(write(tmp_path)[2].read_text("utf-8"))
    (whole,) = (
        row
        for row in rows
        if (row["model"], row["condition"]) == ("KGIF", "removed-50")
        and (row["metric"], row["group_of"]) == ("ndcg@2", "all")
    )
    assert whole["share_of_full"] == pytest.approx(0.75)
    assert (whole["triples_removed"], whole["triples_replaced"]) == (0.5, 0)
    assert whole["seeds"] == 2
    items = [row for row in rows if row["group_of"] == "items"]
    assert {row["metric"] for row in items} == {"hits@2"}
    assert {row["training_interactions_from"] for row in items} == {1, 7}
    failed = [row for row in rows if row["failure"]]
    assert [(row["model"], row["condition"]) for row in failed] == [
        ("CKE", "removed-50")
    ]


def test_the_plot_has_a_line_for_each_model(tmp_path: Path) -> None:
    fill(tmp_path)
    paths = write(tmp_path)
    png, svg = (tmp_path / f"plots/robustness.{kind}" for kind in ("png", "svg"))
    assert {png, svg} < set(paths)
    assert png.read_bytes().startswith(b"\x89PNG")
    ET.parse(svg)
    before = svg.read_bytes()
    write(tmp_path)
    assert svg.read_bytes() == before


def test_records_without_groups_and_full_graphs_still_give_a_report(
    tmp_path: Path,
) -> None:
    content = variant_record("KGIF-removed-50", [0, 0, 1, 1])
    del content["test_per_item"], content["test_per_user"]
    write_variant(tmp_path, content)
    text = write(tmp_path)[0].read_text("utf-8")
    assert "| KGIF | 0.5000 |" in text
    assert "so nothing is tested" in text


def test_runs_of_another_study_are_left_out(tmp_path: Path) -> None:
    write_variant(tmp_path, variant_record("full", [0, 1, 0, 1]))
    with pytest.raises(UserError, match="no run of a robustness study has finished"):
        write(tmp_path)
    fill(tmp_path)
    text = write(tmp_path)[0].read_text("utf-8")
    assert "| full |" not in text


def test_a_damaged_count_of_hits_is_refused(tmp_path: Path) -> None:
    content = variant_record("KGIF-full", [0, 1, 0, 1])
    content["test_per_item"]["hits"]["2"] = [1]
    write_variant(tmp_path, content)
    with pytest.raises(UserError, match="test_per_item"):
        write(tmp_path)
