"""What is searched for each model: ``properties/search_spaces.yaml``, as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union

from recbole_kgif.common.resources import resource
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import default_options, read_yaml


@dataclass(frozen=True)
class LogRange:
    """Numbers between two positive ones, every order of magnitude as likely.

    Attributes:
        low: The smallest.
        high: The largest.
    """

    low: float
    high: float

    def __contains__(self, value: Any) -> bool:
        """Whether the value is a number in the range."""
        return isinstance(value, (int, float)) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choices:
    """A few values, of any kind that YAML knows.

    Attributes:
        values: The values.
    """

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Whether the value is one of them."""
        return value in self.values


Domain = Union[LogRange, Choices]
Space = Mapping[str, Domain]
Parameters = Mapping[str, Any]


def _domain(value: Any) -> Domain:
    """A domain as the file writes it: ``log: [low, high]``, or a list of choices."""
    if isinstance(value, dict):
        return LogRange(*map(float, value["log"]))
    return Choices(tuple(value))


_FILE = read_yaml(resource("properties/search_spaces.yaml"))

# The same for all models; another value may be given, then again for all.
FIXED: Parameters = _FILE["fixed"]

SPACES: Mapping[str, Space] = {
    model: {name: _domain(value) for name, value in space.items()}
    for model, space in _FILE["spaces"].items()
}

# Settings that were published for Last.FM.
PUBLISHED: Mapping[str, Parameters] = _FILE["published"]


def space_of(model: str, given: Mapping[str, Any]) -> Space:
    """What is searched for a model.

    Args:
        model: its name.
        given: options that the user gives, which therefore are not tuned.

    Raises:
        UserError: there is no space for the model, or nothing is left of it.
    """
    if model not in SPACES:
        raise UserError(
            f"--models {model}: no search space is known for it; known are "
            f"{', '.join(SPACES)}"
        )
    space = {name: d for name, d in SPACES[model].items() if name not in given}
    if not space:
        raise UserError(
            f"{model}: nothing is left to tune, as {' and '.join(SPACES[model])} are "
            "given; leave one of them out"
        )
    return space


def starting_points(model: str, space: Space) -> list[dict[str, Any]]:
    """The parameters that are tried first.

    Args:
        model: name of the model.
        space: what `space_of` has returned for it.

    Returns:
        The model's defaults, and the published setting where there is another one.
    """
    known = default_options(model)
    defaults = {name: known[name] for name in space}
    published = PUBLISHED.get(model, {})
    overlaid = {name: published.get(name, value) for name, value in defaults.items()}
    return [defaults] if overlaid == defaults else [defaults, overlaid]
