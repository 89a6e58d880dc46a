"""Every command and every Python example of the pages runs.

Commands run in the order of their page in a separate folder. `page_commands.CHANGES`
makes them short; `page_commands.EXCEPTIONS` lists what is not run, with the reason.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from recbole_kgif.cli import main
from tests.docs.example_data import (
    write_kgat,
    write_plain,
    write_raw_lastfm,
    write_split,
)
from tests.docs.page_commands import (
    CHANGES,
    EXCEPTIONS,
    INSTALLS_OF_OTHERS,
    PYTHON_CHANGES,
    all_commands,
    fitting_changes,
    is_pip,
    name_of,
    run_block,
    run_command,
    shortened,
    shortened_python,
)
from tests.docs.page_parser import (
    CHECKOUT,
    COMMAND,
    OWN_PROGRAMS,
    PAGES,
    PYTHON,
    Command,
    blocks_of,
    commands_of,
    inline_code,
    is_command,
    name_of_page,
)

TUTORIAL = CHECKOUT / "docs" / "tutorial.md"

# Small data sets in `dataset/`, instead of the real ones.
SMALL_DATA_SETS = ("lastfm-split", "book-crossing-split")

# Left to the slow test: these start processes, or train again.
LEFT_TO_THE_SLOW_TEST = ("compare", "doctor", "tune", "runs/long")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder with the files of a checkout and small data sets."""
    shutil.copy(CHECKOUT / "run_recbole_kgif.py", tmp_path)
    for folder in ("benchmarks", "docs"):
        shutil.copytree(CHECKOUT / folder, tmp_path / folder)
    for name in SMALL_DATA_SETS:
        write_split(tmp_path / "dataset", name)
    write_raw_lastfm(tmp_path / "raw")
    write_kgat(tmp_path / "kgat")
    write_plain(tmp_path)
    return tmp_path


# --- the commands -------------------------------------------------------------------


def test_the_main_path_of_the_tutorial_runs(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(CHECKOUT / "docs/example", workplace / "docs/example")
    for block in blocks_of(TUTORIAL):
        if block.kind == PYTHON:
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {})
        if block.kind != COMMAND:
            continue
        for command in commands_of(block):
            words = shortened(command)
            left = any(word in LEFT_TO_THE_SLOW_TEST for word in words)
            if is_pip(command) or left:
                continue
            if name_of(command).startswith("docs/"):
                subprocess.run([sys.executable, *words[1:]], check=True)
                continue
            assert main(words[2:]) == 0, command
    example = (CHECKOUT / "docs/example/ratings.csv").read_bytes()
    assert (workplace / "ratings-again.csv").read_bytes() == example
    printed = capsys.readouterr().out
    assert _text_block("ratings.csv: user = 'cook'") in printed
    for name in ("recommendations.csv", "newcomer.csv", "why.html", "why.json"):
        assert (workplace / name).stat().st_size
    header = (workplace / "recommendations.csv").read_text("utf-8").splitlines()[0]
    assert _text_block("user_id,rank,item_id,name,score\n").startswith(f"{header}\n")


def _text_block(beginning: str) -> str:
    """The block of the tutorial with this beginning."""
    texts = [block.text for block in blocks_of(TUTORIAL)]
    return next(text for text in texts if text.startswith(beginning))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of_page)
def test_every_command_runs(page: Path, scratch: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(CHECKOUT),
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment.pop("RECBOLE_KGIF_DATA", None)
    for block in blocks_of(page):
        if block.kind == PYTHON:
            run_command(
                [sys.executable, "-c", shortened_python(block)], scratch, environment
            )
        if block.kind == COMMAND:
            run_block(commands_of(block), scratch, environment)


@pytest.mark.slow
def test_the_command_that_ends_a_lost_trial_runs(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    (command,) = (
        code
        for code in inline_code(CHECKOUT / "docs" / "comparing.md")
        if code.startswith("optuna tell")
    )
    storage = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="recipes-KGIF", storage=storage)
    trial = study.ask()
    for placeholder, value in (
        ("URL", storage),
        ("DATASET-MODEL", study.study_name),
        (" N ", f" {trial.number} "),
    ):
        assert placeholder in command
        command = command.replace(placeholder, value)
    module = [sys.executable, "-c", "from optuna.cli import main; main()"]
    run_command([*module, *shlex.split(command)[1:]], tmp_path, os.environ)
    assert [ended.state.name for ended in study.trials] == ["FAIL"]


def test_no_command_is_left_out() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            if block.kind == COMMAND:
                commands_of(block)  # refuses a line that nobody would run
                continue
            hidden = [line for line in block.text.splitlines() if is_command(line)]
            assert not hidden, f"{block.page}:{block.line}: {hidden[0]}"


def test_a_whole_command_in_a_sentence_is_one_of_those_that_run() -> None:
    run = {command.text for page in PAGES for command in all_commands(page)}
    for page in PAGES:
        for code in inline_code(page):
            has_placeholder = re.search(r"\b[A-Z]{2,}\b", code)
            is_program = code in (*OWN_PROGRAMS, "optuna")
            if is_command(code) and not has_placeholder and not is_program:
                assert code in run or code.startswith("pip install"), code


def test_every_change_and_exception_is_of_a_command_that_is_there() -> None:
    commands = [command for page in PAGES for command in all_commands(page)]
    changed = [change for command in commands for change in fitting_changes(command)]
    assert set(CHANGES) == set(changed)
    for beginning in EXCEPTIONS:
        assert any(command.text.startswith(beginning) for command in commands)
    words = [word for command in all_commands(TUTORIAL) for word in command.words]
    assert set(LEFT_TO_THE_SLOW_TEST) <= set(words)
    python = "".join(
        block.text
        for page in PAGES
        for block in blocks_of(page)
        if block.kind == PYTHON
    )
    assert all(before in python for before in PYTHON_CHANGES)


def test_a_change_replaces_an_option_or_adds_it() -> None:
    command = Command(
        "here", 'recbole-kgif tune --models KGAT --trials=20 "--topk=[5, 10]" --x_y=1'
    )
    assert shortened(command) == [
        *("python", "run_recbole_kgif.py", "tune", "--models=KGIF"),
        *("--trials=1", "--topk=[5, 10]", "--x_y=1", "--epochs=1"),
    ]


def test_what_is_installed_is_in_the_project() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text("utf-8")
    section = text.split("[project.optional-dependencies]\n")[1].split("\n[")[0]
    extras = set(re.findall(r"^(\w+) = \[", section, re.M))
    commands = [c for page in PAGES for c in all_commands(page) if is_pip(c)]
    assert commands
    texts = [code for page in PAGES for code in inline_code(page)]
    commands += [
        Command("a sentence", text) for text in texts if text.startswith("pip install")
    ]
    for command in commands:
        requirement = command.words[-1]
        if command.text in INSTALLS_OF_OTHERS:
            continue
        assert command.words[:-1] in (["pip", "install"], ["pip", "install", "-e"])
        if requirement.startswith("."):
            requirement = f"recbole-kgif{requirement[1:]}"
        parsed = Requirement(requirement)
        assert parsed.name == "recbole-kgif", command
        assert parsed.extras <= extras, command
