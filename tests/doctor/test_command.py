from __future__ import annotations

import json
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.doctor.findings import Finding
from tests.cli.test_cli import error_of
from tests.doctor.helpers import INTERACTIONS, write_dataset

SPLIT = {
    "train": INTERACTIONS[:3],
    "valid": INTERACTIONS[3:4],
    "test": INTERACTIONS[4:],
}


@pytest.fixture
def here(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with data sets, and no training: that has tests of its own."""
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    monkeypatch.setattr(
        "recbole_kgif.doctor.smoke_training.examine_training",
        lambda: Finding("two steps of KGIF", "0.1 s"),
    )
    write_dataset(in_tmp_path / "dataset" / "whole")
    write_dataset(in_tmp_path / "dataset" / "split", SPLIT)
    leaking = {**SPLIT, "train": INTERACTIONS}
    write_dataset(in_tmp_path / "dataset" / "leaking", leaking)
    broken = write_dataset(in_tmp_path / "dataset" / "broken")
    (broken.folder / "broken.kg").write_bytes(b"\xff\xfe")
    return in_tmp_path


def test_the_environment_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(here.rglob("*"))
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Environment\n")
    assert "two steps of KGIF" in out
    assert "0 problems" in out
    assert err == ""
    assert set(here.rglob("*")) == before


def test_data_sets_and_the_report(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--dataset", "whole", "split", "--output=out"]) == 0
    out = capsys.readouterr().out
    assert "\nData set whole (" in out
    assert "\nData set split (" in out
    assert {path.name for path in Path("out").iterdir()} == {
        *("doctor.md", "doctor.json", "degrees.png", "degrees.svg")
    }
    content = json.loads(Path("out/doctor.json").read_text("utf-8"))
    assert list(content["datasets"]) == ["whole", "split"]
    assert "## Data set split" in Path("out/doctor.md").read_text("utf-8")
    # The report on the same data goes over the one before.
    assert main(["doctor", "--dataset=whole", "--output=out"]) == 0


@pytest.mark.parametrize("name", ["leaking", "broken"])
def test_a_problem_is_told_and_ends_with_1(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["doctor", f"--dataset={name}", "--output=out"]) == 1
    out, err = capsys.readouterr()
    assert "  problem  " in out
    assert "1 problem," in out
    assert err == ""
    assert json.loads(Path("out/doctor.json").read_text("utf-8"))["has_problem"]


def test_one_broken_data_set_does_not_hide_another(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--dataset", "broken", "whole"]) == 1
    out = capsys.readouterr().out
    assert "broken.kg, line 1: " in " ".join(out.split())
    assert out.index("Data set broken") < out.index("Data set whole")


def test_a_data_set_named_twice_is_examined_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--dataset", "whole", "whole"]) == 0
    assert capsys.readouterr().out.count("Data set whole") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset=wohle"], "wohle"),
        (["--dataset"], "--dataset: expected at least one argument"),
        (["--dataset=../x"], "is not a data set's name"),
        (["--dataset=whole", "--fields=x"], "unknown option fields"),
        (["--dataset=whole", "--source=none"], "--source none is not a folder"),
        (["--output=dataset/whole/whole.kg/x"], "cannot be written to"),
        (["--config-files", "none.yaml"], "none.yaml: cannot be read"),
        (["whole"], "whole: not understood"),
    ],
)
def test_a_bad_argument_is_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = set(here.rglob("*"))
    assert message in error_of(["doctor", *arguments], capsys)
    assert set(here.rglob("*")) == before
