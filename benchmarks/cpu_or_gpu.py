"""The device of a benchmark: the CPU or the first GPU."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from measurement import current_memory, environment, peak_memory

from recbole_kgif.errors import UserError


@dataclass(frozen=True)
class Device:
    """The CPU or the first GPU.

    Attributes:
        is_gpu: whether it is the GPU.
    """

    is_gpu: bool

    @property
    def name(self) -> str:
        """Its name in PyTorch."""
        return "cuda" if self.is_gpu else "cpu"

    @property
    def name_suffix(self) -> str:
        """Suffix of the names of a report's files."""
        return "-gpu" if self.is_gpu else ""

    @property
    def title_suffix(self) -> str:
        """Suffix of a title."""
        return " on a GPU" if self.is_gpu else ""

    @property
    def options(self) -> dict[str, Any]:
        """RecBole's options for it."""
        return {"use_gpu": self.is_gpu, "gpu_id": "0" if self.is_gpu else ""}

    def synchronize(self) -> None:
        """Wait for a GPU to finish its work; a CPU has finished it."""
        if self.is_gpu:
            import torch

            torch.cuda.synchronize()

    def current_memory(self) -> int:
        """Bytes used by this process, on a GPU by its tensors."""
        if not self.is_gpu:
            return current_memory()
        import torch

        return int(torch.cuda.memory_allocated())

    def peak_memory(self) -> int:
        """Peak of `current_memory`."""
        if not self.is_gpu:
            return peak_memory()
        import torch

        return int(torch.cuda.max_memory_allocated())

    def description(self) -> dict[str, Any]:
        """Name of the GPU, for the environment of a report."""
        if not self.is_gpu:
            return {}
        import torch

        return {"GPU": torch.cuda.get_device_name(0)}

    def environment(self) -> dict[str, Any]:
        """Hardware and versions on which measurements depend."""
        return {**environment(), **self.description()}


def add_gpu_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option `--gpu`."""
    parser.add_argument(
        "--gpu",
        action="store_true",
        help="measure on the first GPU (default: on the CPU)",
    )


def select_device(namespace: argparse.Namespace) -> Device:
    """The device chosen on the command line.

    Raises:
        UserError: there is no GPU.
    """
    if namespace.gpu:
        import torch

        if not torch.cuda.is_available():
            raise UserError("--gpu: PyTorch sees no GPU here; leave it out")
    return Device(namespace.gpu)
