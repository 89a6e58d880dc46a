"""The commands of the pages, made short, and how they are run."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recbole_kgif.cli import COMMANDS
from recbole_kgif.compat.without_ray import INSTALL_RECBOLE
from tests.docs.page_parser import COMMAND, Block, Command, blocks_of, commands_of

TRAIN, INTERRUPTED, TOGETHER = "train", "interrupted", "together"
SERVED = "served"


@dataclass(frozen=True)
class Change:
    """A change of options that makes a command of a page short.

    Attributes:
        command: name of the command or script.
        options: options that replace those of the same names, or are added.
        having: words that the command must contain for the change to apply.
        mode: "interrupted" sends Ctrl-C after the first epoch; "together" runs the
            command in parallel with the others of its block; "served" asks the service
            for its health, and ends it by Ctrl-C.
    """

    command: str
    options: tuple[str, ...]
    having: tuple[str, ...] = ()
    mode: str = ""


# All changes that apply to a command are made, in this order.
CHANGES = (
    Change(TRAIN, ("--epochs=1",)),
    Change(TRAIN, ("--source=raw",), having=("lastfm",)),
    Change(TRAIN, ("--epochs=40", "--stopping_step=40"), having=("runs/long",)),
    Change(TRAIN, (), having=("runs/long",), mode=INTERRUPTED),
    # Two machines are simulated; both use prepared data.
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
    Change("explain", ("--users=2", "--reasons=1"), having=("--evaluate",)),
    Change("serve", ("--port=0",), mode=SERVED),
    Change("benchmarks/peers.py", ("--rounds=1",)),
    Change("benchmarks/peers.py", ("--source=raw",), having=("lastfm",)),
    Change("benchmarks/growth.py", ("--largest=10000",)),
    Change("benchmarks/limit.py", ("--largest=10000",)),
    Change("benchmarks/paper_size.py", ("--scale=0.002", "--datasets=amazon-book")),
    Change("benchmarks/paper_size.py", ("--steps=1",)),
)

# The same for Python: text and its replacement.
PYTHON_CHANGES = {
    'rk.fit("ml-100k")': 'rk.fit("ml-100k", epochs=1)',
    "epochs=50": "epochs=2",
    'run_recbole(model="LightGCN", dataset="ml-100k")': (
        'run_recbole(model="LightGCN", dataset="ml-100k", config_dict={"epochs": 1})'
    ),
    'run_recbole(model="KGIF", dataset="ml-100k")': (
        'run_recbole(model="KGIF", dataset="ml-100k", config_dict={"epochs": 1})'
    ),
}

# Installations of other packages in the pages.
INSTALLS_OF_OTHERS = (
    INSTALL_RECBOLE,
    "pip install torch --index-url https://download.pytorch.org/whl/cpu",
    "pip install ray",
    "pip install --upgrade ray",
)

# Beginnings of commands that are not run, each with the reason.
EXCEPTIONS = {
    "pytest": "it runs this test",
    "uv ": "it installs a whole environment",
    "uvx ": "it installs a whole environment",
    "git apply": "it is for a checkout of RecBole",
    "git am": "it is for a checkout of RecBole",
    "python run_recbole_kgif.py [--model M] [--dataset D] [--key=value ...]": (
        "it is a synopsis"
    ),
}


def name_of(command: Command) -> str:
    """Name of the command of this package, or of the script."""
    words = command.words
    if words[0] == "recbole-kgif":
        words = ["python", "run_recbole_kgif.py", *words[1:]]
    if words[:2] != ["python", "run_recbole_kgif.py"]:
        return words[1] if words[0] == "python" else words[0]
    return words[2] if len(words) > 2 and words[2] in COMMANDS else TRAIN


def fitting_changes(command: Command) -> list[Change]:
    """The changes that apply to a command."""
    return [
        change
        for change in CHANGES
        if change.command == name_of(command)
        and all(word in command.words for word in change.having)
    ]


def shortened(command: Command) -> list[str]:
    """The words of a command with its changes applied."""
    words = command.words
    if words[0] == "recbole-kgif":
        words[:1] = ["python", "run_recbole_kgif.py"]
    for change in fitting_changes(command):
        for option in change.options:
            _put(words, option)
    return words


def _put(words: list[str], option: str) -> None:
    """Replace an option of the same name, or append the option."""
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
    """Whether a command is not run."""
    return command.text.startswith(tuple(EXCEPTIONS))


def is_pip(command: Command) -> bool:
    """Whether a command installs a package."""
    return command.text.startswith("pip install")


def all_commands(page: Path) -> list[Command]:
    """All commands of a page."""
    return [
        command
        for block in blocks_of(page)
        if block.kind == COMMAND
        for command in commands_of(block)
    ]


def run_block(
    commands: Sequence[Command], folder: Path, environment: Mapping[str, str]
) -> None:
    """Run the commands of a block in order; those of mode "together" in parallel."""
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
        elif SERVED in modes:
            _ask_for_health(words, folder, environment)
        elif TOGETHER in modes:
            at_once.append(words)
        else:
            run_command(words, folder, environment)
    _run_together(at_once, folder, environment)


def _run_together(
    commands: Sequence[list[str]], folder: Path, environment: Mapping[str, str]
) -> None:
    """Run commands in parallel; the failure of one ends the others."""
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


def run_command(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command; its output is shown if it fails."""
    ended = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True
    )
    message = f"{shlex.join(words)}\n{ended.stdout[-1500:]}\n{ended.stderr[-3000:]}"
    assert ended.returncode == 0, message


def _interrupt(words: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command and interrupt it after its first epoch."""
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


def _ask_for_health(
    words: list[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Start a service, ask for its health, and end it."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = re.search(r"http://\S+", process.stdout.readline())
    if address is not None:
        with urllib.request.urlopen(f"{address.group()}/health") as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
    _, complaints = process.communicate()
    assert process.returncode == 0, complaints
    assert address is not None


def shortened_python(block: Block) -> str:
    """A Python example with its changes applied."""
    text = block.text
    for before, after in PYTHON_CHANGES.items():
        text = text.replace(before, after)
    return text
