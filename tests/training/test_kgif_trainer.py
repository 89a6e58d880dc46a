from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

import pytest
import torch
from recbole.trainer import Trainer
from recbole.utils import KGDataLoaderState, get_trainer, init_seed
from torch import Tensor

from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.model.kgif import SpectralFilter
from recbole_kgif.training import kgif_trainer
from recbole_kgif.training.kgif_trainer import KGIFTrainer
from tests.conftest import Loaded


def trainer_of(loaded: Loaded) -> KGIFTrainer:
    torch.manual_seed(0)
    model = KGIF(loaded.config, loaded.train_data._dataset)
    return KGIFTrainer(loaded.config, model)


Validated = tuple[float, dict[str, float]]


def validate_by(
    monkeypatch: pytest.MonkeyPatch, result: Callable[[Tensor], Validated]
) -> None:
    """Let the result of a validation be a function of the balance."""

    def validate_beside(
        self: KGIFTrainer, neighbour: Tensor, *_: object
    ) -> tuple[Validated, Validated]:
        return result(self.model.balance), result(neighbour)

    monkeypatch.setattr(KGIFTrainer, "_validate_both", validate_beside)


def test_recbole_finds_the_trainer(load_tiny: Callable[..., Loaded]) -> None:
    config = load_tiny().config
    assert get_trainer(config["MODEL_TYPE"], "KGIF") is KGIFTrainer


def test_triples_may_have_a_pass_of_their_own(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(knowledge_update="alternate", attention_update="epoch")
    trainer = trainer_of(loaded)
    before = trainer.model.projection.relation_vector.weight.clone()
    losses = trainer._train_epoch(loaded.train_data, 0)
    assert len(losses) == 3
    # The attention is constant within the epoch: only the second pass trains it.
    assert not torch.equal(trainer.model.projection.relation_vector.weight, before)


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

    def distance_from_best(balance: Tensor) -> Validated:
        tried.append(balance.tolist())
        distance = abs(tried[-1][0] - 0.25) + abs(tried[-1][1] - 2)
        return (-distance if bigger else distance), {"distance": distance}

    validate_by(monkeypatch, distance_from_best)
    for _ in range(12):
        score, result = trainer._valid_epoch(None)
    assert trainer.model.balance.tolist() == [0.25, 2]
    assert score == 0 and result == {"distance": 0}
    assert len(tried) == 24


def test_the_search_is_not_caught_where_either_weight_alone_makes_it_worse(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(load_tiny())

    def along_a_ridge(balance: Tensor) -> Validated:
        first, second = balance.log2().tolist()
        return -abs(first - second) - 0.1 * abs(first + second + 4), {}

    validate_by(monkeypatch, along_a_ridge)
    scores = [trainer._valid_epoch(None)[0] for _ in range(20)]
    assert trainer.model.balance.tolist() == [0.25, 0.25]
    assert scores == sorted(scores)


def test_an_equal_balance_is_not_taken(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(load_tiny())
    validate_by(monkeypatch, lambda _: (0.5, {}))
    for bigger in (True, False):
        trainer.valid_metric_bigger = bigger
        for _ in range(6):
            trainer._valid_epoch(None)
    assert trainer.model.balance.tolist() == [1, 1]


@pytest.mark.parametrize("mode", ["full", "uni20"])
def test_two_balances_are_validated_in_one_pass_as_in_two(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    loaded = load_tiny(
        eval_args={"mode": mode},
        metrics=["NDCG", "Recall", "AveragePopularity"],  # of items in training
    )
    trainer = trainer_of(loaded)
    trainer.eval_collector.data_collect(loaded.train_data)
    model = trainer.model
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    balances = torch.tensor([[1.0, 1.0], [0.125, 4.0]])
    in_two = []
    for balance in balances:
        model.balance.copy_(balance)
        init_seed(0, True)  # negatives of a sampled evaluation
        in_two.append(Trainer._valid_epoch(trainer, loaded.valid_data))
    assert in_two[0] != in_two[1]

    walked: list[int] = []
    forward = model.walks.forward

    def noting(users: Tensor, spectral_filter: Optional[SpectralFilter]) -> Tensor:
        walked.append(len(users))
        return forward(users, spectral_filter)

    monkeypatch.setattr(model.walks, "forward", noting)
    model.balance.copy_(balances[0])
    init_seed(0, True)
    in_one = trainer._validate_both(balances[1], None, loaded.valid_data, False)
    assert list(in_one) == in_two
    assert torch.equal(model.balance, balances[0])
    # Nothing of it is left for the next evaluation, and no walk was taken twice.
    assert (
        Trainer._valid_epoch(trainer, loaded.valid_data) == in_two[0] or mode != "full"
    )
    n_users = len(loaded.valid_data._dataset.inter_feat["user_id"].unique())
    assert mode != "full" or walked == [n_users] * 2


def test_another_learner_is_left_alone(load_tiny: Callable[..., Loaded]) -> None:
    optimizer = trainer_of(load_tiny(learner="sgd")).optimizer
    assert isinstance(optimizer, torch.optim.SGD)


class MeanOfScores:
    """In place of a search for the weights of new items: the mean of all scores."""

    has_new, is_full = True, False

    def __init__(self, *_: Any):
        self.scores: list[torch.Tensor] = []

    def add(self, scores: torch.Tensor, *_: Any) -> None:
        self.scores.append(scores.clone())

    def choose(self, _: float) -> tuple[float, float, float]:
        return 0.0, 0.0, float(torch.cat(self.scores).mean())


@pytest.mark.parametrize("is_better", [True, False])
def test_weights_of_new_items_are_chosen_by_the_scores_that_stay(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, is_better: bool
) -> None:
    loaded = load_tiny()
    model = KGIF(loaded.config, loaded.train_data._dataset)
    trainer = KGIFTrainer(loaded.config, model)
    trainer.eval_collector.data_collect(loaded.train_data)
    monkeypatch.setattr(kgif_trainer, "has_new_items", lambda *_: True)
    monkeypatch.setattr(kgif_trainer, "NewItemSearch", MeanOfScores)
    validate_both = trainer._validate_both

    def with_a_verdict(*arguments: Any) -> Any:
        (_, current), (_, candidate) = validate_both(*arguments)
        return (0.5, current), (1.0 if is_better else 0.0, candidate)

    monkeypatch.setattr(trainer, "_validate_both", with_a_verdict)
    before = model.balance.clone()
    trainer._valid_epoch(loaded.valid_data)
    assert torch.equal(model.balance, before) is not is_better
    users = loaded.valid_data.uid_list
    with torch.no_grad():
        expected = float(model.eval().learned_scores(users).mean())
    assert model.new_items.weights[2].item() == pytest.approx(expected, rel=1e-5)
