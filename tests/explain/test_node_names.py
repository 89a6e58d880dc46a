from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.explain.node_names import NodeNames, name_in
from recbole_kgif.explain.path_graph import Graph, both_directions

# Users 0-1, items 2-5, entities 6-7; number 0 of each kind is padding.
USERS, ITEMS, ENTITIES = ["[PAD]", "u1"], ["[PAD]", "1", "2", "3"], ["6", "7"]
NAMES = {"1": "Sugar Minott", "2": "Freddie McGregor", "3": "Freddie McGregor"}


@pytest.fixture
def names(tmp_path: Path) -> NodeNames:
    rows = "".join(f"{token}\t{name}\n" for token, name in NAMES.items())
    (tmp_path / "a.item").write_text("item_id:token\tname:token_seq\n" + rows, "utf-8")
    return names_in(tmp_path, ENTITIES)


def names_in(folder: Path, entities: list[str]) -> NodeNames:
    """Names of the nodes of a small graph: those that are in a folder."""
    facts = [(1, 1, 3), (3, 0, 6), (4, 0, 6), (5, 0, 6), (3, 0, 7)]
    columns = np.array(facts).T
    graph = Graph(
        *both_directions(*columns, 2), n_users=2, n_items=4, n_nodes=8, n_relations=2
    )
    tokens = {"u": USERS, "item_id": ITEMS, "e": [*ITEMS, *entities]}
    dataset = SimpleNamespace(
        **{"uid_field": "u", "iid_field": "item_id", "entity_field": "e"},
        relation_field="r",
        field2id_token={**tokens, "r": ["people.person.place_of_birth"]},
    )
    trained: Any = SimpleNamespace(
        dataset=dataset, dataset_name="a", config={"field_separator": "\t"}
    )
    return NodeNames(trained, folder, graph, np.arange(8))


def test_an_entity_is_told_by_what_it_is_and_whom_it_joins(names: NodeNames) -> None:
    assert names.node(6).label == "the birthplace of Sugar Minott and 2 more"
    assert (
        names.node(6, but={3}).label == "the birthplace of Freddie McGregor and 1 more"
    )
    assert names.node(7, but={3}).label == "the same birthplace"
    assert names.node(3).label == "Sugar Minott"
    assert names.joined_items(6, 0, but={3, 4}) == (("Freddie McGregor",), 1)


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        (ENTITIES, "item 1 (chosen by 1 person, 2 facts)"),
        (["Kingston", "7"], "item 1 (birthplace Kingston)"),
    ],
)
def test_an_item_without_a_name_is_told_by_what_is_known(
    tmp_path: Path, entities: list[str], expected: str
) -> None:
    names = names_in(tmp_path, entities)
    assert names.node(3).label == expected
    assert names.node(3).name is None


def test_an_item_is_found_by_its_name_in_any_case(names: NodeNames) -> None:
    assert names.item_named("sugar MINOTT") == "1"
    assert names.item_named("minott") is None
    assert names.nearest_items("suger minot") == ["Sugar Minott (item 1)"]
    assert names.nearest_items("minott") == ["Sugar Minott (item 1)"]
    with pytest.raises(
        UserError, match=r"2 items are named .*; give the id of one: 2, 3"
    ):
        names.item_named("Freddie McGregor")


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ("Mexican", "Mexican"),
        ("raku_glaze", "raku glaze"),
        ("8125", None),
        ("m.02jg", None),
        ("m_x", None),
        ("Q42", None),
        ("http://a.org/b", None),
    ],
)
def test_an_id_that_is_a_word_is_a_name(entity: str, expected: str) -> None:
    assert name_in(entity) == expected
