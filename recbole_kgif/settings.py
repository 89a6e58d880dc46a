"""What a run is made with: known names, checked options, one merged configuration.

Works on files and text alone, so that a mistake is told before PyTorch is loaded.
"""

from __future__ import annotations

import ast
import codecs
import difflib
import importlib.util
import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from recbole_kgif.data.checks import FieldNames
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.resources import resource

KNOWLEDGE_FAMILY = "knowledge_aware_recommender"

# Options that RecBole reads without listing them in a yaml file of its own.
_UNLISTED_OPTIONS = frozenset(
    {"encoding", "train_rec_step", "train_kg_step", "token_num_threshold", "tail_ratio"}
)
# Options of this package's own, for the check of the data.
_OWN_OPTIONS = frozenset({"unlinked_items"})

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
    "weight_decay": 0,
    "learning_rate": 0,
    "seed": 0,
}
# Training, validation and test.
_PARTS = 3
_NUMBER = r"\s*-?(?:\d+(?:\.\d+)?|inf)\s*"
_INTERVAL = rf"\s*[\[(]{_NUMBER},{_NUMBER}[\])]\s*"
_INTERVALS = re.compile(rf"{_INTERVAL}(?:;{_INTERVAL})*")

# NumPy's generator takes no larger seed; so many layers would never end.
_AT_MOST = {"seed": 2**32 - 1, "n_layers": 100}

# Options that are texts, and on which a run would fail otherwise.
_TEXTS = frozenset(
    (
        *("data_path", "field_separator", "seq_separator", "encoding"),
        *("unlinked_items", "valid_metric"),
    )
)


class _Loader(yaml.SafeLoader):
    """YAML without tags, in which 1e-4 is a number as it is in RecBole's files."""


