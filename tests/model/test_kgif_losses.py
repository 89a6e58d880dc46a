"""The losses of KGIF compared with their definitions."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recbole_kgif.model.fast_kgif import KGIF
from tests.conftest import Loaded
from tests.model.helpers import build, interaction, one_batch


def score_by_hand(
    model: KGIF, z: tuple[Tensor, Tensor], user: int, item: int
) -> Tensor:
    u, i = z[0][user], z[1][item]
    cosine = (u @ i) / (u.norm() * i.norm())
    return cosine / model.temperature + model.item_bias.weight[item, 0]


def test_the_softmax_loss_follows_its_definition(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(knowledge_weight=0, n_negatives=5, walks=False)
    model = build(loaded).train()
    torch.nn.init.normal_(model.item_bias.weight)
    batch = one_batch(loaded)
    z = model.forward()
    shared = set(batch["neg_item_id"][:5].tolist())
    train = loaded.train_data._dataset.inter_feat
    known = set(zip(train["user_id"].tolist(), train["item_id"].tolist()))
    losses = []
    for user, item in zip(batch["user_id"].tolist(), batch["item_id"].tolist()):
        negatives = [j for j in shared if (user, j) not in known]
        others = [score_by_hand(model, z, user, j) for j in negatives]
        scores = torch.stack([score_by_hand(model, z, user, item), *others])
        losses.append(-torch.log_softmax(scores, 0)[0])
    (loss,) = model.calculate_loss(batch)
    torch.testing.assert_close(loss, torch.stack(losses).mean())


def test_a_user_who_knows_every_shared_negative_does_no_harm(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(knowledge_weight=0)
    model = build(loaded).train()
    ann, alien, dune = (
        int(loaded.dataset.token2id(field, token))
        for field, token in (
            ("user_id", "ann"),
            ("item_id", "alien"),
            ("item_id", "dune"),
        )
    )
    batch = interaction(user_id=[ann], item_id=[alien], neg_item_id=[dune])
    losses = model.calculate_loss(batch)
    assert [loss.item() for loss in losses] == [0, 0]
    sum(losses).backward()
    for parameter in model.parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all()


def test_the_bpr_loss_follows_its_definition(load_tiny: Callable[..., Loaded]) -> None:
    loaded = load_tiny(knowledge_weight=0, loss="bpr", walks=False)
    model = build(loaded).train()
    torch.nn.init.normal_(model.item_bias.weight)
    batch = one_batch(loaded)
    z = model.forward()
    losses = [
        -torch.log(
            torch.sigmoid(
                score_by_hand(model, z, user, item)
                - score_by_hand(model, z, user, other)
            )
        )
        for user, item, other in zip(
            *(batch[f].tolist() for f in ("user_id", "item_id", "neg_item_id"))
        )
    ]
    (loss,) = model.calculate_loss(batch)
    torch.testing.assert_close(loss, torch.stack(losses).mean())


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_the_walks_are_trained_on_leave_one_out_scores(
    load_tiny: Callable[..., Loaded], loss: str
) -> None:
    loaded = load_tiny(knowledge_weight=0, loss=loss)
    model = build(loaded).train()
    assert model.walks is not None
    torch.nn.init.normal_(model.item_bias.weight)
    torch.nn.init.normal_(model.walks.relation_trust.weight, std=0.05)
    batch = one_batch(loaded)
    bias = model.item_bias.weight.squeeze(-1)
    train = loaded.train_data._dataset.inter_feat
    known = set(zip(train["user_id"].tolist(), train["item_id"].tolist()))
    shared = set(batch["neg_item_id"].tolist())
    losses = []
    for user, item, other in zip(
        *(batch[f].tolist() for f in ("user_id", "item_id", "neg_item_id"))
    ):
        others = [other]
        if loss == "softmax":
            others = [j for j in shared if (user, j) not in known]
        selected = [torch.tensor([n]) for n in (user, item)]
        own, negative = model.walks.leave_one_out_scores(
            *selected, torch.tensor(others)
        )
        score, negative = own[0] + bias[item], negative[0] + bias[others]
        # With one negative the two losses are the same.
        losses.append(
            -torch.log_softmax(torch.cat([score.unsqueeze(0), negative]), 0)[0]
        )
    _, walk_loss = model.calculate_loss(batch)
    torch.testing.assert_close(walk_loss, torch.stack(losses).mean())


@pytest.mark.parametrize("projected", [True, False])
def test_the_knowledge_loss_follows_its_definition(
    load_tiny: Callable[..., Loaded], projected: bool
) -> None:
    loaded = load_tiny(knowledge_weight=0.7, dynamic_projection=projected)
    model = build(loaded).train()
    batch = one_batch(loaded)
    assert model.relation_embedding is not None
    relation_e, n_relations = model.relation_embedding.weight, model.n_relations

    def seen(n: int, r: int) -> Tensor:
        embedding = model.node_embedding.weight[n]
        if model.projection is None:
            return embedding
        strength = model.projection.node_vector.weight[n] @ embedding
        return embedding + strength * model.projection.relation_vector.weight[r]

    def distance(h: int, r: int, t: int) -> Tensor:
        return (seen(h, r) + relation_e[r] - seen(t, r)).pow(2).sum()

    interact, n_users = model.n_relations - 1, model.n_users
    triples = [
        (user, interact, item + n_users, other + n_users)
        for user, item, other in zip(
            *(batch[f].tolist() for f in ("user_id", "item_id", "neg_item_id"))
        )
    ]
    triples += [
        (head + n_users, relation, tail + n_users, other + n_users)
        for head, relation, tail, other in zip(
            *(
                batch[f].tolist()
                for f in ("head_id", "relation_id", "tail_id", "neg_tail_id")
            )
        )
    ]
    losses = []
    for h, r, t, other in triples:
        forward = distance(h, r, other) - distance(h, r, t)
        inverse = distance(other, r + n_relations, h) - distance(t, r + n_relations, h)
        losses += [-torch.log(torch.sigmoid(m)) for m in (forward, inverse)]
    *_, loss = model.calculate_loss(batch)
    torch.testing.assert_close(loss, 0.7 * torch.stack(losses).mean())
