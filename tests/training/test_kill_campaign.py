"""Every long command killed at twenty moments of its run: run it with -m slow.

The moments are random, spread over the time that the undisturbed command takes. After
each the same command is given again, in the same folder, until it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import TINY_OPTIONS
from tests.data.recipes.helpers import contents_of, large_kgat_files, write_files
from tests.training.test_training_state import assert_alike

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on this system"),
]

CHECKOUT = Path(__file__).parents[2]
SCRIPT = str(CHECKOUT / "run_recbole_kgif.py")
TINY = [
    "--dataset=tiny",
    *(f"--{name}={value}" for name, value in TINY_OPTIONS.items() if value != ""),
]
MOMENTS = 20
# Longer than any command here takes, on a busy machine.
PATIENCE = 600


@dataclass
class Campaign:
    """A command that is killed, and given again.

    Attributes:
        folder: the current folder of its processes.
        command: the command.
        kills: how many of the kills met it at work.
    """

    folder: Path
    command: Callable[[str], list[str]]
    kills: int = 0

    def run_whole(self, output: str) -> float:
        """Run it undisturbed; return the seconds that it took."""
        began = time.monotonic()
        process = self._start(output)
        _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, errors
        return time.monotonic() - began

    def kill_after(self, seconds: float, output: str, *, with_children: bool) -> bool:
        """Kill it at a moment; whether it was still at work."""
        process = self._start(output)
        with contextlib.suppress(subprocess.TimeoutExpired):
            _, errors = process.communicate(timeout=seconds)
            assert process.returncode == 0, errors
            return False
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGKILL)
        if with_children:
            for child in children:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        process.communicate()
        # Those in sessions of their own have to end by themselves.
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert alive == []
        self.kills += 1
        return True

    def _start(self, output: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", SCRIPT, *self.command(output)],
            cwd=self.folder,
            env={**os.environ, "RECBOLE_KGIF_DATA": "", "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def moments(seed: int) -> Iterator[float]:
    """A random place in each twentieth of a time, in random order, again and again.

    Yields:
        Places between 0, the beginning, and 1, the end.
    """
    generator = random.Random(seed)
    while True:
        places = [place + generator.random() for place in range(MOMENTS)]
        generator.shuffle(places)
        for place in places:
            yield place / MOMENTS


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def disturb(
    campaign: Campaign,
    seconds: float,
    look: Callable[[Path, bool], None],
    product: str,
) -> None:
    """Kill a command twenty times; a new folder is begun whenever it has ended.

    Args:
        campaign: the command.
        seconds: how long it takes undisturbed.
        look: is called with the folder, and whether the command has ended by itself,
            after each kill and each end.
        product: what it writes last. Killed after that, it has nothing left to do.
    """
    output, ends = "killed-0", 0
    for number, place in enumerate(moments(seed=7)):
        is_new = not (campaign.folder / output).exists()
        began = time.monotonic()
        was_killed = campaign.kill_after(
            place * seconds, output, with_children=number % 2 == 1
        )
        elapsed = time.monotonic() - began
        look(campaign.folder / output, not was_killed)
        is_done = (campaign.folder / output / product).exists()
        print(f"{elapsed:.2f} s: {'killed' if was_killed else 'had ended'}, {is_done=}")
        if is_new and not was_killed:
            # The machine has less to do than it had.
            seconds = min(seconds, elapsed)
        assert is_done or was_killed
        if is_done:
            ends += 1
            output = f"killed-{ends}"
        if campaign.kills == MOMENTS:
            break
    campaign.run_whole(output)
    look(campaign.folder / output, True)
    print(f"{seconds:.1f} s undisturbed, {campaign.kills} kills, {ends + 1} ends")


def test_prepare(tmp_path: Path) -> None:
    write_files(tmp_path / "large", large_kgat_files(20_000))
    campaign = Campaign(
        tmp_path,
        lambda output: [
            *("prepare", "--kgat=large", "--name=large", f"--output={output}"),
        ],
    )
    seconds = campaign.run_whole("whole")
    expected = contents_of(tmp_path / "whole/large")

    def look(folder: Path, has_ended: bool) -> None:
        visible = [path for path in folder.glob("*") if path.name[0] != "."]
        assert visible in ([], [folder / "large"])
        if visible:
            assert contents_of(folder / "large") == expected
        if has_ended:
            assert os.listdir(folder) == ["large"]

    disturb(campaign, seconds, look, "large")


def test_training(data_path: Path, tmp_path: Path) -> None:
    def command(output: str) -> list[str]:
        folder = tmp_path / output
        is_begun = (folder / "config.yaml").exists()
        resume = ["--resume"] if is_begun else []
        options = ["--epochs=100", "--learning_rate=0.05", "--stopping_step=100"]
        return [*TINY, *options, f"--output={output}", *resume]

    campaign = Campaign(tmp_path, command)
    seconds = campaign.run_whole("whole")
    whole = read(tmp_path / "whole/result.json")
    most_epochs: dict[Path, int] = {}

    def look(folder: Path, has_ended: bool) -> None:
        path = folder / "metrics.jsonl"
        epochs = len(path.read_text("utf-8").splitlines()) if path.exists() else 0
        # The state of the last epoch may not have been written any more.
        assert epochs >= most_epochs.get(folder, 0) - 1
        most_epochs[folder] = max(epochs, most_epochs.get(folder, 0))
        if (folder / "result.json").exists():
            assert_alike(read(folder / "result.json"), whole)
        if has_ended:
            names = {path.name for path in folder.iterdir()}
            assert names == {path.name for path in (tmp_path / "whole").iterdir()}

    disturb(campaign, seconds, look, "result.json")


def test_comparison(data_path: Path, tmp_path: Path) -> None:
    campaign = Campaign(
        tmp_path,
        lambda output: [
            *("compare", "--models=BPR,KGIF", "--seeds=2", *TINY),
            f"--output={output}",
        ],
    )
    seconds = campaign.run_whole("whole")
    runs = {path.name: path for path in (tmp_path / "whole/runs").iterdir()}
    assert len(runs) == 4
    finished: dict[Path, bytes] = {}

    def look(folder: Path, has_ended: bool) -> None:
        for path in folder.glob("runs/*/result.json"):
            content = path.read_bytes()
            assert finished.setdefault(path, content) == content
            assert_alike(json.loads(content), read(runs[path.parent.name] / path.name))
        assert all(path.exists() for path in finished)
        if has_ended:
            assert_same_files(folder, tmp_path / "whole")

    disturb(campaign, seconds, look, "report.html")


def test_tuning(data_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    campaign = Campaign(
        tmp_path,
        lambda output: [
            *("tune", "--models=BPR,KGIF", "--trials=3", *TINY, f"--output={output}"),
        ],
    )
    seconds = campaign.run_whole("whole")
    whole = tmp_path / "whole"
    finished: dict[Path, bytes] = {}

    def look(folder: Path, has_ended: bool) -> None:
        for path in folder.glob("trials/*/result.json"):
            content = path.read_bytes()
            assert finished.setdefault(path, content) == content
            record, expected = (
                json.loads(content),
                read(whole / "trials" / path.parent.name / path.name),
            )
            for name in ("request", "valid", "best_epoch", "split_hash"):
                assert record[name] == expected[name]
        assert all(path.exists() for path in finished)
        if has_ended:
            assert_same_files(folder, whole)
            for name in ("BPR.yaml", "KGIF.yaml"):
                best = (folder / name).read_text("utf-8")
                assert best == (whole / name).read_text("utf-8")

    disturb(campaign, seconds, look, "KGIF.yaml")


def assert_same_files(folder: Path, expected: Path) -> None:
    """Assert that nothing is left but what an undisturbed command leaves."""
    found, wanted = (
        sorted(path.relative_to(top).as_posix() for path in top.rglob("*"))
        for top in (folder, expected)
    )
    assert found == wanted
