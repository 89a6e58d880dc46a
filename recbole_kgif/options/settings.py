"""What a run is made with: known names, checked options, one merged configuration.

Works on files and text alone, so that a mistake is reported before PyTorch is loaded.
"""

from __future__ import annotations

import ast
import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from recbole_kgif.common.resources import resource
from recbole_kgif.data.dataset_files import FieldNames
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.options import models
from recbole_kgif.options.models import known_models, recbole_folder
from recbole_kgif.options.usual_names import suggest_option
from recbole_kgif.options.values import (
    EVAL_ARGS_KEYS,
    check_hyperparameter,
    check_value,
    is_text,
)
from recbole_kgif.options.yaml_files import Loader, read_yaml

# Options that RecBole reads without listing them in a yaml file of its own.
_UNLISTED_OPTIONS = frozenset(
    {"encoding", "train_rec_step", "train_kg_step", "token_num_threshold", "tail_ratio"}
)
# Which items are ranked: those with an interaction or a linked entity, the default, or
# also the others of the `.item` file.
CANDIDATES = "candidates"
LINKED, CATALOGUE = "linked", "catalogue"
# Whether what is tested and saved is fitted anew, with the validation set too.
REFIT = "refit"
# Options of this package's own, with their defaults.
_OWN_OPTIONS = {
    "unlinked_items": None,
    CANDIDATES: None,
    REFIT: False,
    "log_mlflow": False,
}

# RecBole's files of defaults for a family of models.
_FAMILY_FILES = {
    "context_aware_recommender": "context-aware",
    "sequential_recommender": "sequential",
}

# Options of RecBole's that are given otherwise here.
_GIVEN_OTHERWISE = {
    **dict.fromkeys(
        ("config_file", "config_files", "config_file_list"),
        "give RecBole's configuration files by --config-files FILE",
    ),
    "checkpoint_dir": "give the run's folder by --output",
}

# What RecBole's own entry point takes for several processes.
_OF_PROCESSES = frozenset({"nproc", "world_size", "ip", "port", "group_offset"})

# Options that a data set's folder may bring along in a file of its own.
_OPTIONS_OF_DATA = ("benchmark_filename", "eval_args", "load_col")

# Characters of a value that a message shows.
_LONGEST_SHOWN = 200

# Numbers that RecBole would take and then fail on, or never end with.
_AT_LEAST: dict[str, float] = {
    "epochs": 1,
    "train_batch_size": 1,
    "eval_batch_size": 1,
    "eval_step": 1,
    "stopping_step": 0,
    "worker": 0,
    "loss_decimal_place": 0,
    "metric_decimal_place": 0,
    "weight_decay": 0,
    "learning_rate": 0,
    "seed": 0,
}
# NumPy's generator takes no larger one.
LARGEST_SEED = 2**32 - 1
# So many layers would never end.
_AT_MOST = {"seed": LARGEST_SEED, "n_layers": 100}


def default_options(model: str) -> dict[str, Any]:
    """Options that a run of the model knows, with RecBole's and the model's defaults.

    Args:
        model: a name that `check_model` has passed.

    Returns:
        Name and default of each option, None where RecBole names no default.
    """
    base = models.base_model(model)
    properties = recbole_folder() / "properties"
    options: dict[str, Any] = dict.fromkeys(
        [*_listed_arguments(), *sorted(_UNLISTED_OPTIONS)]
    )
    options.update(_OWN_OPTIONS)
    of_family = _FAMILY_FILES.get(known_models().get(base, ""), "knowledge_base")
    for path in (
        properties / "overall.yaml",
        properties / "dataset/sample.yaml",
        properties / "quick_start_config/knowledge_base.yaml",
        properties / f"quick_start_config/{of_family}.yaml",
        properties / f"model/{base}.yaml",
        resource("properties") / f"model/{base}.yaml",
    ):
        if path.exists():
            options.update(read_yaml(path))
    return {**options, **preset_options(model)}


def preset_options(model: str) -> dict[str, Any]:
    """The defaults by which a preset differs from its model; none for a model."""
    return read_yaml(models.presets()[model]) if model in models.presets() else {}


def _listed_arguments() -> list[str]:
    """The argument lists of ``recbole/utils/argument_list.py``, read as syntax."""
    source = (recbole_folder() / "utils/argument_list.py").read_text("utf-8")
    lists = [
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    ]
    return [name for names in lists for name in names]


