"""Explanations as frozen records that check themselves; no PyTorch, no model.

`to_json` writes them in the form of ``schema.json``, `from_json` reads them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union, get_args, get_origin, get_type_hints

from recbole_kgif.errors import UserError

FORMAT = "recbole_kgif explanations"
FORMAT_VERSION = 3
# Names of fields in version 2, which 0.1.0 wrote.
_FORMER_NAMES = {"seen_in": "met_in", "decomposition": "shares"}

USER, ITEM, ENTITY = "user", "item", "entity"
KINDS = (USER, ITEM, ENTITY)
INTERACTION = "interaction"

# Allowed difference of the sum of the parts from a score, in units of the score: the
# model computes in single precision.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Node:
    """A user, an item or another entity.

    Attributes:
        kind: "user", "item" or "entity"; user 26 is not item 26.
        id: its id in the data set.
        name: its name, where the data set has one.
    """

    kind: str
    id: str
    name: Optional[str] = None

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")

    @property
    def label(self) -> str:
        """The name, or kind and id where there is none."""
        return self.name or f"{self.kind} {self.id}"


# Source, relation, inverse, target.
HopKey = tuple[Node, str, bool, Node]


@dataclass(frozen=True)
class Hop:
    """One edge of a path, from the user towards the item.

    Attributes:
        source: its first node.
        relation: the relation's name in the data set, or "interaction".
        inverse: whether the fact is (target, relation, source) and not
            (source, relation, target).
        target: its second node.
        attention: the model's weight of the edge, from the source's side.
        contribution: sum over the explanation's paths that take this hop; None where
            contributions are not known.
    """

    source: Node
    relation: str
    inverse: bool
    target: Node
    attention: float
    contribution: Optional[float] = None

    @property
    def key(self) -> HopKey:
        """What identifies the same hop in several paths."""
        return self.source, self.relation, self.inverse, self.target


@dataclass(frozen=True)
class Part:
    """A summand of a path's contribution.

    Attributes:
        met_after: number of hops between the user and the node where the walks of the
            two embeddings meet; None for the direct walk.
        value: the summand.
    """

    met_after: Optional[int]
    value: float


@dataclass(frozen=True)
class Path:
    """A path from the user to the item that visits no node twice.

    Attributes:
        hops: each begins where the one before it ends.
        attention: product of the hops' attention.
        contribution: its part of the score, of either sign; None where it is not
            known.
        parts: the summands of the contribution.
    """

    hops: tuple[Hop, ...]
    attention: float
    contribution: Optional[float] = None
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        """Check that the hops are contiguous and the parts add up."""
        if not self.hops:
            raise ValueError("a path has at least one hop")
        for hop, following in zip(self.hops, self.hops[1:]):
            if hop.target != following.source:
                raise ValueError(
                    f"a hop to {hop.target.label} is followed by one from "
                    f"{following.source.label}"
                )
        if len(set(self.nodes)) != len(self.nodes):
            raise ValueError("a path visits no node twice")
        product = math.prod(hop.attention for hop in self.hops)
        _require_equal("attention of a path", self.attention, product)
        if self.contribution is not None:
            total = math.fsum(part.value for part in self.parts)
            _require_equal("contribution of a path", self.contribution, total)
        elif self.parts:
            raise ValueError("a path without a contribution has no parts")

    @property
    def strength(self) -> float:
        """What paths are ordered by: contribution, else attention."""
        return self.attention if self.contribution is None else self.contribution

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes from the user to the item."""
        return (self.hops[0].source, *(hop.target for hop in self.hops))


@dataclass(frozen=True)
class Evidence:
    """One of the user's items, and the sum over all walks that begin with it.

    Attributes:
        item: the item.
        contribution: the sum, over walks of every length.
    """

    item: Node
    contribution: float


@dataclass(frozen=True)
class Decomposition:
    """The parts of a score.

    Attributes:
        bias: the item's own bias, which is the same for all users.
        direct_walks: sum of the direct walks user - item - neighbour - item.
        longer_walks: what walks add that continue from item to item in the same way, of
            five edges and more; below 0 where they remove what many items share.
        connected: sums of the connected walks through the embeddings, by their number
            of edges from 1 on.
        different_endpoints: similarity of different endpoints; belongs to no path.
    """

    bias: float
    direct_walks: float
    longer_walks: float
    connected: tuple[float, ...]
    different_endpoints: float

    @property
    def walks(self) -> float:
        """The sum over all walks."""
        return math.fsum((self.direct_walks, self.longer_walks, *self.connected))

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return math.fsum((self.bias, self.walks, self.different_endpoints))