_Loader.yaml_implicit_resolvers = {
    first: list(resolvers)
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def recbole_folder() -> Path:
    """Folder of the installed RecBole, found without importing it.

    Raises:
        UserError: RecBole is not installed.
    """
    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the package recbole is missing; run pip install recbole-kgif")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def known_models() -> Mapping[str, str]:
    """Names of all models that can be run, each with its family in RecBole.

    A model is a class in a module of its lower-cased name. Its spelling stands in the
    module, so only the modules' syntax is read.
    """
    families = {"KGIF": KNOWLEDGE_FAMILY}
    for path in sorted((recbole_folder() / "model").glob("*_recommender/*.py")):
        names = re.findall(r"^class (\w+)", path.read_text("utf-8"), re.MULTILINE)
        families.update(
            (name, path.parent.name) for name in names if name.lower() == path.stem
        )
    return families


def check_model(name: str) -> str:
    """The name itself where such a model exists.

    Raises:
        UserError: there is none of that name; the nearest ones are named.
    """
    if name not in known_models():
        raise UserError(
            f"--model {name}: no such model; {suggest(name, known_models())}"
        )
    return name


def suggest(name: str, known: Iterable[str]) -> str:
    """Words that point from a misspelt name to the nearest known ones."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known)}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(by_lower[n] for n in near) + "?"
    return "known are " + ", ".join(sorted(by_lower.values()))


def default_options(model: str) -> dict[str, Any]:
    """Options that a run of the model knows, with RecBole's and the model's defaults.

    Args:
        model: a name that `check_model` has passed.

    Returns:
        Name and default of each option, None where RecBole names no default.
    """
    properties = recbole_folder() / "properties"
    options: dict[str, Any] = dict.fromkeys(
        [*_listed_arguments(), *sorted(_UNLISTED_OPTIONS | _OWN_OPTIONS)]
    )
    for path in (
        properties / "overall.yaml",
        properties / "dataset/sample.yaml",
        properties / "quick_start_config/knowledge_base.yaml",
        properties / f"model/{model}.yaml",
    ):
        if path.exists():
            options.update(_read_yaml(path))
    if model == "KGIF":
        options.update(_read_yaml(resource("properties/model/KGIF.yaml")))
    return options


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
        if match is None:
            raise UserError(
                f"{argument}: not understood; RecBole's options are given as "
                "--key=value, and --help lists the others"
            )
        name, text = match.groups()
        try:
            value = yaml.load(text, Loader=_Loader)
        except yaml.YAMLError:
            raise UserError(
                f"--{name}={text}: the value is not valid YAML; quote it"
            ) from None
        check_option(f"--{name}={in_one_line(text)}", name, value, known)
        overrides[name] = value
    return overrides


def read_config_file(path: Path, model: str) -> dict[str, Any]:
    """Options of a RecBole configuration file, checked as on the command line.

    Raises:
        UserError: the file cannot be read, is no YAML mapping, or holds an option that
            is unknown or of a wrong type.
    """
    values = _read_yaml(path)
    known = default_options(model)
    for name, value in values.items():
        where = f"{path}: {in_one_line(name)}: {in_one_line(value)}"
        check_option(where, str(name), value, known)
    return values


def check_option(where: str, name: str, value: Any, known: Mapping[str, Any]) -> None:
    """Compare an option's name and value with the known ones.

    Args:
        where: where it stands, with its value, for the message.
        name: the option.
        value: its value.
        known: all options with their defaults.

    Raises:
        UserError: unknown option, or a value of a type that it cannot have.
    """
    _refuse_processes(where, name)
    if name not in known:
        raise UserError(
            f"{where}: unknown option {in_one_line(name)}; {suggest(name, known)}"
        )
    _check_form(where, name, value)
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
    if isinstance(default, (list, dict)) and not isinstance(value, forms):
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


def _check_form(where: str, name: str, value: Any) -> None:
    """Refuse a value of a form that RecBole would take and then fail on.

    Raises:
        UserError: it is such a value.
    """
    may_be_none = name.endswith("_FIELD") and value is None
    is_text = name in _TEXTS or name.endswith("_FIELD")
    if is_text and not isinstance(value, str) and not may_be_none:
        raise UserError(f"{where}: {name} must be a text")
    if name == "encoding" and isinstance(value, str) and not _is_encoding(value):
        raise UserError(f"{where}: {name} is unknown to Python; give utf-8")
    if name in ("metrics", "topk") and value == []:
        raise UserError(f"{where}: {name} must not be empty")
    if name == "eval_args" and isinstance(value, dict):
        _check_split(where, value.get("split"))
    if name.endswith("_num_interval") and value is not None:
        is_interval = isinstance(value, str) and _INTERVALS.fullmatch(value)
        if not is_interval:
            raise UserError(f"{where}: {name} must be an interval such as '[2,inf)'")
    if name == "val_interval" and not isinstance(value, (dict, type(None))):
        raise UserError(f"{where}: {name} must name columns with intervals")
    may_be = {"metrics": isinstance(value, str), "benchmark_filename": value is None}
    if name in may_be and not may_be[name]:
        is_list = isinstance(value, list)
        if not is_list or not all(isinstance(entry, str) for entry in value):
            raise UserError(f"{where}: {name} must be a list of names")


def _is_encoding(name: str) -> bool:
    try:
        codecs.lookup(name)
    except (LookupError, ValueError):
        return False
    return True


def _check_split(where: str, split: Any) -> None:
    """Refuse a split that leaves a part empty, or that RecBole does not know.

    Raises:
        UserError: it is such a split.
    """
    if split is None:
        return
    method, of_method = (
        next(iter(split.items()))
        if isinstance(split, dict) and len(split) == 1
        else ("", None)
    )
    has_shares = (
        isinstance(of_method, list)
        and len(of_method) == _PARTS
        and all(type(share) in (int, float) and share > 0 for share in of_method)
    )
    if not (method == "RS" and has_shares) and not (
        method == "LS" and of_method == "valid_and_test"
    ):
        raise UserError(
            f"{where}: split must be RS with three shares above 0, such as "
            "{'RS': [0.8, 0.1, 0.1]}, or {'LS': 'valid_and_test'}"
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
        else by the one that lies in its folder. Of a data set without such a file the
        pre-split parts are taken where there are only these.

    Raises:
        UserError: the file in the folder holds more than options of the data.
    """
    options = _read_yaml(resource("properties/protocol.yaml"))
    own = resource("dataset_configs") / f"{dataset}.yaml"
    beside = folder / f"{dataset}.yaml"
    if own.exists():
        options.update(_read_yaml(own))
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
    options = _read_yaml(path)
    for name, value in options.items():
        if name not in _OPTIONS_OF_DATA or not isinstance(value, (list, dict)):
            raise UserError(
                f"{path}: {in_one_line(name)}: a data set's own file may hold "
                f"{', '.join(_OPTIONS_OF_DATA)} alone, as lists and mappings; give "
                "this one with --config-files"
            )
        _check_form(f"{path}: {name}: {in_one_line(value)}", name, value)
    return options


def field_names(options: Mapping[str, Any]) -> FieldNames:
    """Names of the id columns that RecBole's options ask for, else RecBole's own."""
    named = {
        "user": "USER_ID_FIELD",
        "item": "ITEM_ID_FIELD",
        "entity": "ENTITY_ID_FIELD",
        "head": "HEAD_ENTITY_ID_FIELD",
        "relation": "RELATION_ID_FIELD",
        "tail": "TAIL_ENTITY_ID_FIELD",
    }
    return FieldNames(
        **{field: options[name] for field, name in named.items() if options.get(name)}
    )


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
    names = field_names(options)
    needed: dict[str, tuple[str, ...]] = {"inter": (names.user, names.item)}
    if needs_knowledge_graph:
        needed["kg"] = (names.head, names.relation, names.tail)
        needed["link"] = (names.item, names.entity)
    for suffix, ids in needed.items():
        named = columns.get(suffix) if isinstance(columns, dict) else None
        missing = [i for i in ids if isinstance(named, list) and i not in named]
        if missing:
            raise UserError(
                f"load_col: {suffix}: {in_one_line(named)} lacks {missing[0]}; add it"
            )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a UTF-8 file: {error}") from None
    try:
        values = yaml.load(text, Loader=_Loader)
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; flatten it") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" line {mark.line + 1}:"
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise UserError(f"{path}:{line} not valid YAML: {problem}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: holds no `key: value` lines, so no options")
    return values
