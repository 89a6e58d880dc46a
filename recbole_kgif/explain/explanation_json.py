"""Explanations as JSON, in the form that ``schema.json`` describes."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from recbole_kgif.errors import UserError
from recbole_kgif.explain.explanation_records import (
    ENDPOINTS,
    POPULARITY,
    Explanation,
    UserSummary,
)

FORMAT = "recbole_kgif explanations"
FORMAT_VERSION = 4
# Those with paths in place of reasons. 0.1.0 wrote version 2, with other names.
_WITH_PATHS = (2, 3)


def to_json(
    explanations: Sequence[Explanation], summary: Optional[UserSummary] = None
) -> str:
    """Explanations, and the summary of all of them, in the current form."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "explanations": [
            {"exact": explanation.is_exact, **dataclasses.asdict(explanation)}
            for explanation in explanations
        ],
        "summary": None if summary is None else dataclasses.asdict(summary),
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def from_json(text: str) -> list[Explanation]:
    """Read explanations that this or an earlier version has written.

    Versions 2 and 3 had paths and no reasons. What they give of the score becomes the
    sum over the walks through some of the user's items, as reasons without parts.

    Raises:
        UserError: it is something else, or does not add up.
    """
    try:
        document = json.loads(text)
        version = document["format_version"]
        is_known = version in (*_WITH_PATHS, FORMAT_VERSION)
        if document["format"] != FORMAT or not is_known:
            raise ValueError(f"its format is not {FORMAT}, version {FORMAT_VERSION}")
        entries = document["explanations"]
        if version in _WITH_PATHS:
            entries = [_of_paths(entry) for entry in entries]
        return [_parse(Explanation, entry) for entry in entries]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"no explanations ({' '.join(str(error).split())}); give the JSON that the "
            "command explain has written"
        ) from error


def _of_paths(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of version 2 or 3 in the current form."""
    parts = entry["decomposition"] if "decomposition" in entry else entry["shares"]
    seen_in = entry["seen_in"] if "seen_in" in entry else entry["met_in"]
    current = {**entry, "seen_in": seen_in, "reasons": [], "shares": [], "others": 0.0}
    if parts is None:
        return current
    walks = [parts["direct_walks"], parts["longer_walks"], *parts["connected"]]
    reasons = [
        {"item": reason["item"], "value": reason["contribution"]}
        for reason in entry["evidence"]
    ]
    listed = [reason["value"] for reason in reasons]
    shares = {ENDPOINTS: parts["different_endpoints"], POPULARITY: parts["bias"]}
    current["reasons"] = reasons
    current["others"] = math.fsum(walks) - math.fsum(listed)
    current["n_others"] = None
    current["shares"] = [{"kind": k, "value": value} for k, value in shares.items()]
    return current


_annotations = functools.cache(get_type_hints)


def _parse(form: Any, value: Any) -> Any:
    """A plain value as a record, a tuple of records, or as it is.

    Args:
        form: annotation of the field that it is for.
        value: what the JSON has.
    """
    if get_origin(form) is Union:
        return None if value is None else _parse(get_args(form)[0], value)
    if get_origin(form) is tuple:
        return tuple(_parse(get_args(form)[0], entry) for entry in value)
    if not (isinstance(form, type) and dataclasses.is_dataclass(form)):
        return value
    annotations, fields = _annotations(form), {}
    for member in dataclasses.fields(form):
        is_optional = member.default is not dataclasses.MISSING
        if member.name in value or not is_optional:
            fields[member.name] = _parse(annotations[member.name], value[member.name])
    return form(**fields)
