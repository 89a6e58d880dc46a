"""What the commands refuse before anything runs, and real runs of the tiny data set."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from tests.conftest import TINY_OPTIONS, copy_tiny

CHECKOUT = Path(__file__).parents[2]
OPTIONS = [
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
    "--epochs=1",
]
TINY = ["--dataset=tiny", *OPTIONS, "--output=out"]
ENVIRONMENT = {**os.environ, "RECBOLE_KGIF_DATA": "", "OMP_NUM_THREADS": "1"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_an_ablation_that_is_killed_goes_on_where_it_was(
    data_path: Path, in_tmp_path: Path
) -> None:
    arguments = ["ablate", *TINY, "--seeds=1", "--variants=full,without-graph"]
    runs = in_tmp_path / "out/tiny/runs"
    first, second = runs / "full-2020", runs / "without-graph-2020"
    process = start(*arguments)
    try:
        end = time.monotonic() + 120
        while not (second / "request.json").exists():
            assert process.poll() is None
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    before = (first / "result.json").stat().st_mtime
    assert not (second / "result.json").exists()

    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "1 runs are finished already" in out
    assert (first / "result.json").stat().st_mtime == before
    record = json.loads((second / "result.json").read_text("utf-8"))
    assert record["triples"] == {"kept": 0.0, "replaced": 0.0, "seed": 2020}
    assert record["data"]["triples"] == 0
    full = json.loads((first / "result.json").read_text("utf-8"))
    assert full["triples"] is None
    assert full["split_hash"] == record["split_hash"]
    text = (in_tmp_path / "out/tiny/ablation.md").read_text("utf-8")
    assert "| full | 1 |" in text
    assert "| without-graph | 1 |" in text

    # The runs that are there were made with other options than these.
    assert main([*arguments, "--temperature=0.5"]) == 2


def test_robustness_reports_models_that_cannot_do_without_triples(
    data_path: Path, in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["robustness", *TINY, "--seeds=1", "--models=CKE"]
    code = main([*arguments, "--conditions=full,removed-100"])
    out = capsys.readouterr().out
    assert code == 1, out
    folder = in_tmp_path / "out/tiny"
    text = (folder / "robustness.md").read_text("utf-8")
    reason = "CKE: learns from triples, and the knowledge graph has none left"
    assert f"| CKE-removed-100 | 2020 | {reason} |" in text
    rows = json.loads((folder / "robustness.json").read_text("utf-8"))
    done = {(row["model"], row["condition"]) for row in rows if row["metric"]}
    assert done == {("CKE", "full")}
    assert {row["group_of"] for row in rows} == {"all", "users", "items", None}
    assert (folder / "plots/robustness.png").exists()
    assert "robustness.md" in out


def test_a_data_set_without_a_finished_run_does_not_stop_the_next(
    in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tiny", "twin"):
        copy_tiny(name, in_tmp_path / "data")
    # One run each, and too little time for any.
    arguments = ["ablate", *TINY, "--seeds=1", "--variants=full", "--time-limit=0.1"]
    code = main([*arguments, "--dataset=tiny,twin", f"--data_path={in_tmp_path}/data"])
    errors = capsys.readouterr().err.splitlines()
    assert code == 1
    assert sum("error: no run has finished" in line for line in errors) == 2
    for name in ("tiny", "twin"):
        assert (in_tmp_path / f"out/{name}/runs/full-2020/failure.json").exists()


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert not Path("out").exists()
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--variants=ful"], "--variants ful: there is none; did you mean full?"),
        (["--variants=full,full"], "full is listed twice"),
        (["--variants=bpr"], "--variants bpr: full is missing"),
        (["--seeds=0"], "0 is not a whole number from 1 on"),
        (["--time-limit=x"], "x is not a number above 0"),
        (["--epochs=0"], "epochs must be at least 1"),
        (["--n_layer=2"], "unknown option n_layer; did you mean n_layers"),
        (["--seed=3"], "seed: a comparison sets it itself"),
        (["--loss=bpr"], "bpr: is the same as full, as loss=bpr is given already"),
        (["--dataset=tiny,tiny"], "--dataset tiny,tiny: tiny is listed twice"),
        (["--dataset=tiny,"], "--dataset tiny,: a name is empty; remove a comma"),
        (["--dataset="], "--dataset : names no data set; give one"),
        (["--valid_metric=NDCG@7"], "valid_metric=NDCG@7: is not computed with"),
        (["--dataset=tiny,nowhere"], "nowhere"),
        (["--options-from=none"], "--options-from none: no such folder"),
        (["--protocol=kgat-paper", "--topk=[2]"], "kgat-paper"),
    ],
)
def test_mistakes_in_an_ablation_are_told_in_one_line(
    arguments: list[str],
    message: str,
    data_path: Path,
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in error_of(["ablate", *TINY, *arguments], capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --models"),
        (["--models=KGTA"], "--models KGTA: no such model; did you mean KGAT"),
        (["--models=KGIF,KGIF"], "KGIF is listed twice"),
        (["--models=KGIF,BPR"], "--models BPR: uses no knowledge graph"),
        (["--models=all"], "--models all: each model is run many times"),
        (["--models=KGIF", "--conditions=removed-5"], "--conditions removed-5: there"),
        (["--models=KGIF", "--conditions=removed-50"], "full is missing"),
        (["--models=KGIF,CKE", "--n_layers=2"], "CKE refuses it and KGIF would take"),
    ],
)
def test_mistakes_in_a_robustness_study_are_told_in_one_line(
    arguments: list[str],
    message: str,
    data_path: Path,
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in error_of(["robustness", *TINY, *arguments], capsys)


@pytest.mark.parametrize(
    "arguments", [["ablate", "--variants=none"], ["robustness", "--models=KGTA"]]
)
def test_a_mistake_is_told_before_torch_is_loaded(arguments: list[str]) -> None:
    code = (
        f"import sys; from recbole_kgif.cli import main; assert main({arguments}) == 2;"
        "assert not {'torch', 'recbole', 'matplotlib', 'scipy'} & set(sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
