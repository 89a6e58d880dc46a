from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import recbole_kgif as rk
from recbole_kgif.errors import UserError
from tests.extension.conftest import NEW_TRIPLES, OPTIONS, Extended, facts


def scores(model: Any) -> pd.DataFrame:
    """Scores by the ids of users and items."""
    recommender = model._recommender
    users = np.arange(1, len(model.users) + 1)
    values = recommender._scores(users)[:, 1:].numpy()
    return pd.DataFrame(values, index=model.users, columns=model.items)


def side(ids: list[str], name: str) -> list[str]:
    return [token for token in ids if token.startswith(name)]


# --- what is new --------------------------------------------------------------------


def test_new_users_and_items_are_recommended(extended: Extended) -> None:
    after = extended.after
    assert set(after.users) - set(extended.before.users) == {"zoe"}
    new_items = set(after.items) - set(extended.before.items)
    assert new_items == {"sequel", "lone"}
    frame = after.recommend("zoe", k=20)
    assert set(frame["item_id"]) == set(after.items) - {
        *("left_alien", "left_brazil", "lone")
    }
    assert list(frame["name"][frame["item_id"] == "sequel"]) == ["Sequel"]


def test_a_new_item_without_a_triple_is_noted(extended: Extended) -> None:
    notes = "\n".join(extended.notes)
    assert "new items ('void') have no triple and no interaction, so that not" in notes
    assert "new items ('lone') have no triple, so that interactions alone" in notes
    assert "1 of the interactions are known already" in notes
    assert "1 of the triples are known already" in notes


def test_a_new_item_is_explained(extended: Extended) -> None:
    explanation = extended.after.explain("zoe", "sequel", paths=3)
    reasons = {reason.item.id for reason in explanation.reasons}
    # The two have a fact in common with it: who directed it, and its genre.
    assert (
        {"left_alien", "left_brazil"}
        <= reasons
        <= {"left_alien", "left_brazil", "lone"}
    )
    frame = extended.after.recommend("zoe", k=20).set_index("item_id")
    assert explanation.score == pytest.approx(frame["score"]["sequel"], abs=1e-5)


def vectors_by_id(model: Any) -> dict[str, dict[Any, torch.Tensor]]:
    """The rows of each table that has some of its own, by kind and id."""
    tokens, state = (
        model._restored.data.dataset.field2id_token,
        model._restored.model.state_dict(),
    )
    nodes = [("user", token) for token in tokens["user_id"]]
    nodes += [("entity", token) for token in tokens["entity_id"]]
    ids = {
        "node_embedding.weight": nodes,
        "projection.node_vector.weight": nodes,
        "item_bias.weight": list(tokens["item_id"]),
    }
    return {name: dict(zip(ids[name], state[name])) for name in ids}


def test_scores_are_those_of_a_graph_with_all_facts_from_the_start(
    extended: Extended,
) -> None:
    before = extended.before
    pairs = pd.DataFrame(
        {
            "user_id": ["zoe", "zoe", "left_ann", "left_dee"],
            "item_id": ["left_alien", "right_elf", "left_fargo", "sequel"],
        }
    )
    # An entity of before becomes an item, too.
    links = pd.DataFrame(
        {"item_id": ["portrait", "sequel"], "entity_id": ["left_lynch", "sequel"]}
    )
    after = before.extend(pairs, NEW_TRIPLES, links)

    # RecBole reads the same facts, and the parameters are put in by their ids.
    parts, triples, known_links = facts()
    parts["train"] = pd.concat([parts["train"], pairs])
    triples, links = pd.concat([triples, NEW_TRIPLES]), pd.concat([known_links, links])
    reference = rk.fit(
        parts, triples.drop_duplicates(), links, options=OPTIONS, epochs=1
    )
    source, target = before._restored.model, reference._restored.model
    state, known = dict(source.state_dict()), vectors_by_id(before)
    for name, rows in vectors_by_id(reference).items():
        none = torch.zeros(state[name].shape[1])
        state[name] = torch.stack([known[name].get(i, none) for i in rows])
    target.load_state_dict(state)
    statistics = source.training_statistics()
    is_known = [item in before.items for item in ["[PAD]", *reference.items]]
    is_known[0] = bool(statistics.is_known[0])
    target.fix_statistics(
        dataclasses.replace(statistics, is_known=torch.tensor(is_known))
    )
    expected = scores(reference)
    assert {"portrait", "sequel"} <= set(expected) and "zoe" in expected.index
    np.testing.assert_allclose(
        scores(after).loc[expected.index, expected.columns],
        expected,
        rtol=0,
        atol=1e-5,
    )


# --- what is old --------------------------------------------------------------------


