"""Several spellings of one argument, and what is answered to a wrong one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.cli.argument_parser import ArgumentParser
from recbole_kgif.options.argument_types import seed_numbers, seeds_of_runs
from tests.cli.test_cli import CHECKOUT, TINY, error_of


def rest_of(*arguments: str) -> list[str]:
    parser = ArgumentParser(also={"--k": "--top-k"})
    parser.add_argument("--top-k")
    parser.add_argument("--world_size")
    namespace, rest = parser.parse_known_args(list(arguments))
    return [*rest, *(f"{k}:{v}" for k, v in vars(namespace).items() if v)]


@pytest.mark.parametrize(
    ("arguments", "understood"),
    [
        (["--learning_rate", "0.01"], ["--learning_rate=0.01"]),
        (["--learning-rate=0.01"], ["--learning_rate=0.01"]),
        (["--a-b", "-1", "--c=d-e"], ["--a_b=-1", "--c=d-e"]),
        (["--topk", "[1, 2]", "--last"], ["--topk=[1, 2]", "--last"]),
        (["--k", "3"], ["top_k:3"]),
        (["--top_k=3", "--world-size", "2"], ["top_k:3", "world_size:2"]),
        (["stray", "--a", "1", "other"], ["stray", "--a=1", "other"]),
        # RecBole's spelling of another form: refused by name.
        (["--config_files", "a b"], ["--config_files=a b"]),
    ],
)
def test_an_option_may_be_spelt_in_several_ways(
    arguments: list[str], understood: list[str]
) -> None:
    assert rest_of(*arguments) == understood


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=kgfi"], "--model kgfi: no such model; did you mean "),
        (["--lr=0.1"], "--lr=0.1: unknown option lr; did you mean learning_rate?"),
        (["--lr", "0.1"], "--lr=0.1: unknown option lr; did you mean learning_rate?"),
        (["--batch-size", "9"], "did you mean train_batch_size?"),
        (["--attention", "foo"], "attention='foo' is not allowed; it must be one of"),
        (
            ["--attention-update=epoch", "--knowledge-weight=0"],
            "knowledge_weight=0 is not allowed with attention_update=epoch",
        ),
        (["--dataset=amazon-book"], "with: prepare --kgat amazon-book"),
        (["-x"], "-x: not understood"),
        (["trian", "-d", "x"], "trian: no such command; did you mean train?"),
        (["train", "-d", "x"], "the data set 'x' is unknown"),
        (["-q", "--outptu", "a"], "--outptu: no such argument; did you mean --out"),
        (["--n-layers"], "--n_layers: has no value; give --n_layers=VALUE or"),
        (
            ["compare", "-m", "BPR", "--seeds", "2020"],
            "mean --seeds 2020,2021?",
        ),
        (
            ["compare", "-m", "BPR", "--seeds", "1,1"],
            "argument --seeds: 1,1 lists 1 tw",
        ),
        (["compare", "-m", "BPR", "--seeds", ","], "argument --seeds: , lists no seed"),
        (
            ["explain", "--checkpoint=x", "--users=a", "--user=b"],
            "--users: needs --eval",
        ),
    ],
)
def test_a_wrong_one_is_answered_in_one_line(
    data_path: Path,
    in_tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    is_training = arguments[0].startswith("-")
    given = [*TINY, *arguments] if is_training else arguments
    assert message in error_of(given, capsys)
    assert not Path("runs").exists()


def test_seeds_are_counted_or_listed() -> None:
    assert seed_numbers(seeds_of_runs("2")) == [2020, 2021]
    assert seed_numbers(seeds_of_runs("7, 3")) == [7, 3]
    assert seed_numbers(seeds_of_runs("2020,")) == [2020]


def test_a_training_in_short_forms(
    data_path: Path, in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [argument for argument in TINY if "dataset" not in argument]
    options = [argument.replace("_", "-", 1) for argument in options]
    arguments = ["-m", "kgif", "-d", "tiny", "-o", "out", "--n-layers", "1"]
    assert main([*options, *arguments]) == 0
    record = json.loads(Path("out/result.json").read_text("utf-8"))
    assert (record["model"], record["configuration"]["n_layers"]) == ("KGIF", 1)


def test_the_package_is_a_program() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "recbole_kgif", "--version"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip()
