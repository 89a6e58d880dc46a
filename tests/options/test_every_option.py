"""Every option that RecBole knows acts, is refused, or is warned of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from recbole_kgif.options.effects import REFUSED, WARNED
from recbole_kgif.options.settings import default_options

N_USERS, N_ITEMS = 14, 12

# One run that all others are compared with, on data that are not split.
BASE: Mapping[str, Any] = {
    "load_col": {
        "inter": ["user_id", "item_id", "rating", "timestamp"],
        "kg": ["head_id", "relation_id", "tail_id"],
        "link": ["item_id", "entity_id"],
    },
    "eval_args": {"split": {"RS": [0.5, 0.25, 0.25]}, "order": "RO", "mode": "full"},
    "epochs": 8,
    "learning_rate": 0.05,
    "embedding_size": 4,
    "n_layers": 1,
    "topk": [2, 3],
    "metrics": ["Recall", "NDCG"],
    "valid_metric": "NDCG@3",
    "use_gpu": False,
}

# Refused wherever they are given, with what to do.
REFUSED_ALWAYS: Mapping[str, tuple[Any, str]] = {
    "config_file": ("a.yaml", "--config-files"),
    "checkpoint_dir": ("saved", "--output"),
    "save_dataloaders": (True, "cannot store"),
    "kg_reverse_r": (True, "kg_reverse_r"),
    # `load_col` has a default for knowledge-aware models.
    "unload_col": ({"inter": ["rating"]}, "load_col"),
}

# Refused or warned of on these data, see `effects`: the value, and what is given too.
WITHOUT_EFFECT: Mapping[str, Any] = {
    "dataset_save_path": "nowhere.pth",
    "dataloaders_save_path": "nowhere.pth",
    "preload_weight": {"item_id": "rating"},
    "valid_metric_bigger": False,
    "candidates": "catalogue",
    "wandb_project": "mine",
    "tail_ratio": 0.2,
    "ITEM_LIST_LENGTH_FIELD": "length",
    "LIST_SUFFIX": "_all",
    "MAX_ITEM_LIST_LENGTH": 5,
    "POSITION_FIELD": "place",
    "transform": "mask_itemseq",
    "train_rec_step": 3,
    "train_kg_step": 3,
    "shuffle": False,
    "threshold": {"rating": 3},
    "LABEL_FIELD": "rating",
    "normalize_field": ["rating"],
    "normalize_all": True,
    "numerical_features": ["rating"],
    "discretization": {"rating": {"method": "LD"}},
    "require_pow": True,
    "unused_col": {"inter": ["rating"]},
    "seq_len": {"rating": 2},
    "token_num_threshold": 3,
}

# A value with an effect that the run's record, files or log show.
ACTING: Mapping[str, Any] = {
    "seed": 3,
    "epochs": 2,
    "train_batch_size": 7,
    "learner": "sgd",
    "learning_rate": 0.1,
    "train_neg_sample_args": {"distribution": "popularity"},
    "eval_step": 2,
    "stopping_step": 0,
    "clip_grad_norm": {"max_norm": 0.0001},
    "weight_decay": 0.5,
    "eval_args": {"mode": "uni2"},
    "repeatable": True,
    "metrics": ["MRR", "NDCG"],
    "topk": [3],
    "valid_metric": "Recall@2",
    "metric_decimal_place": 1,
    "enable_amp": True,
    "save_dataset": True,
    "refit": True,
    "rm_dup_inter": "first",
    "val_interval": {"rating": "[3,inf)"},
    "user_inter_num_interval": "[5,inf)",
    "item_inter_num_interval": "[6,inf)",
    "entity_kg_num_interval": "[0,3]",
    "relation_kg_num_interval": "[5,inf)",
}

# Given with another one.
TOGETHER: Mapping[str, Mapping[str, Any]] = {
    "eval_step": {"epochs": 8},
}

# Options whose effect the run above cannot show, and why.
NOT_SHOWN: Mapping[str, str] = {
    **dict.fromkeys(("gpu_id", "use_gpu", "enable_scaler"), "needs a GPU"),
    "reproducibility": "turns off cuDNN's choice of algorithms",
    "data_path": "names the folder of the data",
    "load_col": "names what is loaded; files and columns are checked",
    "unlinked_items": "needs items without an entity",
    "show_progress": "shows a bar",
    "state": "chooses what is logged",
    "loss_decimal_place": "rounds what is logged",
    **dict.fromkeys(("log_wandb", "log_mlflow"), "needs a package, or is refused"),
    "eval_batch_size": "bounds memory",
    "worker": "loads batches in other processes",
    "benchmark_filename": "needs pre-split data",
    "filter_inter_by_user_or_item": "needs files of users or items",
    "additional_feat_suffix": "needs another file",
    **dict.fromkeys(
        ("field_separator", "seq_separator", "encoding"), "says how files are written"
    ),
    **dict.fromkeys(
        (
            *("USER_ID_FIELD", "ITEM_ID_FIELD", "RATING_FIELD", "TIME_FIELD"),
            *("HEAD_ENTITY_ID_FIELD", "TAIL_ENTITY_ID_FIELD", "RELATION_ID_FIELD"),
            *("ENTITY_ID_FIELD", "NEG_PREFIX", "alias_of_user_id", "alias_of_item_id"),
            *("alias_of_entity_id", "alias_of_relation_id"),
        ),
        "names columns",
    ),
}


def write_dataset(folder: Path) -> None:
    """Users with neighbouring items, repeated and rated; one item without a link."""
    folder.mkdir(parents=True)
    inter = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(N_USERS):
        for place in range(4 + user % 4):
            item = (user + place * place) % N_ITEMS
            inter.append(f"u{user}\ti{item}\t{1 + (user + item) % 5}\t{50 - place}")
    inter.append(inter[1])
    link = ["item_id:token\tentity_id:token"]
    link += [f"i{item}\te{item}" for item in range(N_ITEMS)]
    kg = ["head_id:token\trelation_id:token\ttail_id:token"]
    kg += [f"e{item}\tkind\tk{item // 2}" for item in range(N_ITEMS)]
    kg += [f"e{item}\tmaker\tm{item % 3}" for item in range(0, N_ITEMS, 3)]
    for suffix, lines in (("inter", inter), ("link", link), ("kg", kg)):
        (folder / f"t.{suffix}").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def folder(workplace: Path) -> Path:
    write_dataset(workplace / "dataset" / "t")
    return workplace


def arguments(options: Mapping[str, Any], output: str) -> list[str]:
    every = {**BASE, **options}
    return [
        "--dataset=t",
        f"--output={output}",
        *(f"--{name}={json.dumps(value)}" for name, value in every.items()),
    ]


def run(options: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """Run, and give what is left of it, without times and settings."""
    assert main(arguments(options, folder.name)) == 0
    return observed(folder)


def observed(folder: Path) -> Mapping[str, Any]:
    """The record of a run without times and settings, and the kinds of its files."""
    record = json.loads((folder / "result.json").read_text("utf-8"))
    for name in ("configuration", "started", "peak_memory_bytes"):
        del record[name]
    for name in [name for name in record if "seconds" in name]:
        del record[name]
    record["epochs"] = [
        {name: value for name, value in epoch.items() if "seconds" not in name}
        for epoch in record["epochs"]
    ]
    return {"record": record, "files": sorted(p.suffix for p in folder.iterdir())}


@pytest.fixture(scope="module")
def base(folder: Path) -> Mapping[str, Any]:
    return run({}, folder / "base")


def test_each_option_is_in_one_table() -> None:
    tables = (REFUSED_ALWAYS, WITHOUT_EFFECT, ACTING, NOT_SHOWN)
    named = [name for table in tables for name in table]
    assert sorted(set(named)) == sorted(named)
    assert sorted(named) == sorted(default_options(""))


@pytest.mark.slow
@pytest.mark.parametrize("name", ACTING)
def test_an_option_acts(name: str, folder: Path, base: Mapping[str, Any]) -> None:
    options = {name: ACTING[name], **TOGETHER.get(name, {})}
    assert run(options, folder / f"acts-{name}") != base


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_an_option_without_effect_is_named(
    name: str, folder: Path, base: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert name in {**REFUSED, **WARNED}
    code = main(arguments({name: WITHOUT_EFFECT[name]}, f"without-{name}"))
    written = capsys.readouterr().err
    assert f"{name}=" in written
    assert "has no effect, as" in written
    assert (code, name in REFUSED) in ((2, True), (0, False))
    if code == 0:
        assert observed(folder / f"without-{name}")["record"] == base["record"]


@pytest.mark.parametrize("name", REFUSED_ALWAYS)
def test_an_option_that_is_given_otherwise_is_refused(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value, advice = REFUSED_ALWAYS[name]
    assert main(arguments({name: value}, f"refused-{name}")) == 2
    assert advice in capsys.readouterr().err
