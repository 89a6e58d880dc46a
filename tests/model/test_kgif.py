"""KGIF as a whole: its graph, training and scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Loaded
from tests.model.helpers import (
    ABLATIONS,
    build,
    interaction,
    named_edges,
    node,
    one_batch,
)

# --- graph --------------------------------------------------------------------------


def test_the_graph_holds_the_training_interactions_and_no_other(
    load_tiny: Callable[..., Loaded], data_path: Path
) -> None:
    loaded = load_tiny()
    model = build(loaded)
    graph = model.graph
    is_interaction = graph.edge_relation == model.interaction_relation
    found = set(
        zip(
            graph.edges.row[is_interaction].tolist(),
            graph.edges.column[is_interaction].tolist(),
        )
    )
    lines = (data_path / "tiny/tiny.train.inter").read_text("utf-8").splitlines()[1:]
    assert found == {
        (node(loaded, "user_id", user), node(loaded, "item_id", item))
        for user, item in (line.split("\t") for line in lines)
    }
    held_out = {
        (user, item + loaded.dataset.user_num)
        for data in (loaded.valid_data, loaded.test_data)
        for user, item in zip(
            data._dataset.inter_feat["user_id"].tolist(),
            data._dataset.inter_feat["item_id"].tolist(),
        )
    }
    every_edge = {(head, tail) for head, _, tail in named_edges(model)}
    assert held_out
    assert not held_out & every_edge
    assert not {(item, user) for user, item in held_out} & every_edge


def test_the_graph_holds_the_triples_that_link_by_name(
    load_tiny: Callable[..., Loaded], data_path: Path
) -> None:
    loaded = load_tiny()
    model = build(loaded)
    edges = named_edges(model)
    lines = (data_path / "tiny/tiny.kg").read_text("utf-8").splitlines()[1:]
    # These entities touch one film each, if only by two relations or by themselves.
    dangling = {"gilliam", "scorsese", "lynch", "coen"}
    linking = [line for line in lines if not dangling & set(line.split("\t"))]
    assert len(linking) == 9
    n_relations = loaded.dataset.relation_num
    expected = set()
    for head, relation, tail in (line.split("\t") for line in linking):
        h, t = (node(loaded, "entity_id", token) for token in (head, tail))
        r = int(loaded.dataset.token2id("relation_id", relation))
        expected |= {(h, r, t), (t, r + n_relations, h)}
    interaction_relations = {
        model.interaction_relation,
        model.interaction_relation + n_relations,
    }
    assert {e for e in edges if e[1] not in interaction_relations} == expected
    assert len(edges) == model.graph.n_edges
    n_interactions = len(loaded.train_data._dataset)
    assert len(edges) == len(expected) + 2 * n_interactions


# --- training -----------------------------------------------------------------------


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_every_parameter_receives_gradient(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    loaded = load_tiny(**options)
    model = build(loaded).train()
    sum(model.calculate_loss(one_batch(loaded))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
        assert torch.isfinite(parameter.grad).all(), name


def test_layers_switched_off_have_no_parameters(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(fusion=False, attention="none", walks=False, knowledge_weight=0)
    names = {name for name, _ in build(loaded).named_parameters()}
    assert names == {"node_embedding.weight", "item_bias.weight"}


def test_interactions_are_no_tokens_of_the_fusion(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny()).eval()
    assert model.fusion is not None
    relations = model.graph.node_relations.column.unique().tolist()
    interactions = {model.interaction_relation, 2 * model.n_relations - 1}
    assert interactions < set(relations)
    tokens = model.fusion.tokens.column.unique().tolist()
    assert set(tokens) == set(relations) - interactions
    # Users have nothing else.
    own, fused = model.node_embedding.weight, model.fused_embeddings()
    torch.testing.assert_close(fused[: model.n_users], own[: model.n_users])
    assert not torch.allclose(
        fused[model.n_users :], own[model.graph_nodes[model.n_users :]]
    )


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_one_batch_can_be_overfitted(
    load_tiny: Callable[..., Loaded], loss: str
) -> None:
    loaded = load_tiny(loss=loss, knowledge_weight=0, embedding_size=32)
    model = build(loaded).train()
    batch = one_batch(loaded)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    first = float(model.calculate_loss(batch)[0].detach())
    for _ in range(200):
        optimizer.zero_grad()
        sum(model.calculate_loss(batch)).backward()
        optimizer.step()
    last = float(model.calculate_loss(batch)[0].detach())
    assert last < first / 4
    model.eval()
    # The walks learn from leave-one-out scores.
    model.balance.copy_(torch.tensor([1.0, 0.0]))
    with torch.no_grad():
        positive = model.predict(batch)
        negative = model.predict(
            interaction(
                user_id=batch["user_id"].tolist(), item_id=batch["neg_item_id"].tolist()
            )
        )
    assert (positive > negative).all()


def test_the_knowledge_loss_alone_tells_true_from_false_triples(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(knowledge_weight=1.0)
    model = build(loaded).train()
    batch = one_batch(loaded)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        model.calculate_kg_loss(batch).backward()
        optimizer.step()
    assert model.calculate_kg_loss(batch).item() < 0.1


def test_attention_of_an_epoch_is_refreshed_with_the_next(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(attention_update="epoch")
    model = build(loaded).train()
    batch = one_batch(loaded)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sum(model.calculate_loss(batch)).backward()
    first = model.last_edge_weights
    assert not first.requires_grad
    optimizer.step()
    model.calculate_loss(batch)
    assert torch.equal(model.last_edge_weights, first)
    model.train()
    model.calculate_loss(batch)
    refreshed = model.last_edge_weights
    assert not torch.equal(refreshed, first)
    torch.testing.assert_close(refreshed, model.edge_weights().detach())


def test_every_second_step_has_the_edge_weights_of_the_step_before(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(attention_update=2, knowledge_weight=0)
    model = build(loaded).train()
    batch = one_batch(loaded)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)

    def step() -> tuple[bool, Any]:
        optimizer.zero_grad(set_to_none=True)
        sum(model.calculate_loss(batch)).backward()
        bias = model.attention.relation_bias.weight
        optimizer.step()
        return bias.grad is not None, model.last_edge_weights

    (learns, first), (_, second), (learns_again, third) = step(), step(), step()
    assert learns and learns_again
    assert torch.equal(first, second) and not torch.equal(second, third)
    assert step()[0] is False
    # An epoch begins with an update.
    model.train()
    assert step()[0] is True


# --- scoring ------------------------------------------------------------------------


def all_pairs(loaded: Loaded) -> Any:
    users, items = range(loaded.dataset.user_num), range(loaded.dataset.item_num)
    pairs = list(itertools.product(users, items))
    return interaction(user_id=[u for u, _ in pairs], item_id=[i for _, i in pairs])


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_predict_agrees_with_full_sort_predict(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    loaded = load_tiny(**options)
    model = build(loaded).eval()
    torch.nn.init.normal_(model.item_bias.weight)
    with torch.no_grad():
        pairs = model.predict(all_pairs(loaded))
        ranked = model.full_sort_predict(
            interaction(user_id=list(range(loaded.dataset.user_num)))
        )
    torch.testing.assert_close(pairs, ranked)


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_two_evaluations_agree_and_a_step_changes_them(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    loaded = load_tiny(**options)
    model = build(loaded).eval()
    pairs = all_pairs(loaded)
    with torch.no_grad():
        first = model.predict(pairs)
        assert torch.equal(model.predict(pairs), first)
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sum(model.calculate_loss(one_batch(loaded))).backward()
    optimizer.step()
    model.eval()
    with torch.no_grad():
        assert not torch.equal(model.predict(pairs), first)


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_a_loaded_state_gives_equal_scores_at_once(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    loaded = load_tiny(**options)
    trained, fresh = build(loaded).eval(), build(loaded).eval()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(torch.randn_like(parameter))
        pairs = all_pairs(loaded)
        before = fresh.predict(pairs)
        fresh.load_state_dict(trained.state_dict())
        assert not torch.equal(before, trained.predict(pairs))
        assert torch.equal(fresh.predict(pairs), trained.predict(pairs))


def test_the_state_holds_parameters_and_no_graph(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    parameters = {name for name, _ in model.named_parameters()}
    assert set(model.state_dict()) == {
        *parameters,
        "balance",
        "next_step",
        "n_failed_steps",
        "new_items.weights",
    }


def test_the_score_is_a_sum_over_walks(load_tiny: Callable[..., Loaded]) -> None:
    """Every walk from either end, enumerated: the property explanations rest on."""
    loaded = load_tiny(n_layers=2)
    model = build(loaded).eval().double()
    graph = model.graph
    with torch.no_grad():
        weights, fused = model.edge_weights(), model.fused_embeddings()
    out: dict[int, list[tuple[int, float]]] = {}
    edges = zip(graph.edges.row.tolist(), graph.edges.column.tolist(), weights.tolist())
    for head, tail, weight in edges:
        out.setdefault(head, []).append((tail, weight))

    def walks(start: int) -> list[tuple[int, float]]:
        """End and weight of each walk of up to n_layers steps."""
        ends = level = [(start, 1.0)]
        for _ in range(model.n_layers):
            level = [(t, v * w) for n, v in level for t, w in out.get(n, [])]
            ends = ends + level
        return ends

    user = node(loaded, "user_id", "dee")
    item = node(loaded, "item_id", "alien")
    total = (
        sum(
            v * w * float(fused[m] @ fused[n])
            for (m, v), (n, w) in itertools.product(walks(user), walks(item))
        )
        / (model.n_layers + 1) ** 2
    )
    with torch.no_grad():
        user_all, entity_all = model.forward()
        u, i = user_all[user], entity_all[item - model.n_users]
        pair = interaction(user_id=[user], item_id=[item - model.n_users])
        score = model.predict(pair).item()
        assert model.walks is not None
        walked = model.walks(torch.tensor([user]), model.walks.spectral_filter())
        direct = walked[0, item - model.n_users].item()
    norm = (u.norm() * i.norm()).item() * model.temperature
    assert direct > 0  # from brazil, by the genre that both share
    assert total / norm + direct == pytest.approx(score, rel=1e-5)
