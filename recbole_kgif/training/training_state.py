"""The state of an unfinished training, from which it is resumed.

It holds all that the next epoch depends on: parameters, optimiser, early stopping, the
states of the random number generators, and the record so far. So a resumed training
ends like an uninterrupted one, to the last digit, on a machine with the same
arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.training.checkpoint import require_format
from recbole_kgif.training.distributed import group
from recbole_kgif.training.fingerprint import require_same_data
from recbole_kgif.training.parameters import put_parameters, stored_parameters
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


def save_state(path: Path, trainer: Any) -> None:
    """Write the state at the end of an epoch atomically.

    Where several processes train, the first one writes the random states of all.

    Args:
        path: the file.
        trainer: the `run_trainer.RunTrainer`.

    Raises:
        UserError: the disk refuses it.
    """
    model = trainer.model
    # By rank.
    random_states = group.from_all(
        {
            "random": _random_states(),
            "loaders": [
                loader.generator.get_state() for loader in trainer.data.loaders()
            ],
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
            "options": dict(trainer.options),
            "data": dict(trainer.data.fingerprint),
            "environment": dict(trainer.environment),
            "epochs": plain(trainer.history),
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


def load_state(path: Path, trainer: Any) -> None:
    """Put a new trainer into the state of an interrupted one.

    Call it right before the trainer's ``fit``: it sets the random states.

    Args:
        path: what `save_state` has written.
        trainer: a `run_trainer.RunTrainer` that has not begun.

    Raises:
        UserError: the file cannot be read, or is of a run with other settings, data,
            libraries or hardware.
    """
    state = group.from_first(lambda: read_tensors(path))
    if not isinstance(state, dict):
        raise UserError(f"{path}: not a {FORMAT}; remove the run's folder")
    require_format(path, state, FORMAT, FORMAT_VERSION)
    model = trainer.model
    if state["model"] != type(model).__name__:
        raise UserError(
            f"{path}: of a run of {state['model']}, not of {type(model).__name__}; "
            "name another folder"
        )
    _require_equal(path, "option", state["options"], trainer.options)
    require_same_data(str(path), state["data"], trainer.data.fingerprint)
    _require_equal(path, "environment", state["environment"], trainer.environment)
    random_states = [state, *state.get("other_processes", [])]
    if len(random_states) != group.n_processes():
        raise UserError(
            f"{path}: the run began with {len(random_states)} processes, and now there "
            f"are {group.n_processes()}; give as many, or start again in another folder"
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
    for loader, generator in zip(trainer.data.loaders(), own["loaders"]):
        loader.generator.set_state(generator)
    _set_random_states(own["random"])
    trainer.history.extend(state["epochs"])


def _require_equal(
    path: Path, what: str, before: Mapping[str, Any], now: Mapping[str, Any]
) -> None:
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise UserError(
                f"{path}: the run began with {what} {name}="
                f"{shown(str(before.get(name)))}, and now it is "
                f"{shown(str(now.get(name)))}, so the result would differ; set it "
                "back, or start again in another folder"
            )


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
