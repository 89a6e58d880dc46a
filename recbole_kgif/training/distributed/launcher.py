"""Starts this machine's processes of one training, and ends them together."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NoReturn, Optional

from recbole_kgif.common.files import read_object, write_atomic
from recbole_kgif.common.process import child_environment
from recbole_kgif.errors import UserError
from recbole_kgif.options.gpus import gpu_id_for
from recbole_kgif.training.distributed.layout import Layout, Place
from recbole_kgif.training.specs import RunSpec

FAILURE_FILE = "failure.log"

_POLL_SECONDS = 0.1
_LONGEST_REASON = 200
_THIS_MACHINE = "localhost"


class ProcessFailed(Exception):
    """A process of the training has ended without its result."""


def train_in_processes(layout: Layout, spec: RunSpec, output: Optional[Path]) -> None:
    """Train one model in several processes, and wait until they are done.

    However this process ends, those that it started end with it.

    Args:
        layout: the processes.
        spec: what the run is asked for.
        output: the run's folder, where process 0 is on this machine.

    Raises:
        UserError: there are too few GPUs, the port cannot be used, or the run refuses
            an option or the data.
        ProcessFailed: a process has failed otherwise.
    """
    gpus = gpus_for(layout.n_local, spec.options)
    if gpus is not None:
        spec = dataclasses.replace(spec, options={**spec.options, "gpu_id": gpus})
    store = _meeting_point(layout)
    port = layout.port or store.port
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        processes = [
            stack.enter_context(_Process(place, spec, output, Path(scratch)))
            for place in layout.places(port)
        ]
        _wait(processes, output)


def gpus_for(count: int, options: Mapping[str, Any]) -> Optional[str]:
    """The GPUs of so many processes, as RecBole's ``gpu_id``; None for the CPU.

    Raises:
        UserError: there are fewer.
    """
    gpu_id = gpu_id_for(options)
    if gpu_id == "" or not _has_gpus():
        return None
    named = _all_gpus() if gpu_id is None else gpu_id.split(",")
    where = f"gpu_id={gpu_id} names" if "gpu_id" in options else "this machine has"
    if len(named) < count:
        raise UserError(
            f"--nproc {count}: each process takes a GPU, and {where} {len(named)}; "
            f"give --nproc {len(named)}, or --gpu_id= to train on the CPU"
        )
    return ",".join(named[:count])


def _has_gpus() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _all_gpus() -> list[str]:
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _meeting_point(layout: Layout) -> Any:
    """What the processes of all machines find each other by, on the first machine.

    It is held here, by the process that ends last, and not by one of theirs.

    Returns:
        PyTorch's store with its ``port``; None on another machine.

    Raises:
        UserError: its port cannot be used.
    """
    if not layout.has_first:
        return None
    from torch.distributed import TCPStore

    _require_own_address(layout.ip)
    try:
        return TCPStore(
            _THIS_MACHINE, layout.port or 0, is_master=True, wait_for_workers=False
        )
    except RuntimeError as error:
        message = " ".join(str(error).split())
        reason = message[:_LONGEST_REASON]
        if "address already in use" in message.lower():
            reason = "it is in use on this machine"
        raise UserError(
            f"--port {layout.port}: cannot be opened, as {reason}; give another, the "
            "same on all machines"
        ) from None


def _require_own_address(ip: str) -> None:
    """Refuse an address at which the processes would wait for another machine.

    Raises:
        UserError: it is not one of this machine's.
    """
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            ip, 0, type=socket.SOCK_STREAM
        )
        with socket.socket(family, socket.SOCK_STREAM) as opened:
            opened.bind(address)
    except OSError as error:
        raise UserError(
            f"--ip {ip}: no address of this machine ({error.strerror}); give that of "
            "the machine with --group_offset 0, which is 0 here"
        ) from None


class _Process:
    """A process of the training; leaving its context ends it.

    Args:
        place: its place.
        spec: what all processes are asked for.
        output: the run's folder, for the first process.
        scratch: folder for what is not kept: RecBole writes logs in each process.
    """

    def __init__(
        self,
        place: Place,
        spec: RunSpec,
        output: Optional[Path],
        scratch: Path,
    ):
        self.place = place
        self.scratch = scratch / f"process-{place.rank}"
        self.report = self.scratch / "report.json"
        folder = self.scratch if output is None or place.rank > 0 else output
        self.request = {
            "spec": spec.to_json(),
            "place": dataclasses.asdict(place),
            "output": str(folder.resolve()),
            "report": str(self.report),
        }
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> _Process:
        self.scratch.mkdir()
        with ExitStack() as stack:
            # The others have nothing to say that the first does not say.
            silent: Optional[IO[bytes]] = None
            if self.place.local_rank > 0:
                path = self.scratch / "output.log"
                silent = stack.enter_context(path.open("wb"))
            self.process = subprocess.Popen(
                [sys.executable, "-m", "recbole_kgif.training.distributed.worker"],
                stdin=subprocess.PIPE,
                stdout=silent,
                stderr=silent,
                env=child_environment(self.place.n_local),
                # So that Ctrl-C reaches this process alone, which ends the others.
                start_new_session=True,
            )
        assert self.process.stdin is not None
        # It stays open: by its end the worker sees that this process is gone.
        self.process.stdin.write(json.dumps(self.request).encode() + b"\n")
        self.process.stdin.flush()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def _wait(processes: Sequence[_Process], output: Optional[Path]) -> None:
    """Return once all processes are done.

    Raises:
        UserError: a run refuses an option or the data.
        ProcessFailed: a process has ended otherwise.
    """
    while True:
        codes = [process.process.poll() for process in processes]
        if any(codes):
            raise_first_failure(processes, codes, output)
        if all(code == 0 for code in codes):
            return
        time.sleep(_POLL_SECONDS)


def raise_first_failure(
    processes: Sequence[_Process],
    codes: Sequence[Optional[int]],
    output: Optional[Path],
) -> NoReturn:
    """Raise the failure of the first process: the others fail as a consequence.

    Args:
        processes: all processes of this machine.
        codes: their exit codes, None for those that still run.
        output: the run's folder, which receives the traceback; None elsewhere.

    Raises:
        UserError: it has refused an option or the data.
        ProcessFailed: it has ended otherwise.
    """
    reports = []
    for process, code in zip(processes, codes):
        if not code:
            continue
        who = f"process {process.place.rank} of {process.place.world_size}"
        if not process.report.exists():
            raise ProcessFailed(
                f"{who} was ended by {_cause(code)}; the others ended too"
            )
        reports.append((read_object(process.report), who))
    report, who = min(reports, key=lambda entry: float(entry[0]["time"]))
    if report["is_user_error"]:
        raise UserError(report["message"])
    where = ""
    if output is not None:
        write_atomic(output / FAILURE_FILE, report["traceback"])
        where = f" (see {output / FAILURE_FILE})"
    raise ProcessFailed(f"{who} failed: {report['message']}{where}")


def _cause(code: int) -> str:
    if code == -signal.SIGKILL:
        return "SIGKILL, as where memory is short"
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
