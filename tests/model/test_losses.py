"""Losses compared with loops that follow their definitions; gradients are checked."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from recbole_kgif.model.losses import dots_with_rows, softmax_losses
from tests.model.test_kernels import D, values

pytestmark = pytest.mark.usefixtures("double_precision")


def test_dots_with_rows_meet_the_same_rows_in_all_groups() -> None:
    vectors, table = values(2, 3, D), values(5, D)
    rows = torch.tensor([[0, 4], [2, 2], [4, 1]])
    dots = dots_with_rows(vectors, table, rows)
    for group, place, met in itertools.product(range(2), range(3), range(2)):
        expected = vectors[group, place] @ table[rows[place, met]]
        torch.testing.assert_close(dots[group, place, met], expected)
    assert torch.autograd.gradcheck(
        lambda *given: dots_with_rows(*given, rows), (vectors, table)
    )


def softmax_losses_by_hand(
    score: Tensor, negative_score: Tensor, known: Tensor
) -> Tensor:
    losses = []
    for row in range(len(score)):
        none = known[1, known[0] == row].tolist()
        kept = [n for n in range(negative_score.shape[1]) if n not in none]
        scores = torch.cat([score[row, None], negative_score[row, kept]])
        losses.append(-torch.log_softmax(scores, 0)[0])
    return torch.stack(losses)


@pytest.mark.parametrize("largest", [1.0, 1e4])
def test_softmax_losses_leave_known_items_out(largest: float) -> None:
    generator = torch.Generator().manual_seed(1)
    # The last row knows all but one; in the first a known item scores by far highest.
    known = torch.tensor([[0, 0, 2, 2, 2], [1, 3, 0, 1, 3]])
    score = torch.randn(3, generator=generator, dtype=torch.float64)
    negative_score = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    negative_score[0, 1] = largest
    score[1] = -largest
    inputs = [score.requires_grad_(), negative_score.requires_grad_()]
    losses = softmax_losses(*inputs, known)
    expected = softmax_losses_by_hand(*inputs, known)
    torch.testing.assert_close(losses, expected)
    found, by_hand = (
        torch.autograd.grad(each.pow(2).sum(), inputs) for each in (losses, expected)
    )
    torch.testing.assert_close(found, by_hand)


def test_softmax_losses_have_true_gradients() -> None:
    known = torch.tensor([[0, 2], [1, 3]])
    score, negative_score = (
        torch.randn(3, dtype=torch.float64),
        torch.randn(3, 4, dtype=torch.float64),
    )
    assert torch.autograd.gradcheck(
        lambda *scores: softmax_losses(*scores, known),
        (score.requires_grad_(), negative_score.requires_grad_()),
    )
