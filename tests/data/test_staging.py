"""The new folder: whole or not there, one process at a time."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest

from recbole_kgif.data.staging import DatasetExists, check_name, new_dataset
from recbole_kgif.errors import UserError


def test_it_appears_at_the_end(tmp_path: Path) -> None:
    with new_dataset(tmp_path / "data", "own") as staging:
        (staging.prepared / "own.kg").write_text("whole")
        (staging.scratch / "much").write_text("")
        assert not (tmp_path / "data/own").exists()
        prepared = staging.prepared.stat().st_ino
    # The very folder, renamed: no moment at which a part of it is there.
    assert (tmp_path / "data/own").stat().st_ino == prepared
    assert (tmp_path / "data/own/own.kg").read_text() == "whole"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["own"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, UserError])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), new_dataset(tmp_path, "own") as staging:
        (staging.prepared / "own.kg").write_text("half")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="No space left on device; nothing was kept"),
        new_dataset(tmp_path, "own"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_downloads_outlive_a_failure(tmp_path: Path) -> None:
    with pytest.raises(UserError), new_dataset(tmp_path, "own") as staging:
        (staging.downloads / "train.txt").write_text("whole")
        (staging.prepared / "own.kg").write_text("half")
        raise UserError("no more")
    with new_dataset(tmp_path, "own") as staging:
        assert (staging.downloads / "train.txt").read_text() == "whole"
        assert list(staging.prepared.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    for name in ("prepared", "scratch"):
        (tmp_path / ".own.unfinished" / name).mkdir(parents=True)
        (tmp_path / ".own.unfinished" / name / "old").write_text("half")
    with new_dataset(tmp_path, "own") as staging:
        assert list(staging.prepared.iterdir()) == []
        assert list(staging.scratch.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with new_dataset(tmp_path, "own") as staging:
        (staging.prepared / "own.kg").write_text("mine")
        with (
            pytest.raises(UserError, match="being prepared by another process"),
            new_dataset(tmp_path, "own"),
        ):
            pass
        with new_dataset(tmp_path, "other"):
            pass
    assert (tmp_path / "own/own.kg").read_text() == "mine"
    assert (tmp_path / "other").is_dir()


def test_waiting_for_another_process(tmp_path: Path) -> None:
    outcome: list[type[BaseException]] = []

    def wait() -> None:
        try:
            with new_dataset(tmp_path, "own", waits=True):
                pass
        except DatasetExists as error:
            outcome.append(type(error))

    with new_dataset(tmp_path, "own") as staging:
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        assert outcome == []
        (staging.prepared / "own.kg").write_text("mine")
    waiting.join(10)
    assert outcome == [DatasetExists]
    assert (tmp_path / "own/own.kg").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_one_that_waited_for_a_failure_prepares_it(tmp_path: Path) -> None:
    def wait() -> None:
        with new_dataset(tmp_path, "own", waits=True) as staging:
            (staging.prepared / "own.kg").write_text("theirs")

    waiting = threading.Thread(target=wait)
    with pytest.raises(ValueError), new_dataset(tmp_path, "own"):
        waiting.start()
        time.sleep(0.3)
        raise ValueError
    waiting.join(10)
    assert (tmp_path / "own/own.kg").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_what_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="exists and is never overwritten"),
        new_dataset(tmp_path, "own"),
    ):
        (tmp_path / "own").mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious/prepared").mkdir(parents=True)
    (tmp_path / ".own.unfinished").symlink_to(tmp_path / "precious")
    with (
        pytest.raises(UserError, match="is a link; remove it"),
        new_dataset(tmp_path, "own"),
    ):
        pass
    assert (tmp_path / "precious/prepared").is_dir()


@pytest.mark.parametrize("name", ["my-data_2.1", "Последний", "1"])
def test_names(name: str) -> None:
    assert check_name(name) == name
