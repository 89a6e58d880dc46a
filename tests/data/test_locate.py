"""Where a data set is looked for, in which order, and what is said in vain."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from recbole_kgif.data import locate
from recbole_kgif.data.locate import DatasetLocation, known_names, locate_dataset
from recbole_kgif.data.recipes import lastfm_sources
from recbole_kgif.errors import UserError
from tests.data.data_helpers import assert_one_line, shared_datasets_folder


@pytest.fixture(autouse=True)
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No environment variable, no shared folder, and no network."""
    monkeypatch.delenv(locate.SOURCE_VARIABLE, raising=False)
    monkeypatch.setattr(locate, "_shared_folder", lambda: tmp_path / "shared")

    def no_network(url: str, *_: object, **__: object) -> None:
        raise UserError(f"cannot download {url}: no network")

    monkeypatch.setattr(lastfm_sources, "download", no_network)


def make_dataset(folder: Path, name: str, suffix: str = "inter") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.{suffix}").write_text("")
    return folder


def failure(name: str, data_path: Path, source: Path | None = None) -> str:
    with pytest.raises(UserError) as caught:
        locate_dataset(name, data_path=data_path, source=source)
    assert_one_line(str(caught.value))
    return str(caught.value)


def test_inside_recbole(tmp_path: Path) -> None:
    found = locate_dataset("ml-100k", data_path=tmp_path, source=None)
    assert (found.folder / "ml-100k.kg").is_file()
    assert found.folder == found.data_path / "ml-100k"
    assert found.data_path.parts[-2:] == ("recbole", "dataset_example")


def test_inside_recbole_goes_first(tmp_path: Path) -> None:
    make_dataset(tmp_path / "ml-100k", "ml-100k")
    found = locate_dataset("ml-100k", data_path=tmp_path, source=tmp_path)
    assert found.data_path != tmp_path
    assert_one_line(found.how_found, f"--source {tmp_path} was not needed")


def test_recbole_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert_one_line(failure("ml-100k", tmp_path), "recbole is not installed")


def test_in_data_path(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "mine", "mine")
    found = locate_dataset("mine", data_path=tmp_path, source=None)
    assert found == DatasetLocation("mine", tmp_path, folder, f"already in {tmp_path}")


def test_relative_data_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_dataset(tmp_path / "dataset" / "mine", "mine")
    monkeypatch.chdir(tmp_path)
    found = locate_dataset("mine", data_path=Path("dataset"), source=None)
    assert found.folder == folder


@pytest.mark.parametrize("name", ["mine", "lastfm", "lastfm-split"])
def test_data_path_goes_before_source(tmp_path: Path, name: str) -> None:
    folder = make_dataset(tmp_path / "data" / name, name)
    source = make_dataset(tmp_path / "source" / name, name)
    found = locate_dataset(name, data_path=tmp_path / "data", source=source)
    assert found.folder == folder
    assert_one_line(found.how_found, f"--source {source} was not needed")


@pytest.mark.parametrize("name", ["mine", "lastfm", "book-crossing-split"])
def test_source_is_the_folder_or_its_parent(tmp_path: Path, name: str) -> None:
    folder = make_dataset(tmp_path / "source" / name, name, "train.inter")
    for source in (folder, folder.parent):
        found = locate_dataset(name, data_path=tmp_path / "data", source=source)
        assert (found.data_path, found.folder) == (folder.parent, folder)
        assert_one_line(found.how_found, "--source")
    assert not (tmp_path / "data").exists()


def test_source_is_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_dataset(tmp_path / "mine", "mine")
    monkeypatch.chdir(folder)
    found = locate_dataset("mine", data_path=tmp_path / "data", source=Path("."))
    assert found.folder == folder


def test_source_goes_before_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_dataset(tmp_path / "source" / "mine", "mine")
    make_dataset(tmp_path / "environment" / "mine", "mine")
    monkeypatch.setenv(locate.SOURCE_VARIABLE, str(tmp_path / "environment"))
    found = locate_dataset("mine", data_path=tmp_path / "data", source=source)
    assert found.folder == source


def test_environment_goes_before_the_shared_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_dataset(tmp_path / "environment" / "lastfm-split", "lastfm-split")
    shared = make_dataset(tmp_path / "shared" / "lastfm-split", "lastfm-split")
    monkeypatch.setenv(locate.SOURCE_VARIABLE, str(tmp_path / "environment"))
    found = locate_dataset("lastfm-split", data_path=tmp_path / "data", source=None)
    assert found.folder == folder
    assert_one_line(found.how_found, locate.SOURCE_VARIABLE)

    shutil.rmtree(folder)
    found = locate_dataset("lastfm-split", data_path=tmp_path / "data", source=None)
    assert found.folder == shared
    assert_one_line(found.how_found, "beside the checkout")


def test_wrong_environment_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locate.SOURCE_VARIABLE, str(tmp_path / "absent"))
    message = failure("lastfm", tmp_path / "data")
    assert_one_line(message, locate.SOURCE_VARIABLE, str(tmp_path / "absent"))


