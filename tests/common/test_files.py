from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.common.files import write_atomic


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before", "utf-8")
    write_atomic(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text("utf-8") == "after"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("before", "utf-8")
    (tmp_path / "link").symlink_to("target")
    write_atomic(tmp_path / "link", b"after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"after"


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before", "utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "file", "\udcff")
    with pytest.raises(NotADirectoryError):
        write_atomic(tmp_path / "file" / "below", "after")
    assert (tmp_path / "file").read_text("utf-8") == "before"
    assert len(list(tmp_path.iterdir())) == 1
