"""Explanations as frozen records that check themselves; no PyTorch, no model.

`explanation_json` writes and reads them as JSON.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from recbole_kgif.explain.path_records import Node, Path, hop_totals, require_equal

# Parts of a score that belong to no interaction: the user's own vector, the item's
# biases, what a new item borrows from known ones with the same facts, and what versions
# 2 and 3 of the JSON could not give to an interaction.
OWN, POPULARITY, NEW, BORROWED = "own", "popularity", "new", "borrowed"
ENDPOINTS = "endpoints"
SCORE_SHARES = (OWN, POPULARITY, NEW, BORROWED, ENDPOINTS)
# Parts of an interaction; see `reason_tree`.
FACT, LINK, PEOPLE, ITSELF = "fact", "link", "people", "itself"
LONGER, TASTE, FILTER = "longer", "taste", "filter"
PART_KINDS = (FACT, LINK, PEOPLE, ITSELF, LONGER, TASTE, FILTER)

# Allowed difference of a sum from the value above it: the model computes its scores in
# single precision, all parts are computed in double precision.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Relation:
    """A relation of an item, as it is read from the item.

    Attributes:
        name: its name in the data set.
        inverse: whether the fact's tail is the item.
    """

    name: str
    inverse: bool


@dataclass(frozen=True)
class Share:
    """What goes through one entity that two items have in common.

    Attributes:
        node: the entity.
        value: its part of the score.
        others: names of further items that have it too, a few.
        n_others: number of all further items that have it.
    """

    node: Node
    value: float
    others: tuple[str, ...] = ()
    n_others: int = 0


@dataclass(frozen=True)
class Part:
    """A part of what an interaction contributes.

    Attributes:
        kind: one of `PART_KINDS`: facts of the same relation that both items share; a
            fact that joins them; people who chose both; the item itself, where it is
            the user's; longer connections; similarity in taste; what the spectral
            filter takes off because many items have it in common.
        value: its part of the score.
        relations: of a fact, how the user's item is related to the entities, and how
            the explained item is where that differs; of a link, how the user's item is
            related to the explained one.
        n_nodes: number of entities, or of people.
        shares: the strongest entities; the value has those that are not listed too.
        against: whether it belongs to the item that the explained one is compared with.
    """

    kind: str
    value: float
    relations: tuple[Relation, ...] = ()
    n_nodes: int = 0
    shares: tuple[Share, ...] = ()
    against: bool = False

    def __post_init__(self) -> None:
        """Check the kind, and that a sum over all entities is the value."""
        if self.kind not in PART_KINDS:
            raise ValueError(f"part {self.kind!r} is none of {', '.join(PART_KINDS)}")
        if self.shares and len(self.shares) == self.n_nodes:
            _require_sum("a part", self.value, [share.value for share in self.shares])


@dataclass(frozen=True)
class Reason:
    """One of the user's interactions, with its exact part of the score.

    Attributes:
        item: the item that the user interacted with.
        value: its part of the score.
        parts: what the value is made of, largest first; empty where it is not known.
        rank_without: rank of the explained item if the user had not chosen this one,
            propagated again; None where it has none, or is not known.
    """

    item: Node
    value: float
    parts: tuple[Part, ...] = ()
    rank_without: Optional[int] = None

    def __post_init__(self) -> None:
        """Check that the parts add up."""
        if self.parts:
            _require_sum("a reason", self.value, [part.value for part in self.parts])


@dataclass(frozen=True)
class ScoreShare:
    """A part of the score that belongs to no interaction.

    Attributes:
        kind: one of `SCORE_SHARES`.
        value: its value.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        """Check the kind."""
        if self.kind not in SCORE_SHARES:
            raise ValueError(f"share {self.kind!r} is none of {SCORE_SHARES}")


