from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from recbole.trainer import Trainer
from recbole.utils import KGDataLoaderState, get_trainer

from recbole_kgif.model.kgif import KGIF
from recbole_kgif.trainer import KGIFTrainer
from tests.conftest import Loaded


def trainer_of(loaded: Loaded) -> KGIFTrainer:
    torch.manual_seed(0)
    model = KGIF(loaded.config, loaded.train_data._dataset)
    return KGIFTrainer(loaded.config, model)


def test_recbole_finds_the_trainer(load_tiny: Callable[..., Loaded]) -> None:
    config = load_tiny().config
    assert get_trainer(config["MODEL_TYPE"], "KGIF") is KGIFTrainer


@pytest.mark.parametrize(
    ("knowledge_weight", "state"),
    [(0.1, KGDataLoaderState.RSKG), (0, KGDataLoaderState.RS)],
)
def test_triples_are_sampled_only_where_they_are_learned(
    load_tiny: Callable[..., Loaded], knowledge_weight: float, state: KGDataLoaderState
) -> None:
    loaded = load_tiny(knowledge_weight=knowledge_weight)
    trainer = trainer_of(loaded)
    losses = trainer._train_epoch(loaded.train_data, 0)
    assert loaded.train_data.state == state
    assert isinstance(losses, tuple)
    assert len(losses) == (3 if knowledge_weight else 2)


@pytest.mark.parametrize("learner", ["adam", "adamw"])
def test_the_fused_step_is_that_of_recboles_optimiser(
    load_tiny: Callable[..., Loaded], learner: str
) -> None:
    loaded = load_tiny(learner=learner, weight_decay=0.01)
    trainer = trainer_of(loaded)
    # PyTorch has the fused step on a CPU since 2.4.
    has_fused = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4)
    assert bool(trainer.optimizer.param_groups[0]["fused"]) == has_fused
    plain_model = KGIF(loaded.config, loaded.train_data._dataset)
    plain_model.load_state_dict(trainer.model.state_dict())
    plain = Trainer(loaded.config, plain_model)
    for _ in range(3):
        for model, optimizer in (
            (trainer.model, trainer.optimizer),
            (plain_model, plain.optimizer),
        ):
            optimizer.zero_grad()
            model.fused_embeddings().pow(3).sum().backward()
            optimizer.step()
    for name, parameter in trainer.model.named_parameters():
        torch.testing.assert_close(parameter, plain_model.get_parameter(name))


@pytest.mark.parametrize("bigger", [True, False])
def test_the_better_balance_of_a_validation_is_kept(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, bigger: bool
) -> None:
    trainer = trainer_of(load_tiny())
    trainer.valid_metric_bigger = bigger
    tried: list[list[float]] = []

    def distance_from_best(self: Trainer, *_: object) -> tuple[float, dict[str, float]]:
        balance = self.model.balance.tolist()
        tried.append(balance)
        distance = abs(balance[0] - 0.25) + abs(balance[1] - 2)
        return (-distance if bigger else distance), {"distance": distance}

    monkeypatch.setattr(Trainer, "_valid_epoch", distance_from_best)
    for _ in range(12):
        score, result = trainer._valid_epoch(None)
    assert trainer.model.balance.tolist() == [0.25, 2]
    assert score == 0 and result == {"distance": 0}
    assert len(tried) == 24


def test_the_search_is_not_caught_where_either_weight_alone_makes_it_worse(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(load_tiny())

    def along_a_ridge(self: Trainer, *_: object) -> tuple[float, dict[str, float]]:
        first, second = self.model.balance.log2().tolist()
        return -abs(first - second) - 0.1 * abs(first + second + 4), {}

    monkeypatch.setattr(Trainer, "_valid_epoch", along_a_ridge)
    scores = [trainer._valid_epoch(None)[0] for _ in range(20)]
    assert trainer.model.balance.tolist() == [0.25, 0.25]
    assert scores == sorted(scores)


def test_an_equal_balance_is_not_taken(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(load_tiny())
    monkeypatch.setattr(Trainer, "_valid_epoch", lambda *_: (0.5, {}))
    for bigger in (True, False):
        trainer.valid_metric_bigger = bigger
        for _ in range(6):
            trainer._valid_epoch(None)
    assert trainer.model.balance.tolist() == [1, 1]


def test_another_learner_is_left_alone(load_tiny: Callable[..., Loaded]) -> None:
    optimizer = trainer_of(load_tiny(learner="sgd")).optimizer
    assert isinstance(optimizer, torch.optim.SGD)
