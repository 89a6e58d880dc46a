"""Communication between the processes of one training; a single one needs none."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Callable, Optional, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from recbole_kgif.errors import UserError
from recbole_kgif.training.distributed.layout import Place

T = TypeVar("T")

# How long a process waits for another one: for the slowest to load its data, or for the
# first one to write a state.
_PATIENCE = timedelta(minutes=30)


@contextlib.contextmanager
def join_process_group(place: Optional[Place], config: Any) -> Iterator[None]:
    """Join the process group, and have RecBole share its batches in it.

    RecBole's own configuration would do this for GPUs alone, each process with one.

    Args:
        place: this process's place; None for a training in one process.
        config: RecBole's configuration, made as for one process.
    """
    if place is None:
        yield
        return
    backend = "gloo"
    if config["device"].type == "cuda":
        backend = "nccl"
        config["device"] = torch.device("cuda", place.local_rank)
        torch.cuda.set_device(config["device"])
    config["single_spec"] = False
    config["local_rank"] = place.local_rank
    config["world_size"] = place.world_size
    config["nproc"] = place.n_local
    if place.rank > 0:
        # As RecBole does: one process is enough to be read.
        config["state"] = "error"
        config["show_progress"] = False
        config["log_wandb"] = config["log_mlflow"] = False
    # Of the process that started this one: it ends last.
    store = dist.TCPStore(place.ip, place.port, is_master=False, timeout=_PATIENCE)
    dist.init_process_group(
        backend,
        store=store,
        rank=place.rank,
        world_size=place.world_size,
        timeout=_PATIENCE,
    )
    yield
    # Not after a failure: the others would fail for want of this one and say so first.
    dist.barrier()
    dist.destroy_process_group()


def n_processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if _is_shared() else 1


def rank() -> int:
    """Number of this process among them, from 0."""
    return dist.get_rank() if _is_shared() else 0


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in every process.

    Args:
        make: called in the first process alone.
    """
    if not _is_shared():
        return make()
    content: list[Any] = [make() if rank() == 0 else None]
    dist.broadcast_object_list(content, src=0)
    made: T = content[0]
    return made


def from_all(value: T) -> list[T]:
    """The values of all processes in the order of their ranks, in every process."""
    if not _is_shared():
        return [value]
    values: list[Any] = [None] * n_processes()
    dist.all_gather_object(values, value)
    return values


def total(part: Tensor) -> Tensor:
    """Sum over the processes of tensors of one shape."""
    return functools.reduce(torch.add, from_all(part))


def require_equal(what: str, value: Any, advice: str) -> None:
    """Compare a value of each process.

    Args:
        what: what it is, for the message.
        value: this process's.
        advice: what to do where they differ.

    Raises:
        UserError: they differ, in every process.
    """
    first, *others = from_all(value)
    for other_rank, other in enumerate(others, start=1):
        if other != first:
            raise UserError(
                f"process {other_rank} has {what} other than process 0; {advice}"
            )


def _is_shared() -> bool:
    return dist.is_available() and dist.is_initialized()
