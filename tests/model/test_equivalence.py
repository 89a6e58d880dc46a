"""The fast model computes what the reference does."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from recbole.trainer import KGTrainer
from recbole.utils import init_seed
from torch import Tensor, nn

from recbole_kgif.common.resources import resource
from recbole_kgif.model import fast_kgif, kgif
from recbole_kgif.options.settings import preset_options
from tests.conftest import Loaded
from tests.model.random_data import FIELDS, SIZES, RandomData

DEFAULTS = yaml.safe_load(resource("properties/model/KGIF.yaml").read_text("utf-8"))

# Every option that changes what is computed, or which layers there are.
CHOICES: dict[str, list[dict[str, Any]]] = {
    "fusion": [{"fusion": True}, {"fusion": False}],
    "projection": [{"dynamic_projection": True}, {"dynamic_projection": False}],
    "attention": [
        {"attention": "modulated"},
        {"attention": "softmax"},
        {"attention": "none"},
        {"attention": "modulated", "attention_update": "epoch"},
        {"attention": "softmax", "attention_update": "epoch"},
        {"attention": "modulated", "attention_update": 2},
    ],
    "propagation": [
        {"propagation": "linear"},
        {"propagation": "bi-interaction"},
        {"propagation": "bi-interaction", "layer_sizes": [5, 3]},
        {"n_layers": 0},
    ],
    "knowledge": [
        {"knowledge_weight": 0.1},
        {"knowledge_weight": 0},
        {"knowledge_update": "alternate"},
    ],
    "walks": [{"walks": True}, {"walks": False}],
    "item_bias": [{"item_bias": True}, {"item_bias": False}],
    "similarity": [{"similarity": "cosine"}, {"similarity": "inner-product"}],
    "loss": [{"loss": "softmax"}, {"loss": "bpr"}, {"n_negatives": 5}],
    "dropout": [{"dropout": 0.0}, {"dropout": 0.3}],
}


def combinations() -> Iterator[dict[str, Any]]:
    for chosen in itertools.product(*CHOICES.values()):
        options: dict[str, Any] = {}
        for each in chosen:
            options.update(each)
        is_fixed = options.get("attention_update") == "epoch"
        if not (is_fixed and options.get("knowledge_weight") == 0):
            yield options


ALL = list(combinations())
# A prime: neighbours in the list differ in the last options, these in all.
SOME = ALL[::53]


def both(options: dict[str, Any], seed: int = 0) -> tuple[Any, Any, RandomData]:
    """The reference and the fast model with equal parameters, and their data."""
    data = RandomData(seed)
    config = {**FIELDS, **DEFAULTS, "embedding_size": 6, "n_layers": 3, **options}
    torch.manual_seed(seed)
    fast = fast_kgif.KGIF(config, data)
    reference = kgif.KGIF(config, data)
    for name, parameter in fast.named_parameters():
        if not parameter.requires_grad:
            continue
        is_small = name in ("walks.relation_trust.weight", "walks.exponent")
        nn.init.normal_(parameter, std=0.02 if is_small else 0.5)
    fast.balance.copy_(torch.tensor([0.5, 2.0]))
    of_both = {
        name: tensor
        for name, tensor in fast.state_dict().items()
        if not name.startswith("new_items.")
    }
    reference.load_state_dict(of_both)
    return reference, fast, data


def computed(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses, gradients, scores and what they are made of, by names."""
    torch.manual_seed(1)
    model.train()
    model.n_walk_negatives = 4
    found: dict[str, Tensor] = {}
    # Of two steps with one attention, the second has the weights of the first.
    for step in range(2 if model.attention_interval == 2 else 1):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1 + 0.2 * step)
        losses = model.calculate_loss(batch)
        found.update({f"loss {n} of {step}": loss for n, loss in enumerate(losses)})
        total = sum(losses)
        if model.knowledge_weight > 0:
            found["knowledge loss"] = model.calculate_kg_loss(batch)
            total = total + found["knowledge loss"]
        total.backward()
    for name, parameter in model.named_parameters():
        # Without layers nothing trains the attention: no gradient, or zero.
        gradient = torch.zeros_like(parameter) if parameter.grad is None else None
        found[f"gradient of {name}"] = parameter.grad if gradient is None else gradient
    model.eval()
    users = {"user_id": torch.arange(SIZES["user_id"]).flip(0)}
    with torch.no_grad():
        found["edge weights"] = model.edge_weights()
        found["fused"] = model.fused_embeddings()
        found["users"], found["items"] = model.forward()
        found["scores"] = model.full_sort_predict(users)
        found["pairs"] = model.predict(batch)
    return {name: tensor.detach() for name, tensor in found.items()}


