"""YAML as RecBole reads it, from files that may hold anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recbole_kgif.errors import UserError


class Loader(yaml.SafeLoader):
    """YAML without tags, in which 1e-4 is a number as it is in RecBole's files."""


Loader.yaml_implicit_resolvers = {
    first: list(resolvers)
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The options of a YAML file, in which 1e-4 is a number.

    Raises:
        UserError: the file cannot be read, or is not a YAML mapping.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give a file of `key: value` "
            "lines"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: cannot be read as a UTF-8 file: {error}") from None
    try:
        values = yaml.load(text, Loader=Loader)
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
