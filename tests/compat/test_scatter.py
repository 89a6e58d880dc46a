"""The functions in place of ``torch_scatter``, against loops, and what uses them."""

from __future__ import annotations

import importlib
import math
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif import compat
from recbole_kgif.compat import scatter

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.versions

# Two of the five groups are empty, the last among them; one has a single element.
GROUPS = [3, 0, 0, 3, 1, 3]
N_GROUPS = 5
NUMBERS = [
    [-2.0, 0.5],
    [1.0, -1.0],
    [4.0, -3.0],
    [-2.5, 0.0],
    [-7.0, 2.0],
    [3.0, 1.5],
]


def members(groups: list[int], group: int) -> list[int]:
    return [place for place, its_group in enumerate(groups) if its_group == group]


def means_by_loops(
    numbers: list[list[float]], groups: list[int], n_groups: int
) -> list[list[float]]:
    """One row a group; a group without members has zeros."""
    width = len(numbers[0])
    means = [[0.0] * width for _ in range(n_groups)]
    for group in set(groups):
        places = members(groups, group)
        for column in range(width):
            total = sum(numbers[place][column] for place in places)
            means[group][column] = total / len(places)
    return means


def softmax_by_loops(
    numbers: list[list[float]], groups: list[int]
) -> list[list[float]]:
    """One row a place, each column for itself."""
    weights = [[0.0] * len(row) for row in numbers]
    for place, row in enumerate(numbers):
        for column, number in enumerate(row):
            weights[place][column] = 1 / sum(
                math.exp(numbers[other][column] - number)
                for other in members(groups, groups[place])
            )
    return weights


def doubles(numbers: Any) -> Tensor:
    import torch

    return torch.tensor(numbers, dtype=torch.float64)


def test_scatter_mean_by_hand() -> None:
    import torch

    mean = scatter.scatter_mean(
        doubles(NUMBERS), torch.tensor(GROUPS), dim=0, dim_size=N_GROUPS
    )
    expected = [[2.5, -2.0], [-7.0, 2.0], [0.0, 0.0], [-0.5, 2 / 3], [0.0, 0.0]]
    torch.testing.assert_close(mean, doubles(expected))


def test_scatter_softmax_by_hand() -> None:
    import torch

    softmax = scatter.scatter_softmax(
        torch.log(doubles([1.0, 2.0, 3.0, 5.0])), torch.tensor([1, 1, 1, 3])
    )
    torch.testing.assert_close(softmax, doubles([1 / 6, 2 / 6, 3 / 6, 1.0]))


