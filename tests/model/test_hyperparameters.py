"""Options of KGIF: those of its yaml file, checked by the model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from recbole_kgif.common.hyperparameters import OPTIONS
from recbole_kgif.common.resources import resource
from recbole_kgif.model.fast_kgif import KGIF
from tests.conftest import Loaded
from tests.model.helpers import build

KGIF_YAML = resource("properties/model/KGIF.yaml")
# Options of the yaml file that RecBole's trainer reads, not the model.
TRAINER_OPTIONS = {"learning_rate", "weight_decay"}


class RecordingConfig:
    """A configuration that notes which options are read."""

    def __init__(self, config: Any):
        self.config = config
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.config[name]


def test_options_of_the_yaml_file_are_those_checked_and_read(
    load_tiny: Callable[..., Loaded],
) -> None:
    listed = set(yaml.safe_load(KGIF_YAML.read_text("utf-8")))
    assert listed == set(OPTIONS) | TRAINER_OPTIONS
    loaded = load_tiny()
    config = RecordingConfig(loaded.config)
    KGIF(config, loaded.train_data._dataset)
    assert set(OPTIONS) <= config.read
    recbole_fields = {name for name in config.read if name.isupper()}
    assert config.read - set(OPTIONS) - recbole_fields == {
        "device",
        "kg_reverse_r",
        "train_neg_sample_args",
    }


def test_options_of_the_yaml_file_are_documented_in_recboles_form() -> None:
    for line in KGIF_YAML.read_text("utf-8").splitlines():
        assert re.fullmatch(
            r"\w+: \S+ +# \((int|float|bool|str|list)\) [A-Z].*[.\]]", line
        ), line


def test_options_of_the_yaml_file_name_every_choice() -> None:
    lines = {
        line.split(":")[0]: line for line in KGIF_YAML.read_text("utf-8").splitlines()
    }
    for name, (_, allowed) in OPTIONS.items():
        choices = (
            allowed.partition("one of ")[2].split(", ") if "one of" in allowed else []
        )
        if choices != ["True", "False"]:
            assert all(f"'{choice}'" in lines[name] for choice in choices if choice)


BAD_VALUES = [
    ("embedding_size", -4),
    ("embedding_size", 8.0),
    ("n_layers", -1),
    ("n_layers", True),
    ("fusion", 1),
    ("dynamic_projection", "yes"),
    ("attention", "kgat"),
    ("attention_update", "batch"),
    ("attention_update", 0),
    ("propagation", "gcn"),
    ("layer_sizes", [64, 0]),
    ("walks", 1),
    ("item_bias", "no"),
    ("similarity", "dot"),
    ("dropout", 1.0),
    ("loss", "ce"),
    ("n_negatives", 0),
    ("temperature", 0),
    ("knowledge_weight", -0.1),
    ("knowledge_update", "never"),
    ("new_items_cost", 1.5),
    ("initial_std", math.nan),
]


def test_every_option_has_a_bad_value_tried() -> None:
    assert {name for name, _ in BAD_VALUES} == set(OPTIONS)


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_bad_option_is_named_with_its_value_and_what_is_allowed(
    load_tiny: Callable[..., Loaded], name: str, value: Any
) -> None:
    loaded = load_tiny()
    loaded.config[name] = value
    with pytest.raises(ValueError) as raised:
        build(loaded)
    assert str(raised.value).startswith(f"{name}={value!r} is not allowed")
    assert OPTIONS[name][1] in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kg_reverse_r": True}, "kg_reverse_r=True is not allowed"),
        ({"train_neg_sample_args": None}, "train_neg_sample_args=None is not allowed"),
        (
            {"attention_update": "epoch", "knowledge_weight": 0},
            "knowledge_weight=0 is not allowed with attention_update=epoch",
        ),
        (
            {"layer_sizes": [8, 8, 8]},
            "layer_sizes=[8, 8, 8] is not allowed with propagation=linear",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    load_tiny: Callable[..., Loaded], options: dict[str, Any], message: str
) -> None:
    loaded = load_tiny()
    for name, value in options.items():
        loaded.config[name] = value
    if options.get("train_neg_sample_args", 0) is None:
        loaded.config["train_neg_sample_args"] = {"distribution": "none"}
    with pytest.raises(ValueError, match=re.escape(message)):
        build(loaded)