def test_scores_beyond_the_reach_of_new_facts_stay(extended: Extended) -> None:
    before, after = scores(extended.before), scores(extended.after)
    users, items = (
        side(ids, "right_") for ids in (extended.before.users, extended.before.items)
    )
    np.testing.assert_allclose(
        after.loc[users, items], before.loc[users, items], rtol=0, atol=1e-6
    )
    # The facts do change what they reach.
    users, items = (
        side(ids, "left_") for ids in (extended.before.users, extended.before.items)
    )
    changed = np.abs(after.loc[users, items] - before.loc[users, items])
    assert (changed > 1e-4).to_numpy().any()


def test_the_offset_of_new_items_is_for_those_without_training_interactions(
    extended: Extended,
) -> None:
    model = extended.after._restored.model
    is_known = dict(zip(extended.after.items, model.new_items.is_known[1:].tolist()))
    assert not is_known["sequel"] and not is_known["lone"]
    assert is_known["left_alien"]


# --- a model like any other ---------------------------------------------------------


def test_a_saved_extension_is_the_same_model(
    extended: Extended, tmp_path: Path
) -> None:
    extended.after.save(tmp_path / "model")
    loaded = rk.load(tmp_path / "model")
    assert loaded.users == extended.after.users
    assert loaded.items == extended.after.items
    pd.testing.assert_frame_equal(scores(loaded), scores(extended.after))


def test_an_extension_can_be_extended(extended: Extended) -> None:
    twice = extended.after.extend(
        pd.DataFrame({"user_id": ["yan"], "item_id": ["sequel"]})
    )
    assert "yan" in twice.users
    before, after = scores(extended.before), scores(twice)
    users, items = (
        side(ids, "right_") for ids in (extended.before.users, extended.before.items)
    )
    np.testing.assert_allclose(
        after.loc[users, items], before.loc[users, items], rtol=0, atol=1e-6
    )


def test_an_extension_is_evaluated_and_inspected(extended: Extended) -> None:
    best = extended.after.recommend("zoe", k=2)["item_id"]
    # The first is ranked first, and has company that is found as well.
    pairs = pd.DataFrame({"user_id": "zoe", "item_id": best})
    metrics = extended.after.evaluate(pairs)["value"]
    assert metrics["Recall@2"] == metrics["MRR@2"] == 1
    assert not extended.after.inspect().findings.empty
    weights = extended.after.attention()
    is_new = (weights["head"] == "sequel") & (weights["tail"] == "left_scott")
    assert (weights["weight"][is_new] > 0).tolist() == [True]


def test_a_list_of_items_is_a_user_of_the_graph(extended: Extended) -> None:
    liked = ["left_dune", "left_elf", "right_casino"]
    frame = extended.before.recommend(items=liked, k=5)
    user = pd.DataFrame({"user_id": "new", "item_id": liked})
    expected = extended.before.extend(user).recommend("new", k=5)
    assert list(frame["item_id"]) == list(expected["item_id"])
    np.testing.assert_allclose(frame["score"], expected["score"], atol=1e-6)


# --- refusals -----------------------------------------------------------------------


def test_users_or_items_are_given(extended: Extended) -> None:
    with pytest.raises(UserError, match="users and items are both given"):
        extended.before.recommend("left_ann", items=["left_elf"])


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ({}, "nothing to extend by"),
        (
            {"triples": NEW_TRIPLES.replace("directed_by", "directedby")},
            r"triples.iloc\[0\]: the model was trained without the relation "
            r"'directedby'; did you mean directed_by\?",
        ),
        (
            {
                "interactions": pd.DataFrame(
                    {"user_id": ["left_ann"], "item_id": ["left_alien"]}
                )
            },
            "nothing to extend by; 1 of the interactions are known already",
        ),
        (
            {
                "links": pd.DataFrame(
                    {"item_id": ["sequel"], "entity_id": ["left_m_elf"]}
                )
            },
            r"links.iloc\[0\]: entity 'left_m_elf' is linked to the item 'left_elf' "
            "already",
        ),
        (
            {
                "links": pd.DataFrame(
                    {"item_id": ["left_elf"], "entity_id": ["left_scott"]}
                )
            },
            r"links.iloc\[0\]: item 'left_elf' is linked to the entity 'left_m_elf'",
        ),
        (
            {
                "interactions": pd.DataFrame(
                    {"user_id": ["left_ann"], "item_id": ["left_scott"]}
                )
            },
            "item 'left_scott' has the id of an entity, but the items of the model",
        ),
    ],
)
def test_facts_that_contradict_the_model_are_refused(
    frames: dict[str, pd.DataFrame], message: str, extended: Extended
) -> None:
    with pytest.raises(UserError, match=message):
        extended.before.extend(**frames)
