"""The options that the pages list are those that the commands and models read."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from recbole_kgif.cli import COMMANDS
from recbole_kgif.common.resources import resource
from recbole_kgif.options.settings import default_options, read_config_file
from tests.docs.page_commands import INSTALLS_OF_OTHERS, TRAIN
from tests.docs.page_parser import CHECKOUT, PAGES, inline_code, tables_below

OPTIONS_PAGE = CHECKOUT / "docs" / "options.md"


def parsers() -> Mapping[str, Any]:
    return {
        name: importlib.import_module(f"recbole_kgif.cli.{name}")._parser()
        for name in (TRAIN, *COMMANDS)
    }


def options_of(parser: Any) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize("command", [TRAIN, *COMMANDS])
def test_the_options_of_a_command_are_those_of_its_parser(command: str) -> None:
    parser = parsers()[command]
    listed: dict[str, list[str]] = {}
    for cells in tables_below(OPTIONS_PAGE, command):
        for name in re.findall(r"`(--?[\w-]+)", cells[0]):
            assert name not in listed, name
            listed[name] = cells
    assert set(listed) == options_of(parser) - {"-h", "--help"}
    groups = [group for group in parser._mutually_exclusive_groups if group.required]
    alternatives = [action for group in groups for action in group._group_actions]
    for action in parser._actions:
        if not action.option_strings or "--help" in action.option_strings:
            continue
        default = listed[action.option_strings[0]][2]
        if action in alternatives:
            assert default.startswith("required, or `--"), action
        else:
            assert (default == "required") == action.required, action
        if action.default not in (None, False, [], "==SUPPRESS=="):
            assert default.split(";")[0].strip("`") == str(action.default), action
        for choice in action.choices or ():
            assert f"`{choice}`" in "".join(listed[action.option_strings[0]]), choice


def test_defaults_outside_the_parser_are_listed() -> None:
    from recbole_kgif.cli.explain import _DEFAULTS

    rows = {cells[0]: cells[2] for cells in tables_below(OPTIONS_PAGE, "explain")}
    for name, value in _DEFAULTS.items():
        option = name.replace("_", "-")
        (cell,) = (rows[first] for first in rows if first.startswith(f"`--{option} "))
        assert cell == f"`{value}`"


def test_the_options_of_the_model_are_those_of_its_yaml() -> None:
    from recbole_kgif.common.hyperparameters import OPTIONS

    rows = {
        cells[0].strip("`"): cells
        for cells in tables_below(OPTIONS_PAGE, "Options of the model")
    }
    options = read_config_file(resource("properties/model/KGIF.yaml"), "KGIF")
    assert list(rows) == list(options)
    for name, value in options.items():
        _, values, default, *_ = rows[name]
        listed = yaml.safe_load(default)
        assert (float(listed) if isinstance(value, float) else listed) == value, name
        allowed = OPTIONS[name][1] if name in OPTIONS else ""
        if allowed.startswith("one of "):
            assert values == allowed.removeprefix("one of "), name


def test_the_options_of_recbole_are_known_with_these_defaults() -> None:
    known = default_options("KGIF")
    protocol = yaml.safe_load(resource("properties/protocol.yaml").read_text("utf-8"))
    rows = tables_below(OPTIONS_PAGE, "Options of RecBole")
    assert rows
    for name, _, default, _ in rows:
        option = name.strip("`")
        assert option in known, option
        value = {**known, **protocol}[option]
        if option == "metrics":
            assert default == ", ".join(value)
        elif option in ("topk", "valid_metric", "train_batch_size", "stopping_step"):
            assert default == str(value), option


def test_every_option_in_a_sentence_exists() -> None:
    known = set().union(*map(options_of, parsers().values()))
    benchmarks = "".join(
        path.read_text("utf-8") for path in (CHECKOUT / "benchmarks").glob("*.py")
    )
    known |= set(re.findall(r'"(--[a-z-]+)"', benchmarks))
    known |= {f"--{name}" for name in default_options("KGIF")} | {"--key"}
    for page in PAGES:
        for code in inline_code(page):
            if not code.startswith("optuna") and code not in INSTALLS_OF_OTHERS:
                unknown = set(re.findall(r"(?<!\S)--[\w-]+", code)) - known
                # An example of a refused option.
                assert unknown <= {"--data"}, f"{page.name}: {code}"
