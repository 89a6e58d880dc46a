"""Values that an option of RecBole's can have.

RecBole takes what it is given: a value of another form ends in an exception hours
later, or is replaced without a word. Here it is reported at once.
"""

from __future__ import annotations

import codecs
import importlib.util
import math
import re
from collections.abc import Mapping
from typing import Any

from recbole_kgif.common.hyperparameters import OPTIONS, SOLVED_OPTIONS
from recbole_kgif.errors import UserError

# Training, validation and test.
_PARTS = 3
_NUMBER = r"\s*-?(?:\d+(?:\.\d+)?|inf)\s*"
_INTERVAL = rf"\s*[\[(]{_NUMBER},{_NUMBER}[\])]\s*"
_INTERVALS = re.compile(rf"{_INTERVAL}(?:;{_INTERVAL})*")

# Options that are texts, and on which a run would fail otherwise.
_TEXTS = frozenset(
    (
        *("data_path", "field_separator", "seq_separator", "encoding"),
        *("unlinked_items", "valid_metric"),
    )
)

# RecBole takes another word for a default of its own, and notes it in its log.
_WORDS: Mapping[str, tuple[str, ...]] = {
    "learner": ("adam", "adamw", "sgd", "adagrad", "rmsprop"),
    "rm_dup_inter": ("first", "last"),
    "candidates": ("linked", "catalogue"),
}
_EVAL_ARGS: Mapping[str, tuple[str, ...]] = {
    "order": ("RO", "TO"),
    "group_by": ("user", "none"),
}
_SAMPLING_KEYS = ("distribution", "sample_num", "alpha", "dynamic", "candidate_num")
_DISTRIBUTIONS = ("uniform", "popularity")
# full and labeled, or so many negatives for each positive: uni100, pop100.
_MODE = re.compile(r"full|labeled|(?:uni|pop)[1-9][0-9]*")
EVAL_ARGS_KEYS = ("split", "order", "group_by", "mode")
_CLIP_GRAD_NORM_KEYS = ("max_norm", "norm_type", "error_if_nonfinite", "foreach")
# Metrics of single scores; the others are of ranked lists.
METRICS_OF_SCORES = frozenset({"auc", "mae", "rmse", "logloss"})


# Packages that options need.
_TRACKERS = {"log_wandb": "wandb", "log_mlflow": "mlflow"}


def is_text(name: str) -> bool:
    """Whether an option is a text, whatever YAML would make of it."""
    return name in _TEXTS or name.endswith("_num_interval")


def check_value(where: str, name: str, value: Any) -> None:
    """Refuse a value of a form that RecBole would take and then fail on.

    Args:
        where: where it is given, with its value, for the message.
        name: the option.
        value: its value.

    Raises:
        UserError: it is such a value.
    """
    _check_text(where, name, value)
    if name in ("metrics", "topk") and value == []:
        raise UserError(f"{where}: {name} must not be empty")
    if name == "topk" and not _are_counts(value):
        raise UserError(f"{where}: topk must be whole numbers from 1 on, as [10, 20]")
    if name == "metrics":
        _check_metrics(where, value)
    if name == "eval_args" and isinstance(value, dict):
        _check_eval_args(where, value)
    if name == "train_neg_sample_args" and isinstance(value, dict):
        _check_sampling(where, value)
    if name == "clip_grad_norm" and value is not None:
        _check_clipping(where, value)
    if name == "val_interval" and not isinstance(value, (dict, type(None))):
        raise UserError(f"{where}: {name} must name columns with intervals")
    if name == "load_col":
        _check_columns(where, value)
    if name == "learner" and value == "sparse_adam":
        raise UserError(
            f"{where}: sparse_adam needs sparse gradients, which no model of RecBole's "
            "has; give adam"
        )
    if name in _WORDS and value is not None:
        _check_word(where, name, value, _WORDS[name])
    package = _TRACKERS.get(name)
    if package is not None and value is True and not _is_installed(package):
        raise UserError(
            f"{where}: needs the package {package}; run pip install {package}"
        )
    may_be = {"metrics": isinstance(value, str), "benchmark_filename": value is None}
    if name in may_be and not may_be[name] and not _are_names(value):
        raise UserError(f"{where}: {name} must be a list of names")


def check_hyperparameter(where: str, model: str, name: str, value: Any) -> None:
    """Refuse a value that the model itself would refuse once the data are loaded.

    Args:
        where: where it is given, with its value, for the message.
        model: the model.
        name: the option.
        value: its value.

    Raises:
        UserError: it is such a value.
    """
    of_model = OPTIONS if model.startswith("KGIF") else SOLVED_OPTIONS.get(model, {})
    if name not in of_model:
        return
    is_allowed, allowed = of_model[name]
    if not is_allowed(value):
        raise UserError(
            f"{where}: {name}={value!r} is not allowed; it must be {allowed}"
        )


