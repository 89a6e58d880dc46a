from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import (
    GivenOptions,
    find_dataset,
    options_by_model,
    read_options,
    refuse_reserved,
)
from recbole_kgif.experiments.run_requests import RunRequest, plan_runs
from recbole_kgif.options.models import ALL_MODELS, parse_models
from recbole_kgif.options.protocols import RECBOLE
from recbole_kgif.report.run_files import common_settings_of, settings_of
from tests.experiments.planned import planned

METRIC = {"topk": [2], "metrics": ["NDCG"], "valid_metric": "NDCG@2"}


def plan(models: list[str], seeds: int = 1, **above: object) -> list[RunRequest]:
    dataset = planned(**METRIC, data_path="/a")
    return plan_runs(models, seeds, dataset, GivenOptions(in_arguments=above))


def test_all_models_are_known() -> None:
    assert parse_models("all") == list(ALL_MODELS)
    assert parse_models(",".join(ALL_MODELS)) == list(ALL_MODELS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("KGTA", "--models KGTA: no such model; did you mean KGAT"),
        ("KGIF,", "--models : no such model"),
        ("KGIF,KGIF", "KGIF is listed twice"),
        ("SASRec", "neither knowledge-aware nor a general model"),
    ],
)
def test_models_that_cannot_be_compared(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_models(text)


def test_an_option_must_be_known_to_every_model() -> None:
    given = read_options(["KGIF", "BPR"], [], ["--learning_rate=0.01"])
    assert given.common == {"learning_rate": 0.01}
    with pytest.raises(UserError) as raised:
        read_options(["KGAT", "BPR", "CKE"], [], ["--layers=[64]"])
    message = str(raised.value)
    assert "\n" not in message
    assert "--layers=[64]: unknown option" in message
    assert "BPR refuses it and KGAT would take it" in message
    assert "--options-from DIR" in message
    with pytest.raises(UserError, match="did you mean learning_rate") as raised:
        read_options(["KGAT", "BPR"], [], ["--learning_rat=1"])
    assert "options-from" not in str(raised.value)


@pytest.mark.parametrize("option", ["seed", "save_dataset"])
def test_options_that_a_comparison_sets_itself(option: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{option}: {'True' if 'save' in option else 3}", "utf-8")
    with pytest.raises(UserError, match=f"{option}: a comparison sets it itself"):
        refuse_reserved(read_options(["BPR"], [path], []))


def test_a_models_own_file_overrides_files_and_yields_to_arguments(
    tmp_path: Path,
) -> None:
    (tmp_path / "KGAT.yaml").write_text("layers: [8]\nlearning_rate: 0.5\n", "utf-8")
    own = options_by_model(["KGAT", "BPR"], tmp_path)
    assert own == {"KGAT": {"layers": [8], "learning_rate": 0.5}, "BPR": {}}

    def rates(**above: float) -> list[float]:
        given = GivenOptions({"learning_rate": 0.1}, above, own)
        requests = plan_runs(["KGAT", "BPR"], 1, planned(**METRIC), given)
        return [request.options["learning_rate"] for request in requests]

    assert rates() == [0.5, 0.1]
    assert rates(learning_rate=0.9) == [0.9, 0.9]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("KGAT.yaml", "topk: [5]", "topk must be the same for all models"),
        ("KGAT.yaml", "epochs: 5", "epochs must be the same for all models"),
        ("KGAT.yaml", "layer: 5", "unknown option layer; did you mean layers"),
        ("KGTA.yaml", "layers: [5]", "is named after no model; did you mean KGAT"),
        ("CKE.yaml", "", "holds no file for any of KGAT, BPR"),
    ],
)
def test_files_of_models_that_do_not_fit(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(UserError, match=message):
        options_by_model(["KGAT", "BPR"], tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        options_by_model(["KGAT"], tmp_path / "none")


def test_every_model_of_a_seed_comes_before_the_next_seed() -> None:
    requests = plan(["KGIF", "BPR"], seeds=2)
    assert [r.name for r in requests] == [
        *("KGIF-2020", "BPR-2020"),
        *("KGIF-2021", "BPR-2021"),
    ]
    assert {r.split_seed for r in requests} == {2020}


def test_a_request_tells_what_a_run_depends_on_and_no_path() -> None:
    (request,) = plan(["CKE"], learning_rate=1e-2)
    written = request.to_json()
    assert json.loads(json.dumps(written)) == written
    assert "/a" not in json.dumps(written)
    settings = settings_of(written)
    assert settings["learning_rate"] == 0.01
    assert settings["kg_embedding_size"] == 64
    assert settings["file tiny.kg"] == "1"
    assert settings["load_col"]["kg"] == ["head_id", "relation_id", "tail_id"]
    assert set(request.model_options) == {
        *("embedding_size", "kg_embedding_size", "reg_weights"),
    }
    common = common_settings_of(written)
    assert common["topk"] == [2]
    assert "learning_rate" not in common


def test_the_fingerprints_follow_the_files(data_path: Path) -> None:
    folder, parts = data_path / "tiny", ("train", "valid", "test")

    def fingerprints() -> Mapping[str, str]:
        given = GivenOptions(in_arguments={"data_path": str(data_path)})
        return find_dataset("tiny", None, RECBOLE, given).fingerprints

    before = fingerprints()
    assert set(before) == {
        *(f"tiny.{part}.inter" for part in parts),
        *("tiny.kg", "tiny.link"),
    }
    with (folder / "tiny.kg").open("a", encoding="utf-8") as file:
        file.write("e_alien\tgenre\te_horror\n")
    after = fingerprints()
    assert {k for k in before if before[k] != after[k]} == {"tiny.kg"}
