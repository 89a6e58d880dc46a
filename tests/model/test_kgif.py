from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from recbole_kgif.common.resources import resource
from recbole_kgif.model.hyperparameters import OPTIONS
from recbole_kgif.model.kgif import KGIF
from tests.conftest import Loaded

KGIF_YAML = resource("properties/model/KGIF.yaml")
# Options of the yaml file that RecBole's trainer reads, not the model.
TRAINER_OPTIONS = {"learning_rate", "weight_decay"}

# Each option of the method away from its default, and all layers switched off.
ABLATIONS: list[dict[str, Any]] = [
    {},
    {"fusion": False},
    {"dynamic_projection": False},
    {"attention": "softmax"},
    {"attention": "none"},
    {"attention_update": "epoch"},
    {"propagation": "bi-interaction"},
    {"loss": "bpr"},
    {"knowledge_weight": 0},
    {"dropout": 0.5},
    {"walks": False},
    {"fusion": False, "attention": "none", "walks": False, "knowledge_weight": 0},
]


def build(loaded: Loaded) -> KGIF:
    torch.manual_seed(0)
    return KGIF(loaded.config, loaded.train_data._dataset)


def one_batch(loaded: Loaded) -> Any:
    from recbole.utils import KGDataLoaderState

    loaded.train_data.set_mode(KGDataLoaderState.RSKG)
    return next(iter(loaded.train_data))


def interaction(**fields: list[int]) -> Any:
    from recbole.data.interaction import Interaction

    return Interaction({name: torch.tensor(ids) for name, ids in fields.items()})


def node(loaded: Loaded, field: str, token: str) -> int:
    """Node of a user, item or entity, by name, before any node was dropped."""
    number = int(loaded.dataset.token2id(field, token))
    return number if field == "user_id" else number + loaded.dataset.user_num


def named_edges(model: KGIF) -> set[tuple[int, int, int]]:
    """Edges of the model's graph with the ids that nodes had before any was dropped."""
    graph = model.graph
    heads, tails = (model.graph_nodes[n] for n in (graph.edges.row, graph.edges.column))
    columns = (heads, graph.edge_relation, tails)
    return set(zip(*(column.tolist() for column in columns)))


class RecordingConfig:
    """A configuration that notes which options are read."""

    def __init__(self, config: Any):
        self.config = config
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return self.config[name]


# --- options ------------------------------------------------------------------------


def test_options_of_the_yaml_file_are_those_checked_and_read(
    load_tiny: Callable[..., Loaded],
) -> None:
    listed = set(yaml.safe_load(KGIF_YAML.read_text("utf-8")))
    assert listed == set(OPTIONS) | TRAINER_OPTIONS
    loaded = load_tiny()
    config = RecordingConfig(loaded.config)
    KGIF(config, loaded.train_data._dataset)
    assert set(OPTIONS) <= config.read
    recbole_fields = {name for name in config.read if name.isupper()}
    assert config.read - set(OPTIONS) - recbole_fields == {
        "device",
        "kg_reverse_r",
        "train_neg_sample_args",
    }


def test_options_of_the_yaml_file_are_documented_in_recboles_form() -> None:
    for line in KGIF_YAML.read_text("utf-8").splitlines():
        assert re.fullmatch(
            r"\w+: \S+ +# \((int|float|bool|str)\) [A-Z].*[.\]]", line
        ), line


def test_options_of_the_yaml_file_name_every_choice() -> None:
    lines = {
        line.split(":")[0]: line for line in KGIF_YAML.read_text("utf-8").splitlines()
    }
    for name, (_, allowed) in OPTIONS.items():
        choices = (
            allowed.partition("one of ")[2].split(", ") if "one of" in allowed else []
        )
        if choices != ["True", "False"]:
            assert all(f"'{choice}'" in lines[name] for choice in choices if choice)


BAD_VALUES = [
    ("embedding_size", -4),
    ("embedding_size", 8.0),
    ("n_layers", -1),
    ("n_layers", True),
    ("fusion", 1),
    ("dynamic_projection", "yes"),
    ("attention", "kgat"),
    ("attention_update", "batch"),
    ("propagation", "gcn"),
    ("walks", 1),
    ("dropout", 1.0),
    ("loss", "ce"),
    ("n_negatives", 0),
    ("temperature", 0),
    ("knowledge_weight", -0.1),
    ("initial_std", math.nan),
]


