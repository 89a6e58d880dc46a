"""Every kind of evaluation is recorded, or refused before training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from recbole_kgif.training.run_folder import RESULT_FILE
from recbole_kgif.training.run_trainer import RunTrainer

N_USERS, N_ITEMS = 10, 9

COLUMNS = ["user_id", "item_id", "stars", "timestamp"]
OPTIONS: Mapping[str, Any] = {
    "load_col": {
        "inter": COLUMNS,
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    },
    "epochs": 1,
    "topk": [2],
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@2",
    "use_gpu": False,
    "eval_args": {"split": {"RS": [0.5, 0.25, 0.25]}, "order": "RO"},
}
LIKED = {"threshold": {"stars": 3}}
OF_LABELS = {"metrics": ["AUC", "LogLoss"], "valid_metric": "AUC"}
LAST = {"split": {"LS": "valid_and_test"}, "order": "TO"}
WITHOUT_NEGATIVES = {"train_neg_sample_args": None}


def by(mode: Any, **arguments: Any) -> dict[str, Any]:
    """Options of an evaluation in a mode of RecBole's."""
    return {"eval_args": {**OPTIONS["eval_args"], **arguments, "mode": mode}}


@pytest.fixture(scope="module")
def folder(workplace: Path) -> Path:
    """Users with eight items each, rated from 1 to 5 stars."""
    own = workplace / "dataset" / "e"
    own.mkdir(parents=True)
    inter = [
        f"u{user}\ti{(user + place) % N_ITEMS}\t{1 + (user * place) % 5}\t{place}"
        for user in range(N_USERS)
        for place in range(8)
    ]
    files = {
        "inter": ["user_id:token\titem_id:token\tstars:float\ttimestamp:float", *inter],
        "link": ["item_id:token\tentity_id:token"]
        + [f"i{item}\te{item}" for item in range(N_ITEMS)],
        "kg": ["head_id:token\trelation_id:token\ttail_id:token"]
        + [f"e{item}\tin\tpart{item % 3}" for item in range(N_ITEMS)],
    }
    for suffix, lines in files.items():
        (own / f"e.{suffix}").write_text("\n".join(lines) + "\n", "utf-8")
    return workplace


def start(name: str, *arguments: str, model: str = "KGIF", **options: Any) -> int:
    every = {**OPTIONS, **options}
    if model not in ("KGIF", "KGAT", "CFKG"):
        every["load_col"] = {"inter": COLUMNS}
    given = [f"--{option}={json.dumps(value)}" for option, value in every.items()]
    return main(
        ["--dataset=e", f"--model={model}", f"--output={name}", *given, *arguments]
    )


def record_of(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / RESULT_FILE).read_text("utf-8"))
    return record


# --- by labels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("KGIF", {}),
        ("KGIF", by("labeled", group_by="none")),
        ("KGAT", {}),
        ("CFKG", {}),
        ("BPR", {}),
        ("ItemKNN", {}),
        *((model, WITHOUT_NEGATIVES) for model in ("FM", "DeepFM", "LR")),
        ("SASRec", {**WITHOUT_NEGATIVES, **by("labeled", **LAST)}),
    ],
)
def test_labels_are_evaluated_without_values_of_users(
    model: str, options: dict[str, Any], folder: Path
) -> None:
    output = folder / f"labels-{model}-{len(options)}"
    every = {**by("labeled"), **OF_LABELS, **LIKED, **options}
    assert start(output.name, model=model, **every) == 0
    record = record_of(output)
    assert set(record["test"]) == {"auc", "logloss"}
    assert 0 <= record["test"]["auc"] <= 1
    assert not {"test_per_user", "test_per_item"} & set(record)


def test_ratings_are_evaluated_by_their_errors(folder: Path) -> None:
    options = {"metrics": ["RMSE", "MAE"], "valid_metric": "RMSE"}
    given = {**by("labeled"), **options, "LABEL_FIELD": "stars"}
    assert start("ratings", **given) == 0
    assert set(record_of(folder / "ratings")["test"]) == {"rmse", "mae"}


