"""Published data sets from a server that does not do what it should."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Optional

import pytest

from recbole_kgif.cli import main
from recbole_kgif.data.download import download
from recbole_kgif.data.recipes import kgat_files
from tests.data.data_helpers import LocalServer, Respond, send
from tests.data.recipes.helpers import refusal_of, tree_of
from tests.data.recipes.test_kgat import published

# The first file that is fetched, so that nothing whole is there before.
FIRST = "/amazon-book/train.txt"
LAST = "/amazon-book/relation_list.txt"
BODY = b"0 0 1 1 2\n1 1 2 3\n"


def redirected(address: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.end_headers()

    return respond


def of_status(code: int, reason: Optional[str] = None) -> Respond:
    return lambda handler: handler.send_error(code, reason)


FAULTS: dict[str, tuple[Respond, str]] = {
    "nothing there": (of_status(404), "HTTP status 404 (Not Found)"),
    "forbidden": (of_status(403), "HTTP status 403"),
    "too often asked": (of_status(429), "HTTP status 429"),
    "broken": (of_status(500), "HTTP status 500"),
    "a cut body": (
        lambda handler: send(handler, BODY, len(BODY) + 100),
        f"broke off after {len(BODY)} of {len(BODY) + 100} bytes",
    ),
    "no body": (lambda handler: send(handler, b"", 100), "broke off after 0 of 100"),
    "too large": (
        lambda handler: send(handler, b"", 10**12),
        "announces 1000000000000",
    ),
    "no HTTP": (lambda handler: handler.wfile.write(b"\x1b[31mno\r\n"), "no"),
    "a hostile reason": (of_status(503, "\x1b[31mred"), "HTTP status 503"),
    "round and round": (redirected(FIRST), "HTTP status 302"),
    "to a file": (redirected("file:///etc/passwd"), "HTTP status 302"),
    "to nowhere": (redirected("http://127.0.0.1:1/x"), "refused"),
    "to no address": (redirected("http://[x/"), "http"),
    "a page": (
        lambda handler: send(handler, b"<!DOCTYPE html>\n<script>", None),
        "train.txt, line 1: the user '<!DOCTYPE' is not a whole number",
    ),
    "an archive": (
        lambda handler: send(handler, b"PK\x03\x04\xff\xff", None),
        "train.txt, line 1: ",
    ),
    "an empty file": (
        lambda handler: send(handler, b"", 0),
        "train.txt holds no interaction",
    ),
}


def assert_nothing_is_left(here: Path, before: dict[str, object]) -> None:
    assert {k: v for k, v in tree_of(here).items() if k != "dataset"} == before
    assert os.listdir(here / "dataset") == []


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_and_leaves_nothing(
    here: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: str,
) -> None:
    published(monkeypatch, local_server)
    respond, message = FAULTS[case]
    local_server.serve(FIRST, respond)
    before = tree_of(here)
    assert message in refusal_of(["--kgat=amazon-book"], capsys)
    assert_nothing_is_left(here, before)


@pytest.fixture
def end_of_waiting() -> Iterator[threading.Event]:
    """Set at the latest when the test ends, so that no server waits on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("sent", [None, b"", BODY])
def test_a_server_that_says_no_more(
    here: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    end_of_waiting: threading.Event,
    sent: Optional[bytes],
) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        if sent is not None:
            send(handler, sent, 10_000)
            handler.wfile.flush()
        end_of_waiting.wait(30)

    published(monkeypatch, local_server)
    local_server.serve(FIRST, stall)
    impatient = functools.partial(download, timeout_seconds=0.3)
    monkeypatch.setattr(kgat_files, "download", impatient)
    before = tree_of(here)
    assert "timed out" in refusal_of(["--kgat=amazon-book"], capsys)
    end_of_waiting.set()
    assert_nothing_is_left(here, before)


def test_a_redirection_is_followed(
    here: Path, local_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = published(monkeypatch, local_server)
    elsewhere = local_server.serve_bytes("/elsewhere", files["train.txt"])
    local_server.serve(FIRST, redirected(elsewhere))
    assert main(["prepare", "--kgat=amazon-book"]) == 0


def test_a_page_in_place_of_a_file_is_fetched_again(
    here: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = published(monkeypatch, local_server)
    for path in (LAST, "/amazon-book/kg_final.txt.zip"):
        local_server.serve_bytes(path, b"<html>please wait</html>")
        refusal_of(["--kgat=amazon-book"], capsys)
        assert os.listdir(here / "dataset") == []
        local_server.serve_bytes(path, files[path.rpartition("/")[2]])
    assert main(["prepare", "--kgat=amazon-book"]) == 0