def parse_overrides(arguments: Iterable[str], model: str) -> dict[str, Any]:
    """RecBole's ``--key=value`` arguments as a checked dictionary.

    Args:
        arguments: what is left of the command line.
        model: the model, whose options are known besides RecBole's.

    Returns:
        Option names with values read as YAML.

    Raises:
        UserError: an argument of another form, an unknown option, or a value of a type
            that the option cannot have.
    """
    overrides: dict[str, Any] = {}
    known = default_options(model)
    for argument in arguments:
        _refuse_processes(argument, argument[2:])
        match = re.fullmatch(r"--([A-Za-z_][\w-]*)=(.*)", argument, re.DOTALL)
        if re.fullmatch(r"--[A-Za-z_][\w-]*", argument):
            raise UserError(
                f"{argument}: has no value; give {argument}=VALUE or {argument} VALUE, "
                "or leave it out (--help lists what needs none)"
            )
        if match is None:
            raise UserError(
                f"{argument}: not understood; RecBole's options are given as "
                "--key=value or --key value, and --help lists the others"
            )
        name, text = match.groups()
        value = _value_of(name, text)
        where = f"--{name}={in_one_line(text)}"
        check_option(where, name, value, known)
        check_hyperparameter(where, model, name, value)
        overrides[name] = value
    return overrides


def _value_of(name: str, text: str) -> Any:
    """Value of a command-line option: YAML, but for a text that is in no quotes.

    Raises:
        UserError: it is not valid YAML.
    """
    if is_text(name) and text[:1] not in ("", "'", '"', "~"):
        return "\t" if text == r"\t" else text
    try:
        return yaml.load(text, Loader=Loader)
    except yaml.YAMLError:
        raise UserError(
            f"--{name}={in_one_line(text)}: the value is not valid YAML; a text with "
            f"special characters is given as \"--{name}='TEXT'\""
        ) from None


def read_config_file(path: Path, model: str) -> dict[str, Any]:
    """Options of a RecBole configuration file, checked as on the command line.

    Raises:
        UserError: the file cannot be read, is not a YAML mapping, or holds an option
            that is unknown or of a wrong type.
    """
    values = read_yaml(path)
    known = default_options(model)
    for name, value in values.items():
        where = f"{path}: {in_one_line(name)}: {in_one_line(value)}"
        check_option(where, str(name), value, known)
        check_hyperparameter(where, model, str(name), value)
    return values


