"""Explanations as frozen records that check themselves; no PyTorch, no model.

`to_json` writes them in the form that ``schema.json`` describes, `from_json` reads them
back.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from recbole_kgif.errors import UserError

FORMAT = "recbole_kgif explanations"
FORMAT_VERSION = 2

USER, ITEM, ENTITY = "user", "item", "entity"
KINDS = (USER, ITEM, ENTITY)
INTERACTION = "interaction"

# By how much the parts may miss a score, in units of it: the model computes in single
# precision.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Node:
    """A user, an item or another entity.

    Attributes:
        kind: "user", "item" or "entity"; user 26 is not item 26.
        id: its id in the data set.
        name: what it is called, where the data set says so.
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


@dataclass(frozen=True)
class Hop:
    """One edge of a path, from the user towards the item.

    Attributes:
        source: where it begins.
        relation: the relation's name in the data set, or "interaction".
        inverse: whether the fact is (target, relation, source) and not
            (source, relation, target).
        target: where it ends.
        attention: the model's weight of the edge, from the source's side.
        contribution: what the paths of the explanation that take this hop give
            together; None where contributions are not known.
    """

    source: Node
    relation: str
    inverse: bool
    target: Node
    attention: float
    contribution: Optional[float] = None

    @property
    def key(self) -> tuple[Node, str, bool, Node]:
        """What makes it the same hop in several paths."""
        return self.source, self.relation, self.inverse, self.target


