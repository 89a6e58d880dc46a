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
    Content,
    IntArray,
    Interactions,
    Links,
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
    content: Content, minimum_rating: Optional[float]
) -> tuple[Content, list[Step]]:
    """Leave out repetitions, low ratings, and what hangs together with nothing.

    RecBole loads a split data set only if every item is linked to an entity of some
    triple, and every link is that of an item with interactions.

    Args:
        content: what was read.
        minimum_rating: smallest rating kept; None keeps all.

    Returns:
        What remains, in an order that does not depend on that of the files' lines, and
        the steps.

    Raises:
        UserError: no interaction remains.
    """
    content = _in_canonical_order(content)
    steps: list[Step] = []
    triples = _without_repeated_triples(content.triples)
    steps.append(Step("triples: repeated", len(content.triples), len(triples)))

    interactions = _filtered_interactions(content.interactions, minimum_rating, steps)
    if minimum_rating is not None and len(interactions) == 0:
        raise UserError(
            f"--minimum-rating {minimum_rating:g}: none of the "
            f"{len(content.interactions):,} interactions is rated so high; give a "
            "lower one"
        )
    of_triples = _mask(len(content.entities), triples.heads, triples.tails)
    linked = _mask(
        len(content.items), content.links.items[of_triples[content.links.entities]]
    )
    kept = interactions.at(linked[interactions.items])
    steps.extend(_steps_of_unlinked(interactions, kept))
    if len(kept) == 0:
        raise UserError(
            f"none of the {len(interactions):,} interactions is of an item that is "
            "linked to an entity of a triple; check that all files use the same ids"
        )
    links = _useful_links(content.links, of_triples, len(content.items), kept, steps)
    return (
        dataclasses.replace(content, interactions=kept, triples=triples, links=links),
        steps,
    )


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


def _in_canonical_order(content: Content) -> Content:
    """Number all ids in the order of the ids themselves."""
    users, of_user = _ordered(content.users)
    items, of_item = _ordered(content.items)
    entities, of_entity = _ordered(content.entities)
    relations, of_relation = _ordered(content.relations)
    interactions, triples = content.interactions, content.triples
    return dataclasses.replace(
        content,
        users=users,
        items=items,
        entities=entities,
        relations=relations,
        interactions=dataclasses.replace(
            interactions,
            users=of_user[interactions.users],
            items=of_item[interactions.items],
        ),
        triples=Triples(
            of_entity[triples.heads],
            of_relation[triples.relations],
            of_entity[triples.tails],
        ),
        links=Links(of_item[content.links.items], of_entity[content.links.entities]),
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
    pair = [interactions.users, interactions.items]
    if interactions.in_test is not None:
        pair.append(interactions.in_test.astype(np.int64))
    interactions = interactions.at(np.lexsort((*keys, *reversed(pair))))
    pair = [interactions.users, interactions.items]
    if interactions.in_test is not None:
        pair.append(interactions.in_test.astype(np.int64))
    return interactions.at(_is_new(*pair))


def _useful_links(
    links: Links,
    of_triples: BoolArray,
    item_count: int,
    interactions: Interactions,
    steps: list[Step],
) -> Links:
    in_graph = links.at(of_triples[links.entities])
    used = in_graph.at(_mask(item_count, interactions.items)[in_graph.items])
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


def _mask(length: int, *numbers: IntArray) -> BoolArray:
    """Which numbers below a length occur."""
    mask = np.zeros(length, dtype=np.bool_)
    for column in numbers:
        mask[column] = True
    return mask
