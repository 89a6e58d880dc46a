from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
import pandas as pd
import pytest

from recbole_kgif.data.numbered import NumberedDataset
from recbole_kgif.data.splitting import PARTS
from recbole_kgif.errors import UserError
from recbole_kgif.extension.loaded_tables import LoadedTables
from recbole_kgif.extension.merging import MergedTables, merge
from recbole_kgif.extension.new_facts import facts_of_frames

EQUAL = ("a", "b")
# The items are called 1 and 2, and their entities 2 and 1.
OVERLAPPING = ("2", "1")


def known(items: Sequence[str], entities: Sequence[str]) -> LoadedTables:
    """A user with both items, which share a genre; an item has its entity's number."""
    entities = [*entities, "jazz"]
    data = NumberedDataset(
        users=["ann"],
        items=items,
        entities=entities,
        relations=["genre"],
        parts={part: pd.DataFrame({"user": [0, 0], "item": [0, 1]}) for part in PARTS},
        triples=pd.DataFrame({"head": [0, 1], "relation": 0, "tail": [2, 2]}),
        links=pd.DataFrame({"item": [0, 1], "entity": [0, 1]}),
    )
    ids = {"user": ["ann"], "item": items, "entity": entities}
    numbers = {
        kind: {token: n for n, token in enumerate(["[PAD]", *tokens])}
        for kind, tokens in ids.items()
    }
    return LoadedTables(data, numbers)


def extended(
    old: LoadedTables, pairs: str, triples: str, links: Optional[str] = None
) -> MergedTables:
    """Merge facts that are given as words, such as ``"ann 1, ann 2"``."""

    def frame(text: Optional[str], *columns: str) -> Optional[pd.DataFrame]:
        if text is None:
            return None
        rows = [row.split() for row in text.split(", ")]
        return pd.DataFrame(rows, columns=list(columns))

    return merge(
        old,
        facts_of_frames(
            frame(pairs, "user_id", "item_id"),
            frame(triples, "head_id", "relation_id", "tail_id"),
            frame(links, "item_id", "entity_id"),
        ),
    )


def links_of(merged: MergedTables) -> dict[str, str]:
    data = merged.data
    return {
        data.items[item]: data.entities[entity]
        for item, entity in zip(data.links["item"], data.links["entity"])
    }


def test_an_item_is_the_entity_of_the_same_id() -> None:
    merged = extended(known(EQUAL, EQUAL), "bob c, bob b", "c genre jazz, d genre jazz")
    assert links_of(merged) == {"a": "a", "b": "b", "c": "c"}
    assert list(merged.data.users) == ["ann", "bob"]
    training = merged.data.parts[PARTS[0]].to_numpy().tolist()
    assert training == [[0, 0], [0, 1], [1, 2], [1, 1]]
    assert merged.data.triples.to_numpy().tolist()[2:] == [[3, 0, 2], [4, 0, 2]]
    assert merged.counts == {
        **{"users": 1, "items": 1, "entities": 1},
        **{"interactions": 2, "triples": 2},
    }
    assert not merged.notes


def test_an_item_that_was_an_entity_alone_is_that_entity() -> None:
    merged = extended(known(EQUAL, EQUAL), "ann jazz", "a genre jazz")
    assert links_of(merged)["jazz"] == "jazz"
    assert merged.counts["entities"] == 0
    assert merged.notes == [
        "1 of the triples are known already, or repeated; they are left out"
    ]


def test_equal_ids_of_items_and_other_entities_need_links() -> None:
    old = known(("1", "2"), OVERLAPPING)
    with pytest.raises(UserError, match="item '3' has the id of an entity, but the it"):
        extended(old, "ann 3", "3 genre jazz")
    # As entities alone they are no items: those are in other rows.
    merged = extended(old, "ann 4", "3 genre jazz, 5 genre jazz", "4 5")
    assert links_of(merged) == {"1": "2", "2": "1", "4": "5"}
    # An item that is linked to no triple has none.
    merged = extended(old, "ann 3", "3 genre jazz", "3 none")
    assert links_of(merged) == {"1": "2", "2": "1"}
    assert "('3') have no triple, so that interactions alone" in merged.notes[0]


def test_ids_that_do_not_overlap_need_no_links() -> None:
    merged = extended(known(("1", "2"), ("m1", "m2")), "ann 3", "3 genre jazz")
    assert links_of(merged) == {"1": "m1", "2": "m2", "3": "3"}


def test_all_unknown_relations_are_named() -> None:
    message = (
        r"triples.iloc\[1\]: the model was trained without the relations 'by', 'x'"
    )
    with pytest.raises(UserError, match=message):
        extended(known(EQUAL, EQUAL), "ann c", "c genre jazz, c by bob, c x jazz")


def test_items_without_a_triple_and_an_interaction_are_left_out() -> None:
    merged = extended(known(EQUAL, EQUAL), "ann d", "d genre jazz", "void c, d d")
    assert list(merged.data.items) == ["a", "b", "d"]
    assert links_of(merged)["d"] == "d"
    assert np.array(merged.data.parts[PARTS[0]]["item"]).tolist() == [0, 1, 2]
    assert "('void') have no triple and no interaction" in merged.notes[0]