@dataclass(frozen=True)
class Part:
    """A summand of a path's contribution.

    Attributes:
        met_after: how many hops lie between the user and the place where the walks of
            the two embeddings meet; None for the direct walk.
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
        contribution: its share of the score, of either sign; None where it is not
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
        for before, behind in zip(self.hops, self.hops[1:]):
            if before.target != behind.source:
                raise ValueError(
                    f"a hop to {before.target.label} is followed by one from "
                    f"{behind.source.label}"
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
    def nodes(self) -> tuple[Node, ...]:
        """The nodes from the user to the item."""
        return (self.hops[0].source, *(hop.target for hop in self.hops))


@dataclass(frozen=True)
class Evidence:
    """What all walks give together that begin with one of the user's items.

    Attributes:
        item: the item.
        contribution: the sum, over walks of every length.
    """

    item: Node
    contribution: float


@dataclass(frozen=True)
class Shares:
    """The parts of a score.

    Attributes:
        bias: the item's own bias, which is the same for all users.
        direct_walks: sum of the direct walks user - item - neighbour - item.
        longer_walks: what walks add that go on from item to item in the same way, of
            five edges and more; below 0 where they take off what many items share.
        connected: sums of the connected walks through the embeddings, by their number
            of edges from 1 on.
        different_endpoints: similarity of different endpoints; it belongs to no path.
    """

    bias: float
    direct_walks: float
    longer_walks: float
    connected: tuple[float, ...]
    different_endpoints: float

    @property
    def walks(self) -> float:
        """What all walks give together."""
        return math.fsum((self.direct_walks, self.longer_walks, *self.connected))

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return math.fsum((self.bias, self.walks, self.different_endpoints))


@dataclass(frozen=True)
class Explanation:
    """Why a model gives a user an item, at the rank that it has.

    Attributes:
        model: name of the model.
        dataset: name of the data set.
        user: the user.
        item: the item.
        score: the model's score.
        rank: place of the item among the candidates, from 1 on, as RecBole's
            evaluation ranks them for the test; None where it is no candidate.
        n_candidates: number of items that are ranked: all but the training and
            validation items of the user.
        met_in: "training" or "validation" for an item that is no candidate, else None.
        paths: the strongest paths that begin with different interactions, as far as
            these have paths of some strength, else others; strongest first, by the
            absolute contribution, or by the attention where contributions are not
            known.
        shares: the parts of the score; None where they are not known.
        evidence: the user's items that all walks together speak for most.
    """

    model: str
    dataset: str
    user: Node
    item: Node
    score: float
    rank: Optional[int]
    n_candidates: int
    met_in: Optional[str]
    paths: tuple[Path, ...]
    shares: Optional[Shares] = None
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        """Check that the paths fit the pair and the parts add up to the score."""
        if (self.rank is None) != (self.met_in is not None):
            raise ValueError("an item has either a rank or a part that it was met in")
        for path in self.paths:
            if path.nodes[0] != self.user or path.nodes[-1] != self.item:
                raise ValueError("a path leads from another user or to another item")
            if (path.contribution is None) != (self.shares is None):
                raise ValueError("contributions are known for all or for none")
        strengths = [abs(path_strength(path)) for path in self.paths]
        if any(b > a * (1 + 1e-6) for a, b in zip(strengths, strengths[1:])):
            raise ValueError("the strongest path stands first")
        if self.shares is not None:
            tolerance = TOLERANCE * max(1.0, abs(self.score))
            if abs(self.shares.total - self.score) > tolerance:
                raise ValueError(
                    f"the parts add up to {self.shares.total:g}, the score is "
                    f"{self.score:g}"
                )
            self._check_hops()

    def _check_hops(self) -> None:
        totals = hop_totals(self.paths)
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
        return self.shares is not None

    @property
    def shown(self) -> float:
        """What the paths give together."""
        return math.fsum(path.contribution or 0.0 for path in self.paths)

    @property
    def other_walks(self) -> float:
        """What all other walks give but the longer ones from item to item.

        These are paths not listed, and walks that come back.
        """
        if self.shares is None:
            return 0.0
        return self.shares.walks - self.shares.longer_walks - self.shown


def path_strength(path: Path) -> float:
    """What paths are ordered by: contribution, or attention where it is not known."""
    return path.attention if path.contribution is None else path.contribution


def hop_totals(paths: Sequence[Path]) -> dict[tuple[Node, str, bool, Node], float]:
    """What the paths give together that take each hop."""
    totals: dict[tuple[Node, str, bool, Node], float] = {}
    for path in paths:
        for hop in path.hops:
            totals[hop.key] = totals.get(hop.key, 0.0) + (path.contribution or 0.0)
    return totals


def with_hop_totals(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths with the contribution of each hop filled in."""
    totals = hop_totals(paths)
    return tuple(
        dataclasses.replace(
            path,
            hops=tuple(
                dataclasses.replace(hop, contribution=totals[hop.key])
                for hop in path.hops
            ),
        )
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
        "explanations": [_plain(explanation) for explanation in explanations],
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _plain(explanation: Explanation) -> dict[str, Any]:
    return {"exact": explanation.is_exact, **dataclasses.asdict(explanation)}


def from_json(text: str) -> list[Explanation]:
    """Read back what `to_json` has written.

    Raises:
        UserError: it is something else, or does not add up.
    """
    try:
        document = json.loads(text)
        if document["format"] != FORMAT or document["format_version"] != FORMAT_VERSION:
            raise ValueError(f"its format is not {FORMAT}, version {FORMAT_VERSION}")
        return [_explanation(entry) for entry in document["explanations"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"no explanations ({' '.join(str(error).split())}); give the JSON that the "
            "command explain has written"
        ) from error


def _explanation(entry: Mapping[str, Any]) -> Explanation:
    shares = entry["shares"]
    return Explanation(
        **{
            name: entry[name]
            for name in (
                *("model", "dataset", "score", "rank", "n_candidates", "met_in"),
            )
        },
        user=Node(**entry["user"]),
        item=Node(**entry["item"]),
        paths=tuple(map(_path, entry["paths"])),
        shares=None
        if shares is None
        else Shares(**{**shares, "connected": tuple(shares["connected"])}),
        evidence=tuple(
            Evidence(Node(**evidence["item"]), evidence["contribution"])
            for evidence in entry["evidence"]
        ),
    )


def _path(entry: Mapping[str, Any]) -> Path:
    return Path(
        hops=tuple(
            Hop(
                **{
                    **hop,
                    "source": Node(**hop["source"]),
                    "target": Node(**hop["target"]),
                }
            )
            for hop in entry["hops"]
        ),
        attention=entry["attention"],
        contribution=entry["contribution"],
        parts=tuple(Part(**part) for part in entry["parts"]),
    )
