"""Whether a record has the form that every report relies on, whoever has written it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Optional

Form = Callable[[Any], bool]

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


# --- forms --------------------------------------------------------------------------


def _is_any(value: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < _LARGEST_NUMBER


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or _is_whole(value)


def _is_figure(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value)


def _or_none(fits: Form) -> Form:
    return lambda value: value is None or fits(value)


def _list_of(fits: Form) -> Form:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _dict_of(fits: Form) -> Form:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _filled(fits: Form) -> Form:
    return lambda value: bool(value) and fits(value)


def _object(
    needed: Mapping[str, Form], optional: Optional[Mapping[str, Form]] = None
) -> Form:
    """An object with some parts, and others that may be missing or of any form."""
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and fits(value[name]) for name, fits in needed.items())
        and all(
            fits(value[name])
            for name, fits in (optional or {}).items()
            if name in value
        )
    )


# --- parts of a record --------------------------------------------------------------


def _is_mode(value: Any) -> bool:
    of_parts = value.values() if isinstance(value, dict) else [value]
    return all(map(_or_none(_is_text), of_parts))


_is_dict = _dict_of(_is_any)
_are_figures = _filled(_dict_of(_is_figure))
_is_epoch = _object(
    {"epoch": _is_whole, "training_seconds": _is_number}, {"valid": _are_figures}
)
_is_evaluation = _object({}, {"split": _or_none(_is_dict), "mode": _is_mode})
_is_configuration = _object(
    {},
    {
        "epochs": _or_none(_is_count),
        "eval_step": _or_none(_is_count),
        "eval_args": _or_none(_is_evaluation),
    },
)
_are_values_of_users = _object(
    {"users": _list_of(_is_text), "metrics": _dict_of(_list_of(_or_none(_is_figure)))},
    {"training_interactions": _list_of(_is_whole)},
)
_are_counts = _list_of(_is_whole)
_has_item_counts = _object(
    {
        "items": _list_of(_is_text),
        "training_interactions": _are_counts,
        "test_interactions": _are_counts,
        "hits": _dict_of(_are_counts),
    }
)
_is_group = _object({"metrics": _dict_of(_is_figure)})
_is_request = _object(
    {
        **dict.fromkeys(("options", "defaults", "files"), _is_dict),
        "model_options": _list_of(_is_text),
        "dataset": _is_text,
        "split_seed": _is_any,
    },
    {"variant": _is_text},
)


def _are_values_of_items(value: Any) -> bool:
    if not _has_item_counts(value):
        return False
    counts = [value["training_interactions"], value["test_interactions"]]
    counts += value["hits"].values()
    return all(len(count) == len(value["items"]) for count in counts)


_NEEDED: Mapping[str, Form] = {
    **dict.fromkeys(("model", "dataset", "split_hash", "device"), _is_text),
    **dict.fromkeys(("seed", "best_epoch", "peak_memory_bytes"), _is_whole),
    **dict.fromkeys(("parameters", "threads"), _is_whole),
    **dict.fromkeys(("valid", "test"), _are_figures),
    "epochs": _filled(_list_of(_is_epoch)),
    "training_seconds_per_epoch": _is_number,
    "validation_seconds_per_epoch": _is_number,
    "data": _filled(_dict_of(_is_whole)),
    "versions": _filled(_dict_of(_is_text)),
    "shims": _list_of(_is_text),
    "configuration": _filled(_is_configuration),
}

_OPTIONAL: Mapping[str, Form] = {
    "jobs": _is_whole,
    "candidates": _object({"count": _is_whole, "hash": _is_text, "choice": _is_text}),
    "protocol": _is_text,
    "test_per_user": _are_values_of_users,
    "test_per_item": _are_values_of_items,
    "test_groups": _dict_of(_is_group),
    "request": _is_request,
}
