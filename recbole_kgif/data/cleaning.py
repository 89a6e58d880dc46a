"""Leaving out what RecBole cannot load, and counting it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt

from recbole_kgif.data.numbered import (
    BoolArray,
    IntArray,
    Interactions,
    Links,
    NumberedDataset,
    Triples,
)
from recbole_kgif.errors import UserError

# The step that takes interactions out of a test of the files' own.
LOST_TEST = "test: item without a triple"


@dataclass(frozen=True)
class Step:
    """What a filter left.

    Attributes:
        what: what was counted, and what was left out of it.
        before: how many there were.
        after: how many there are.
    """

    what: str
    before: int
    after: int


def clean(
    data: NumberedDataset, minimum_rating: Optional[float]
) -> tuple[NumberedDataset, list[Step]]:
    """Leave out repetitions, low ratings, and what is linked to nothing.

    RecBole loads a split data set only if every item is linked to an entity of some
    triple, and every link is that of an item with interactions.

    Args:
        data: what was read.
        minimum_rating: smallest rating kept; None keeps all.

    Returns:
        What remains, in an order that does not depend on that of the files' lines, and
        the steps.

    Raises:
        UserError: no interaction remains.
    """
    data = _in_canonical_order(data)
    steps: list[Step] = []
    triples = _without_repeated_triples(data.triples)
    steps.append(Step("triples: repeated", len(data.triples), len(triples)))
    data = dataclasses.replace(data, triples=triples)

    interactions = _filtered_interactions(data.interactions, minimum_rating, steps)
    if minimum_rating is not None and len(interactions) == 0:
        raise UserError(
            f"--minimum-rating {minimum_rating:g}: none of the "
            f"{len(data.interactions):,} interactions is rated so high; give a "
            "lower one"
        )
    kept = interactions.at(data.is_linked[interactions.items])
    steps.extend(_steps_of_unlinked(interactions, kept))
    if len(kept) == 0:
        raise UserError(
            f"none of the {len(interactions):,} interactions is of an item that is "
            "linked to an entity of a triple; check that all files use the same ids"
        )
    data = data.with_interactions(kept)
    return dataclasses.replace(data, links=_useful_links(data, steps)), steps


def table(steps: Sequence[Step]) -> str:
    """Steps as a small table for people.

    Args:
        steps: what the filters did.

    Returns:
        A line for each step, under a header.
    """
    rows = [("", "before", "left out", "after")]
    rows += [
        (
            step.what,
            f"{step.before:,}",
            f"{step.before - step.after:,}",
            f"{step.after:,}",
        )
        for step in steps
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        f"  {what:{widths[0]}}"
        + "".join(f"  {text:>{width}}" for text, width in zip(counts, widths[1:]))
        for what, *counts in rows
    )


def _in_canonical_order(data: NumberedDataset) -> NumberedDataset:
    """Number all ids in the order of the ids themselves."""
    users, of_user = _ordered(data.users)
    items, of_item = _ordered(data.items)
    entities, of_entity = _ordered(data.entities)
    relations, of_relation = _ordered(data.relations)
    interactions, triples, links = data.interactions, data.triples, data.links
    interactions = dataclasses.replace(
        interactions,
        users=of_user[interactions.users],
        items=of_item[interactions.items],
    )
    return dataclasses.replace(
        data.with_interactions(interactions),
        users=users,
        items=items,
        entities=entities,
        relations=relations,
        triples=Triples(
            of_entity[triples.heads],
            of_relation[triples.relations],
            of_entity[triples.tails],
        ),
        links=Links(of_item[links.items], of_entity[links.entities]),
    )


def _ordered(ids: Sequence[str]) -> tuple[list[str], IntArray]:
    """The ids, short ones first so that numbers rise, and each old number's new one."""
    order = sorted(range(len(ids)), key=lambda number: (len(ids[number]), ids[number]))
    places = np.empty(len(ids), dtype=np.int64)
    places[order] = np.arange(len(ids))
    return [ids[number] for number in order], places


def _steps_of_unlinked(before: Interactions, after: Interactions) -> list[Step]:
    if before.in_test is None or after.in_test is None:
        what = "interactions: item without a triple"
        return [Step(what, len(before), len(after))]
    return [
        Step(
            "training: item without a triple",
            int((~before.in_test).sum()),
            int((~after.in_test).sum()),
        ),
        Step(LOST_TEST, int(before.in_test.sum()), int(after.in_test.sum())),
    ]


def _without_repeated_triples(triples: Triples) -> Triples:
    triples = triples.at(np.lexsort((triples.tails, triples.relations, triples.heads)))
    return triples.at(_is_new(triples.heads, triples.relations, triples.tails))


def _filtered_interactions(
    interactions: Interactions, minimum_rating: Optional[float], steps: list[Step]
) -> Interactions:
    if minimum_rating is not None and interactions.ratings is not None:
        kept = interactions.at(interactions.ratings >= minimum_rating)
        steps.append(
            Step(
                f"interactions: rated below {minimum_rating:g}",
                len(interactions),
                len(kept),
            )
        )
        interactions = kept
    kept = _without_repeated_interactions(interactions)
    steps.append(Step("interactions: repeated", len(interactions), len(kept)))
    if kept.in_test is None:
        return kept
    is_alone = _is_new(kept.users[::-1], kept.items[::-1])[::-1]
    alone = kept.at(is_alone)
    steps.append(
        Step("interactions: of training, but in the test", len(kept), len(alone))
    )
    return alone


def _without_repeated_interactions(interactions: Interactions) -> Interactions:
    """Order by user and item, and keep of each pair the latest, then highest rated.

    A pair that the files have in training and test is kept twice, the test last.
    """
    keys: list[npt.NDArray[Any]] = [
        -column
        for column in (interactions.ratings, interactions.times)
        if column is not None
    ]
    order = np.lexsort((*keys, *reversed(_pair(interactions))))
    interactions = interactions.at(order)
    return interactions.at(_is_new(*_pair(interactions)))


def _pair(interactions: Interactions) -> list[IntArray]:
    """The columns by which interactions are told apart."""
    pair = [interactions.users, interactions.items]
    if interactions.in_test is not None:
        pair.append(interactions.in_test.astype(np.int64))
    return pair


def _useful_links(data: NumberedDataset, steps: list[Step]) -> Links:
    links = data.links
    in_graph = links.at(data.in_graph[links.entities])
    used = in_graph.at(data.is_used[in_graph.items])
    steps.append(Step("links: entity without a triple", len(links), len(in_graph)))
    steps.append(Step("links: item without an interaction", len(in_graph), len(used)))
    return used.at(np.argsort(used.items))


def _is_new(*columns: IntArray) -> BoolArray:
    """Whether each row of sorted columns differs from the one before."""
    new = np.zeros(len(columns[0]), dtype=np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return new
