"""KGIN and MCCLK without ``torch_scatter``."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

from recbole_kgif.compat.shim import Shim, can_import, recbole_source
from recbole_kgif.compat.substitution import with_module

if TYPE_CHECKING:
    from torch import Tensor


_CALLERS = (
    "model.knowledge_aware_recommender.kgin",
    "model.knowledge_aware_recommender.mcclk",
)


def _torch_scatter_is_missing() -> bool:
    """Check: KGIN or MCCLK imports ``torch_scatter``, which is missing or broken."""
    is_used = any("torch_scatter" in recbole_source(model) for model in _CALLERS)
    return is_used and not can_import("torch_scatter")


def _zeros_for_groups(
    src: Tensor, index: Tensor, dim: int, dim_size: int | None
) -> Tensor:
    """Zeros of the shape of ``src``, but with one place per group along ``dim``."""
    if dim_size is None:
        dim_size = int(index.max()) + 1 if index.numel() else 0
    shape = list(src.shape)
    shape[dim] = dim_size
    return src.new_zeros(shape)


def _along(numbers: Tensor, src: Tensor, dim: int) -> Tensor:
    """One number for each place along ``dim``, to be broadcast against ``src``."""
    shape = [1] * src.dim()
    shape[dim] = -1
    return numbers.view(shape)


def scatter_mean(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """Average the elements of each group along a dimension.

    As the function of that name in ``torch_scatter``, for floating-point numbers and a
    one-dimensional index.

    Args:
        src: What to average, of any shape.
        index: The group of each place along ``dim``.
        dim: The dimension to group along.
        dim_size: Number of groups; None means the largest index plus one.

    Returns:
        The shape of ``src`` with ``dim_size`` places along ``dim``. Empty groups have
        zeros.
    """
    import torch

    zeros = _zeros_for_groups(src, index, dim, dim_size)
    # Including its gradient, index_add takes a fifth of the time of scatter_reduce.
    total = zeros.index_add(dim, index, src)
    count = torch.bincount(index, minlength=zeros.shape[dim]).clamp(min=1)
    return total / _along(count, src, dim)


def scatter_softmax(
    src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None
) -> Tensor:
    """Take the softmax over the elements of each group along a dimension.

    As the function of that name in ``torch_scatter``, for a one-dimensional index. The
    arguments are those of `scatter_mean`, with logits as ``src``.

    Returns:
        The shape of ``src``. The elements of a group sum to one.
    """
    zeros = _zeros_for_groups(src, index, dim, dim_size)
    # A constant per group cancels out; with the largest logit no exponential
    # overflows, and not all underflow.
    largest = zeros.scatter_reduce(
        dim,
        _along(index, src, dim).expand_as(src),
        src.detach(),
        reduce="amax",
        include_self=False,
    )
    weight = (src - largest.index_select(dim, index)).exp()
    total = zeros.index_add(dim, index, weight)
    return weight / total.index_select(dim, index)


def _aggregate_without_torch_scatter() -> None:
    """Let KGIN and MCCLK aggregate over the knowledge graph with PyTorch only.

    Problem: ``Aggregator.forward`` of both imports ``torch_scatter``, a compiled
    extension that has to be built for the installed PyTorch and that RecBole does not
    require. So the first batch fails.

    Workaround: in these two methods, ``torch_scatter`` is a module with
    :func:`scatter_mean` and :func:`scatter_softmax`, the two functions that they use;
    no other code sees it. The rest of both models stays RecBole's, including their
    defects: both drop edges at random during evaluation, too, and test their last
    epoch instead of the best one.
    """
    from recbole.model.knowledge_aware_recommender import kgin, mcclk

    stand_in = types.ModuleType("torch_scatter", "Two functions of torch_scatter's.")
    vars(stand_in).update(scatter_mean=scatter_mean, scatter_softmax=scatter_softmax)
    for module in (kgin, mcclk):
        aggregator = module.Aggregator
        aggregator.forward = with_module(aggregator.forward, "torch_scatter", stand_in)


SHIM = Shim(
    name="aggregate-without-torch-scatter",
    reason=(
        "KGIN and MCCLK import torch_scatter, which RecBole does not require and "
        "which has to be built for the installed torch"
    ),
    removable_when="RecBole's KGIN and MCCLK no longer import torch_scatter",
    patch="aggregate-without-torch-scatter",
    is_needed=_torch_scatter_is_missing,
    apply=_aggregate_without_torch_scatter,
)
