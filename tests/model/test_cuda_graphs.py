"""The captured training step equals the one that is not captured."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_kgif.model import cuda_graphs
from recbole_kgif.model.cuda_graphs import can_capture, capture_training_step
from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.training.kgif_trainer import KGIFTrainer
from tests.conftest import Loaded
from tests.gpu import ON_GPU, needs_gpu
from tests.model.helpers import ABLATIONS, build, one_batch


def sizes_of(batch: Any) -> tuple[int, int]:
    """Interactions and triples of a batch."""
    return len(batch["user_id"]), len(batch["head_id"])


def trained(model: KGIF, batch: Any) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Losses of some steps, and the parameters after them."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        of_step = torch.stack(model.calculate_loss(batch))
        of_step.sum().backward()
        optimizer.step()
        losses.append(of_step.detach())
    return losses, {name: p.detach() for name, p in model.named_parameters()}


@pytest.mark.parametrize(
    "options", [o for o in ABLATIONS if o.get("attention_update") != "epoch"], ids=str
)
def test_what_is_captured_computes_the_same_step(
    load_tiny: Callable[..., Loaded],
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The functions that a GPU captures, called without capture on a CPU."""

    def uncaptured(function: Any, _parameters: Any, *samples: Tensor) -> Any:
        called.append(function)
        return function

    called: list[Any] = []
    monkeypatch.setattr(cuda_graphs, "CapturedFunction", uncaptured)
    monkeypatch.setattr(cuda_graphs, "can_capture", lambda *_: True)
    loaded = load_tiny(**{**options, "dropout": 0.0})
    batch = one_batch(loaded)
    plain, captured = (build(loaded).train() for _ in range(2))
    plain.n_walk_negatives = captured.n_walk_negatives = 2
    capture_training_step(captured, loaded.config, *sizes_of(batch))
    assert captured.captured is not None and called
    torch.testing.assert_close(trained(captured, batch), trained(plain, batch))


@needs_gpu
@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_a_captured_step_trains_alike(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    loaded = load_tiny(**{**options, **ON_GPU, "dropout": 0.0})
    batch = one_batch(loaded).to("cuda")
    plain, captured = (build(loaded).to("cuda").train() for _ in range(2))
    # As many as this little data set has for every batch.
    plain.n_walk_negatives = captured.n_walk_negatives = 2
    capture_training_step(captured, loaded.config, *sizes_of(batch))
    assert (captured.captured is not None) == (captured.attention_interval < math.inf)
    assert captured.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(
        trained(captured, batch), trained(plain, batch), rtol=1e-3, atol=1e-5
    )
    for each in (plain, captured):
        each.eval()
    scores = [each.full_sort_predict(batch) for each in (plain, captured)]
    torch.testing.assert_close(*scores, rtol=1e-2, atol=1e-3)


@needs_gpu
def test_a_captured_step_draws_anew_for_each_dropout(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny(**ON_GPU, dropout=0.5)
    model, batch = build(loaded).to("cuda").train(), one_batch(loaded).to("cuda")
    state = torch.cuda.get_rng_state()
    capture_training_step(model, loaded.config, *sizes_of(batch))
    assert torch.equal(torch.cuda.get_rng_state(), state)
    (nodes,) = model._look_up(model.graph_nodes)
    first, second = (model.propagated_vectors(nodes).clone() for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.stack(model.calculate_loss(batch)).isfinite().all()


@needs_gpu
def test_a_captured_step_draws_nothing_itself() -> None:
    weight = torch.nn.Parameter(torch.ones(2, device="cuda"))
    state = torch.cuda.get_rng_state()
    given = torch.ones(2, device="cuda")
    function = cuda_graphs.CapturedFunction(
        lambda x: torch.nn.functional.dropout(x * weight, 0.5), [weight], given
    )
    assert torch.equal(torch.cuda.get_rng_state(), state)
    found = function(given)
    torch.cuda.set_rng_state(state)
    torch.testing.assert_close(found, torch.nn.functional.dropout(given * weight, 0.5))


@needs_gpu
def test_inputs_of_another_shape_are_computed_anew() -> None:
    weight = torch.nn.Parameter(torch.full((1,), 3.0, device="cuda"))
    sample = torch.zeros(4, device="cuda", requires_grad=True)
    function = cuda_graphs.CapturedFunction(lambda x: x * weight, [weight], sample)
    for size in (4, 2, 4):
        given = torch.arange(float(size), device="cuda", requires_grad=True)
        found = function(given)
        assert found.tolist() == [3.0 * n for n in range(size)]
        weight.grad = None
        found.sum().backward()
        assert given.grad is not None and given.grad.tolist() == [3.0] * size
        assert weight.grad is not None
        assert weight.grad.item() == sum(range(size))


@needs_gpu
def test_the_trainer_captures_its_step(load_tiny: Callable[..., Loaded]) -> None:
    loaded = load_tiny(**ON_GPU)
    model = build(loaded).to("cuda")
    KGIFTrainer(loaded.config, model)._train_epoch(loaded.train_data, 0)
    assert model.captured is not None


@needs_gpu
def test_a_large_graph_is_not_recorded(
    load_tiny: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_tiny(**ON_GPU)
    model = build(loaded).to("cuda").train()
    monkeypatch.setattr(cuda_graphs, "_MOST_EDGES", model.graph.n_edges - 1)
    capture_training_step(model, loaded.config, 16, 16)
    assert model.captured is None


def test_without_a_gpu_nothing_is_recorded(load_tiny: Callable[..., Loaded]) -> None:
    loaded = load_tiny()
    model = build(loaded)
    KGIFTrainer(loaded.config, model)._train_epoch(loaded.train_data, 0)
    assert model.captured is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"device": torch.device("cpu")}, False),
        ({"single_spec": False}, False),
        ({"enable_amp": True}, False),
    ],
)
def test_what_can_be_captured(
    load_tiny: Callable[..., Loaded], change: dict[str, Any], expected: bool
) -> None:
    on_a_gpu = {
        "device": torch.device("cuda"),
        "single_spec": True,
        "enable_amp": False,
    }
    assert can_capture(build(load_tiny()), {**on_a_gpu, **change}) == expected
    of_an_epoch = build(load_tiny(attention_update="epoch"))
    assert not can_capture(of_an_epoch, {**on_a_gpu, **change})
