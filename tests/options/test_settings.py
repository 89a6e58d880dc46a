from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.common.resources import resource
from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.errors import UserError
from recbole_kgif.options.models import (
    KNOWLEDGE_FAMILY,
    base_model,
    check_model,
    known_models,
)
from recbole_kgif.options.settings import (
    check_loaded_columns,
    dataset_options,
    default_options,
    parse_overrides,
    read_config_file,
)

COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


def test_known_models_are_those_that_recbole_finds() -> None:
    from recbole.utils import get_model

    models = known_models()
    assert len(models) > 90
    assert models["KGIF"] == models["KGAT"] == KNOWLEDGE_FAMILY
    assert models["BPR"] == "general_recommender"
    for name, family in models.items():
        # These alone need packages that RecBole does not install.
        if family != "exlib_recommender":
            assert get_model(base_model(name)).__name__ == base_model(name)


@pytest.mark.parametrize(
    ("name", "near"), [("KGFI", "KGIF"), ("kgatt", "KGAT"), ("LightGNC", "LightGCN")]
)
def test_an_unknown_model_is_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"--model {name}: no such model; .*{near}"):
        check_model(name)


def test_known_options_are_recboles_and_the_models_own() -> None:
    kgif, kgat = default_options("KGIF"), default_options("KGAT")
    assert kgif["temperature"] == 0.2
    assert kgif["weight_decay"] == 5e-5
    assert kgif["train_batch_size"] == kgat["train_batch_size"] == 2048
    assert "aggregator_type" in kgat
    assert "aggregator_type" not in kgif
    assert {"benchmark_filename", "kg_reverse_r", "gpu_id", "encoding"} <= set(kgif)


def test_every_option_that_recbole_reads_for_these_models_is_known() -> None:
    from recbole.config import Config

    reads: set[str] = set()
    get = Config.__getitem__

    def noting_get(config: Config, name: str) -> Any:
        reads.add(name)
        return get(config, name)

    known = set(default_options("KGIF"))
    derived = {"model", "dataset", "device", "MODEL_TYPE", "MODEL_INPUT_TYPE"}
    derived |= {"eval_type", "single_spec", "local_rank", "world_size"}
    derived |= {"valid_neg_sample_args", "test_neg_sample_args"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, "__getitem__", noting_get)
        _load_ml_100k(patch)
    assert len(reads) > 50
    assert reads - known - derived == set()


def _load_ml_100k(patch: pytest.MonkeyPatch) -> None:
    import sys

    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation

    patch.setattr(sys, "argv", ["pytest"])
    config = Config("KGIF", "ml-100k", config_dict={"state": "ERROR"})
    data_preparation(config, create_dataset(config))


def test_overrides_are_read_as_yaml() -> None:
    arguments = [
        "--learning_rate=1e-2",
        "--topk=[1, 5]",
        "--fusion=False",
        "--eval_args={split: {RS: [0.7, 0.2, 0.1]}}",
        "--attention=none",
        # Texts, whatever YAML would make of them.
        "--user_inter_num_interval=[2,inf)",
        "--item_inter_num_interval='[3,inf)'",
        "--entity_kg_num_interval=~",
        r"--field_separator=\t",
        "--seq_separator=|",
    ]
    assert parse_overrides(arguments, "KGIF") == {
        "learning_rate": 0.01,
        "topk": [1, 5],
        "fusion": False,
        "eval_args": {"split": {"RS": [0.7, 0.2, 0.1]}},
        "attention": "none",
        "user_inter_num_interval": "[2,inf)",
        "item_inter_num_interval": "[3,inf)",
        "entity_kg_num_interval": None,
        "field_separator": "\t",
        "seq_separator": "|",
    }


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--embeding_size=3", "unknown option embeding_size; did you mean embedding_"),
        ("--fusion=1", "--fusion=1: fusion must be True or False"),
        ("--learning_rate=fast", "learning_rate must be a number, as 0.002 is"),
        ("--learning_rate=-1", "learning_rate must be at least 0"),
        ("--epochs=0", "epochs must be at least 1"),
        ("--epochs=2.5", "epochs must be a whole number"),
        ("--eval_args=5", "eval_args must be of the form"),
        ("--topk=[1", "--topk=[1: the value is not valid YAML"),
        ("--gpu_id=@", "is given as \"--gpu_id='TEXT'\""),
        ("--worker=-1", "worker must be at least 0"),
        ("--loss_decimal_place=-1", "loss_decimal_place must be at least 0"),
        ("--topk", "--topk: has no value; give --topk=VALUE"),
        ("lastfm", "lastfm: not understood"),
    ],
)
def test_a_bad_override_is_told_in_one_line(argument: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_overrides([argument], "KGIF")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_config_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("n_layers: 2\nweight_decay: 1e-3  # more\n", "utf-8")
    assert read_config_file(path, "KGIF") == {"n_layers": 2, "weight_decay": 0.001}
    path.write_text("", "utf-8")
    assert read_config_file(path, "KGIF") == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"n_layers: [2\nfusion: True", "line 2: not valid YAML"),
        (b"just words", "holds no `key: value` lines"),
        (b"n_layer: 2", "unknown option n_layer; did you mean n_layers"),
        (b"\xff\xfe\x00", "cannot be read as a UTF-8 file"),
        (b"a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"? [1]\n: 2", "not valid YAML"),
    ],
)
def test_a_bad_config_file_is_told_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_config_file(path, "KGIF")
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read"):
        read_config_file(tmp_path / "none.yaml", "KGIF")