def _check_sampling(where: str, value: Mapping[str, Any]) -> None:
    """Refuse arguments of negative sampling that RecBole ignores or fails on."""
    for key in value:
        if key not in _SAMPLING_KEYS:
            known = ", ".join(_SAMPLING_KEYS)
            raise UserError(f"{where}: {key!r} is unknown; known are {known}")
    _check_word(
        where, "distribution", value.get("distribution", "uniform"), _DISTRIBUTIONS
    )
    count = value.get("sample_num", 1)
    if type(count) is not int or count < 1:
        raise UserError(f"{where}: sample_num must be a whole number from 1 on")
    alpha = value.get("alpha", 1.0)
    if type(alpha) not in (int, float) or not 0 <= alpha < math.inf:
        raise UserError(f"{where}: alpha must be a number from 0 on, as 1.0 is")
    is_dynamic, candidates = value.get("dynamic", False), value.get("candidate_num", 0)
    if type(is_dynamic) is not bool:
        raise UserError(f"{where}: dynamic must be True or False")
    if type(candidates) is not int or candidates < 0:
        raise UserError(f"{where}: candidate_num must be a whole number from 0 on")
    if is_dynamic != (candidates > 0):
        raise UserError(
            f"{where}: dynamic sampling needs both dynamic: True and the number of "
            "candidates, such as candidate_num: 10"
        )


def _check_text(where: str, name: str, value: Any) -> None:
    may_be_none = name.endswith("_FIELD") and value is None
    needs_text = name in _TEXTS or name.endswith(("_FIELD", "_PREFIX", "_SUFFIX"))
    if needs_text and not isinstance(value, str) and not may_be_none:
        raise UserError(f"{where}: {name} must be a text")
    if name == "encoding" and isinstance(value, str):
        _check_encoding(where, value)
    if name.endswith("_num_interval") and value is not None:
        is_interval = isinstance(value, str) and _INTERVALS.fullmatch(value)
        if not is_interval:
            raise UserError(f"{where}: {name} must be an interval such as '[2,inf)'")


def _check_encoding(where: str, name: str) -> None:
    try:
        holds_ascii = codecs.decode(b"id", name) == "id"
    except LookupError:
        raise UserError(f"{where}: encoding is unknown to Python; give utf-8") from None
    except (ValueError, TypeError):
        holds_ascii = False
    if not holds_ascii:
        raise UserError(f"{where}: files are not read in this encoding; give utf-8")


def _check_metrics(where: str, value: Any) -> None:
    if not _are_names(value):
        return
    of_scores = [name for name in value if name.lower() in METRICS_OF_SCORES]
    if of_scores and len(of_scores) < len(value):
        raise UserError(
            f"{where}: {of_scores[0]} is a metric of single scores and does not go "
            "with those of ranked lists; leave it out"
        )


def _check_eval_args(where: str, value: Mapping[str, Any]) -> None:
    for key in value:
        if key not in EVAL_ARGS_KEYS:
            known = ", ".join(EVAL_ARGS_KEYS)
            raise UserError(f"{where}: {key!r} is unknown; known are {known}")
    for key, words in _EVAL_ARGS.items():
        given = value.get(key)
        if given is not None:
            _check_word(where, key, given, words)
    _check_split(where, value.get("split"))
    if "mode" in value:
        _check_mode(where, value["mode"])


def _check_mode(where: str, mode: Any) -> None:
    """Refuse a mode of evaluation that RecBole ignores or fails on."""
    modes = mode if isinstance(mode, dict) else {"valid": mode}
    for part, of_part in modes.items():
        if part not in ("valid", "test"):
            raise UserError(f"{where}: mode has the parts valid and test, not {part!r}")
        if not isinstance(of_part, str) or not _MODE.fullmatch(of_part):
            raise UserError(
                f"{where}: mode must be full, labeled, uniN or popN with N negatives "
                f"for each positive, such as uni100; not {of_part!r}"
            )
    if not modes:
        raise UserError(f"{where}: mode must not be empty")


def _check_word(where: str, name: str, value: Any, words: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value.lower() not in map(str.lower, words):
        raise UserError(f"{where}: {name} must be {' or '.join(words)}")


def _check_split(where: str, split: Any) -> None:
    """Refuse a split that leaves a part empty, or that RecBole does not know."""
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


def _check_clipping(where: str, value: Any) -> None:
    is_known = isinstance(value, dict) and set(value) <= set(_CLIP_GRAD_NORM_KEYS)
    largest = value.get("max_norm") if isinstance(value, dict) else None
    if not is_known or type(largest) not in (int, float):
        raise UserError(
            f"{where}: clip_grad_norm must be of the form {{'max_norm': 5, "
            "'norm_type': 2}"
        )


def _check_columns(where: str, value: Any) -> None:
    is_mapping = value is None or isinstance(value, dict)
    if not is_mapping or not all(map(_are_names, (value or {}).values())):
        raise UserError(
            f"{where}: load_col must name the columns of each file, such as "
            "{'inter': ['user_id', 'item_id']}"
        )


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _are_counts(value: Any) -> bool:
    counts = value if isinstance(value, list) else [value]
    return all(type(count) is int and count >= 1 for count in counts)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