def test_lastfm_from_raw_source(tiny_raw: Path, tmp_path: Path) -> None:
    found = locate_dataset("lastfm", data_path=tmp_path / "data", source=tiny_raw)
    assert found.folder == tmp_path / "data" / "lastfm"
    assert (found.folder / "lastfm.kg").is_file()
    assert_one_line(found.how_found, str(tiny_raw), "--source")
    again = locate_dataset("lastfm", data_path=tmp_path / "data", source=tiny_raw)
    assert again.folder == found.folder


def test_lastfm_from_the_environment(
    tiny_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(locate.SOURCE_VARIABLE, str(tiny_raw))
    found = locate_dataset("lastfm", data_path=tmp_path / "data", source=None)
    assert_one_line(found.how_found, locate.SOURCE_VARIABLE)


def test_lastfm_from_the_shared_folder(tiny_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    tiny_raw.rename(tmp_path / "shared" / "raw")
    found = locate_dataset("lastfm", data_path=tmp_path / "data", source=None)
    assert found.folder == tmp_path / "data" / "lastfm"
    assert_one_line(found.how_found, "beside the checkout")


def test_lastfm_from_incomplete_raw_source(tiny_raw: Path, tmp_path: Path) -> None:
    (tiny_raw / "kgcn-music" / "kg.txt").unlink()
    message = failure("lastfm", tmp_path / "data", tiny_raw)
    assert_one_line(message, str(tiny_raw), "lacks kg.txt")
    assert not (tmp_path / "data").exists()


def test_lastfm_download_fails(tmp_path: Path) -> None:
    message = failure("lastfm", tmp_path / "data")
    assert_one_line(
        message,
        "no network",
        "--source DIR",
        "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",
        "https://raw.githubusercontent.com/hwwang55/KGCN/master/data/music/kg.txt",
        "/item_index2entity_id.txt",
    )


def test_lastfm_is_downloaded_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(data_path: Path, raw_folder: Path | None) -> Path:
        assert raw_folder is None
        return make_dataset(data_path / "lastfm", "lastfm")

    monkeypatch.setattr("recbole_kgif.data.recipes.lastfm.prepare_lastfm", prepare)
    found = locate_dataset("lastfm", data_path=tmp_path / "data", source=None)
    assert found.folder == tmp_path / "data" / "lastfm"
    assert_one_line(found.how_found, "downloaded")


def test_absent_source(tmp_path: Path) -> None:
    message = failure("lastfm", tmp_path / "data", tmp_path / "absent")
    assert_one_line(message, f"--source {tmp_path / 'absent'} is not a folder")


@pytest.mark.parametrize("name", ["lastfm", "lastfm-split", "mine"])
def test_source_without_the_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "source").mkdir()
    message = failure(name, tmp_path / "data", tmp_path / "source")
    assert_one_line(message, f"--source {tmp_path / 'source'}", f"{name}/{name}.inter")
    assert ("user_artists.dat" in message) == (name == "lastfm")
    assert "no network" not in message


def test_source_folder_with_another_name(tmp_path: Path) -> None:
    source = make_dataset(tmp_path / "source", "mine")
    message = failure("mine", tmp_path / "data", source)
    assert_one_line(message, str(source), "to be called mine", "rename")


@pytest.mark.parametrize("name", ["lastfm-split", "book-crossing-split"])
def test_missing_split(tmp_path: Path, name: str) -> None:
    message = failure(name, tmp_path / "data")
    assert_one_line(
        message,
        "github.com/1371149/LightKG",
        str(tmp_path / "data" / name),
        f"{name}.train.inter",
        f"{name}.kg",
        f"{name}.link",
    )
    assert ("CCIIPLab/MCCLK" in message) == (name == "book-crossing-split")


def test_unknown_name(tmp_path: Path) -> None:
    make_dataset(tmp_path / "data" / "my-films", "my-films", "kg")
    (tmp_path / "data" / "empty").mkdir()
    assert_one_line(failure("lastmf", tmp_path / "data"), "'lastmf'", "lastfm")
    assert_one_line(failure("my-film", tmp_path / "data"), "my-films")
    message = failure("qqq", tmp_path / "data")
    assert_one_line(message, *locate.BUILT_IN_NAMES, "my-films")
    assert "empty" not in message


def test_known_names(tmp_path: Path) -> None:
    assert known_names(tmp_path / "absent") == list(locate.BUILT_IN_NAMES)
    make_dataset(tmp_path / "own", "own")
    make_dataset(tmp_path / "lastfm", "lastfm")
    make_dataset(tmp_path / "other", "misnamed")
    assert known_names(tmp_path) == [*locate.BUILT_IN_NAMES, "own"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "../lastfm", "a\nb"])
def test_names_that_are_paths(tmp_path: Path, name: str) -> None:
    assert_one_line(failure(name, tmp_path), repr(name))


def test_unreadable_data_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    message = failure("mine", tmp_path)
    assert_one_line(message, str(tmp_path / "mine"), "Permission denied")


def test_shared_folder_lies_beside_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shared_datasets_folder("lastfm-split")
    monkeypatch.undo()
    monkeypatch.delenv(locate.SOURCE_VARIABLE, raising=False)
    found = locate_dataset("lastfm-split", data_path=tmp_path, source=None)
    assert os.path.samefile(found.folder, folder)
    assert list(tmp_path.iterdir()) == []
