"""Which GPUs a run takes.

RecBole asks its option ``gpu_id`` alone: it ignores ``use_gpu``, and overwrites
CUDA_VISIBLE_DEVICES, so that a run leaves the GPU that its user has named. Here all
three are respected.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any, Optional

_VARIABLE = "CUDA_VISIBLE_DEVICES"
# As it was given, before RecBole makes a configuration.
_VISIBLE = os.environ.get(_VARIABLE)


def gpu_id_for(options: Mapping[str, Any]) -> Optional[str]:
    """The GPUs that a run's options, or else the environment, name.

    Args:
        options: of the run, those that are given.

    Returns:
        RecBole's ``gpu_id``: numbers with commas between them, empty for the processor;
        None where nothing names any.
    """
    if options.get("use_gpu") is False:
        return ""
    given = options.get("gpu_id", _VISIBLE)
    if isinstance(given, (list, tuple)):
        return ",".join(str(gpu) for gpu in given)
    if given is None:
        return "" if "gpu_id" in options else None
    return str(given).replace(" ", "")


def warn_of_missing_gpu(options: Mapping[str, Any], device: Any) -> None:
    """Warn where a GPU is named that does not exist: RecBole does not.

    Args:
        options: of the run, those that are given.
        device: the ``torch.device`` that RecBole has chosen.
    """
    gpu_id = gpu_id_for(options)
    # A negative number is the usual way to hide all GPUs.
    if device.type != "cpu" or not gpu_id or gpu_id.startswith("-"):
        return
    name = "gpu_id" if "gpu_id" in options else _VARIABLE
    logging.getLogger().warning(
        f"{name}={gpu_id}: PyTorch sees no such GPU here; the processor is used"
    )
