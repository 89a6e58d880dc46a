"""Training one model in several processes, on top of RecBole's sharing.

RecBole shares each batch among the processes and adds up their gradients by PyTorch's
`DistributedDataParallel`. Left to itself it does so on GPUs alone, shuffles alike for
every seed, and evaluates some users twice, averaging what each process has measured.
These functions correct that; `run_trainer.RunTrainer` calls them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Union

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Sampler

from recbole_kgif.training.distributed import group
from recbole_kgif.training.loading import LoadedData, loaders_of
from recbole_kgif.training.parameters import stored_parameters

Loss = Union[float, tuple[float, ...]]


class _Share(Sampler[int]):
    """This process's contiguous share of what is evaluated, without overlaps.

    Args:
        n_all: number of users or interactions.
    """

    def __init__(self, n_all: int):
        place, n_processes = group.rank(), group.n_processes()
        self.share = range(
            place * n_all // n_processes, (place + 1) * n_all // n_processes
        )

    def __iter__(self) -> Iterator[int]:
        return iter(self.share)

    def __len__(self) -> int:
        return len(self.share)


def share_loaders(data: LoadedData, seed: int) -> None:
    """Give this process its share of each batch and of what is evaluated.

    Args:
        data: the data; its loaders are changed.
        seed: seed of the shuffling, the same in all processes.
    """
    for loader in loaders_of(data.train):
        # RecBole names none, and PyTorch's sampler then takes 0.
        loader.sampler.seed = seed
    for loader in (data.valid, data.test):
        loader.batch_sampler.sampler = _Share(loader.sample_size)


def share_gradients(
    model: nn.Module, device: torch.device
) -> tuple[nn.Module, DistributedDataParallel]:
    """Have PyTorch average the gradients of all processes in each backward pass.

    Args:
        model: the model, the same in every process.
        device: this process's device.

    Returns:
        The model, with normalisation over all processes where it can be, and PyTorch's
        wrapper of it.
    """
    devices = None
    if device.type == "cuda":
        devices = [device]
        # It has no form for the CPU: there each process normalises its own part.
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    wrapped = DistributedDataParallel(model, device_ids=devices)
    # They would be sent in every step, a graph among them.
    wrapped.broadcast_buffers = False
    return model, wrapped


def shuffle_alike(train_data: Any, epoch: int) -> None:
    """Shuffle alike in all processes, differently in each epoch."""
    for loader in loaders_of(train_data):
        loader.sampler.set_epoch(epoch)


def join_epoch(model: nn.Module, loss: Loss) -> Loss:
    """Agree on the model and the loss at the end of an epoch.

    Args:
        model: this process's model.
        loss: this process's loss.

    Returns:
        Mean loss of the processes, whose shares are of one size.

    Raises:
        UserError: the parameters of the processes differ.
    """
    _share_normalisation(model)
    require_equal_parameters(model)
    losses = group.from_all(loss)
    first = losses[0]
    if isinstance(first, tuple):
        return tuple(sum(parts) / len(losses) for parts in zip(*losses))
    return sum(losses) / len(losses)  # type: ignore


def _share_normalisation(model: nn.Module) -> None:
    """Give all processes the first one's running means and variances."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            for buffer in module.buffers(recurse=False):
                dist.broadcast(buffer, src=0)


def require_equal_parameters(model: Any) -> None:
    """Compare the parameters of all processes, to the last bit.

    Raises:
        UserError: they differ; so the model keeps what gradients do not carry.
    """
    state_dict, other_parameter = stored_parameters(model)
    name = type(model).__name__
    group.require_equal(
        f"parameters of {name}",
        _digest({**state_dict, **other_parameter}),
        f"{name} cannot be trained in several processes (leave --nproc out), or those "
        "of the machines compute differently (take machines of one kind)",
    )


def _digest(values: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for value in values.values():
        if isinstance(value, Tensor) and value.layout == torch.strided:
            content = value.detach().cpu().contiguous().reshape(-1)
            digest.update(content.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