def test_every_data_set_is_measured_alike(tmp_path: Path) -> None:
    common = dataset_options("a-data-set-of-ones-own", tmp_path)
    for path in sorted(resource("dataset_configs").glob("*.yaml")):
        options = dataset_options(path.stem, tmp_path)
        for name in ("metrics", "topk", "valid_metric"):
            assert options[name] == common[name], path
        assert options["eval_args"]["mode"] == "full"


def test_options_of_every_data_set_are_known() -> None:
    for path in sorted(resource("dataset_configs").glob("*.yaml")):
        assert read_config_file(path, "KGIF")


def test_a_split_data_set_of_ones_own_is_recognised(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        assert "benchmark_filename" not in dataset_options("own", tmp_path)
        (tmp_path / f"own.{part}.inter").touch()
    options = dataset_options("own", tmp_path)
    assert options["benchmark_filename"] == ["train", "valid", "test"]
    (tmp_path / "own.inter").touch()
    assert "benchmark_filename" not in dataset_options("own", tmp_path)


def test_column_names_are_those_of_recboles_options() -> None:
    defaults = FieldNames.from_options(default_options("KGIF"))
    assert defaults == FieldNames()
    renamed = FieldNames.from_options(
        {"ITEM_ID_FIELD": "iid", "TAIL_ENTITY_ID_FIELD": "t"}
    )
    assert renamed == FieldNames(item="iid", tail="t")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"load_col": {"inter": ["user_id", "item_id"]}},
            "lacks kg; add kg: [head_id, relation_id, tail_id]",
        ),
        (
            {"load_col": {**COLUMNS, "link": ["item_id"]}},
            "load_col: link: ['item_id'] lacks entity_id; add it",
        ),
        (
            {"load_col": COLUMNS, "alias_of_user_id": ["friend"]},
            "alias_of_user_id: no loaded column is friend",
        ),
        (
            {"load_col": COLUMNS, "eval_args": {"order": "TO"}},
            "eval_args: order TO needs the column timestamp",
        ),
    ],
)
def test_columns_that_a_run_needs_are_loaded(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as raised:
        check_loaded_columns(options, needs_knowledge_graph=True)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"load_col": None},
        {"load_col": COLUMNS},
        {"load_col": COLUMNS, "eval_args": {"order": "TO"}, "TIME_FIELD": "item_id"},
    ],
)
def test_other_columns_are_not_asked_for(options: dict[str, Any]) -> None:
    check_loaded_columns(options, needs_knowledge_graph=True)


def test_without_triples_none_are_loaded() -> None:
    options = {"load_col": {"inter": ["user_id", "item_id"]}}
    check_loaded_columns(options, needs_knowledge_graph=False)
