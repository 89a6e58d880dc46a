"""Downloads and archives: whole and verified, or nothing and a clear message."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import threading
import zipfile
from pathlib import Path

import pytest

from recbole_kgif.data.download import Expected, download, extract
from recbole_kgif.errors import UserError
from tests.data.data_helpers import LocalServer, assert_one_line, send

BODY = b"listening counts\n" * 10_000
SHA256 = hashlib.sha256(BODY).hexdigest()


def fetch(
    url: str,
    destination: Path,
    *,
    sha256: str | None = SHA256,
    max_bytes: int = 1_000_000,
    timeout_seconds: float = 20.0,
) -> None:
    expected = Expected(max_bytes, sha256)
    download(url, destination, expected, timeout_seconds=timeout_seconds)


def failure(url: str, folder: Path, **options: object) -> str:
    """Download in vain; return the message, having seen that nothing was left."""
    with pytest.raises(UserError) as caught:
        fetch(url, folder / "file.zip", **options)  # type: ignore[arg-type]
    assert list(folder.iterdir()) == []
    assert_one_line(str(caught.value), url)
    return str(caught.value)


def test_good_download(local_server: LocalServer, tmp_path: Path) -> None:
    fetch(local_server.serve_bytes("/a", BODY), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]


def test_replaces_an_older_file(local_server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(b"old")
    fetch(local_server.serve_bytes("/a", BODY), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_unknown_checksum_and_length(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve("/a", lambda handler: send(handler, BODY, None))
    fetch(url, tmp_path / "file.zip", sha256=None)
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_failure_keeps_an_older_file(local_server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "file.zip").write_bytes(b"old")
    with pytest.raises(UserError):
        fetch(local_server.serve_bytes("/a", b"new"), tmp_path / "file.zip")
    assert (tmp_path / "file.zip").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]


def test_broken_transfer(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve("/a", lambda handler: send(handler, BODY, len(BODY) + 9))
    message = failure(url, tmp_path)
    assert_one_line(message, f"{len(BODY)} of {len(BODY) + 9} bytes")


def test_broken_transfer_of_unknown_checksum(
    local_server: LocalServer, tmp_path: Path
) -> None:
    url = local_server.serve("/a", lambda handler: send(handler, BODY, len(BODY) + 9))
    assert_one_line(failure(url, tmp_path, sha256=None), "broke off")


def test_wrong_checksum(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve_bytes("/a", BODY + b"!")
    found = hashlib.sha256(BODY + b"!").hexdigest()
    assert_one_line(failure(url, tmp_path), found, SHA256)


def test_not_found(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve_bytes("/a", BODY) + "bsent"
    assert_one_line(failure(url, tmp_path), "404")


def test_refused_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}/a"
        assert_one_line(failure(url, tmp_path), "refused")


def test_no_http_at_all(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve("/a", lambda handler: handler.wfile.write(b"hello\r\n"))
    assert_one_line(failure(url, tmp_path), "hello")


def test_announced_too_large(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve_bytes("/a", BODY)
    message = failure(url, tmp_path, max_bytes=1000)
    assert_one_line(message, f"announces {len(BODY)} bytes", "1000")


def test_counted_too_large(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve("/a", lambda handler: send(handler, BODY, None))
    assert_one_line(
        failure(url, tmp_path, max_bytes=1000), "larger than the 1000 bytes"
    )


@pytest.mark.parametrize("sent", [b"", b"a few bytes"])
def test_hanging_server(local_server: LocalServer, tmp_path: Path, sent: bytes) -> None:
    may_end = threading.Event()

    def respond_and_hang(handler: object) -> None:
        if sent:
            send(handler, sent, len(BODY))  # type: ignore[arg-type]
        may_end.wait(timeout=30)

    url = local_server.serve("/a", respond_and_hang)
    try:
        message = failure(url, tmp_path, timeout_seconds=0.3)
    finally:
        may_end.set()
    assert_one_line(message, "timed out")


class FullDisk:
    """A file on a disk without room."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def write(self, block: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk(
    local_server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = local_server.serve_bytes("/a", BODY)
    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: FullDisk(descriptor))
    assert_one_line(failure(url, tmp_path), os.strerror(errno.ENOSPC))


def test_interrupted(
    local_server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_disk: FullDisk, _block: bytes) -> int:
        raise KeyboardInterrupt

    url = local_server.serve_bytes("/a", BODY)
    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: FullDisk(descriptor))
    monkeypatch.setattr(FullDisk, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(url, tmp_path / "file.zip")
    assert list(tmp_path.iterdir()) == []


def test_folder_missing(local_server: LocalServer, tmp_path: Path) -> None:
    url = local_server.serve_bytes("/a", BODY)
    with pytest.raises(UserError) as caught:
        fetch(url, tmp_path / "absent" / "file.zip")
    assert_one_line(str(caught.value), url)


def make_archive(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


MEMBER = ("a.dat", Expected(len(BODY), SHA256))


def extraction_failure(archive: Path, member: tuple[str, Expected] = MEMBER) -> str:
    folder = archive.parent / "out"
    folder.mkdir()
    with pytest.raises(UserError) as caught:
        extract(archive, [member], folder)
    assert list(folder.iterdir()) == []
    assert_one_line(str(caught.value), str(archive))
    return str(caught.value)


def test_extract(tmp_path: Path) -> None:
    archive = make_archive(
        tmp_path / "x.zip", {"top/a.dat": BODY, "b.dat": b"b", "c.dat": b"c"}
    )
    folder = tmp_path / "out"
    folder.mkdir()
    written = extract(archive, [("b.dat", Expected(1)), MEMBER], folder)
    assert written == [folder / "b.dat", folder / "a.dat"]
    assert [path.read_bytes() for path in written] == [b"b", BODY]
    assert sorted(path.name for path in folder.iterdir()) == ["a.dat", "b.dat"]


def test_extract_never_leaves_the_folder(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "x.zip", {"../../a.dat": BODY})
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    extract(archive, [MEMBER], folder)
    assert (folder / "a.dat").read_bytes() == BODY
    files = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["a.dat", "x.zip"]


def test_extract_missing_and_ambiguous(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "x.zip", {"b.dat": BODY})
    assert_one_line(extraction_failure(archive), "0 files named a.dat")
    (tmp_path / "out").rmdir()
    archive = make_archive(tmp_path / "y.zip", {"a.dat": BODY, "old/a.dat": BODY})
    assert_one_line(extraction_failure(archive), "2 files named a.dat")


def test_extract_too_large(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "x.zip", {"a.dat": BODY + b"!"})
    assert_one_line(extraction_failure(archive), "a.dat", str(len(BODY)))


def test_extract_wrong_checksum(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "x.zip", {"a.dat": BODY[:-1]})
    assert_one_line(extraction_failure(archive), "a.dat", SHA256)


def test_extract_unknown_compression(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.dat", BODY)
    assert_one_line(extraction_failure(tmp_path / "x.zip"), "compressed")


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
def test_extract_truncated_archive(tmp_path: Path, kept: int) -> None:
    archive = make_archive(tmp_path / "x.zip", {"a.dat": BODY})
    archive.write_bytes(archive.read_bytes()[:kept])
    assert_one_line(extraction_failure(archive), "zip archive")


def test_extract_damaged_member(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "x.zip", {"a.dat": BODY})
    content = bytearray(archive.read_bytes())
    content[60:70] = bytes(10)
    archive.write_bytes(content)
    assert_one_line(extraction_failure(archive), "zip archive")


def test_extract_absent_archive(tmp_path: Path) -> None:
    assert_one_line(extraction_failure(tmp_path / "x.zip"), "No such file")