@dataclass(frozen=True)
class Explanation:
    """Why a model gives an item its score and rank for a user.

    Attributes:
        model: name of the model.
        dataset: name of the data set.
        user: the user.
        item: the item.
        score: the model's score.
        rank: rank of the item among the candidates, from 1 on, as in RecBole's
            evaluation of the test; None where it is no candidate.
        n_candidates: number of items that are ranked: all but the training and
            validation items of the user.
        seen_in: "training" or "validation" for an item that is no candidate, else None.
        paths: the strongest paths that begin with different interactions, as far as
            these have paths of some strength, else others; strongest first, by absolute
            contribution, or by attention where contributions are not known.
        decomposition: the parts of the score; None where they are not known.
        evidence: the user's items of the largest absolute sums of walks.
    """

    model: str
    dataset: str
    user: Node
    item: Node
    score: float
    rank: Optional[int]
    n_candidates: int
    seen_in: Optional[str]
    paths: tuple[Path, ...]
    decomposition: Optional[Decomposition] = None
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        """Check that the paths fit the pair and the parts add up to the score."""
        if (self.rank is None) != (self.seen_in is not None):
            raise ValueError("an item has either a rank or a set that it was seen in")
        for path in self.paths:
            if path.nodes[0] != self.user or path.nodes[-1] != self.item:
                raise ValueError("a path leads from another user or to another item")
            if (path.contribution is None) != (self.decomposition is None):
                raise ValueError("contributions are known for all or for none")
        strengths = [abs(path.strength) for path in self.paths]
        if any(b > a * (1 + 1e-6) for a, b in zip(strengths, strengths[1:])):
            raise ValueError("the strongest path is not the first")
        if self.decomposition is not None:
            total = self.decomposition.total
            if abs(total - self.score) > TOLERANCE * max(1.0, abs(self.score)):
                raise ValueError(
                    f"the parts add up to {total:g}, the score is {self.score:g}"
                )
            self._check_hops()

    def _check_hops(self) -> None:
        totals = _hop_totals(self.paths)
        for path in self.paths:
            for hop in path.hops:
                if hop.contribution is None:
                    raise ValueError("a hop of a known path has no contribution")
                _require_equal(
                    "contribution of a hop", hop.contribution, totals[hop.key]
                )

    @property
    def is_exact(self) -> bool:
        """Whether the contributions are known: else the paths rank by attention."""
        return self.decomposition is not None

    @property
    def shown(self) -> float:
        """The sum over the paths."""
        return math.fsum(path.contribution or 0.0 for path in self.paths)

    @property
    def other_walks(self) -> float:
        """The sum over paths not listed and walks that return to a node.

        The longer walks from item to item are not part of it.
        """
        if self.decomposition is None:
            return 0.0
        parts = self.decomposition
        return parts.walks - parts.longer_walks - self.shown

    def __str__(self) -> str:
        """The explanation as text for a terminal."""
        from recbole_kgif.explain.renderings import render_text

        return render_text.render([self])

    def _repr_html_(self) -> str:
        """The explanation in a notebook: its page, in a frame of its own."""
        from recbole_kgif.explain.renderings import render_html

        return render_html.in_frame([self])


def _hop_totals(paths: Sequence[Path]) -> dict[HopKey, float]:
    """Sums over the paths that take each hop, by `Hop.key`."""
    totals: dict[HopKey, float] = {}
    for path in paths:
        for hop in path.hops:
            totals[hop.key] = totals.get(hop.key, 0.0) + (path.contribution or 0.0)
    return totals


def with_hop_totals(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths with the contribution of each hop filled in."""
    totals = _hop_totals(paths)

    def with_total(hop: Hop) -> Hop:
        return dataclasses.replace(hop, contribution=totals[hop.key])

    return tuple(
        dataclasses.replace(path, hops=tuple(map(with_total, path.hops)))
        for path in paths
    )


def _require_equal(what: str, value: float, expected: float) -> None:
    if not math.isclose(value, expected, rel_tol=1e-6, abs_tol=1e-12):
        raise ValueError(f"{what} is {value:g}, and its parts make {expected:g}")


# --- JSON ---------------------------------------------------------------------------


def to_json(explanations: Sequence[Explanation]) -> str:
    """Explanations in the form that ``schema.json`` describes."""
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "explanations": [
            {"exact": explanation.is_exact, **dataclasses.asdict(explanation)}
            for explanation in explanations
        ],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def from_json(text: str) -> list[Explanation]:
    """Read what `to_json` has written, of this version or the one before.

    Raises:
        UserError: it is something else, or does not add up.
    """
    try:
        document = json.loads(text)
        known = (FORMAT_VERSION - 1, FORMAT_VERSION)
        if document["format"] != FORMAT or document["format_version"] not in known:
            raise ValueError(f"its format is not {FORMAT}, version {FORMAT_VERSION}")
        return [_parse(Explanation, entry) for entry in document["explanations"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"no explanations ({' '.join(str(error).split())}); give the JSON that the "
            "command explain has written"
        ) from error


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
    fields = {
        name: _parse(annotation, _field(value, name))
        for name, annotation in _annotations(form).items()
    }
    return form(**fields)


def _field(entry: Mapping[str, Any], name: str) -> Any:
    former = _FORMER_NAMES.get(name)
    return entry[name] if former is None or name in entry else entry[former]
