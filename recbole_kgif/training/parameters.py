"""The parameters of a model, out of it and back into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError
from recbole_kgif.training.tensorfile import plain, restored


def stored_parameters(model: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """State dictionary and other parameters of a model, as a file holds them."""
    other = {
        name: plain(value)
        for name, value in model.other_parameter().items()
        # A module's parameters are in the state dictionary already.
        if value is not None and not isinstance(value, nn.Module)
    }
    return plain(dict(model.state_dict())), other


def put_parameters(
    where: str,
    model: Any,
    state_dict: Mapping[str, torch.Tensor],
    other_parameter: Mapping[str, Any],
) -> None:
    """Load the parameters of a file into a model.

    Args:
        where: the file, for the message.
        model: the model.
        state_dict: what `stored_parameters` returned.
        other_parameter: likewise.

    Raises:
        UserError: they are not those of this model.
    """
    unknown = set(other_parameter) - set(model.other_parameter())
    try:
        if unknown:
            raise ValueError(f"unknown are {', '.join(sorted(map(shown, unknown)))}")
        model.load_state_dict(state_dict)
        model.load_other_parameter(restored(other_parameter, model.device))
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = " ".join(str(error).split())[:300]
        raise UserError(
            f"{where}: its parameters are not those of this {type(model).__name__}; "
            f"use the versions that trained it ({message})"
        ) from error