def test_lists_longer_than_the_catalogue_do_not_matter_where_none_are_made(
    folder: Path,
) -> None:
    given = {**by("labeled"), **OF_LABELS, **LIKED, "topk": [50]}
    assert start("no-lists", **given) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "which no interaction has"),
        ({"threshold": {"stars": 0}}, "all 20 valid interactions have the same label"),
    ],
)
def test_labels_that_are_not_there_are_missed_before_training(
    options: dict[str, Any],
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert start("no-labels", **{**by("labeled"), **OF_LABELS, **options}) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert words in error[0]
    assert not (folder / "no-labels").exists()


def test_an_interrupted_test_is_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**by("labeled"), **OF_LABELS, **LIKED}
    with monkeypatch.context() as patch:
        patch.setattr(RunTrainer, "test", lambda _self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            start("resumed", **options)
    assert start("resumed", "--resume", **options) == 0
    assert start("at-once", **options) == 0
    records = [record_of(folder / name) for name in ("resumed", "at-once")]
    assert records[0]["test"] == records[1]["test"]
    assert records[0]["resumed_after_epochs"] == 1


# --- by lists -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("KGIF", by({"valid": "uni3", "test": "full"})),
        ("KGIF", by({"valid": "full", "test": "pop2"})),
        ("SASRec", {**WITHOUT_NEGATIVES, **by("full", **LAST)}),
        ("SASRec", {**WITHOUT_NEGATIVES, **by("uni3", **LAST)}),
        ("GRU4Rec", {"loss_type": "BPR", **by("full", **LAST)}),
    ],
)
def test_lists_have_values_of_users_and_hits_of_items(
    model: str, options: dict[str, Any], folder: Path
) -> None:
    output = folder / f"lists-{model}-{len(list(folder.iterdir()))}"
    assert start(output.name, model=model, **options) == 0
    record = record_of(output)
    of_users = record["test_per_user"]
    assert sorted(of_users["users"]) == sorted(f"u{n}" for n in range(N_USERS))
    values = of_users["metrics"]["recall@2"]
    assert sum(values) / N_USERS == pytest.approx(record["test"]["recall@2"], abs=1e-4)
    assert len(of_users["training_interactions"]) == N_USERS
    n_tested = sum(record["test_per_item"]["test_interactions"])
    assert n_tested == record["data"]["test_interactions"]


def test_several_lists_of_a_user_are_no_values_of_users(folder: Path) -> None:
    options = by("full", split={"RS": [0.4, 0.3, 0.3]}, order="TO")
    given = {**WITHOUT_NEGATIVES, **options}
    assert start("several", model="SASRec", **given) == 0
    record = record_of(folder / "several")
    assert record["data"]["test_interactions"] > N_USERS
    assert "test_per_user" not in record
    assert sum(record["test_per_item"]["test_interactions"]) > N_USERS


# RecBole samples negatives for labels, too.
def test_pairs_with_sampled_negatives_are_not_lists(folder: Path) -> None:
    assert start("pairs", **{**by("uni2"), **OF_LABELS}) == 0
    record = record_of(folder / "pairs")
    assert not {"test_per_user", "test_per_item"} & set(record)


# --- reports ------------------------------------------------------------------------


def test_runs_without_values_of_users_are_in_a_table_without_tests(
    folder: Path,
) -> None:
    given = {**by("labeled"), **OF_LABELS, **LIKED}
    assert start("a", model="BPR", **given) == 0
    assert start("b", model="LightGCN", **given) == 0
    assert main(["report", "a", "b", "--output=table"]) == 0
    page = (folder / "table" / "report.md").read_text("utf-8")
    assert "| Model | Seeds | AUC | LogLoss |" in page
    assert "over all test interactions" in page
    assert "no values of single users, so nothing is tested" in page
    assert "No lists are ranked" in page
    assert "candidates are" not in page


def test_labels_and_lists_are_not_in_one_table(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert start("labels", model="BPR", **by("labeled"), **OF_LABELS, **LIKED) == 0
    assert start("ranked", model="LightGCN") == 0
    assert main(["report", "labels", "ranked", "--output=mixed"]) == 2
    assert "different candidate items" in capsys.readouterr().err
