"""What commands print: lines of epochs, dry runs, lists of models and data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.training.console import EpochLines
from tests.cli.test_cli import TINY

OPTIONS = [argument for argument in TINY if "state" not in argument]


def epoch(number: int, ndcg: float) -> dict[str, object]:
    return {
        "epoch": number,
        "training_seconds": 1.0,
        "validation_seconds": 0.5,
        "loss": (1.0, 0.25),
        "valid": {"ndcg@3": ndcg},
    }


def test_a_line_has_loss_metric_and_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EpochLines("NDCG@3", epochs=300, is_larger_better=True)
    for number, ndcg in enumerate((0.1, 0.3, 0.2)):
        lines.show(epoch(number, ndcg))
    assert capsys.readouterr().err.splitlines() == [
        "epoch   1/300  loss 1.2500  NDCG@3 0.1000 *  1.5 s",
        "epoch   2/300  loss 1.2500  NDCG@3 0.3000 *  1.5 s",
        "epoch   3/300  loss 1.2500  NDCG@3 0.2000    1.5 s",
    ]


def test_hundreds_of_epochs_have_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = EpochLines("NDCG@3", epochs=300, is_larger_better=True)
    for number in range(300):
        lines.show(epoch(number, 0.1))
    shown = [int(line[5:9]) for line in capsys.readouterr().err.splitlines()]
    assert shown[:9] == [1, 2, 3, 4, 5, 8, 12, 18, 27]
    assert len(shown) < 16


def test_a_slow_epoch_has_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = EpochLines("NDCG@3", epochs=300, is_larger_better=True)
    lines.show(epoch(98, 0.1))
    lines.show(epoch(99, 0.1))
    now = lines._time + 61
    monkeypatch.setattr("recbole_kgif.training.console.time.monotonic", lambda: now)
    lines.show(epoch(100, 0.1))
    shown = [int(line[5:9]) for line in capsys.readouterr().err.splitlines()]
    assert shown == [99, 101]


def log_of(folder: Path) -> str:
    (path,) = folder.glob("log/KGIF/*.log")
    return path.read_text("utf-8")


def test_a_training_is_short_and_its_log_whole(
    data_path: Path, in_tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    root = logging.getLogger()
    before, root.handlers = root.handlers, []  # RecBole sets up its own where none is
    try:
        assert main([*OPTIONS, "-o", "a"]) == 0
        usual = capfd.readouterr()
        assert main([*OPTIONS, "-o", "b", "-v"]) == 0
        verbose = capfd.readouterr()
        assert main([*OPTIONS, "-o", "c", "-q"]) == 0
        quiet = capfd.readouterr()
    finally:
        root.handlers = before
    assert [line.split()[0] for line in usual.err.splitlines()] == ["epoch"] * 2
    assert "train_loss" in verbose.err and "The number of users" in verbose.err
    assert "shims" in verbose.out and "shims" not in usual.out
    assert quiet.err == ""
    assert quiet.out.startswith("\nKGIF on tiny\n")
    for folder in ("a", "b", "c"):
        assert "epoch 1 evaluating" in log_of(Path(folder))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-o", "out"], ["would start 1 run: KGIF on tiny", "epochs=2", "folder out"]),
        (
            ["compare", "-m", "KGIF,BPR", "--seeds", "3", "--jobs=2"],
            [
                "would start 6 runs on tiny, 2 at a time",
                "KGIF, BPR",
                "2020, 2021, 2022",
            ],
        ),
        (["ablate", "--seeds=7,8"], ["would start 23 runs on tiny", "without-walks"]),
        (
            ["robustness", "-m", "KGIF", "--seeds=1"],
            ["would start 7 runs on tiny", "KGIF-removed-25", "runs/robustness/tiny"],
        ),
        (
            ["tune", "-m", "KGIF,BPR", "--trials=4"],
            ["would run up to 8 trials", "BPR: 4 trials of learning_rate"],
        ),
    ],
)
def test_a_dry_run_says_what_would_be_done(
    arguments: list[str],
    says: list[str],
    data_path: Path,
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = set(Path().rglob("*"))
    assert main([*arguments, *OPTIONS, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for text in (*says, "dry run: nothing was started"):
        assert text in printed
    assert set(Path().rglob("*")) == before


def test_models_are_listed_by_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "knowledge-aware, " in printed and "  KGIF, CFKG, CKE" in printed
    assert max(map(len, printed.splitlines())) < 80


def test_data_sets_are_listed_with_their_places(
    data_path: Path,
    in_tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RECBOLE_KGIF_DATA", str(in_tmp_path))
    assert main(["datasets"]) == 0
    rows = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:]
    )
    assert rows["ml-100k"] == "part of the recbole package"
    assert rows["tiny"] == "dataset/tiny"
    assert rows["yelp2018"] == "made by: prepare --kgat yelp2018"
    assert rows["lastfm"].startswith("downloaded and prepared")
    assert rows["lastfm-split"].startswith("not here; get it from github.com/")
