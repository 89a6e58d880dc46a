"""What every command has to do with any input: its work, or one line of complaint."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from recbole_kgif.cli import main

Damage = Callable[[bytes], bytes]

# The only folder, below the current one, that a command is given to write to.
OUTPUT = "out"

# All commands here end within a second, on a machine with nothing else to do.
_LONGEST_SECONDS = 60


def tree_of(folder: Path) -> dict[str, object]:
    """Every file and folder below a folder, with the files' content."""
    return {
        path.relative_to(folder).as_posix(): path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


def outcome(
    arguments: Sequence[str],
    here: Path,
    capsys: pytest.CaptureFixture[str],
    codes: Sequence[int] = (0, 2),
) -> tuple[int, str]:
    """Run a command in the current folder, and hold it to the rules.

    Args:
        arguments: those of the command line.
        here: the current folder, which is a sub-folder of one that nothing else uses.
        capsys: pytest's.
        codes: the exit codes that may come.

    Returns:
        The exit code, and the complaint where it is 2.
    """
    around = here.parent
    before = tree_of(around)
    capsys.readouterr()
    with _time_limit():
        code = main(list(arguments))
    lines = capsys.readouterr().err.splitlines()
    # A training has said how far it came before it was refused.
    errors = [line for line in lines if not line.startswith("epoch ")]
    own = f"{here.name}/{OUTPUT}"
    after = tree_of(around)
    changed = {p for p in {*before, *after} if before.get(p) != after.get(p)}
    assert not {p for p in changed if p != own and not p.startswith(f"{own}/")}
    assert code in codes, errors
    if code != 2:
        return code, ""
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ")
    assert errors[0].isprintable(), errors[0]
    assert len(errors[0]) < 6000
    assert not (here / OUTPUT / "result.json").exists()
    return 2, errors[0]


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """Fail where a command does not come to an end, as far as the system can tell."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def fail(*_: object) -> None:
        pytest.fail(f"the command had not ended after {_LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(_LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


DAMAGES: dict[str, Damage] = {
    "empty": lambda content: b"",
    "line ends alone": lambda content: b"\n\r\n\n",
    "half": lambda content: content[: len(content) // 2],
    "without the last byte": lambda content: content[:-1],
    "cut in a character": lambda content: content[:-1] + "\N{DUCK}".encode()[:2],
    "first line alone": lambda content: content.split(b"\n")[0] + b"\n",
    "without the first line": lambda content: content.split(b"\n", 1)[1],
    "twice": lambda content: content * 2,
    "each line twice": lambda content: (
        content + b"".join(content.splitlines(keepends=True)[1:])
    ),
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "old Mac line ends": lambda content: content.replace(b"\n", b"\r"),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "byte-order mark": lambda content: b"\xef\xbb\xbf" + content,
    "Latin-1": lambda content: content.replace(b"dune", b"d\xfcne"),
    "NUL": lambda content: content.replace(b"dune", b"du\0ne"),
    "an archive": lambda content: b"PK\x03\x04" + content,
    "commas": lambda content: content.replace(b"\t", b","),
    "a column less": lambda content: b"\n".join(
        line.rpartition(b"\t")[0] for line in content.splitlines()
    ),
    "a column more": lambda content: content.replace(b"\n", b"\t1\n"),
    "columns exchanged": lambda content: b"".join(
        b"\t".join(reversed(line.split(b"\t"))) + b"\n" for line in content.splitlines()
    ),
    "columns exchanged below the header": lambda content: (
        content.split(b"\n")[0]
        + b"\n"
        + b"".join(
            b"\t".join(reversed(line.split(b"\t"))) + b"\n"
            for line in content.splitlines()[1:]
        )
    ),
    "a quotation mark": lambda content: content.replace(b"dune", b'"dune'),
    "missing values": lambda content: content.replace(b"dune", b"NaN"),
    "empty ids": lambda content: content.replace(b"dune", b""),
    "padding": lambda content: content.replace(b"dune", b"[PAD]"),
    "huge ids": lambda content: content.replace(b"dune", b"9" * 100_000),
    "a huge line": lambda content: content + b"x" * 5_000_000 + b"\n",
    "a script": lambda content: content.replace(b"dune", b"<script>"),
    "paths": lambda content: content.replace(b"dune", b"../../x"),
    "a formula": lambda content: content.replace(b"dune", b"=cmd|' /C calc'!A0"),
    "an escape sequence": lambda content: content.replace(b"dune", b"\x1b[31mx"),
    "line separators": lambda content: content.replace(
        b"dune", "a\N{LINE SEPARATOR}\N{NEXT LINE}b".encode()
    ),
    "white space": lambda content: content.replace(b"dune", b" dune "),
    "cyclic and self triples": lambda content: (
        content + b"scott\tinfluenced\tm_alien\nscifi\thas_genre\tscifi\n"
    ),
}
