"""Direct walks compared with loops that follow their equations."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recbole_kgif.model import kgif
from recbole_kgif.model.neighbour_walks import NeighbourWalks
from tests.model.test_layers import randomised
from tests.model.test_shared_neighbours import (
    N_ITEMS,
    N_USERS,
    linked_graph,
    shared_by_hand,
)

pytestmark = pytest.mark.usefixtures("double_precision")


HISTORIES = {0: [0, 1, 2], 1: [0, 1], 2: [2]}


def walks_with_values(walks_class: type[Any] = NeighbourWalks) -> Any:
    walks = randomised(walks_class(linked_graph(), N_USERS, N_ITEMS))
    with torch.no_grad():
        walks.relation_trust.weight.mul_(0.1)
        walks.exponent.fill_(0.03)
    return walks


def walk_score(walks: Any, user: int, item: int, history: list[int]) -> float:
    """w from its definition, for a user with these items."""
    x, weights = shared_by_hand(), walks.relation_weights().tolist()
    exponent = 0.5 + 10 * walks.exponent.item()
    total = sum(
        weights[relation] * x[other][relation, node] * x[item][relation, node]
        for other in history
        for relation, node in set(x[other]) & set(x[item])
        if node != user
    )
    return max(len(history), 1) ** -exponent * total


BOTH = pytest.mark.parametrize(
    "walks_class", [kgif.NeighbourWalks, NeighbourWalks], ids=["reference", "fast"]
)


@BOTH
def test_direct_walks_follow_their_equation(walks_class: type[Any]) -> None:
    walks = walks_with_values(walks_class)
    scores = walks(torch.tensor([2, 0, 1, 0]), None)
    assert scores.shape == (4, N_ITEMS)
    for row, user in enumerate([2, 0, 1, 0]):
        for item in set(range(N_ITEMS)) - set(HISTORIES[user]):
            expected = walk_score(walks, user, item, HISTORIES[user])
            assert scores[row, item].item() == pytest.approx(expected)
    assert scores[0, 1] > 0


@pytest.mark.parametrize("n_at_once", [1, 2, 3])
def test_users_may_be_scored_a_few_at_a_time(n_at_once: int) -> None:
    walks = walks_with_values()
    users, found = torch.tensor([2, 0, 1, 0, 2]), walks.spectral_filter()
    at_once = walks(users, found)
    assert walks.n_users_at_once >= len(users)
    walks.n_users_at_once = n_at_once
    assert torch.equal(walks(users, found), at_once)
    assert walks(users[:0], found).shape == (0, N_ITEMS)


@BOTH
def test_what_most_items_have_in_common_is_filtered(walks_class: type[Any]) -> None:
    walks = walks_with_values(walks_class)
    found = walks.spectral_filter()
    assert found is not None
    x, weights = shared_by_hand(), walks.relation_weights().tolist()
    between = torch.zeros(N_ITEMS, N_ITEMS, dtype=torch.float64)
    for i, j in itertools.product(range(N_ITEMS), repeat=2):
        between[i, j] = sum(
            weights[r] * x[i][r, n] * x[j][r, n] for r, n in set(x[i]) & set(x[j])
        )
    diagonal = between.diagonal()
    assert found.scale == pytest.approx(1 / float(diagonal[diagonal > 0].mean()))
    assert float(torch.linalg.eigvalsh(between)[-1]) * found.scale <= found.largest
    polynomial = found.apply(between.matmul, torch.eye(N_ITEMS, dtype=torch.float64))
    users = torch.tensor([2, 0, 1])
    direct, filtered = walks(users, None), walks(users, found)
    torch.testing.assert_close(filtered, direct @ polynomial.to(direct))
    assert not torch.allclose(filtered, direct)
    # Strong similarities lose most.
    values = torch.linalg.eigvalsh(found.scale * between)
    exact = (1 + walks.regularisation) / (1 + walks.regularisation * values)
    torch.testing.assert_close(
        torch.linalg.eigvalsh(polynomial).flip(0), exact, atol=0.02, rtol=0
    )


# All ways to the same scores: on a GPU that replays its operations, the last.
LEAVE_ONE_OUT_SCORES = [
    (kgif.NeighbourWalks, "leave_one_out_scores"),
    (NeighbourWalks, "leave_one_out_scores"),
    (NeighbourWalks, "fixed_size_leave_one_out_scores"),
]


@pytest.mark.parametrize(("walks_class", "way"), LEAVE_ONE_OUT_SCORES)
def test_an_item_that_is_left_out_is_no_evidence_of_itself(
    walks_class: type[Any], way: str
) -> None:
    walks = walks_with_values(walks_class)
    users, items = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 0, 2, 2])
    others = torch.tensor([3, 2])
    own, of_others = getattr(walks, way)(users, items, others)
    for row, (user, item) in enumerate(zip(users.tolist(), items.tolist())):
        history = [j for j in HISTORIES[user] if j != item]
        expected = walk_score(walks, user, item, history)
        assert own[row].item() == pytest.approx(expected)
        for column, other in enumerate(others.tolist()):
            if other in HISTORIES[user]:
                continue  # masked by the loss: it is no negative
            expected = walk_score(walks, user, other, history)
            assert of_others[row, column].item() == pytest.approx(expected)
    assert own[2] == 0 and own[0] > 0


@pytest.mark.parametrize(("walks_class", "way"), LEAVE_ONE_OUT_SCORES)
def test_gradients_of_the_direct_walks(walks_class: type[Any], way: str) -> None:
    walks = walks_with_values(walks_class)
    arguments = (torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([3, 2]))

    def scores(trust: Tensor, exponent: Tensor) -> Tensor:
        state = {"relation_trust.weight": trust, "exponent": exponent}
        found = torch.func.functional_call(
            LeaveOneOut(walks, way), prefixed(state), arguments
        )
        return torch.cat([part.flatten() for part in found])

    trust = walks.relation_trust.weight.detach().clone().requires_grad_()
    exponent = walks.exponent.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(scores, (trust, exponent))


class LeaveOneOut(nn.Module):
    """What training computes, as a forward pass."""

    def __init__(self, walks: nn.Module, way: str):
        super().__init__()
        self.walks = walks
        self.way = way

    def forward(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = getattr(self.walks, self.way)(*arguments)
        return found


def prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"walks.{name}": value for name, value in state.items()}
