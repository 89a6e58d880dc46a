"""What the command refuses, before anything is loaded or written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from tests.conftest import TINY_OPTIONS

TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
]


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    assert main(["tune", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --models"),
        (["--models=KGTA"], "--models KGTA: no such model; did you mean KGAT"),
        (["--models=BPR,BPR"], "BPR is listed twice"),
        (["--models=SASRec"], "neither knowledge-aware nor a general model"),
        (
            ["--models=NGCF"],
            "--models NGCF: no search space is known for it; known are",
        ),
        (["--models=BPR", "--trials=0"], "0 is not a whole number from 1 on"),
        (["--models=BPR", "--trials=many"], "many is not a whole number from 1 on"),
        (["--models=BPR", "--jobs=-1"], "-1 is not a whole number from 1 on"),
        (["--models=BPR", "--jobs=" + "9" * 20], "9 is more than 1,000,000"),
        (["--models=BPR", "--seed=4294967296"], "4294967296 is not a whole number"),
        (["--models=BPR", "--time-limit=0"], "0 is not a number above 0"),
        (
            ["--models=BPR", "--seed=one"],
            "one is not a whole number from 0 to",
        ),
        (["--models=BPR", "--epochs=0"], "epochs must be at least 1"),
        (["--models=BPR", "--learning_rat=1"], "did you mean learning_rate"),
        (
            ["--models=BPR", "--learning_rate=1", "--weight_decay=0"],
            "BPR: nothing is left to tune, as learning_rate and weight_decay are given",
        ),
        (
            ["--models=KGAT,BPR", "--layers=[64]"],
            "BPR refuses it and KGAT would take it: leave it out, or tune the models",
        ),
        (["--models=BPR", "--valid_metric=NDCG@7"], "valid_metric=NDCG@7: is not com"),
        (["--models=BPR", "--source=nowhere"], "--source nowhere is not a folder"),
        (["--models=BPR", "--output=file"], "--output file: cannot be written to"),
        (["--models=BPR", "--storage=x://y"], "--storage: cannot be used ("),
    ],
)
def test_mistakes_are_told_in_one_line(
    arguments: list[str],
    message: str,
    data_path: Path,
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("file").write_text("", "utf-8")
    assert message in error_of([*TINY, "--output=out", *arguments], capsys)
    assert not Path("out/trials").exists()


def test_a_seed_stands_in_no_configuration_file(
    in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("own.yaml").write_text("seed: 3", "utf-8")
    arguments = ["--models=BPR", "--config-files", "own.yaml"]
    assert "by --seed to tune" in error_of(arguments, capsys)


def test_without_optuna_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    error = error_of(["--models=BPR"], capsys)
    assert 'pip install "recbole-kgif[tune]"' in error
    assert 'pip install -e ".[tune]"' in error


def test_a_mistake_is_told_before_optuna_and_torch_are_loaded() -> None:
    code = (
        "import sys; from recbole_kgif.cli import main; "
        "assert main(['tune', '--models=KGTA']) == 2; "
        "assert not {'optuna', 'torch', 'recbole'} & set(sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