@dataclass(frozen=True)
class Standing:
    """An item's score and rank: of another item, or before interactions were removed.

    Attributes:
        item: the item.
        score: its score.
        rank: its rank among the candidates, or None.
    """

    item: Node
    score: float
    rank: Optional[int]


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
        paths: the strongest paths through each of the reasons, strongest first; by
            attention where contributions are not known.
        reasons: the interactions of the largest absolute parts, largest first.
        n_others: number of the user's other interactions; None where not known.
        others: their part of the score together.
        shares: the parts that belong to no interaction; empty where no part is known.
        against: the item that the explained one is compared with: reasons, others and
            shares then add up to the difference of the two scores.
        removed: interactions without which the score was computed.
        before: score and rank with them.
    """

    model: str
    dataset: str
    user: Node
    item: Node
    score: float
    rank: Optional[int]
    n_candidates: int
    seen_in: Optional[str]
    paths: tuple[Path, ...] = ()
    reasons: tuple[Reason, ...] = ()
    n_others: Optional[int] = 0
    others: float = 0.0
    shares: tuple[ScoreShare, ...] = ()
    against: Optional[Standing] = None
    removed: tuple[Node, ...] = ()
    before: Optional[Standing] = None

    def __post_init__(self) -> None:
        """Check that the paths fit the pair and the reasons add up to the score."""
        if (self.rank is None) != (self.seen_in is not None):
            raise ValueError("an item has either a rank or a set that it was seen in")
        for path in self.paths:
            if path.nodes[0] != self.user or path.nodes[-1] != self.item:
                raise ValueError("a path leads from another user or to another item")
            if (path.contribution is not None) != self.is_exact:
                raise ValueError("contributions are known for all or for none")
        for values in (
            [path.strength for path in self.paths],
            [reason.value for reason in self.reasons],
        ):
            if any(abs(b) > abs(a) * (1 + 1e-6) for a, b in zip(values, values[1:])):
                raise ValueError("the strongest path or reason is not the first")
        if self.is_exact:
            values = [reason.value for reason in self.reasons]
            values += [self.others, *(share.value for share in self.shares)]
            _require_sum("the score", self.explained, values)
            self._check_hops()
        elif self.reasons or self.others:
            raise ValueError("reasons have contributions, and nothing else has any")

    def _check_hops(self) -> None:
        totals = hop_totals(self.paths)
        for path in self.paths:
            for hop in path.hops:
                if hop.contribution is None:
                    raise ValueError("a hop of a known path has no contribution")
                require_equal(
                    "contribution of a hop", hop.contribution, totals[hop.key]
                )

    @property
    def is_exact(self) -> bool:
        """Whether the parts of the score are known: else paths rank by attention."""
        return bool(self.shares)

    @property
    def explained(self) -> float:
        """What the reasons add up to: the score, or its difference to another's."""
        return self.score - (self.against.score if self.against is not None else 0.0)

    def paths_of(self, reason: Reason) -> list[Path]:
        """The paths that begin with an interaction."""
        return [path for path in self.paths if path.nodes[1] == reason.item]

    def __str__(self) -> str:
        """The explanation as text for a terminal."""
        from recbole_kgif.explain.renderings import render_text

        return render_text.render([self])

    def _repr_html_(self) -> str:
        """The explanation in a notebook: its page, in a frame of its own."""
        from recbole_kgif.explain.renderings import render_html

        return render_html.in_frame([self])


@dataclass(frozen=True)
class UserSummary:
    """What drives a user's best items together: sums over their scores.

    Attributes:
        user: the user.
        n_items: number of the items.
        score: sum of their scores.
        reasons: the user's interactions of the largest parts, without parts of their
            own.
        n_others: number of the user's other interactions.
        others: their part.
        parts: the parts of all interactions by kind and relation, largest first.
        shares: the parts that belong to no interaction.
    """

    user: Node
    n_items: int
    score: float
    reasons: tuple[Reason, ...]
    n_others: int
    others: float
    parts: tuple[Part, ...]
    shares: tuple[ScoreShare, ...]

    def __post_init__(self) -> None:
        """Check that interactions, and their parts, add up."""
        reasons = math.fsum(reason.value for reason in self.reasons) + self.others
        _require_sum("all interactions", reasons, [part.value for part in self.parts])
        values = [reasons, *(share.value for share in self.shares)]
        _require_sum("the scores", self.score, values, self.n_items)


def _require_sum(
    what: str, value: float, parts: Sequence[float], n_summed: int = 1
) -> None:
    total = math.fsum(parts)
    if abs(total - value) > TOLERANCE * n_summed * max(1.0, abs(value)):
        raise ValueError(f"{what} is {value:g}, and its parts add up to {total:g}")
