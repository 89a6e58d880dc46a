"""RecBole's trainer and loaders, made to train with other processes.

RecBole shares each batch among the processes and adds up their gradients by PyTorch's
`DistributedDataParallel`. Left to itself it does so on GPUs alone, shuffles alike for
every seed, and evaluates some users twice, averaging what each process has measured.
What follows sets this right, in the objects and not in RecBole's classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Union

import torch
import torch.distributed as dist
from recbole.evaluator import Collector
from recbole.utils import get_trainer
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Sampler

from recbole_kgif.training.checkpoint import stored_parameters
from recbole_kgif.training.distributed import group
from recbole_kgif.training.loading import LoadedData, loaders_of

# What RecBole's collector holds of the evaluated users, a row each.
_COLLECTED = ("rec.items", "rec.topk", "rec.meanrank", "rec.score", "data.label")

Loss = Union[float, tuple[float, ...]]


def make_trainer(config: Any, model: nn.Module, data: LoadedData) -> Any:
    """RecBole's trainer of a model, which trains with the other processes if any.

    Args:
        config: RecBole's configuration.
        model: the model, the same in every process.
        data: its data; what the loaders yield becomes this process's share.
    """
    is_single = config["single_spec"]
    # RecBole would wrap the model in a way that is for GPUs alone.
    config["single_spec"] = True
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    config["single_spec"] = is_single
    if not is_single:
        _share_loaders(data, config["seed"])
        _share_gradients(trainer)
        _share_epochs(trainer, data)
        _share_evaluation(trainer)
    return trainer


class _Share(Sampler[int]):
    """This process's contiguous share of what is evaluated, none of it twice.

    Args:
        n_all: how many users or interactions there are.
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


def _share_loaders(data: LoadedData, seed: int) -> None:
    for loader in loaders_of(data.train):
        # RecBole names none, and PyTorch's sampler then takes 0.
        loader.sampler.seed = seed
    for loader in (data.valid, data.test):
        loader.batch_sampler.sampler = _Share(loader.sample_size)


def _share_gradients(trainer: Any) -> None:
    """Wrap the model, whose gradients PyTorch then averages in each backward pass."""
    model, device = trainer.model, trainer.device
    devices = None
    if device.type == "cuda":
        devices = [device]
        # It has no form for the CPU: there each process normalises its own part.
        trainer.model = model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    trainer.distributed_model = DistributedDataParallel(model, device_ids=devices)
    # They would be sent in every step, a graph among them.
    trainer.distributed_model.broadcast_buffers = False


def _share_epochs(trainer: Any, data: LoadedData) -> None:
    """Shuffle alike in all processes, anew each epoch, and agree at its end."""
    train_epoch = trainer._train_epoch

    def shared_train_epoch(
        train_data: Any, epoch: int, *args: Any, **kwargs: Any
    ) -> Loss:
        for loader in loaders_of(data.train):
            loader.sampler.set_epoch(epoch)
        loss = train_epoch(train_data, epoch, *args, **kwargs)
        _share_normalisation(trainer.model)
        require_equal_parameters(trainer.model)
        return _mean(group.from_all(loss))

    trainer._train_epoch = shared_train_epoch


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


def _mean(losses: list[Loss]) -> Loss:
    """Mean loss of the processes, whose shares are of one size."""
    first = losses[0]
    if isinstance(first, tuple):
        return tuple(sum(parts) / len(losses) for parts in zip(*losses))
    return sum(losses) / len(losses)  # type: ignore


class _SharedCollector(Collector):
    """RecBole's collector, which ends with what all processes have collected."""

    def get_data_struct(self) -> Any:
        collected = super().get_data_struct()
        own = {name: collected.get(name) for name in _COLLECTED if name in collected}
        parts = group.from_all(own)
        for name in _COLLECTED:
            of_all = [part[name] for part in parts if name in part]
            if of_all:
                collected.set(name, torch.cat(of_all))
        return collected


def _share_evaluation(trainer: Any) -> None:
    """Compute each metric once, from what all processes have collected."""
    trainer.eval_collector = _SharedCollector(trainer.config)
    # In place of RecBole's mean over processes. All follow the first, so that no last
    # digit lets one stop training and another go on.
    trainer._map_reduce = lambda result, _: group.from_first(lambda: result)
