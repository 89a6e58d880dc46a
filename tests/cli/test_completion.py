"""The script of completions, as bash uses it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_kgif.cli import COMMANDS, main
from tests.cli.test_cli import error_of

_CASES = {
    "recbole-kgif com": {"compare", "completion"},
    "recbole-kgif --learning": {"--learning_rate"},
    "recbole-kgif inspect --check": {"--checkpoint"},
    "recbole-kgif compare --models KGI": {"KGIF", "KGIF-paper", "KGIN"},
    "recbole-kgif tune --learning": {"--learning_rate"},
    "recbole-kgif -d ml-": {"ml-100k"},
}
_ASK = """
source completion.bash
for line in "$@"; do
    COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
    _shtab_recbole_kgif
    echo "${COMPREPLY[@]}"
done
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(in_tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    Path("completion.bash").write_text(capsys.readouterr().out, "utf-8")
    answer = subprocess.run(
        ["bash", "-c", _ASK, "bash", *_CASES, *(f"recbole-kgif {c}" for c in COMMANDS)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    answers = [set(line.split()) for line in answer.stdout.splitlines()]
    assert dict(zip(_CASES, answers)) == _CASES
    assert [{c} for c in COMMANDS] == answers[len(_CASES) :]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_a_script(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("robustness", "learning_rate", "KGNNLS"))


def test_a_missing_package_and_a_wrong_shell_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "invalid choice: 'basch'" in error_of(["completion", "basch"], capsys)
    monkeypatch.setitem(sys.modules, "shtab", None)
    message = error_of(["completion", "bash"], capsys)
    assert "needs the package shtab; run pip install shtab" in message
