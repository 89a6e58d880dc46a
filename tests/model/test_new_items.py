from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole_kgif.model import new_items, random_walks
from recbole_kgif.model.kgif import CollaborativeKnowledgeGraph, Triples
from recbole_kgif.model.new_items import (
    LEAST_ARRIVALS,
    PENALTY,
    SHARPNESS,
    NewItems,
    item_facts,
    solve_regression,
)
from recbole_kgif.model.random_walks import N_STEPS, RESTART
from tests.conftest import Loaded
from tests.model.helpers import build, interaction

N_USERS, N_ITEMS, N_NODES = 3, 6, 14
IS_KNOWN = torch.tensor([False, True, True, True, False, False])


def graph() -> CollaborativeKnowledgeGraph:
    """Users 1 and 2, items 1 to 5 (nodes 4 to 8), entities (nodes 9 to 13).

    Items 1 and 4 share two entities, 1, 2 and 5 another one, by one relation; item 3
    shares that one by another relation. A link of two items goes along.
    """
    triples = [
        *((1, 2, 4), (1, 2, 5), (2, 2, 6)),  # interactions
        *((4, 0, 9), (7, 0, 9), (4, 0, 10), (7, 0, 10)),
        *((4, 0, 11), (5, 0, 11), (8, 0, 11), (6, 1, 11)),
        *((5, 1, 12), (8, 1, 12), (5, 1, 4), (12, 0, 13), (4, 0, 9)),
    ]
    return CollaborativeKnowledgeGraph(
        Triples(*torch.tensor(triples).t()), N_NODES, n_relations=3
    )


def test_facts_are_pairs_of_relation_and_entity_that_items_share() -> None:
    facts = item_facts(graph(), N_USERS, N_ITEMS).to_dense()
    columns = {tuple(np.round(column.tolist(), 4)) for column in facts.t()}
    pair, three = (round(float(np.log(5 / n)), 4) for n in (2, 3))
    assert columns - {(0,) * 6} == {
        (0, pair, 0, 0, pair, 0),  # entities 9 and 10
        (0, three, three, 0, 0, three),
        (0, 0, pair, 0, 0, pair),
    }
    users = [column for column in facts.t() if not column.any()]
    # What items share as users' choices is no fact: the columns are empty.
    assert len(users) + 4 == facts.shape[1]


