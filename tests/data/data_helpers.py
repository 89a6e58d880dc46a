"""Helpers of the data tests: the real data, a tiny raw set, a web server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SHARED_DATASETS = Path(__file__).resolve().parents[3] / "shared" / "datasets"

TINY_RAW_FILES = {
    "hetrec2011-lastfm-2k/user_artists.dat": (
        b"userID\tartistID\tweight\r\n"
        b"2\t51\t13883\r\n"
        b"2\t52\t11690\r\n"
        b"3\t51\t228\r\n"
        b"3\t99\t5\r\n"
        b"3\t54\t1\r\n"
    ),
    "hetrec2011-lastfm-2k/artists.dat": (
        "id\tname\turl\tpictureURL\n"
        "51\tSigur Rós\thttp://a/51\thttp://b/51.jpg\n"
        '52\t"Weird Al" Yankovic\thttp://a/52\thttp://b/52.jpg\n'
        "54\tTab\tand  Spaces \thttp://a/54\t\n"
        "60\tNever Heard\thttp://a/60\thttp://b/60.jpg\n"
        "99\tUnlinked\thttp://a/99\thttp://b/99.jpg\n"
    ).encode(),
    "kgcn-music/kg.txt": b"0\tmusic.artist.origin\t7\n1\tmusic.artist.origin\t7\n"
    b"2\tfilm.actor.film\t8\n3\tfilm.actor.film\t8\n",
    "kgcn-music/item_index2entity_id.txt": b"51\t0\n52\t1\n54\t2\n60\t3\n",
}

Respond = Callable[[BaseHTTPRequestHandler], object]


def shared_datasets_folder(name: str) -> Path:
    """Give a folder of the real data, or skip the test, naming what is missing."""
    folder = SHARED_DATASETS / name
    if not folder.is_dir():
        pytest.skip(f"the real data folder ../shared/datasets/{name} is missing")
    return folder


def assert_one_line(message: str, *parts: str) -> None:
    """Assert that a message is one printable line that holds all the parts."""
    assert message.isprintable(), message
    for part in parts:
        assert part in message, f"{part!r} is not in {message!r}"


class LocalServer:
    """A web server on this machine that answers each path with a function."""

    def __init__(self) -> None:
        """Start to listen on a free port."""
        self.answers: dict[str, Respond] = {}
        answers = self.answers

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.get(self.path, lambda handler: handler.send_error(404))(self)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.01,), daemon=True
        )
        self.thread.start()

    def serve(self, path: str, respond: Respond) -> str:
        """Answer a path with a function; return its address."""
        self.answers[path] = respond
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def serve_bytes(self, path: str, body: bytes) -> str:
        """Answer a path with a body; return its address."""
        return self.serve(path, lambda handler: send(handler, body, len(body)))

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int | None) -> None:
    """Answer with a body and the given Content-Length (None for no such header)."""
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)
