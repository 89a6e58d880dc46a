"""The score weights and their coordinate search."""

from __future__ import annotations

from collections.abc import Callable

import torch

from recbole_kgif.model.score_weights import (
    candidate_score_weights,
    update_score_weights,
)
from tests.conftest import Loaded
from tests.model.helpers import build, interaction


def test_the_score_weights_weigh_embeddings_and_walks(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny()
    model = build(loaded).eval()
    torch.nn.init.normal_(model.item_bias.weight)
    user = interaction(user_id=list(range(loaded.dataset.user_num)))
    scores = {}
    with torch.no_grad():
        for weights in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (3.0, 0.5)):
            model.balance.copy_(torch.tensor(weights))
            scores[weights] = model.full_sort_predict(user)
    bias, propagated, walked, both = scores.values()
    assert not torch.equal(propagated, bias)
    assert not torch.equal(walked, bias)
    torch.testing.assert_close(
        both, bias + 3 * (propagated - bias) + 0.5 * (walked - bias)
    )


def test_single_steps_precede_joint_steps(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    tried = []
    for _ in range(7):
        tried.append(candidate_score_weights(model).tolist())
        update_score_weights(model, accepted=False)
        assert model.balance.tolist() == [1, 1]
    assert sorted(tried[:4]) == [[0.5, 1], [1, 0.5], [1, 2], [2, 1]]
    assert sorted(tried[4:6]) == [[0.5, 0.5], [2, 2]]
    assert tried[6] == tried[0]


def test_after_an_accepted_step_all_single_steps_are_tried_again(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    for _ in range(3):
        update_score_weights(model, accepted=False)
    candidate = candidate_score_weights(model)
    update_score_weights(model, accepted=True)
    torch.testing.assert_close(model.balance, candidate)
    for _ in range(4):
        step = candidate_score_weights(model) / model.balance
        assert (step == 1).sum() == 1
        update_score_weights(model, accepted=False)


def test_without_walks_there_is_nothing_to_search(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny(walks=False))
    assert candidate_score_weights(model) is None
    update_score_weights(model, accepted=True)
    assert model.balance.tolist() == [1, 1]
