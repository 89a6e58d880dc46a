"""KGIF on a GPU: what it computes there is what it computes on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_kgif.model import kernels
from recbole_kgif.model.attention_kernels import quadratic_form
from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.model.kernels import (
    sampled_dense_product,
    sparse_dense_product,
    transposed_product,
)
from recbole_kgif.model.look_up import look_up
from recbole_kgif.model.losses import softmax_losses
from recbole_kgif.model.sparse_pattern import SparsePattern
from tests.conftest import Loaded
from tests.gpu import needs_gpu
from tests.model.helpers import ABLATIONS, build, one_batch
from tests.model.test_graph import FACTS, N_NODES, N_RELATIONS, graph_of
from tests.model.test_kernels import D, sparse_operators
from tests.model.test_layers import ChainOfLayers

pytestmark = needs_gpu

GPU = torch.device("cuda")
NAMES = ["edges", "pair_tails", "pair_relations", "node_relations"]


def values(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, device=GPU, requires_grad=True)


def pattern_of(name: str) -> SparsePattern:
    pattern: SparsePattern = getattr(graph_of(FACTS).to(GPU), name)
    return pattern


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


# --- operations ---------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_sparse_operators(name: str) -> None:
    for function, inputs in sparse_operators(pattern_of(name), values):
        # Sums on a GPU come in no fixed order.
        assert torch.autograd.gradcheck(function, inputs, nondet_tol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_products_are_those_of_a_cpu(name: str) -> None:
    pattern = pattern_of(name)
    weights = values(pattern.n_entries, dtype=torch.float32).detach()
    right = torch.randn(pattern.n_columns, D, device=GPU)
    left = torch.randn(pattern.n_rows, D, device=GPU)
    found = (
        sparse_dense_product(pattern, weights, right),
        transposed_product(pattern, weights, left),
        sampled_dense_product(pattern, left, right),
    )
    in_blocks = kernels._dots_in_blocks(pattern, left, right)
    on_cpu = pattern.cpu()
    weights, left, right = weights.cpu(), left.cpu(), right.cpu()
    expected = (
        sparse_dense_product(on_cpu, weights, right),
        transposed_product(on_cpu, weights, left),
        sampled_dense_product(on_cpu, left, right),
    )
    for of_gpu, of_cpu in zip(found, expected):
        torch.testing.assert_close(of_gpu.cpu(), of_cpu)
    torch.testing.assert_close(in_blocks, found[2])


def test_gradients_of_the_other_operations() -> None:
    groups = torch.tensor([0, 2, 5], device=GPU), torch.tensor([2, 2, 4, 0], device=GPU)
    known = torch.tensor([[0, 2], [1, 3]], device=GPU)

    def looked_up(*tables: Tensor) -> tuple[Tensor, ...]:
        nodes = look_up(*tables, *groups)
        return tuple(x for each in nodes for x in each if x is not None)

    checks: list[tuple[Callable[..., Any], tuple[Tensor, ...]]] = [
        (looked_up, (values(6, D), values(6, D))),
        (quadratic_form, (values(6, D), values(D, D))),
        (lambda *s: softmax_losses(*s, known), (values(3), values(3, 4))),
    ]
    for function, inputs in checks:
        assert torch.autograd.gradcheck(function, inputs, nondet_tol=1e-12)


def test_the_whole_chain_of_layers_has_true_gradients() -> None:
    chain = ChainOfLayers(graph_of(FACTS)).to(GPU, torch.float64)
    inputs = (values(N_NODES, D), values(2 * N_RELATIONS, D))
    assert torch.autograd.gradcheck(chain, inputs, nondet_tol=1e-12)


# --- model --------------------------------------------------------------------------


def losses_and_gradients(
    model: KGIF, batch: Any
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    model.zero_grad()
    losses = torch.stack(model.calculate_loss(batch))
    losses.sum().backward()
    gradients = {
        # A copy: a parameter that moves takes its gradient with it.
        name: parameter.grad.cpu().clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.eval()
    with torch.no_grad():
        scores = model.full_sort_predict(batch)
    return losses.detach().cpu(), gradients, scores.cpu()


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_losses_gradients_and_scores_are_those_of_a_cpu(
    load_tiny: Callable[..., Loaded], options: dict[str, Any]
) -> None:
    # A dropout draws from the generator of its device.
    loaded = load_tiny(**{**options, "dropout": 0.0})
    model, batch = build(loaded).train(), one_batch(loaded)
    on_cpu = losses_and_gradients(model, batch)
    on_gpu = losses_and_gradients(model.to(GPU).train(), batch.to(GPU))
    assert set(on_gpu[1]) == set(on_cpu[1])
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-6)


def test_predict_agrees_with_full_sort_predict(
    load_tiny: Callable[..., Loaded],
) -> None:
    loaded = load_tiny()
    model = build(loaded).to(GPU).eval()
    users = torch.arange(1, model.n_users, device=GPU)
    with torch.no_grad():
        of_all = model.full_sort_predict(Interaction({"user_id": users}))
        pairs = Interaction(
            {
                "user_id": users.repeat_interleave(model.n_items),
                "item_id": torch.arange(model.n_items, device=GPU).repeat(len(users)),
            }
        )
        torch.testing.assert_close(model.predict(pairs), of_all)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_stays_near(
    load_tiny: Callable[..., Loaded], dtype: torch.dtype
) -> None:
    loaded = load_tiny()
    model, batch = build(loaded).to(GPU).train(), one_batch(loaded).to(GPU)
    expected = losses_and_gradients(model, batch)
    model.train()
    with torch.autocast("cuda", dtype=dtype):
        found = losses_and_gradients(model, batch)
    torch.testing.assert_close(
        [found[0].float(), found[2].float()],
        [expected[0], expected[2]],
        rtol=0.05,
        atol=0.05,
    )
    for name, gradient in found[1].items():
        assert gradient.isfinite().all(), name
        assert gradient.dtype == expected[1][name].dtype
