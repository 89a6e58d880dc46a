"""A service under load, and services and exports that are killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np

from recbole_kgif.errors import UserError
from recbole_kgif.serving.exported_model import ExportedModel

_COMMAND = [sys.executable, "-m", "recbole_kgif", "serve", "--port=0"]
_REWRITE = Path(__file__).with_name("serving_rewrite.py")
_THREADS = 8
_K = 20

# Method, path and body of what no service should answer with a list.
MALFORMED = (
    ("GET", "/v1/recommendations?user=nobody", None),
    ("GET", "/v1/recommendations?user=1&k=many", None),
    ("GET", "/v1/recommendations?user=1&k=1000000", None),
    ("GET", "/v1/recommendations?user=" + "x" * 5_000, None),
    ("GET", "/v1/%ff%00", None),
    ("POST", "/v1/recommendations", b"{"),
    ("POST", "/v1/recommendations", b"\xff" * 1_000),
    ("POST", "/v1/recommendations", b'{"items": [' + b'"a",' * 900 + b'"a"]}'),
    ("POST", "/v1/recommendations", b" " * 100_000),
    ("DELETE", "/v1/similar?item=1", None),
)

Request = tuple[str, str, Optional[bytes]]


@dataclass
class Load:
    """What requests were answered with.

    Attributes:
        seconds: from the time that a request was due to the end of its answer.
        statuses: how often each status code was answered; 0 where there was no answer.
        bad_answers: answers with the trace of an error, or without an error's form.
    """

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    bad_answers: int = 0


@dataclass(frozen=True)
class Server:
    """A running service.

    Attributes:
        process: its process.
        port: its port.
    """

    process: subprocess.Popen[str]
    port: int

    def memory(self) -> int:
        """Resident memory in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        found = re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)
        return 1024 * int(found[1]) if found else 0

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far."""
        status = Path(f"/proc/{self.process.pid}/stat").read_text("utf-8")
        # Of the user and of the system; the second field may contain spaces.
        ticks = status.rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(export: Path, log: Path) -> Iterator[Server]:
    """Start a service, and kill it in the end.

    Args:
        export: folder of the export.
        log: gets what it writes to standard error.
    """
    with log.open("a", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [*_COMMAND, f"--export={export}"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout is not None
            found = re.search(r":(\d+) \(", process.stdout.readline())
            if found is None:
                raise UserError(f"the service did not start; see {log}")
            yield Server(process, int(found[1]))
        finally:
            process.kill()
            process.wait()


def lists_of(users: Sequence[str], count: int) -> list[Request]:
    """Requests for lists of users in turn."""
    return [
        ("GET", f"/v1/recommendations?user={users[number % len(users)]}&k={_K}", None)
        for number in range(count)
    ]


def send(
    server: Server, requests: Sequence[Request], rate: Optional[float] = None
) -> Load:
    """Send requests over a few connections.

    Args:
        server: the service.
        requests: what to ask.
        rate: requests a second; None sends them as fast as they are answered.
    """
    load, lock, start = Load(), threading.Lock(), time.perf_counter()
    waiting = iter(enumerate(requests))

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while True:
            with lock:
                number, request = next(waiting, (0, None))
            if request is None:
                return
            due = time.perf_counter()
            if rate is not None:
                due = start + number / rate
                time.sleep(max(0.0, due - time.perf_counter()))
            status, body = _answer(connection, request)
            with lock:
                load.seconds.append(time.perf_counter() - due)
                load.statuses[status] += 1
                load.bad_answers += not _is_good(status, body)

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


def _answer(
    connection: http.client.HTTPConnection, request: Request
) -> tuple[int, bytes]:
    method, path, body = request
    headers = {"content-type": "application/json"} if body else {}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return 0, b""


def _is_good(status: int, body: bytes) -> bool:
    """Whether an answer is a list, or an error in its form and without a trace."""
    if b"Traceback" in body:
        return False
    try:
        content = json.loads(body)
    except ValueError:
        return False
    return "items" in content if status == 200 else set(content) == {"error"}


def kill_services(export: Path, log: Path, times: int) -> dict[str, Any]:
    """Kill a service under load, again and again.

    Returns:
        How often the next one answered as the first, and how long starts took.
    """
    users = ExportedModel(export).user_ids[:20]
    first: Optional[list[bytes]] = None
    same, seconds = 0, []
    for _ in range(times):
        start = time.perf_counter()
        with serving(export, log) as server:
            seconds.append(time.perf_counter() - start)
            connection = http.client.HTTPConnection("127.0.0.1", server.port)
            answers = [_answer(connection, each)[1] for each in lists_of(users, 20)]
            first = first or answers
            same += answers == first
            loading = threading.Thread(
                target=send, args=(server, lists_of(users, 400), 200.0)
            )
            loading.start()
            time.sleep(random.uniform(0.1, 0.5))
            server.process.kill()
            loading.join()
    return {"times": times, "same": same, "start_seconds": float(np.median(seconds))}


def kill_exports(export: Path, times: int) -> dict[str, Any]:
    """Kill a process that writes an export over and over.

    Returns:
        How often a valid export was there afterwards, none, or a broken one.
    """
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "export"
        for _ in range(times):
            process = subprocess.Popen(
                [sys.executable, str(_REWRITE), str(export), str(target)],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdout is not None
            process.stdout.readline()  # it begins
            time.sleep(random.uniform(0.0, 0.3))
            process.kill()
            process.wait()
            found[_state(target)] += 1
    return {
        "times": times,
        **{name: found[name] for name in ("valid", "none", "broken")},
    }


def _state(folder: Path) -> str:
    if not folder.exists():
        return "none"
    try:
        ExportedModel(folder)
    except UserError:
        return "broken"
    return "valid"
