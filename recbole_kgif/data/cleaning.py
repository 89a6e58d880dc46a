"""Leaving out what RecBole cannot load, and counting it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import IntArray, NumberedDataset
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
    triple. An item with triples and without an interaction stays: it is in the
    catalogue, and can be recommended.

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
    triples = data.triples.drop_duplicates().sort_values(["head", "relation", "tail"])
    steps.append(Step("triples: repeated", len(data.triples), len(triples)))
    data = dataclasses.replace(data, triples=triples)

    before = data.interactions
    if minimum_rating is not None:
        rated = before[before["rating"] >= minimum_rating]
        what = f"interactions: rated below {minimum_rating:g}"
        steps.append(Step(what, len(before), len(rated)))
        if len(rated) == 0:
            raise UserError(
                f"--minimum-rating {minimum_rating:g}: none of the {len(before):,} "
                "interactions is rated so high; give a lower one"
            )
        before = rated
    distinct = _without_repetitions(before, steps)
    kept = distinct[data.is_linked[distinct["item"]]]
    steps += _steps_of_unlinked(distinct, kept)
    if len(kept) == 0:
        raise UserError(
            f"none of the {len(distinct):,} interactions is of an item that is "
            "linked to an entity of a triple; check that all files use the same ids"
        )
    data = data.with_interactions(kept.reset_index(drop=True))
    links = data.links
    in_graph = links[data.in_graph[links["entity"]]]
    steps.append(Step("links: entity without a triple", len(links), len(in_graph)))
    return dataclasses.replace(data, links=in_graph.sort_values("item")), steps


def table(steps: Sequence[Step]) -> str:
    """Steps as a small table for people, a line for each under a header."""
    rows: list[tuple[str, ...]] = [("", "before", "left out", "after")]
    for step in steps:
        counts = (step.before, step.before - step.after, step.after)
        rows.append((step.what, *(f"{count:,}" for count in counts)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join(
        f"  {what:{widths[0]}}"
        + "".join(f"  {text:>{width}}" for text, width in zip(counts, widths[1:]))
        for what, *counts in rows
    )


def _in_canonical_order(data: NumberedDataset) -> NumberedDataset:
    """Number all ids in the order of the ids themselves."""
    users, of_user = canonical_order(data.users)
    items, of_item = canonical_order(data.items)
    entities, of_entity = canonical_order(data.entities)
    relations, of_relation = canonical_order(data.relations)
    new_numbers = {
        **{"user": of_user, "item": of_item, "entity": of_entity},
        **{"head": of_entity, "relation": of_relation, "tail": of_entity},
    }

    def renumbered(frame: pd.DataFrame) -> pd.DataFrame:
        columns = [name for name in frame if name in new_numbers]
        return frame.assign(**{str(c): new_numbers[str(c)][frame[c]] for c in columns})

    return dataclasses.replace(
        data.with_interactions(renumbered(data.interactions)),
        users=users,
        items=items,
        entities=entities,
        relations=relations,
        triples=renumbered(data.triples),
        links=renumbered(data.links),
    )


def canonical_order(ids: Sequence[str]) -> tuple[list[str], IntArray]:
    """The ids in an order of their own, and each old number's new one.

    Short ones are first, so that numbers rise.
    """
    order = sorted(range(len(ids)), key=lambda number: (len(ids[number]), ids[number]))
    places = np.empty(len(ids), dtype=np.int32)
    places[order] = np.arange(len(ids))
    return [ids[number] for number in order], places


def _without_repetitions(interactions: pd.DataFrame, steps: list[Step]) -> pd.DataFrame:
    """Order by user and item, and keep of each pair the latest, then highest rated.

    Of a pair that the files have in training and test, the one of the test is kept, and
    likewise that of the validation.
    """
    names = ("user", "item", "in_test", "in_valid")
    pair = [name for name in names if name in interactions]
    latest = [name for name in ("time", "rating") if name in interactions]
    ascending = [True] * len(pair) + [False] * len(latest)
    ordered = interactions.sort_values([*pair, *latest], ascending=ascending)
    kept = ordered.drop_duplicates(pair)
    steps.append(Step("interactions: repeated", len(interactions), len(kept)))
    if "in_test" not in kept:
        return kept
    alone = kept.drop_duplicates(["user", "item"], keep="last")
    what = "interactions: of training, but in the test"
    if "in_valid" in kept:
        what += " or validation"
    steps.append(Step(what, len(kept), len(alone)))
    return alone


def _steps_of_unlinked(before: pd.DataFrame, after: pd.DataFrame) -> list[Step]:
    if "in_test" not in before:
        what = "interactions: item without a triple"
        return [Step(what, len(before), len(after))]
    kinds = {"training: item without a triple": False, LOST_TEST: True}
    return [
        Step(what, *(int((t["in_test"] == is_test).sum()) for t in (before, after)))
        for what, is_test in kinds.items()
    ]
