"""What the system refuses, wherever it happens, told in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from recbole_kgif import cli
from recbole_kgif.errors import UserError

PATH = "some/file"


def told(
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    assert cli.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR]
)
def test_a_refusal_names_the_file_and_the_reason(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = os.strerror(code)
    line = told(OSError(code, reason, PATH), monkeypatch, capsys)
    assert line.startswith(f"error: {PATH}: {reason}; ")
    renamed = OSError(code, reason, ".file.17", None, PATH)
    assert told(renamed, monkeypatch, capsys) == line
    assert told(OSError(code, reason), monkeypatch, capsys).startswith(
        f"error: {reason}; "
    )


def test_a_fault_of_the_program_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(cli, "_run", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        cli.main([])


def test_a_message_gives_no_orders_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = Path("a\x1b[31m\nb.yaml")
    line = told(UserError(f"{name}: is no file"), monkeypatch, capsys)
    assert line == "error: a\N{REPLACEMENT CHARACTER}[31m b.yaml: is no file"