def check(options: dict[str, Any], seed: int, relative: float) -> None:
    reference, fast, data = both(options, seed)
    batch = data.batch()
    expected, found = computed(reference, batch), computed(fast, batch)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert tensor.isfinite().all(), name
        scale = float(tensor.abs().max()) if tensor.numel() else 0.0
        torch.testing.assert_close(
            found[name],
            tensor,
            rtol=relative,
            atol=relative * max(scale, 1.0),
            msg=lambda text, name=name: f"{name} by {options}: {text}",
        )


@pytest.fixture
def in_double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_selection_has_every_pair_of_choices() -> None:
    def pairs(options: dict[str, Any]) -> set[tuple[Any, ...]]:
        return set(itertools.combinations(sorted(map(str, options.items())), 2))

    of_all, of_some = (set().union(*map(pairs, each)) for each in (ALL, SOME))
    assert of_some == of_all


@pytest.mark.usefixtures("in_double_precision")
@pytest.mark.parametrize("first", range(4))
def test_losses_gradients_and_scores_are_equal(first: int) -> None:
    for seed, options in enumerate(SOME[first::4]):
        check(options, seed, 1e-10)


@pytest.mark.slow
@pytest.mark.usefixtures("in_double_precision")
def test_losses_gradients_and_scores_are_equal_for_all_options() -> None:
    for seed, options in enumerate(ALL):
        check(options, seed, 1e-10)


def test_losses_gradients_and_scores_are_equal_within_rounding() -> None:
    for seed, options in enumerate(SOME[::4]):
        check(options, seed, 2e-5)


@pytest.mark.parametrize("options", [{}, {"item_bias": False, "walks": False}])
def test_both_are_initialised_alike_and_have_the_same_state(
    options: dict[str, Any],
) -> None:
    config = {**FIELDS, **DEFAULTS, **options}
    states = []
    for model_class in (kgif.KGIF, fast_kgif.KGIF):
        torch.manual_seed(3)
        states.append(model_class(config, RandomData(0)).state_dict())
    assert [name for name in states[1] if not name.startswith("new_items.")] == list(
        states[0]
    )
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name


def trained(model_class: Any, loaded: Any) -> dict[str, float]:
    """Validation metrics after an epoch with RecBole's own trainer."""
    init_seed(2020, reproducibility=True)
    model = model_class(loaded.config, loaded.train_data._dataset)
    trainer = KGTrainer(loaded.config, model)
    _, result = trainer.fit(loaded.train_data, loaded.valid_data, saved=False)
    return dict(result)


@pytest.mark.parametrize("options", [{}, {"loss": "bpr", "attention_update": "epoch"}])
def test_metrics_after_an_epoch_are_equal(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    metrics = [
        trained(each, load_tiny(epochs=1, learning_rate=0.05, **options))
        for each in (kgif.KGIF, fast_kgif.KGIF)
    ]
    assert metrics[0] == pytest.approx(metrics[1], abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, preset_options("KGIF-paper")], ids=len)
def test_metrics_after_an_epoch_on_real_data_are_equal(
    in_tmp_path: Path, options: dict[str, Any]
) -> None:
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation

    quick = {
        "embedding_size": 16,
        "epochs": 1,
        "train_batch_size": 4096,
        "eval_batch_size": 1_000_000,
        "show_progress": False,
        "state": "ERROR",
        "use_gpu": False,
    }
    metrics = []
    for model_class in (kgif.KGIF, fast_kgif.KGIF):
        config = Config("KGIF", "ml-100k", config_dict={**options, **quick})
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        loaded = Loaded(config, dataset, *data_preparation(config, dataset))
        metrics.append(trained(model_class, loaded))
    # A score that rounding changes may change places with another one.
    assert metrics[0] == pytest.approx(metrics[1], abs=5e-4)
    assert metrics[0]["ndcg@10"] > 0.01