# As far apart as the loop's exponentials allow.
number = st.floats(-300, 300)
grouped_numbers = st.lists(
    st.tuples(st.integers(0, 5), st.lists(number, min_size=2, max_size=2)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(grouped_numbers)
def test_scatter_functions_equal_loops(rows: list[tuple[int, list[float]]]) -> None:
    import torch

    groups, numbers = [row[0] for row in rows], [row[1] for row in rows]
    index = torch.tensor(groups)
    torch.testing.assert_close(
        scatter.scatter_mean(doubles(numbers), index, dim=0, dim_size=8),
        doubles(means_by_loops(numbers, groups, 8)),
    )
    torch.testing.assert_close(
        scatter.scatter_softmax(doubles(numbers), index, dim=0),
        doubles(softmax_by_loops(numbers, groups)),
    )


def test_scatter_softmax_neither_overflows_nor_vanishes() -> None:
    import torch

    logits = torch.tensor([1e30, 1e30, -1e30, -1e30, -1e30, 0.0])
    softmax = scatter.scatter_softmax(logits, torch.tensor([0, 0, 2, 2, 2, 0]))
    expected = torch.tensor([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3, 0])
    torch.testing.assert_close(softmax, expected)


def test_scatter_functions_group_along_any_dimension() -> None:
    import torch

    numbers, index = doubles(NUMBERS), torch.tensor(GROUPS)
    mean = scatter.scatter_mean(numbers, index, dim=0)
    softmax = scatter.scatter_softmax(numbers, index, dim=0)
    assert mean.shape == (max(GROUPS) + 1, 2)
    for dim in (1, -1):
        assert torch.equal(scatter.scatter_mean(numbers.T, index, dim), mean.T)
        assert torch.equal(scatter.scatter_softmax(numbers.T, index, dim), softmax.T)


def test_scatter_functions_keep_type_and_emptiness() -> None:
    import torch

    nothing, nowhere = torch.empty(0, 3), torch.empty(0, dtype=torch.int64)
    mean = scatter.scatter_mean(nothing, nowhere, dim=0, dim_size=2)
    assert torch.equal(mean, torch.zeros(2, 3))
    assert scatter.scatter_mean(nothing, nowhere, dim=0).shape == (0, 3)
    assert scatter.scatter_softmax(nothing, nowhere, dim=0).shape == (0, 3)
    one = torch.ones(1, dtype=torch.float16)
    assert scatter.scatter_mean(one, torch.tensor([0])).dtype == torch.float16
    assert scatter.scatter_softmax(one, torch.tensor([0])).dtype == torch.float16


def test_gradients_of_the_scatter_functions() -> None:
    import torch

    index = torch.tensor(GROUPS)
    numbers = doubles(NUMBERS).requires_grad_()
    for checked in (
        lambda src: scatter.scatter_mean(src, index, dim=0, dim_size=N_GROUPS),
        lambda src: scatter.scatter_softmax(src, index, dim=0, dim_size=N_GROUPS),
        # MCCLK gives one logit an edge, expanded over the columns.
        lambda src: scatter.scatter_softmax(src[:, :1].expand(-1, 3), index, dim=0),
    ):
        assert torch.autograd.gradcheck(checked, numbers)


# A graph of five entities with two parallel edges and an entity without any.
EDGES = [(0, 0, 1), (0, 1, 1), (0, 1, 2), (2, 0, 4), (3, 1, 3)]


def aggregated_by_loops(
    entities: Tensor, relations: Tensor, with_attention: bool
) -> Tensor:
    """Mean over the edges of an entity, and MCCLK's weights where asked for."""
    import torch

    rows = []
    for entity in range(len(entities)):
        edges = [(r, t) for h, r, t in EDGES if h == entity]
        messages = [entities[t] * relations[r] for r, t in edges]
        if with_attention:
            logits = [
                (
                    (entities[entity] * relations[r]).norm()
                    * (entities[t] * relations[r]).norm()
                )
                ** 2
                for r, t in edges
            ]
            total = sum(logit.exp() for logit in logits)
            messages = [
                message * logit.exp() / total
                for message, logit in zip(messages, logits)
            ]
        nothing = torch.zeros_like(entities[0])
        rows.append(sum(messages, nothing) / max(1, len(messages)))
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("module", "arguments", "with_attention"),
    [("kgin", (), False), ("mcclk", (True, False), False), ("mcclk", (True,), True)],
)
def test_the_aggregators_of_recbole_equal_loops(
    module: str, arguments: tuple[bool, ...], with_attention: bool
) -> None:
    import torch

    aggregator = importlib.import_module(
        f"recbole.model.knowledge_aware_recommender.{module}"
    ).Aggregator(*arguments)
    generator = torch.Generator().manual_seed(3)
    entities, relations, users = (
        torch.randn(n, 4, generator=generator, dtype=torch.float64, requires_grad=True)
        for n in (5, 2, 3)
    )
    heads, kinds, tails = torch.tensor(EDGES).T
    graph = (torch.stack([heads, tails]), kinds, torch.eye(3, 5).double().to_sparse())
    if module == "kgin":
        factors, weights = torch.ones(2, 4).double(), torch.ones(2, 2).double()
        found, _ = aggregator(entities, users, factors, relations, *graph, weights)
    else:
        found = aggregator(entities, users, relations, *graph)
    expected = aggregated_by_loops(entities, relations, with_attention)
    torch.testing.assert_close(found, expected)
    weight = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    for mine, loops in zip(
        torch.autograd.grad((found * weight).sum(), [entities, relations]),
        torch.autograd.grad((expected * weight).sum(), [entities, relations]),
    ):
        torch.testing.assert_close(mine, loops)


def test_torch_scatter_stays_missing_for_everyone_else() -> None:
    if "aggregate-without-torch-scatter" not in compat.active_shims():
        pytest.skip("torch_scatter is installed")
    with pytest.raises(ImportError):
        importlib.import_module("torch_scatter")


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("", False),
        ("raise ImportError('no module named _scatter_cpu')", True),
        ("raise OSError('undefined symbol')", True),
        ("raise RuntimeError('compiled with different CUDA versions')", True),
    ],
)
def test_gate_of_the_torch_scatter_shim(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str, missing: bool
) -> None:
    (tmp_path / "torch_scatter.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    # Set before it is deleted, so that the module is put back as it was.
    monkeypatch.setitem(sys.modules, "torch_scatter", types.ModuleType("torch_scatter"))
    monkeypatch.delitem(sys.modules, "torch_scatter")
    assert scatter._torch_scatter_is_missing() is missing
