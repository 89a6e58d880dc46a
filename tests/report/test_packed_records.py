"""Records in one compressed file make the same report as in their folders."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.report import packed_records
from recbole_kgif.report.packed_records import PACKED_FILE, pack, unpacked
from recbole_kgif.report.run_records import read_comparison
from tests.report.records_by_hand import record, write_failure, write_record


def some_runs(folder: Path) -> Path:
    write_record(folder, record("KGIF"))
    write_record(folder, record("BPR", 2021))
    write_failure(folder, "CKE", 2020, "out of memory")
    (folder / "runs/KGIF-2020/log.txt").write_text("much", "utf-8")
    return folder


def write_archive(folder: Path, *names: str, kind: bytes = tarfile.REGTYPE) -> None:
    folder.mkdir()
    with tarfile.open(folder / PACKED_FILE, "w:xz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2 if kind == tarfile.REGTYPE else 0
            member.type = kind
            archive.addfile(member, io.BytesIO(b"{}"))


def test_packed_records_are_those_of_the_folders(tmp_path: Path) -> None:
    folder = some_runs(tmp_path / "out")
    before = read_comparison([folder])
    assert pack(folder) == folder / PACKED_FILE
    assert [path.name for path in folder.iterdir()] == [PACKED_FILE]

    after = read_comparison([folder])
    assert [run.record for run in after.runs] == [run.record for run in before.runs]
    assert after.failures == before.failures
    assert after.runs[0].path == folder / PACKED_FILE / "runs/BPR-2021/result.json"


def test_equal_records_make_equal_files(tmp_path: Path) -> None:
    first, second = (pack(some_runs(tmp_path / name)) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_report_is_made_packed_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = some_runs(tmp_path / "out")
    assert main(["report", str(folder), "--pack"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / PACKED_FILE)
    assert not (folder / "runs").exists()
    assert main(["report", str(folder), f"--output={tmp_path / 'again'}"]) == 0
    for name in ("report.md", "report.csv", "report.tex"):
        made = (tmp_path / "again" / name).read_text("utf-8")
        assert made == (folder / name).read_text("utf-8")


def test_what_cannot_be_packed_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no runs"):
        pack(tmp_path / "empty")
    folder = some_runs(tmp_path / "out")
    (folder / PACKED_FILE).write_bytes(b"kept")
    with pytest.raises(UserError, match="exists already"):
        pack(folder)
    assert (folder / PACKED_FILE).read_bytes() == b"kept"
    assert (folder / "runs/KGIF-2020/result.json").exists()


@pytest.mark.parametrize(
    "name",
    ["../evil.json", "/evil.json", "runs/a/evil.sh", "runs/a/b/result.json", "a.json"],
)
def test_a_packed_file_with_anything_but_records_is_refused(
    name: str, tmp_path: Path
) -> None:
    write_archive(tmp_path / "out", name)
    with pytest.raises(UserError, match="is not a record of a run"):
        read_comparison([tmp_path / "out"])
    assert not (tmp_path / "evil.json").exists()


def test_links_in_a_packed_file_are_refused(tmp_path: Path) -> None:
    write_archive(tmp_path / "out", "runs/a/result.json", kind=tarfile.SYMTYPE)
    with pytest.raises(UserError, match="is not a record of a run"):
        read_comparison([tmp_path / "out"])


def test_too_large_a_packed_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_records, "_LARGEST", 3)
    write_archive(tmp_path / "out", "runs/a/result.json", "runs/b/result.json")
    with pytest.raises(UserError, match="holds more than"):
        read_comparison([tmp_path / "out"])


def test_a_damaged_packed_file_is_named(tmp_path: Path) -> None:
    folder = some_runs(tmp_path / "out")
    content = pack(folder).read_bytes()
    for damaged in (b"", b"nothing", content[: len(content) // 2]):
        (folder / PACKED_FILE).write_bytes(damaged)
        with pytest.raises(UserError, match=r"records\.tar\.xz: cannot be unpacked"):
            read_comparison([folder])


def test_a_damaged_record_is_named_by_its_place_in_the_packed_file(
    tmp_path: Path,
) -> None:
    folder = some_runs(tmp_path / "out")
    (folder / "runs/KGIF-2020/result.json").write_text("{", "utf-8")
    place = pack(folder) / "runs/KGIF-2020/result.json"
    with pytest.raises(UserError) as error:
        read_comparison([folder])
    assert str(error.value).startswith(f"{place}: not valid JSON")


def test_a_folder_that_is_not_packed_is_itself(tmp_path: Path) -> None:
    with unpacked(tmp_path) as readable:
        assert readable == tmp_path


def test_no_run_is_added_to_packed_ones(
    data_path: Path, in_tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack(some_runs(in_tmp_path / "out"))
    arguments = ["--dataset=tiny", "--models=BPR", "--output=out"]
    benchmark = "--benchmark_filename=['train', 'valid', 'test']"
    assert main(["compare", *arguments, benchmark]) == 2
    assert "--output out: holds the packed records" in capsys.readouterr().err