def test_every_option_has_a_bad_value_tried() -> None:
    assert {name for name, _ in BAD_VALUES} == set(OPTIONS)


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_bad_option_is_named_with_its_value_and_what_is_allowed(
    load_tiny: Callable[..., Loaded], name: str, value: Any
) -> None:
    loaded = load_tiny()
    loaded.config[name] = value
    with pytest.raises(ValueError) as raised:
        build(loaded)
    assert str(raised.value).startswith(f"{name}={value!r} is not allowed")
    assert OPTIONS[name][1] in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kg_reverse_r": True}, "kg_reverse_r=True is not allowed"),
        ({"train_neg_sample_args": None}, "train_neg_sample_args=None is not allowed"),
        (
            {"attention_update": "epoch", "knowledge_weight": 0},
            "knowledge_weight=0 is not allowed with attention_update=epoch",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    load_tiny: Callable[..., Loaded], options: dict[str, Any], message: str
) -> None:
    loaded = load_tiny()
    for name, value in options.items():
        loaded.config[name] = value
    if options.get("train_neg_sample_args", 0) is None:
        loaded.config["train_neg_sample_args"] = {"distribution": "none"}
    with pytest.raises(ValueError, match=re.escape(message)):
        build(loaded)


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
    # The walks learn from each interaction as if it were not there.
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
def test_the_walks_are_trained_on_each_interaction_as_if_it_were_not_there(
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
        asked = [torch.tensor([n]) for n in (user, item)]
        own, negative = model.walks.leave_one_out_scores(*asked, torch.tensor(others))
        score, negative = own[0] + bias[item], negative[0] + bias[others]
        # With one negative the two losses are the same.
        losses.append(
            -torch.log_softmax(torch.cat([score.unsqueeze(0), negative]), 0)[0]
        )
    _, walk_loss = model.calculate_loss(batch)
    torch.testing.assert_close(walk_loss, torch.stack(losses).mean())


def test_the_balance_weighs_embeddings_and_walks_in_the_score(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny()
    model = build(loaded).eval()
    torch.nn.init.normal_(model.item_bias.weight)
    user = interaction(user_id=list(range(loaded.dataset.user_num)))
    scores = {}
    with torch.no_grad():
        for balance in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (3.0, 0.5)):
            model.balance.copy_(torch.tensor(balance))
            scores[balance] = model.full_sort_predict(user)
    bias, propagated, walked, both = scores.values()
    assert not torch.equal(propagated, bias)
    assert not torch.equal(walked, bias)
    torch.testing.assert_close(
        both, bias + 3 * (propagated - bias) + 0.5 * (walked - bias)
    )


def test_steps_of_one_weight_come_first_then_steps_of_both(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    tried = []
    for _ in range(7):
        tried.append(model.candidate_score_weights().tolist())
        model.update_score_weights(accepted=False)
        assert model.balance.tolist() == [1, 1]
    assert sorted(tried[:4]) == [[0.5, 1], [1, 0.5], [1, 2], [2, 1]]
    assert sorted(tried[4:6]) == [[0.5, 0.5], [2, 2]]
    assert tried[6] == tried[0]


def test_after_a_move_all_steps_of_one_weight_are_tried_again(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny())
    for _ in range(3):
        model.update_score_weights(accepted=False)
    neighbour = model.candidate_score_weights()
    model.update_score_weights(accepted=True)
    torch.testing.assert_close(model.balance, neighbour)
    for _ in range(4):
        step = model.candidate_score_weights() / model.balance
        assert (step == 1).sum() == 1
        model.update_score_weights(accepted=False)


def test_without_walks_there_is_no_balance_to_find(
    load_tiny: Callable[..., Loaded],
) -> None:
    model = build(load_tiny(walks=False))
    assert model.candidate_score_weights() is None
    model.update_score_weights(accepted=True)
    assert model.balance.tolist() == [1, 1]


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


def test_attention_of_an_epoch_is_refreshed_with_the_next(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(attention_update="epoch")
    model = build(loaded).train()
    batch = one_batch(loaded)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    sum(model.calculate_loss(batch)).backward()
    first = model._training_edge_weights(model._look_up(model.graph_nodes)[0])
    assert not first.requires_grad
    optimizer.step()
    assert torch.equal(
        model._training_edge_weights(model._look_up(model.graph_nodes)[0]), first
    )
    model.train()
    refreshed = model._training_edge_weights(model._look_up(model.graph_nodes)[0])
    assert not torch.equal(refreshed, first)
    torch.testing.assert_close(refreshed, model.edge_weights().detach())


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
