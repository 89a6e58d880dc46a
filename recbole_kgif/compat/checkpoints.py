"""RecBole's checkpoints and the ``weights_only`` default of ``torch.load``."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any

from recbole_kgif.compat.shim import Shim, release
from recbole_kgif.compat.substitution import with_module


class _CheckpointTorch(types.ModuleType):
    """The ``torch`` module as RecBole's checkpoint readers see it.

    It looks up everything in PyTorch, except :meth:`load`, whose ``weights_only`` is
    False by default.
    """

    def __init__(self) -> None:
        super().__init__("torch", "PyTorch, where torch.load reads any pickle.")

    def __getattr__(self, name: str) -> Any:
        import torch

        return getattr(torch, name)

    @staticmethod
    def load(*args: Any, **kwargs: Any) -> Any:
        """Call ``torch.load`` with ``weights_only=False`` as the default."""
        import torch

        kwargs.setdefault("weights_only", False)
        return torch.load(*args, **kwargs)


def _names(code: types.CodeType, keyword: str) -> bool:
    """Whether compiled code passes ``keyword``: keyword names are constants of it."""
    flat: list[object] = []
    for constant in code.co_consts:
        flat.extend(constant if isinstance(constant, tuple) else (constant,))
    return keyword in flat


def _checkpoint_readers() -> tuple[Callable[..., Any], ...]:
    """RecBole's functions that read its checkpoints."""
    from recbole.quick_start.quick_start import load_data_and_model
    from recbole.trainer.trainer import Trainer

    return (Trainer.evaluate, Trainer.resume_checkpoint, load_data_and_model)


def _checkpoints_are_refused() -> bool:
    """Check: PyTorch 2.6 or newer, and a reader that does not pass ``weights_only``."""
    import torch

    if release(torch.__version__) < (2, 6):
        return False
    codes = [inspect.unwrap(reader).__code__ for reader in _checkpoint_readers()]
    return any(
        "load" in code.co_names and not _names(code, "weights_only") for code in codes
    )


def _read_whole_checkpoints() -> None:
    """Let RecBole read its own checkpoints, and nothing else.

    Problem: since PyTorch 2.6 ``torch.load`` reads only weights by default, and
    RecBole's checkpoints also pickle the run's ``Config`` (RecBole issue 2212). So
    ``Trainer.evaluate`` fails in the final test after training, and so do
    ``Trainer.resume_checkpoint`` and ``load_data_and_model``. Allow-listing the classes
    (``torch.serialization.add_safe_globals``) does not help: RecBole writes pickle
    protocol 4, which the weights-only reader does not support.

    Workaround: in the module ``recbole.trainer.trainer`` and in
    ``load_data_and_model``, ``torch`` is a view of PyTorch that differs in ``load``
    only. Derived trainers are covered, as the methods they inherit look the name up in
    RecBole's module. For all other callers ``torch.load`` keeps its safe default.

    Security: a RecBole checkpoint is a pickle, and reading a pickle runs whatever code
    its author put in, as with every PyTorch before 2.6. **Read only checkpoints you
    trust.**
    """
    from recbole import quick_start
    from recbole.quick_start import quick_start as quick_start_module
    from recbole.trainer import trainer

    checkpoint_torch = _CheckpointTorch()
    trainer.torch = checkpoint_torch
    reading = with_module(
        quick_start_module.load_data_and_model, "torch", checkpoint_torch
    )
    quick_start_module.load_data_and_model = reading
    quick_start.load_data_and_model = reading


SHIM = Shim(
    name="recbole-checkpoint-load",
    reason=(
        "torch >= 2.6 refuses RecBole's own checkpoints, so the final test, "
        "resuming and load_data_and_model fail (RecBole issue 2212)"
    ),
    removable_when="RecBole passes weights_only to torch.load itself",
    patch="checkpoint-load",
    is_needed=_checkpoints_are_refused,
    apply=_read_whole_checkpoints,
)
