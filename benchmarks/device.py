"""Where it is measured: on the processor, or on the first GPU."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from measuring import environment, memory_now, peak_memory

from recbole_kgif.errors import UserError


@dataclass(frozen=True)
class Device:
    """The processor or the first GPU.

    Attributes:
        is_gpu: whether it is the GPU.
    """

    is_gpu: bool

    @property
    def name(self) -> str:
        """As PyTorch calls it."""
        return "cuda" if self.is_gpu else "cpu"

    @property
    def suffix(self) -> str:
        """What the names of a report's files end with."""
        return "-gpu" if self.is_gpu else ""

    @property
    def place(self) -> str:
        """What a title ends with."""
        return " on a GPU" if self.is_gpu else ""

    @property
    def options(self) -> dict[str, Any]:
        """RecBole's options for it."""
        return {"use_gpu": self.is_gpu, "gpu_id": "0" if self.is_gpu else ""}

    def wait(self) -> None:
        """Let a GPU end what it was told to do; a processor has ended it."""
        if self.is_gpu:
            import torch

            torch.cuda.synchronize()

    def memory_now(self) -> int:
        """Bytes that this process holds, on a GPU those of its tensors."""
        if not self.is_gpu:
            return memory_now()
        import torch

        return int(torch.cuda.memory_allocated())

    def peak_memory(self) -> int:
        """Bytes that it has held at most."""
        if not self.is_gpu:
            return peak_memory()
        import torch

        return int(torch.cuda.max_memory_allocated())

    def described(self) -> dict[str, Any]:
        """The GPU, for the environment of a report."""
        if not self.is_gpu:
            return {}
        import torch

        return {"GPU": torch.cuda.get_device_name(0)}

    def environment(self) -> dict[str, Any]:
        """What figures that are measured on it depend on."""
        return {**environment(), **self.described()}


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Let the user choose."""
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="measure on the first GPU (default: on the processor)",
    )


def chosen_device(namespace: argparse.Namespace) -> Device:
    """The device that was chosen.

    Raises:
        UserError: there is no GPU.
    """
    if namespace.gpu:
        import torch

        if not torch.cuda.is_available():
            raise UserError("--gpu: PyTorch sees no GPU here; leave it out")
    return Device(namespace.gpu)
