from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from recbole_kgif.cli.many_runs import Reporter
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.run_requests import RunRequest
from recbole_kgif.experiments.trial_requests import ModelPlan
from recbole_kgif.options.protocols import (
    KGAT_PAPER,
    PROTOCOLS,
    RECBOLE,
    in_words,
    protocol_of,
    under_protocol,
)
from recbole_kgif.report.run_files import common_settings_of
from recbole_kgif.report.run_records import read_comparison
from tests.cli.test_cli import TINY, error_of, in_data
from tests.report.records_by_hand import page, record, write_record

__all__ = ["in_data"]

SPLIT = {"benchmark_filename": ["train", "valid", "test"]}
ITEMS = 130


@pytest.fixture
def split_dataset(in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set that comes split, with more items than the longest list."""
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    folder = in_tmp_path / "dataset" / "grown"
    folder.mkdir(parents=True)
    rng = random.Random(0)
    parts: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for user in range(20):
        items = rng.sample(range(ITEMS), 12)
        rest = [item for item in range(user, ITEMS, 20) if item not in items]
        for part, chosen in (
            ("train", items[:8] + rest),
            ("valid", items[8:10]),
            ("test", items[10:]),
        ):
            parts[part] += [f"u{user}\ti{item}" for item in chosen]
    files = {
        f"{part}.inter": ["user_id:token\titem_id:token", *lines]
        for part, lines in parts.items()
    }
    files["kg"] = [
        "head_id:token\trelation_id:token\ttail_id:token",
        *(f"e{item}\tr\tx{item % 7}" for item in range(ITEMS)),
    ]
    files["link"] = [
        "item_id:token\tentity_id:token",
        *(f"i{item}\te{item}" for item in range(ITEMS)),
    ]
    for name, lines in files.items():
        (folder / f"grown.{name}").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def test_kgats_protocol_goes_over_the_data_sets_options() -> None:
    of_dataset = {**SPLIT, "topk": [10, 20], "valid_metric": "NDCG@20", "load_col": {}}
    options = under_protocol(KGAT_PAPER, of_dataset, {"epochs": 3})
    assert options["protocol"] == KGAT_PAPER
    assert options["valid_metric"] == "Recall@20"
    assert options["topk"][0] == 20
    assert "KGATNDCG" in options["metrics"]
    assert "NDCG" in options["metrics"]
    assert options["load_col"] == {}


def test_recboles_protocol_changes_nothing() -> None:
    assert under_protocol(RECBOLE, {"topk": [3]}, {"metrics": ["MRR"]}) == {"topk": [3]}


def test_what_the_protocol_fixes_cannot_be_given_otherwise() -> None:
    fixed = dict(PROTOCOLS[KGAT_PAPER].options)
    assert under_protocol(KGAT_PAPER, SPLIT, fixed)["topk"] == fixed["topk"]
    for name in fixed:
        with pytest.raises(UserError, match=f"{name}=.* fixes {name} as") as raised:
            under_protocol(KGAT_PAPER, SPLIT, {name: "other"})
        assert "\n" not in str(raised.value)


def test_the_test_must_be_given_and_is_not_drawn() -> None:
    with pytest.raises(UserError, match=r"is not pre-split; .*prepare --kgat"):
        under_protocol(KGAT_PAPER, {"benchmark_filename": None}, {})
    assert under_protocol(KGAT_PAPER, {}, SPLIT)["protocol"] == KGAT_PAPER


def test_a_record_without_a_protocol_is_recboles() -> None:
    assert protocol_of({}) == RECBOLE
    assert in_words("of tomorrow") == "The protocol is of tomorrow."


def test_a_run_states_its_protocol_and_stops_by_the_validation(
    split_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--dataset=grown", "--epochs=2", "--embedding_size=8"]
    arguments += ["--state=ERROR", "--show_progress=False"]
    assert main([*arguments, "--protocol=kgat-paper", "--output=out"]) == 0
    written = json.loads(Path("out/result.json").read_text("utf-8"))
    assert written["protocol"] == KGAT_PAPER
    assert written["data"]["validation_interactions"] == 40
    assert written["data"]["test_interactions"] == 40
    kept = written["epochs"][written["best_epoch"]]["valid"]["recall@20"]
    assert kept == max(epoch["valid"]["recall@20"] for epoch in written["epochs"])
    test = written["test"]
    assert {name.split("@")[0] for name in test} == {
        *("recall", "ndcg", "kgatndcg", "hit", "precision")
    }
    assert test["kgatndcg@20"] >= test["ndcg@20"]
    assert "protocol    kgat-paper" in capsys.readouterr().out

    assert main(["report", "out"]) == 0
    for name in ("report.md", "report.tex", "report.csv", "report.html"):
        assert "kgat-paper" in Path("out", name).read_text("utf-8"), name
    assert "never by the test" in Path("out/report.md").read_text("utf-8")


def test_a_run_by_default_is_recboles(
    in_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = [a for a in TINY if "metrics" not in a]
    asked = ["--metrics=[NDCG,kgatndcg]", "--output=out", "--epochs=1"]
    assert main([*metrics, *asked]) == 0
    written = json.loads(Path("out/result.json").read_text("utf-8"))
    assert written["protocol"] == RECBOLE
    assert set(written["test"]) == {"ndcg@2", "ndcg@3", "kgatndcg@2", "kgatndcg@3"}


def test_a_comparison_gives_every_model_the_protocol(
    split_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[RunRequest] = []

    def keep(requests: list[RunRequest], *_: object, **__: object) -> int:
        asked.extend(requests)
        return 0

    monkeypatch.setattr("recbole_kgif.cli.many_runs.run_all", keep)
    reporter = Reporter(lambda *_: [], lambda _: "")
    monkeypatch.setattr("recbole_kgif.cli.compare._reporter", lambda: reporter)
    monkeypatch.setattr(
        "recbole_kgif.report.run_records.read_comparison", lambda _: None
    )
    arguments = ["compare", "--dataset=grown", "--models=KGIF,BPR", "--seeds=1"]
    assert main([*arguments, "--protocol=kgat-paper"]) == 0
    assert main(arguments) == 0
    settings = [common_settings_of(request.to_json()) for request in asked]
    assert settings[0] == settings[1]
    assert settings[0]["protocol"] == KGAT_PAPER
    assert settings[0]["valid_metric"] == "Recall@20"
    # Runs that were recorded before there were protocols still fit.
    assert "protocol" not in settings[2]


def test_a_tuning_gives_every_trial_the_protocol(
    split_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[ModelPlan] = []

    def keep(plans: list[ModelPlan], *_: object, **__: object) -> list[Any]:
        planned.extend(plans)
        return []

    monkeypatch.setattr("recbole_kgif.experiments.tuning.tune_all", keep)
    arguments = ["tune", "--dataset=grown", "--models=KGIF,BPR", "--trials=1"]
    assert main([*arguments, "--protocol=kgat-paper"]) == 0
    assert {plan.metric for plan in planned} == {"recall@20"}
    settings = [common_settings_of(plan.request.to_json()) for plan in planned]
    assert settings[0] == settings[1]
    assert settings[0]["protocol"] == KGAT_PAPER


def test_a_report_tells_the_protocol_in_words() -> None:
    def words(**changes: Any) -> str:
        return page(record("KGIF", **changes)).partition("## Protocol ")[2]

    assert words().startswith("The protocol is recbole")
    assert words(protocol=KGAT_PAPER).startswith(PROTOCOLS[KGAT_PAPER].words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol=kgat"], "--protocol: invalid choice: 'kgat'"),
        (["--protocol=kgat-paper"], "topk='[2, 3]': --protocol kgat-paper fixes topk"),
    ],
)
def test_a_bad_protocol_is_told_in_one_line(
    in_data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert message in error_of([*TINY, *arguments], capsys)
    assert not Path("runs").exists()


def test_runs_of_different_protocols_are_not_reported_together(tmp_path: Path) -> None:
    write_record(tmp_path, record("KGIF"))
    write_record(tmp_path, record("BPR", protocol=KGAT_PAPER))
    with pytest.raises(UserError, match=r"different protocols .*protocol kgat-paper"):
        read_comparison([tmp_path])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=SASRec"], "learns from the order of interactions"),
        (["--eval_args={mode: uni100}"], "fixes eval_args"),
        (["--topk=[5]"], "valid_metric=warmonly-NDCG@20: is not computed"),
    ],
)
def test_what_the_protocol_of_new_items_refuses(
    split_dataset: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = ["--dataset=grown", "--protocol=new-items", "--dry-run"]
    assert main([*given, *arguments]) == 2
    assert message in capsys.readouterr().err


def test_groups_choose_under_their_protocol_alone(
    split_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--dataset=grown", "--dry-run", "--valid_metric=new-NDCG@20"]
    assert main(given) == 2
    assert "choose under --protocol new-items alone" in capsys.readouterr().err
    assert main([*given, "--protocol=new-items"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--split is missing; give random or new-items"),
        (["--split=time"], "--split time: --dataset takes random or new-items"),
        (
            ["--split=random", "--triples=a.csv"],
            "--triples: belongs to --interactions, not to --dataset",
        ),
    ],
)
def test_what_a_new_split_of_a_data_set_refuses(
    split_dataset: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = ["prepare", "--dataset=grown", "--name=again", *arguments]
    assert main(given) == 2
    assert message in capsys.readouterr().err
    assert not Path("dataset/again").exists()