def dense_regression(facts: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    kernel = facts @ facts.T
    diagonal = kernel.diagonal()
    kernel = kernel / diagonal[diagonal > 0].mean()
    of_known = kernel[np.ix_(is_known, is_known)] + PENALTY * np.eye(is_known.sum())
    weights: np.ndarray = np.linalg.inv(of_known) @ kernel[np.ix_(is_known, ~is_known)]
    return weights


def solved(facts: Tensor, is_known: Tensor) -> np.ndarray:
    found: np.ndarray = solve_regression(facts, is_known).dense(is_known).numpy()
    return found


def random_facts(n_items: int, n_facts: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    facts = torch.rand(n_items, n_facts, generator=generator).double()
    return torch.where(facts > 0.7, facts, torch.zeros(())).to_sparse()


@pytest.mark.parametrize("most_known", [1000, 1])
def test_the_regression_is_that_of_dense_matrices(
    most_known: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_items, "MOST_KNOWN", most_known)
    monkeypatch.setattr(new_items, "_BLOCK", 7)
    facts = random_facts(60, 40)
    is_known = torch.arange(60) % 3 > 0
    weights = solved(facts.coalesce(), is_known)
    expected = dense_regression(facts.to_dense().numpy(), is_known.numpy())
    # Conjugate gradients stop when they are near enough.
    tolerance = 1e-12 if most_known == 1000 else 1e-3
    np.testing.assert_allclose(weights, expected, atol=tolerance)


def test_an_item_without_facts_has_no_weights() -> None:
    facts = torch.zeros(4, 2).double()
    facts[1] = 1
    is_known = torch.tensor([False, True, True, False])
    weights = solved(facts.to_sparse().coalesce(), is_known)
    np.testing.assert_array_equal(weights, np.zeros((2, 2)))
    none = torch.zeros(4, 2).to_sparse().coalesce()
    assert not solved(none, is_known).any()


def test_new_items_of_equal_facts_are_solved_once() -> None:
    facts = torch.tensor([[1, 0], [1, 2], [0, 2], [1, 2], [0, 0], [0, 2]]).double()
    is_known = torch.tensor([True, False, False, False, True, False])
    found = solve_regression(facts.to_sparse().coalesce(), is_known)
    assert found.items.tolist() == [0]
    assert found.column.tolist() == [0, 1, 0, 1]
    assert found.weights.shape == (1, 2)


def test_expected_scores_are_those_of_the_given_scores() -> None:
    module = NewItems(graph(), N_USERS, IS_KNOWN)
    first, second = torch.randn(2, 2, N_ITEMS).unbind()
    expected = module.expected_scores(first)
    assert module.expected_scores(first.clone()) is expected
    assert not torch.isclose(module.expected_scores(second), expected).all()
    assert torch.equal(module.expected_scores(first), expected)


def dense_arrivals() -> np.ndarray:
    """How often walks are at each item, by powers of the dense transition matrix."""
    ckg = graph()
    head, _, tail = (column.numpy() for column in ckg.triples())
    step = np.zeros((N_NODES, N_NODES))
    np.add.at(step, (head, tail), 1)
    step /= step.sum(axis=1, keepdims=True).clip(min=1)
    on = (1 - RESTART) * step
    powers = [np.linalg.matrix_power(on, n) for n in range(N_STEPS + 1)]
    walks = RESTART * sum(powers[:-1], np.zeros_like(on)) + powers[-1]
    items = slice(N_USERS, N_USERS + N_ITEMS)
    of_items: np.ndarray = walks[items, items]
    return of_items


@pytest.mark.parametrize("cells", [N_NODES, 10**6])
def test_arrivals_are_those_of_dense_matrices(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_walks, "_CELLS_AT_ONCE", cells)
    targets = torch.tensor([0, 4, 5])
    found = random_walks.arrivals(graph(), N_USERS, N_ITEMS, targets)
    np.testing.assert_allclose(found, dense_arrivals()[:, targets], atol=1e-6)


def test_scores_of_new_items_are_mixed_with_the_borrowed_ones() -> None:
    scores = torch.randn(2, N_ITEMS, generator=torch.Generator().manual_seed(0))
    module = NewItems(graph(), N_USERS, IS_KNOWN)
    users = torch.tensor([2, 1])
    assert module(scores, users) is scores
    module.weights.copy_(torch.tensor([0.25, 0.5, 2.0]))
    found = module(scores, users).double().numpy()
    facts = item_facts(graph(), N_USERS, N_ITEMS).to_dense().double().numpy()
    weights = dense_regression(facts, IS_KNOWN.numpy())
    history = np.zeros((2, N_ITEMS))
    history[0, 3] = history[1, 1] = history[1, 2] = 1
    np.testing.assert_array_equal(module.history(users), history)
    arrived = dense_arrivals()[:, ~IS_KNOWN.numpy()]
    for user in range(2):
        known = np.exp(SHARPNESS * scores[user, IS_KNOWN].double().numpy())
        # Item 5 shares facts with 1 and 2; item 4 with 1.
        sums = np.maximum(known @ weights, 1e-3 / 3 * known.sum())
        expected = np.log(sums) / SHARPNESS
        walked = history[user] @ arrived / history[user].sum()
        own = scores[user, ~IS_KNOWN].double().numpy()
        np.testing.assert_allclose(
            found[user, ~IS_KNOWN.numpy()],
            0.25 * own
            + 0.25 * expected
            + 0.5 * np.log(np.maximum(walked, LEAST_ARRIVALS))
            + 2,
            rtol=1e-5,
        )
        np.testing.assert_array_equal(
            found[user, IS_KNOWN.numpy()], scores[user, IS_KNOWN].numpy()
        )


def test_a_user_without_interactions_has_no_walks() -> None:
    module = NewItems(graph(), N_USERS, IS_KNOWN)
    nobody = module.history(torch.tensor([0]))
    assert not nobody.any()
    expected = torch.full((1, 3), LEAST_ARRIVALS).log()
    torch.testing.assert_close(module.walk_scores(nobody), expected)


def test_scores_by_walks_are_those_of_the_given_users() -> None:
    module = NewItems(graph(), N_USERS, IS_KNOWN)
    first, second = torch.tensor([1, 2]), torch.tensor([2, 1])
    walked = module.walk_scores_of(first)
    assert module.walk_scores_of(first.clone()) is walked
    assert not torch.equal(walked, walked.flip(0))
    torch.testing.assert_close(module.walk_scores_of(second), walked.flip(0))


def test_a_model_gives_its_new_items_these_scores(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny()).eval()
    users = list(range(1, model.n_users))
    before = model.full_sort_predict(interaction(user_id=users)).view(len(users), -1)
    model.new_items.is_known[3:] = False
    model.new_items.weights.copy_(torch.tensor([0.5, 0.25, 1.0]))
    scores = model.full_sort_predict(interaction(user_id=users)).view(len(users), -1)
    torch.testing.assert_close(scores[:, 1:3], before[:, 1:3])
    assert not torch.isclose(scores[:, 3:], before[:, 3:]).any()
    expected = model.new_items(before, torch.tensor(users))
    torch.testing.assert_close(scores, expected)
    pairs = interaction(
        user_id=[u for u in users for _ in range(model.n_items)],
        item_id=list(range(model.n_items)) * len(users),
    )
    torch.testing.assert_close(model.predict(pairs), scores.flatten())
    saved = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.new_items.weights.zero_()
    model.load_state_dict(saved)
    assert model.new_items.weights.tolist() == [0.5, 0.25, 1.0]


def test_a_checkpoint_without_these_weights_leaves_them_zero(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    saved = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith("new_items.")
    }
    model.new_items.weights.fill_(1)
    model.load_state_dict(saved)
    assert model.new_items.weights.tolist() == [0, 0, 0]
    # Before walks had a weight, there were two.
    saved["new_items.weights"] = torch.tensor([0.25, 1.5])
    saved["new_items.next_weights"] = torch.tensor([0.25, 2.0])
    model.load_state_dict(saved)
    assert model.new_items.weights.tolist() == [0.25, 0, 1.5]
