"""What the pages for users say is what the package does: every command of theirs runs.

Commands run in the order of their page in a folder of their own, each made short by
`CHANGES`; whatever is not run stands in `EXCEPTIONS` with its reason.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from recbole_kgif.cli import COMMANDS, main
from recbole_kgif.common.resources import resource
from recbole_kgif.compat.without_ray import INSTALL_RECBOLE
from recbole_kgif.options.settings import default_options, read_config_file
from tests.docs_data import write_kgat, write_plain, write_raw_lastfm, write_split
from tests.docs_pages import (
    CHECKOUT,
    COMMAND,
    PAGES,
    PYTHON,
    Block,
    Command,
    anchors_of,
    blocks_of,
    commands_of,
    inline_code,
    is_command,
    tables_below,
)

OPTIONS_PAGE = CHECKOUT / "docs" / "options.md"
TUTORIAL = CHECKOUT / "docs" / "tutorial.md"
TRAIN, INTERRUPTED, TOGETHER = "train", "interrupted", "together"


@dataclass(frozen=True)
class Change:
    """What is changed in a command of a page, for it to be short.

    Attributes:
        command: the command, or the program that it is of.
        having: words that it has to have for the change.
        options: put in place of its own of the same names, or added.
        mode: "interrupted" ends it by Ctrl-C after its first epoch; "together" runs
            it at the same time as the others of its block.
    """

    command: str
    options: tuple[str, ...]
    having: tuple[str, ...] = ()
    mode: str = ""


# Every change of a command that fits is made, in this order.
CHANGES = (
    Change(TRAIN, ("--epochs=1",)),
    Change(TRAIN, ("--source=raw",), having=("lastfm",)),
    Change(TRAIN, ("--epochs=40", "--stopping_step=40"), having=("runs/long",)),
    Change(TRAIN, (), having=("runs/long",), mode=INTERRUPTED),
    # Two machines: this one twice, which must not prepare one data set twice.
    Change(TRAIN, ("--dataset=ml-100k", "--nproc=1"), having=("--ip",), mode=TOGETHER),
    Change(TRAIN, ("--world_size=2", "--ip=127.0.0.1"), having=("--ip",)),
    Change(TRAIN, ("--port=FREE",), having=("--ip",)),
    Change(TRAIN, ("--group_offset=1",), having=("--group_offset",)),
    Change("compare", ("--epochs=1", "--seeds=1", "--models=KGIF,BPR")),
    Change("compare", ("--source=raw",), having=("lastfm",)),
    Change("tune", ("--epochs=1", "--trials=1", "--models=KGIF")),
    Change("tune", ("--source=raw",), having=("lastfm",)),
    Change("tune", ("--storage=study.journal",), having=("--storage",)),
    Change("ablate", ("--epochs=1", "--seeds=1", "--variants=full,popularity")),
    Change(
        "robustness",
        ("--epochs=1", "--seeds=1", "--models=KGIF", "--conditions=full,removed-50"),
    ),
    Change("prepare", ("--source=kgat",), having=("last-fm",)),
    Change("explain", ("--users=2", "--paths=1"), having=("--evaluate",)),
    Change("benchmarks/peers.py", ("--rounds=1",)),
    Change("benchmarks/peers.py", ("--source=raw",), having=("lastfm",)),
    Change("benchmarks/growth.py", ("--largest=10000",)),
    Change("benchmarks/limit.py", ("--largest=10000",)),
    Change("benchmarks/paper_size.py", ("--scale=0.002", "--datasets=amazon-book")),
    Change("benchmarks/paper_size.py", ("--steps=1",)),
)

# The same for Python: text that is put in place of another.
PYTHON_CHANGES = {
    'run_recbole(model="LightGCN", dataset="ml-100k")': (
        'run_recbole(model="LightGCN", dataset="ml-100k", config_dict={"epochs": 1})'
    ),
    'run_recbole(model="KGIF", dataset="ml-100k")': (
        'run_recbole(model="KGIF", dataset="ml-100k", config_dict={"epochs": 1})'
    ),
}

# Installations of other packages that the pages name.
INSTALLS_OF_OTHERS = (
    INSTALL_RECBOLE,
    "pip install ray",
    "pip install --upgrade ray",
)

# What commands that are not run begin with, each with the reason.
EXCEPTIONS = {
    "pytest": "it is what runs this",
    "uv ": "it installs a whole environment",
    "uvx ": "it installs a whole environment",
    "git apply": "it is for a checkout of RecBole",
    "git am": "it is for a checkout of RecBole",
    "python run_recbole_kgif.py [--model M] [--dataset D] [--key=value ...]": (
        "it is the form of the command"
    ),
}

# Small data sets that lie in `dataset/` in place of real ones.
SMALL_DATA_SETS = ("lastfm-split", "book-crossing-split")

# What the fast test leaves to the slow one: these start processes of their own, or
# train once more.
LEFT_TO_THE_SLOW_TEST = ("compare", "doctor", "tune", "runs/long")


def name_of(command: Command) -> str:
    """The command of this package, or the script, that is run."""
    words = command.words
    if words[0] == "recbole-kgif":
        words = ["python", "run_recbole_kgif.py", *words[1:]]
    if words[:2] != ["python", "run_recbole_kgif.py"]:
        return words[1] if words[0] == "python" else words[0]
    return words[2] if len(words) > 2 and words[2] in COMMANDS else TRAIN


def fitting_changes(command: Command) -> list[Change]:
    """The changes that are made in a command."""
    return [
        change
        for change in CHANGES
        if change.command == name_of(command)
        and all(word in command.words for word in change.having)
    ]


def shortened(command: Command) -> list[str]:
    """The words of a command with the changes made in it."""
    words = command.words
    if words[0] == "recbole-kgif":
        words[:1] = ["python", "run_recbole_kgif.py"]
    for change in fitting_changes(command):
        for option in change.options:
            _put(words, option)
    return words


def _put(words: list[str], option: str) -> None:
    """Put an option in place of one of the same name, or at the end."""
    name = option.partition("=")[0]
    for place, word in enumerate(words):
        if word == name:
            words[place : place + 2] = [option]
            return
        if word.startswith(f"{name}="):
            words[place] = option
            return
    words.append(option)


def is_exception(command: Command) -> bool:
    return command.text.startswith(tuple(EXCEPTIONS))


def is_pip(command: Command) -> bool:
    return command.text.startswith("pip install")


def all_commands(page: Path) -> list[Command]:
    return [
        command
        for block in blocks_of(page)
        if block.kind == COMMAND
        for command in commands_of(block)
    ]


def name_of_page(page: Path) -> str:
    return page.relative_to(CHECKOUT).as_posix()


def parsers() -> Mapping[str, Any]:
    return {
        name: importlib.import_module(f"recbole_kgif.cli.{name}")._parser()
        for name in (TRAIN, *COMMANDS)
    }


def options_of(parser: Any) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """What a fresh checkout has, with small data beside it."""
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
    """The block of the tutorial that begins so."""
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
            _run([sys.executable, "-c", _shortened_python(block)], scratch, environment)
        if block.kind == COMMAND:
            _run_block(commands_of(block), scratch, environment)


def _run_block(
    commands: Sequence[Command], folder: Path, environment: Mapping[str, str]
) -> None:
    """Run commands one after the other, or together where they are to be."""
    at_once: list[list[str]] = []
    for command in commands:
        if is_exception(command) or is_pip(command):
            continue
        words = shortened(command)
        modes = {change.mode for change in fitting_changes(command)}
        if words[0] == "python":
            words[0] = sys.executable
        print(f"{command.place}: {shlex.join(words)}", flush=True)
        if INTERRUPTED in modes and "--resume" not in words:
            _interrupt(words, folder, environment)
        elif TOGETHER in modes:
            at_once.append(words)
        else:
            _run(words, folder, environment)
    _run_together(at_once, folder, environment)


def _run_together(
    commands: Sequence[list[str]], folder: Path, environment: Mapping[str, str]
) -> None:
    """Run commands at the same time; the failure of one ends the others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = f"--port={free.getsockname()[1]}"
    logs = [folder / f"together-{number}.txt" for number in range(len(commands))]
    processes = []
    for words, log in zip(commands, logs):
        words = [port if word == "--port=FREE" else word for word in words]
        with log.open("w") as file:
            processes.append(
                subprocess.Popen(
                    words,
                    cwd=folder,
                    env=environment,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            )
    while any(process.poll() is None for process in processes):
        if any(process.poll() for process in processes):
            for process in processes:
                process.terminate()
        time.sleep(0.1)
    codes = [process.returncode for process in processes]
    assert not any(codes), [log.read_text("utf-8")[-2000:] for log in logs]


def _run(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    ended = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True
    )
    told = f"{shlex.join(words)}\n{ended.stdout[-1500:]}\n{ended.stderr[-3000:]}"
    assert ended.returncode == 0, told


def _interrupt(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command and end it by Ctrl-C once an epoch has ended."""
    output = folder / words[words.index("--output") + 1]
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (output / "last.pth").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate()
    assert process.returncode == 130, complaints
    assert complaints.endswith("interrupted\n")
    assert not (output / "result.json").exists()


def _shortened_python(block: Block) -> str:
    text = block.text
    for before, after in PYTHON_CHANGES.items():
        text = text.replace(before, after)
    return text


@pytest.mark.slow
def test_the_command_that_ends_a_lost_trial_runs(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    (told,) = (
        code
        for code in inline_code(CHECKOUT / "README.md")
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
        assert placeholder in told
        told = told.replace(placeholder, value)
    module = [sys.executable, "-c", "from optuna.cli import main; main()"]
    _run([*module, *shlex.split(told)[1:]], tmp_path, os.environ)
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
            is_program = code in ("recbole-kgif", "optuna")
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


def test_a_change_takes_the_place_of_an_option_or_is_added() -> None:
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


# --- options ------------------------------------------------------------------------


@pytest.mark.parametrize("command", [TRAIN, *COMMANDS])
def test_the_options_of_a_command_are_those_of_its_parser(command: str) -> None:
    parser = parsers()[command]
    listed: dict[str, list[str]] = {}
    for cells in tables_below(OPTIONS_PAGE, command):
        for name in re.findall(r"`(--[\w-]+)", cells[0]):
            assert name not in listed, name
            listed[name] = cells
    assert set(listed) == options_of(parser) - {"-h", "--help"}
    groups = [group for group in parser._mutually_exclusive_groups if group.required]
    alternatives = [action for group in groups for action in group._group_actions]
    for action in parser._actions:
        if not action.option_strings or "--help" in action.option_strings:
            continue
        default = listed[action.option_strings[0]][2]
        if action in alternatives:
            assert default.startswith("required, or `--"), action
        else:
            assert (default == "required") == action.required, action
        if action.default not in (None, False, [], "==SUPPRESS=="):
            assert default.split(";")[0].strip("`") == str(action.default), action
        for choice in action.choices or ():
            assert f"`{choice}`" in "".join(listed[action.option_strings[0]]), choice


def test_defaults_that_a_command_keeps_by_itself_are_told() -> None:
    from recbole_kgif.cli.explain import _DEFAULTS

    rows = {cells[0]: cells[2] for cells in tables_below(OPTIONS_PAGE, "explain")}
    for name, value in _DEFAULTS.items():
        option = name.replace("_", "-")
        (cell,) = (rows[first] for first in rows if first.startswith(f"`--{option} "))
        assert cell == f"`{value}`"


def test_the_options_of_the_model_are_those_of_its_yaml() -> None:
    from recbole_kgif.model.kgif import OPTIONS

    rows = {
        cells[0].strip("`"): cells
        for cells in tables_below(OPTIONS_PAGE, "Options of the model")
    }
    options = read_config_file(resource("properties/model/KGIF.yaml"), "KGIF")
    assert list(rows) == list(options)
    for name, value in options.items():
        _, values, default, *_ = rows[name]
        listed = yaml.safe_load(default)
        assert (float(listed) if isinstance(value, float) else listed) == value, name
        allowed = OPTIONS[name][1] if name in OPTIONS else ""
        if allowed.startswith("one of "):
            assert values == allowed.removeprefix("one of "), name


def test_the_options_of_recbole_are_known_with_these_defaults() -> None:
    known = default_options("KGIF")
    protocol = yaml.safe_load(resource("properties/protocol.yaml").read_text("utf-8"))
    rows = tables_below(OPTIONS_PAGE, "Options of RecBole")
    assert rows
    for name, _, default, _ in rows:
        option = name.strip("`")
        assert option in known, option
        value = {**known, **protocol}[option]
        if option == "metrics":
            assert default == ", ".join(value)
        elif option in ("topk", "valid_metric", "train_batch_size", "stopping_step"):
            assert default == str(value), option


def test_every_option_in_a_sentence_exists() -> None:
    known = set().union(*map(options_of, parsers().values()))
    benchmarks = "".join(
        path.read_text("utf-8") for path in (CHECKOUT / "benchmarks").glob("*.py")
    )
    known |= set(re.findall(r'"(--[a-z-]+)"', benchmarks))
    known |= {f"--{name}" for name in default_options("KGIF")} | {"--key"}
    for page in PAGES:
        for code in inline_code(page):
            if not code.startswith("optuna") and code not in INSTALLS_OF_OTHERS:
                unknown = set(re.findall(r"(?<!\S)--[\w-]+", code)) - known
                # As an example of what is refused.
                assert unknown <= {"--data"}, f"{page.name}: {code}"


# --- pages --------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of_page)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


def test_the_index_lists_every_page() -> None:
    index = (CHECKOUT / "docs/README.md").read_text("utf-8")
    for page in (CHECKOUT / "docs").glob("*.md"):
        if page.name != "README.md":
            assert f"]({page.name})" in index, page.name


def test_examples_of_formats_are_of_their_format() -> None:
    read: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}
    blocks = [block for page in PAGES for block in blocks_of(page)]
    assert {"json", "yaml"} <= {block.language for block in blocks}
    for block in blocks:
        if block.language in read:
            assert read[block.language](block.text), f"{block.page}:{block.line}"
