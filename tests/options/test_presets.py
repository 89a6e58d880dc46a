"""Presets: KGIF with other defaults, as models of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.search_spaces import SPACES
from recbole_kgif.options.models import (
    base_model,
    check_model,
    parse_models,
    presets,
    title_of_model,
    with_preset,
)
from recbole_kgif.options.settings import default_options, preset_options

TINY = (
    *("--dataset=tiny", "--benchmark_filename=['train','valid','test']"),
    *("--embedding_size=8", "--topk=[2,3]", "--valid_metric=NDCG@3", "--epochs=1"),
    "--use_gpu=False",
)


def test_a_preset_is_a_model_with_other_defaults() -> None:
    assert list(presets()) == ["KGIF-paper"]
    assert base_model("KGIF-paper") == base_model("KGIF") == "KGIF"
    defaults, own = default_options("KGIF-paper"), preset_options("KGIF-paper")
    assert defaults == {**default_options("KGIF"), **own}
    assert preset_options("KGIF") == {}
    # All options of the model, those that all models share excepted.
    assert set(own) - {"embedding_size"} >= set(SPACES["KGIF-paper"])
    assert title_of_model("KGIF-paper") == "KGIF (paper)"
    assert title_of_model("BPR") == "BPR"


def test_a_preset_is_named_in_either_way() -> None:
    assert parse_models("KGIF,KGIF:paper") == ["KGIF", "KGIF-paper"]
    assert check_model("KGIF:paper") == check_model("KGIF-paper") == "KGIF-paper"
    assert with_preset(["BPR", "KGIF"], "paper") == ["BPR", "KGIF-paper"]
    assert with_preset(["BPR", "KGIF"], None) == ["BPR", "KGIF"]


@pytest.mark.parametrize(
    ("models", "preset", "message"),
    [
        (["KGIF"], "papers", "--preset papers: there is none; did you mean paper"),
        (["BPR"], "paper", "--preset paper: is for KGIF, and BPR is run"),
    ],
)
def test_a_preset_that_does_not_fit(
    models: list[str], preset: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        with_preset(models, preset)


def test_a_run_has_the_options_of_its_preset_below_those_given(
    data_path: Path, in_tmp_path: Path
) -> None:
    arguments = [*TINY, "--preset=paper", "--dropout=0.2", "--output=out"]
    assert main(arguments) == 0
    record = json.loads(Path("out/result.json").read_text("utf-8"))
    configuration = record["configuration"]
    expected = {**preset_options("KGIF-paper"), "dropout": 0.2}
    assert record["model"] == "KGIF"
    assert {name: configuration[name] for name in expected} == expected
    # The recommendation loss and, in a pass of its own, the knowledge loss.
    assert len(record["epochs"][0]["loss"]) == 2


def test_a_comparison_has_a_row_of_its_own_for_a_preset(
    data_path: Path, in_tmp_path: Path
) -> None:
    arguments = ["compare", *TINY, "--models=KGIF:paper,BPR", "--seeds=1"]
    assert main([*arguments, "--output=out"]) == 0
    record = json.loads(Path("out/runs/KGIF-paper-2020/result.json").read_text("utf-8"))
    assert record["configuration"]["layer_sizes"] == [64, 32, 16]
    assert "| KGIF (paper) |" in Path("out/report.md").read_text("utf-8")
