"""Equal numbers before and after a change of the code's structure, and of versions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from tests.golden import runs

KEPT = json.loads(runs.KEPT.read_text("utf-8"))
RESULTS = runs.CHECKOUT / "results"

# Folders with a report on runs. The others take longer.
REPORTS = ("ml-100k", "external-check")
MORE_REPORTS = (
    "ablation/attention-once-an-epoch/book-crossing-split",
    "ablation/attention-once-an-epoch/lastfm-split",
    "ablation/attention-once-an-epoch/ml-100k",
    "lastfm",
    "lastfm-split",
    "book-crossing-split",
    "all-models/book-crossing-split",
    "all-models/lastfm-split",
    "all-models/ml-100k",
    "external-check/kgcn",
    "external-check/kgif",
)

STUDIES = (
    "ablation/book-crossing-split",
    "ablation/lastfm-split",
    "robustness/book-crossing-split",
    "robustness/lastfm-split",
)

# With other versions or another processor: what rounding does in a few steps to a loss,
# and by turning the order of some scores to a mean over 943 users.
OF_LOSS = 1e-4
OF_METRIC = 1.5e-3


def flat(numbers: Any) -> list[float]:
    """All numbers of nested lists, in order."""
    if isinstance(numbers, list):
        return [number for part in numbers for number in flat(part)]
    return [numbers]


# The first models show what depends on versions, the last is a part of the others.
MARKS = {
    "KGIF on ml-100k": pytest.mark.versions,
    "KGAT on ml-100k": pytest.mark.versions,
    "KGIF on tiny": pytest.mark.versions,
    "BPR on ml-100k": pytest.mark.slow,
}


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[runs.Runner]:
    """Runs the command here: a process of its own takes seconds to begin."""
    import torch

    def run(folder: Path, *arguments: str) -> None:
        monkeypatch.chdir(folder)
        assert main(list(arguments)) == 0

    threads = torch.get_num_threads()
    # With several threads, some models' sums differ from run to run.
    torch.set_num_threads(1)
    yield run
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in KEPT["runs"]]
)
def test_a_run_has_the_numbers_that_it_had(
    name: str, tmp_path: Path, in_process: runs.Runner
) -> None:
    model, _, dataset = name.partition(" on ")
    measured = runs.measure(model, dataset, tmp_path, in_process)
    kept = KEPT["runs"][name]
    assert measured["split_hash"] == kept["split_hash"]
    if runs.environment() == KEPT["environment"]:
        assert measured == kept
        return
    assert flat(measured["losses"]) == pytest.approx(flat(kept["losses"]), rel=OF_LOSS)
    if dataset == "ml-100k":  # in the other one, a rank is most of a metric
        for part in ("valid", "test"):
            assert measured[part] == pytest.approx(kept[part], abs=OF_METRIC)


def test_a_checkpoint_of_an_earlier_version_recommends_what_it_did(
    tmp_path: Path, in_process: runs.Runner
) -> None:
    shutil.copytree(runs.TINY, tmp_path / "dataset" / "tiny")
    found, kept = (
        list(csv.DictReader(io.StringIO(text)))
        for text in (
            runs.recommend(tmp_path, in_process),
            runs.RECOMMENDATIONS.read_text("utf-8"),
        )
    )
    assert len(kept) == 6
    scores = [[float(row.pop("score")) for row in rows] for rows in (found, kept)]
    assert found == kept
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


@pytest.mark.parametrize(
    "folder",
    [*REPORTS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE_REPORTS)],
)
def test_a_report_on_the_records_has_the_values_that_it_had(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(RESULTS / folder), f"--output={tmp_path}"]) == 0
    name = "report.csv"
    made = (tmp_path / name).read_text("utf-8")
    assert made == (RESULTS / folder / name).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("folder", STUDIES)
def test_a_study_has_the_values_that_it_had(folder: str, tmp_path: Path) -> None:
    assert main(["report", str(RESULTS / folder), f"--output={tmp_path}"]) == 0
    name = f"{folder.partition('/')[0]}.csv"
    made = (tmp_path / name).read_text("utf-8")
    assert made == (RESULTS / folder / name).read_text("utf-8")


def test_every_report_is_made_again() -> None:
    found = {
        path.parent.relative_to(RESULTS)
        for name in ("report", "ablation", "robustness")
        for path in RESULTS.rglob(f"{name}.csv")
    }
    assert found == {Path(name) for name in (*REPORTS, *MORE_REPORTS, *STUDIES)}


def test_the_results_of_a_checkout_are_small() -> None:
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12 * 10**6
    # What `report` can make, and what it makes that from.
    kinds = {path.suffix for path in files}
    assert not kinds & {".html", ".tex"}
    assert not [p for p in files if p.parent.parent.name in ("runs", "trials")]
