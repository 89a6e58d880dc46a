"""The state of an unfinished training: written after each epoch, and gone on from.

All that an epoch depends on is in it: parameters, optimiser, early stopping, the states
of the random number generators, and the record so far. So a training that was stopped
ends as one that was not, to the last digit, on a machine whose arithmetic is the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.training.checkpoint import (
    put_parameters,
    require_format,
    stored_parameters,
)
from recbole_kgif.training.distributed import group
from recbole_kgif.training.loading import LoadedData, loaders_of, require_same_data
from recbole_kgif.training.tensorfile import (
    plain,
    read_tensors,
    restored,
    write_tensors,
)

FORMAT = "recbole_kgif training state"
FORMAT_VERSION = 1

# What models of RecBole keep besides their stored parameters: KGAT trains with the
# attention of the epoch before, and two rank by what the last validation propagated.
_KEPT_ATTRIBUTES = {
    "KGAT": ("A_in",),
    "KGIN": ("restore_user_e", "restore_entity_e"),
    "MCCLK": ("restore_user_e", "restore_item_e", "restore_entity_e"),
}


@dataclass(frozen=True)
class Training:
    """A training in progress.

    Attributes:
        trainer: RecBole's trainer, with its model.
        data: the data, whose loaders have random states of their own.
        options: the run's options, see `checkpoint.stored_options`.
        fingerprint: that of the data, see `loading.fingerprint`.
        environment: what the last digits depend on: device, threads, versions.
    """

    trainer: Any
    data: LoadedData
    options: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    environment: Mapping[str, Any]


def is_finished(trainer: Any, next_epoch: int) -> bool:
    """Whether a trainer has no epoch left, by their number or by early stopping."""
    finished: bool = (
        next_epoch >= trainer.epochs or trainer.cur_step > trainer.stopping_step
    )
    return finished


def save_state(path: Path, training: Training, epochs: list[dict[str, Any]]) -> None:
    """Write the state at the end of an epoch, whole or not at all.

    Where several processes train, the first one writes what differs of all.

    Args:
        path: the file.
        training: the training.
        epochs: the record of all epochs so far, the last one just ended.

    Raises:
        UserError: the disk refuses it.
    """
    trainer, model = training.trainer, training.trainer.model
    # By rank.
    random_states = group.from_all(
        {
            "random": _random_states(),
            "loaders": [loader.generator.get_state() for loader in _loaders(training)],
        }
    )
    if group.rank() > 0:
        return
    state_dict, other_parameter = stored_parameters(model)
    kept = {
        name: plain(getattr(model, name, None))
        for name in _KEPT_ATTRIBUTES.get(type(model).__name__, ())
    }
    write_tensors(
        path,
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "model": type(model).__name__,
            "options": dict(training.options),
            "data": dict(training.fingerprint),
            "environment": dict(training.environment),
            "epochs": plain(epochs),
            "cur_step": trainer.cur_step,
            "best_valid_score": plain(trainer.best_valid_score),
            "best_valid_result": plain(trainer.best_valid_result),
            "state_dict": state_dict,
            "other_parameter": other_parameter,
            "kept_attributes": kept,
            "optimizer": plain(trainer.optimizer.state_dict()),
            **random_states[0],
            "other_processes": random_states[1:],
        },
    )


def load_state(path: Path, training: Training) -> list[dict[str, Any]]:
    """Put a new training where a stopped one was.

    Call it right before the trainer's ``fit``: it sets the random states.

    Args:
        path: what `save_state` has written.
        training: a training that has not begun, its settings those of the stopped one.

    Returns:
        The record of the epochs that are done.

    Raises:
        UserError: the file cannot be read, or is of a run with other settings, data,
            libraries or hardware.
    """
    state = group.from_first(lambda: read_tensors(path))
    if not isinstance(state, dict):
        raise UserError(f"{path}: no {FORMAT}; remove the run's folder")
    require_format(path, state, FORMAT, FORMAT_VERSION)
    trainer, model = training.trainer, training.trainer.model
    if state["model"] != type(model).__name__:
        raise UserError(
            f"{path}: of a run of {state['model']}, not of {type(model).__name__}; "
            "name another folder"
        )
    _require_equal(path, "option", state["options"], training.options)
    require_same_data(str(path), state["data"], training.fingerprint)
    _require_equal(path, "environment", state["environment"], training.environment)
    random_states = [state, *state.get("other_processes", [])]
    if len(random_states) != group.n_processes():
        raise UserError(
            f"{path}: the run began with {len(random_states)} processes, and now there "
            f"are {group.n_processes()}; give as many, or run anew in another folder"
        )
    own = random_states[group.rank()]

    put_parameters(str(path), model, state["state_dict"], state["other_parameter"])
    for name, value in restored(state["kept_attributes"], model.device).items():
        setattr(model, name, value)
    trainer.optimizer.load_state_dict(state["optimizer"])
    trainer.cur_step = state["cur_step"]
    trainer.best_valid_score = state["best_valid_score"]
    trainer.best_valid_result = state["best_valid_result"]
    trainer.start_epoch = len(state["epochs"])
    for loader, generator in zip(_loaders(training), own["loaders"]):
        loader.generator.set_state(generator)
    _set_random_states(own["random"])
    epochs: list[dict[str, Any]] = state["epochs"]
    return epochs


def _require_equal(
    path: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"{path}: the run began with {what} {name}="
                f"{shown(str(before.get(name)))}, and now it is "
                f"{shown(str(now.get(name)))}, so it would not end alike; set it back, "
                "or run anew in another folder"
            )


def _loaders(training: Training) -> Iterator[Any]:
    """PyTorch's loaders, each with a generator."""
    for loader in (training.data.train, training.data.valid, training.data.test):
        yield from loaders_of(loader)


def _random_states() -> dict[str, Any]:
    version, words, next_gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, torch.tensor(words, dtype=torch.int64), next_gauss],
        "numpy": [
            *(str(name), torch.from_numpy(np.asarray(keys, np.int64))),
            *(int(position), int(has_gauss), float(cached)),
        ],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _set_random_states(states: Mapping[str, Any]) -> None:
    version, words, next_gauss = states["python"]
    random.setstate((version, tuple(words.tolist()), next_gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state(
        (name, keys.numpy().astype(np.uint32), position, has_gauss, cached)
    )
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
