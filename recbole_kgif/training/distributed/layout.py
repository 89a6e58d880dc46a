"""Where the processes of one training are: what is asked for, checked, and divided."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from recbole_kgif.errors import UserError
from recbole_kgif.options.argument_types import at_least_one

# RecBole's own, for a training that several machines share.
DEFAULT_PORT = 5678
LARGEST_PORT = 65535

_THIS_MACHINE = "localhost"

# Models that see a part of the data in each process and have nothing to share of it.
_WITHOUT_GRADIENTS = frozenset({"LightGBM", "Pop", "XGBoost"})

# RecBole's pickles of prepared data.
_OF_ONE_PROCESS = (
    *("save_dataset", "dataset_save_path"),
    *("save_dataloaders", "dataloaders_save_path"),
)


@dataclass(frozen=True)
class Place:
    """The place of one process among those that train together.

    Attributes:
        rank: its number among all, from 0; the first one writes the run's files.
        local_rank: its number among those of its machine, which is its GPU's.
        world_size: how many there are on all machines.
        n_local: how many there are on its machine.
        ip: address of the machine where the processes meet.
        port: port that they meet at.
    """

    rank: int
    local_rank: int
    world_size: int
    n_local: int
    ip: str
    port: int


@dataclass(frozen=True)
class Layout:
    """The processes of one training, as seen from one machine.

    Attributes:
        n_local: how many run on this machine.
        world_size: how many run on all machines.
        first_rank: number of this machine's first process among all.
        ip: address of the machine with process 0.
        port: port of that machine where they meet; None for one that is free.
    """

    n_local: int
    world_size: int
    first_rank: int
    ip: str
    port: Optional[int]

    @property
    def has_first(self) -> bool:
        """Whether process 0, which writes the run's files, is on this machine."""
        return self.first_rank == 0

    @property
    def ranks(self) -> range:
        """Numbers of this machine's processes among all."""
        return range(self.first_rank, self.first_rank + self.n_local)

    def places(self, port: int) -> list[Place]:
        """Places of this machine's processes, which meet at a port."""
        return [
            Place(rank, local, self.world_size, self.n_local, self.ip, port)
            for local, rank in enumerate(self.ranks)
        ]


def add_layout_arguments(parser: argparse.ArgumentParser) -> None:
    """How many processes train, and where they are."""
    group = parser.add_argument_group("several processes")
    group.add_argument(
        "--nproc",
        type=at_least_one,
        default=1,
        metavar="COUNT",
        help="processes of this machine that share each batch, on GPUs one for each "
        "(default: 1)",
    )
    group.add_argument(
        "--world_size",
        type=at_least_one,
        metavar="COUNT",
        help="processes of all machines (default: those of --nproc)",
    )
    group.add_argument(
        "--ip", help="address of the machine with --group_offset 0, for several"
    )
    group.add_argument(
        "--port",
        type=_port,
        help="port of that machine where the processes meet (default: a free one, or "
        f"{DEFAULT_PORT} for several machines)",
    )
    group.add_argument(
        "--group_offset",
        type=_count,
        default=0,
        metavar="COUNT",
        help="processes of the machines before this one (default: 0)",
    )


def layout_of(namespace: argparse.Namespace, model: str) -> Optional[Layout]:
    """The processes that are asked for.

    Args:
        namespace: the arguments that `add_layout_arguments` adds.
        model: the model to be trained.

    Returns:
        None for a training in this very process.

    Raises:
        UserError: the numbers do not go together, an address is missing, or the model
            cannot be trained in several processes.
    """
    n_local, offset = namespace.nproc, namespace.group_offset
    world_size = namespace.world_size or n_local + offset
    if offset + n_local > world_size:
        raise UserError(
            f"--world_size {world_size}: {offset} processes of the machines before "
            f"(--group_offset) and {n_local} of this one (--nproc) are more; give "
            f"--world_size {offset + n_local}, the same on all machines"
        )
    if offset and namespace.world_size is None:
        raise UserError(
            f"--group_offset {offset}: give --world_size too, the number of processes "
            "of all machines"
        )
    is_on_one_machine = world_size == n_local
    if not is_on_one_machine and namespace.ip is None:
        raise UserError(
            f"--world_size {world_size}: give --ip, the address of the machine with "
            "--group_offset 0, the same on all machines"
        )
    if world_size == 1:
        return None
    if model in _WITHOUT_GRADIENTS:
        raise UserError(
            f"--nproc {n_local}: {model} learns by no gradients that processes could "
            "share; leave --nproc out"
        )
    port = namespace.port
    if port is None and not is_on_one_machine:
        port = DEFAULT_PORT
    return Layout(n_local, world_size, offset, namespace.ip or _THIS_MACHINE, port)


def check_shareable(options: Mapping[str, Any]) -> None:
    """Refuse options that several processes would write or read one file for.

    Raises:
        UserError: there is one.
    """
    for name in _OF_ONE_PROCESS:
        if options.get(name):
            raise UserError(
                f"--nproc: {name}={options[name]} is for one process, as RecBole keeps "
                "a process's own share in that file; leave one of them out"
            )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0 on")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text} is not a whole number from 1 to {LARGEST_PORT}"
        )
    return int(text)