def check_option(where: str, name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Compare an option's name and value with the known ones.

    Args:
        where: where it is given, with its value, for the message.
        name: the option.
        value: its value.
        known: all options with their defaults.

    Raises:
        UserError: unknown option, or a value of a type that it cannot have.
    """
    _refuse_processes(where, name)
    if name in _GIVEN_OTHERWISE:
        raise UserError(f"{where}: has no effect; {_GIVEN_OTHERWISE[name]}")
    if name in EVAL_ARGS_KEYS and name not in known:
        raise UserError(
            f"{where}: {name} is a part of eval_args; give it as "
            f"--eval_args={{{name}: {in_one_line(value)}}}"
        )
    if name not in known:
        advice = suggest_option(name, known)
        raise UserError(f"{where}: unknown option {in_one_line(name)}; {advice}")
    check_value(where, name, value)
    default = known[name]
    if isinstance(default, bool) and not isinstance(value, bool):
        raise UserError(f"{where}: {name} must be True or False")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, (int, float)) and not isinstance(default, bool):
        if not is_number:
            raise UserError(f"{where}: {name} must be a number, as {default} is")
        if name in _AT_LEAST and type(default) is int and type(value) is not int:
            raise UserError(f"{where}: {name} must be a whole number")
    forms = (list, dict, str, int, float) if isinstance(default, list) else (dict, str)
    may_be_none = name == "train_neg_sample_args" and value is None
    if isinstance(default, (list, dict)) and not (
        isinstance(value, forms) or may_be_none
    ):
        raise UserError(f"{where}: {name} must be of the form {default}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: {name} must be finite")
    if name in _AT_LEAST and is_number and value < _AT_LEAST[name]:
        raise UserError(f"{where}: {name} must be at least {_AT_LEAST[name]:g}")
    if name in _AT_MOST and is_number and value > _AT_MOST[name]:
        raise UserError(f"{where}: {name} must be at most {_AT_MOST[name]}")


def _refuse_processes(where: str, name: str) -> None:
    """Refuse the number and place of processes as an option of a model's.

    Raises:
        UserError: it is such an option.
    """
    if name in _OF_PROCESSES:
        raise UserError(
            f"{where}: {name} is an argument of a single run's command line; where "
            "there are many runs, --jobs does several at a time"
        )


def in_one_line(value: Any) -> str:
    """A value for a message: whole where it is short and printable."""
    text = value if isinstance(value, str) else reprlib.repr(value)
    return text if text.isprintable() and len(text) <= _LONGEST_SHOWN else shown(text)


def dataset_options(dataset: str, folder: Path) -> dict[str, Any]:
    """Protocol and data options of a data set.

    Args:
        dataset: its name.
        folder: the folder that holds its files.

    Returns:
        The common protocol, overlaid by the data set's file of ``dataset_configs``, or
        else by the one in its folder. Of a data set without such a file the
        pre-split parts are taken where there are only these.

    Raises:
        UserError: the file in the folder holds more than options of the data.
    """
    options = read_yaml(resource("properties/protocol.yaml"))
    own = resource("dataset_configs") / f"{dataset}.yaml"
    beside = folder / f"{dataset}.yaml"
    if own.exists():
        options.update(read_yaml(own))
    elif beside.exists():
        options.update(_read_options_of_data(beside))
    elif not (folder / f"{dataset}.inter").exists():
        parts = ["train", "valid", "test"]
        if all((folder / f"{dataset}.{part}.inter").exists() for part in parts):
            options["benchmark_filename"] = parts
    return options


def _read_options_of_data(path: Path) -> dict[str, Any]:
    """Options that a data set brings along.

    RecBole evaluates an option that is a text as Python, so whoever made the data could
    run anything here. Lists and mappings it takes as they are.
    """
    options = read_yaml(path)
    for name, value in options.items():
        if name not in _OPTIONS_OF_DATA or not isinstance(value, (list, dict)):
            raise UserError(
                f"{path}: {in_one_line(name)}: a data set's own file may hold "
                f"{', '.join(_OPTIONS_OF_DATA)} alone, as lists and mappings; give "
                "this one with --config-files"
            )
        check_value(f"{path}: {name}: {in_one_line(value)}", name, value)
    return options


def check_loaded_columns(
    options: Mapping[str, Any], *, needs_knowledge_graph: bool
) -> None:
    """Refuse to load files without the columns of ids, on which RecBole fails.

    Args:
        options: RecBole's options, of which `load_col` names the columns of each file.
        needs_knowledge_graph: whether triples and links are loaded.

    Raises:
        UserError: such a column is not named.
    """
    columns = options.get("load_col")
    if columns is None:
        return
    names = FieldNames.from_options(options)
    needed: dict[str, tuple[str, ...]] = {"inter": (names.user, names.item)}
    if needs_knowledge_graph:
        needed["kg"] = (names.head, names.relation, names.tail)
        needed["link"] = (names.item, names.entity)
    for suffix, ids in needed.items():
        if suffix not in columns:
            raise UserError(
                f"load_col: {in_one_line(columns)} lacks {suffix}; add "
                f"{suffix}: [{', '.join(ids)}]"
            )
        missing = [i for i in ids if i not in columns[suffix]]
        if missing:
            raise UserError(
                f"load_col: {suffix}: {in_one_line(columns[suffix])} lacks "
                f"{missing[0]}; add it"
            )
    _check_time(options, columns["inter"])
    for name in ("alias_of_user_id", "alias_of_item_id"):
        for alias in options.get(name) or []:
            if not any(alias in named for named in columns.values()):
                raise UserError(
                    f"{name}: no loaded column is {in_one_line(alias)}; name those of "
                    "load_col"
                )


def _check_time(options: Mapping[str, Any], interaction_columns: list[str]) -> None:
    """Refuse to order interactions by a time that is not loaded.

    Raises:
        UserError: it is asked for.
    """
    arguments = options.get("eval_args")
    order = arguments.get("order") if isinstance(arguments, dict) else None
    time = options.get("TIME_FIELD") or "timestamp"
    is_split = options.get("benchmark_filename") is not None
    if order == "TO" and not is_split and time not in interaction_columns:
        raise UserError(
            f"eval_args: order TO needs the column {time}, and load_col: inter: "
            f"{in_one_line(interaction_columns)} lacks it; add it, or give order RO"
        )
