"""Whether a record has the form that every report relies on, whoever has written it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Optional

# A larger whole number is none of ours, and no float.
_LARGEST_NUMBER = 2**63


def schema_error(record: Mapping[str, Any]) -> Optional[str]:
    """The first part of a record that is missing or of another form.

    Args:
        record: as it was read from JSON.

    Returns:
        The part's name; None where the record is sound.
    """
    for name, fits in _NEEDED.items():
        if name not in record or not fits(record[name]):
            return name
    for name, fits in _OPTIONAL.items():
        if record.get(name) is not None and not fits(record[name]):
            return name
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _LARGEST_NUMBER


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A form: a list of things of a form."""
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _object_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A form: an object with something in it, each value of a form."""
    return lambda value: (
        isinstance(value, dict) and value != {} and all(map(fits, value.values()))
    )


def _is_figure(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


_are_figures = _object_of(_is_figure)


def _is_epoch(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_whole(value.get("epoch"))
        and _is_number(value.get("training_seconds"))
        and ("valid" not in value or _are_figures(value["valid"]))
    )


def _are_epochs(value: Any) -> bool:
    return value != [] and _is_list_of(_is_epoch)(value)


def _is_configuration(value: Any) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    counts = [value.get(name) for name in ("epochs", "eval_step")]
    if any(count is not None and not _is_count(count) for count in counts):
        return False
    arguments = value.get("eval_args")
    if arguments is None:
        return True
    return (
        isinstance(arguments, dict)
        and isinstance(arguments.get("split"), (dict, type(None)))
        and _is_mode(arguments.get("mode"))
    )


def _is_mode(value: Any) -> bool:
    of_parts = value.values() if isinstance(value, dict) else [value]
    return all(isinstance(mode, (str, type(None))) for mode in of_parts)


def _are_values_of_users(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _is_list_of(_is_text)(value.get("users"))
        and _is_list_of(_is_whole)(value.get("training_interactions", []))
        and isinstance(value.get("metrics"), dict)
        and all(map(_is_list_of(_is_figure), value["metrics"].values()))
    )


def _are_values_of_items(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("hits"), dict):
        return False
    counts: list[Any] = [
        value.get("training_interactions"),
        value.get("test_interactions"),
        *value["hits"].values(),
    ]
    return (
        _is_list_of(_is_text)(value.get("items"))
        and all(map(_is_list_of(_is_whole), counts))
        and all(len(count) == len(value["items"]) for count in counts)
    )


def _is_request(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(part), dict) for part in _PARTS_OF_A_REQUEST)
        and _is_list_of(_is_text)(value.get("model_options"))
        and _is_text(value.get("dataset"))
        and "split_seed" in value
        and is_change_of_triples(value.get("triples"))
    )


def is_change_of_triples(value: Any) -> bool:
    """Whether ``triples`` of a request say what share is kept and what is replaced."""
    return value is None or (
        isinstance(value, dict)
        and all(_is_figure(value.get(name)) for name in ("kept", "replaced"))
    )


_PARTS_OF_A_REQUEST = ("options", "defaults", "files")

_NEEDED: Mapping[str, Callable[[Any], bool]] = {
    "model": _is_text,
    "dataset": _is_text,
    "seed": _is_whole,
    "split_hash": _is_text,
    "valid": _are_figures,
    "test": _are_figures,
    "best_epoch": _is_whole,
    "epochs": _are_epochs,
    "training_seconds_per_epoch": _is_number,
    "validation_seconds_per_epoch": _is_number,
    "peak_memory_bytes": _is_whole,
    "parameters": _is_whole,
    "data": _object_of(_is_whole),
    "device": _is_text,
    "threads": _is_whole,
    "versions": _object_of(_is_text),
    "shims": _is_list_of(_is_text),
    "configuration": _is_configuration,
}

_OPTIONAL: Mapping[str, Callable[[Any], bool]] = {
    "jobs": _is_whole,
    "protocol": _is_text,
    "test_per_user": _are_values_of_users,
    "test_per_item": _are_values_of_items,
    "request": _is_request,
}
