"""The Last.FM recipe: exact output, bad lines, all or nothing, and the real files."""

from __future__ import annotations

import csv
import dataclasses
import errno
import hashlib
import json
import logging
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.reader import read_dataset
from recbole_kgif.data.recipes import lastfm, lastfm_sources
from recbole_kgif.data.recipes.lastfm import prepare_lastfm
from recbole_kgif.errors import UserError
from tests.data.data_helpers import (
    TINY_RAW_FILES,
    LocalServer,
    assert_one_line,
    shared_datasets_folder,
)

EXPECTED_FILES = {
    "lastfm.inter": (
        "user_id:token\titem_id:token\trating:float\n"
        "2\t51\t13883\n2\t52\t11690\n3\t51\t228\n3\t54\t1\n"
    ),
    "lastfm.item": (
        "item_id:token\tname:token_seq\n"
        '51\tSigur Rós\n52\t"""Weird Al"" Yankovic"\n54\t"Tab\tand  Spaces "\n'
        "60\tNever Heard\n"  # linked, with a triple: it can be recommended
    ),
    "lastfm.link": "item_id:token\tentity_id:token\n51\t0\n52\t1\n54\t2\n60\t3\n",
    "lastfm.kg": (
        "head_id:token\trelation_id:token\ttail_id:token\n"
        "0\tmusic.artist.origin\t7\n1\tmusic.artist.origin\t7\n"
        "2\tfilm.actor.film\t8\n3\tfilm.actor.film\t8\n"
    ),
}


def visible_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failure(data_path: Path, raw_folder: Path) -> str:
    """Prepare in vain; return the message, having seen that nothing was left."""
    with pytest.raises(UserError) as caught:
        prepare_lastfm(data_path, raw_folder)
    assert not data_path.exists() or visible_files(data_path) == []
    assert_one_line(str(caught.value))
    return str(caught.value)


def read_as_recbole(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, delimiter="\t", dtype=str, engine="python")


def test_exact_output(tiny_raw: Path, tmp_path: Path) -> None:
    folder = prepare_lastfm(tmp_path / "data", tiny_raw)
    assert folder == tmp_path / "data" / "lastfm"
    assert visible_files(tmp_path / "data") == ["lastfm"]
    assert visible_files(folder) == sorted([*EXPECTED_FILES, "provenance.json"])
    for name, content in EXPECTED_FILES.items():
        assert (folder / name).read_bytes().decode() == content


def test_names_are_read_back(tiny_raw: Path, tmp_path: Path) -> None:
    folder = prepare_lastfm(tmp_path / "data", tiny_raw)
    names = read_as_recbole(folder / "lastfm.item")["name:token_seq"].tolist()
    assert names == [
        *("Sigur Rós", '"Weird Al" Yankovic', "Tab\tand  Spaces "),
        "Never Heard",
    ]


def test_prepared_files_pass_the_checks(tiny_raw: Path, tmp_path: Path) -> None:
    counts = read_dataset(
        DatasetFiles(prepare_lastfm(tmp_path / "data", tiny_raw), "lastfm")
    ).counts
    assert (counts.users, counts.items, counts.interactions) == (2, 3, 4)
    assert (counts.entities, counts.relations, counts.triples) == (6, 2, 4)
    assert counts.unlinked_items == 0


def test_provenance(tiny_raw: Path, tmp_path: Path) -> None:
    folder = prepare_lastfm(tmp_path / "data", tiny_raw)
    text = (folder / "provenance.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    provenance = json.loads(text)
    assert provenance["dataset"] == "lastfm"
    assert provenance["recipe_version"] == lastfm.RECIPE_VERSION
    assert provenance["prepared_at"].endswith("+00:00")
    assert provenance["counts"] == {
        "users": 2,
        "items": 3,
        "interactions": 4,
        "triples": 4,
        "relations": 2,
    }
    for source, (path, content) in zip(provenance["sources"], TINY_RAW_FILES.items()):
        assert source["name"] == source["origin"] == Path(path).name
        assert source["sha256"] == hashlib.sha256(content).hexdigest()
        assert source["bytes"] == len(content)
        assert source["known_version"] is False
    licences = [source["licence"] for source in provenance["sources"]]
    assert all("non-commercial" in licence for licence in licences[:2])
    assert all("MIT" in licence for licence in licences[2:])


def test_another_version_is_told_in_one_warning(
    tiny_raw: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        prepare_lastfm(tmp_path / "data", tiny_raw)
    assert len(caplog.messages) == 1
    names = [Path(name).name for name in TINY_RAW_FILES]
    assert_one_line(caplog.messages[0], *names, "SHA-256")


def test_flat_layout(tiny_raw: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in TINY_RAW_FILES:
        shutil.copy(tiny_raw / name, flat)
    folder = prepare_lastfm(tmp_path / "data", flat)
    assert (folder / "lastfm.inter").read_text() == EXPECTED_FILES["lastfm.inter"]


def zip_hetrec(raw: Path, archive_path: Path) -> None:
    """Pack the two HetRec files of a raw folder and delete them there."""
    with zipfile.ZipFile(archive_path, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((raw / "hetrec2011-lastfm-2k").iterdir()):
            archive.write(path, path.name)
            path.unlink()


def test_archive_layout(tiny_raw: Path, tmp_path: Path) -> None:
    zip_hetrec(tiny_raw, tiny_raw / "hetrec2011-lastfm-2k.zip")
    folder = prepare_lastfm(tmp_path / "data", tiny_raw)
    assert (folder / "lastfm.item").read_text() == EXPECTED_FILES["lastfm.item"]
    sources = json.loads((folder / "provenance.json").read_text())["sources"]
    assert sources[0]["origin"] == "hetrec2011-lastfm-2k.zip (user_artists.dat)"
    assert visible_files(tmp_path / "data") == ["lastfm"]


@pytest.mark.parametrize("name", sorted(TINY_RAW_FILES))
def test_missing_raw_file(tiny_raw: Path, tmp_path: Path, name: str) -> None:
    (tiny_raw / name).unlink()
    message = failure(tmp_path / "data", tiny_raw)
    assert_one_line(message, str(tiny_raw), Path(name).name, "https://")


USER_ARTISTS, ARTISTS, KG, LINK = TINY_RAW_FILES


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "shown"),
    [
        (USER_ARTISTS, b"2\t51\t13883", b"2\t51", 2, "2 fields instead of 3"),
        (USER_ARTISTS, b"13883", b"13,883", 2, "'13,883'"),
        (USER_ARTISTS, b"3\t99", b"x\t99", 5, "'x'"),
        (USER_ARTISTS, b"3\t99", b"3\t-9", 5, "'-9'"),
        (USER_ARTISTS, b"3\t99", b"3\t51", 5, "artist 51"),
        (USER_ARTISTS, b"userID\tartistID", b"artistID\tuserID", 1, "userID"),
        (USER_ARTISTS, b"3\t54", b"3\t\xff", 6, "0xff"),
        (ARTISTS, b"51\tSigur", b"51\r\tSigur", 2, "carriage return"),
        (ARTISTS, "Sigur Rós".encode(), b" ", 2, "no name"),
        (ARTISTS, b"60\tNever", b"54\tNever", 5, "artist 54"),
        (ARTISTS, b"99\tUnlinked\t", b"99\t", 6, "3 fields instead of 4"),
        (ARTISTS, b"id\tname", b"id\ttitle", 1, "title"),
        (KG, b"0\tmusic", b"m.0\tmusic", 1, "'m.0'"),
        (KG, b"origin\t7\n1", b"origin\t\n1", 1, "entity id ''"),
        (KG, b"2\tfilm.actor.film", b"2\t", 3, "no relation name"),
        (KG, b"2\tfilm.actor.film", b'2\t"film', 3, "film"),
        (LINK, b"52\t1", b"51\t1", 2, "artist 51"),
        (LINK, b"52\t1", b"52\t0", 2, "entity 0"),
        (LINK, b"51\t0", b"\xef\xbb\xbf51\t0", 1, "byte-order mark"),
        (LINK, b"54\t2", b"54\t2\t2", 3, "3 fields instead of 2"),
    ],
)
def test_bad_line(
    tiny_raw: Path,
    tmp_path: Path,
    name: str,
    old: bytes,
    new: bytes,
    line: int,
    shown: str,
) -> None:
    path = tiny_raw / name
    assert path.read_bytes().count(old) == 1 or old.startswith(b"0\t")
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    message = failure(tmp_path / "data", tiny_raw)
    assert_one_line(message, f"{path}, line {line}:", shown)


def test_artist_without_a_line(tiny_raw: Path, tmp_path: Path) -> None:
    path = tiny_raw / ARTISTS
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if not line.startswith(b"54")))
    assert_one_line(failure(tmp_path / "data", tiny_raw), str(path), "artist 54")


def test_no_linked_artist(tiny_raw: Path, tmp_path: Path) -> None:
    (tiny_raw / LINK).write_bytes(b"7\t0\n")
    message = failure(tmp_path / "data", tiny_raw)
    assert_one_line(message, str(tiny_raw / USER_ARTISTS), str(tiny_raw / LINK))


def test_empty_file(tiny_raw: Path, tmp_path: Path) -> None:
    (tiny_raw / USER_ARTISTS).write_bytes(b"")
    message = failure(tmp_path / "data", tiny_raw)
    assert_one_line(message, f"{tiny_raw / USER_ARTISTS}, line 1:")


def test_interrupt_leaves_nothing(
    tiny_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lastfm, "table_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_lastfm(tmp_path / "data", tiny_raw)
    assert visible_files(tmp_path / "data") == []


def test_full_disk_leaves_nothing(
    tiny_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lastfm, "write_dataset", no_room)
    message = failure(tmp_path / "data", tiny_raw)
    assert_one_line(message, str(tmp_path / "data" / "lastfm"), "No space left")


def test_existing_folder_is_never_touched(tiny_raw: Path, tmp_path: Path) -> None:
    target = tmp_path / "data" / "lastfm"
    target.mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        prepare_lastfm(tmp_path / "data", tiny_raw)
    assert_one_line(str(caught.value), str(target), "move it away")
    assert visible_files(target) == []


def test_rest_of_a_killed_run_is_not_in_the_way(tiny_raw: Path, tmp_path: Path) -> None:
    rest = tmp_path / "data" / ".lastfm.unfinished" / "prepared"
    rest.mkdir(parents=True)
    (rest / "lastfm.inter").write_text("half")
    folder = prepare_lastfm(tmp_path / "data", tiny_raw)
    assert (folder / "lastfm.inter").read_text() == EXPECTED_FILES["lastfm.inter"]


def test_other_process_may_win(
    tiny_raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "data" / "lastfm"

    def while_another_wins(*_: object) -> None:
        target.mkdir()
        (target / "lastfm.inter").write_text("theirs")

    monkeypatch.setattr(lastfm, "write_provenance", while_another_wins)
    assert prepare_lastfm(tmp_path / "data", tiny_raw) == target
    assert (target / "lastfm.inter").read_text() == "theirs"
    assert visible_files(tmp_path / "data") == ["lastfm"]


def test_data_path_is_a_file(tiny_raw: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UserError) as caught:
        prepare_lastfm(tmp_path / "data", tiny_raw)
    assert_one_line(str(caught.value), str(tmp_path / "data"))


def publish(
    server: LocalServer, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Let the recipe's addresses lead to a raw folder's files; return them."""
    zip_path = raw / "published.zip"
    contents = {Path(name).name: content for name, content in TINY_RAW_FILES.items()}
    zip_hetrec(raw, zip_path)
    archive_url = server.serve_bytes("/hetrec.zip", zip_path.read_bytes())
    sources = tuple(
        dataclasses.replace(
            source,
            url=(
                archive_url
                if source.in_archive
                else server.serve_bytes(f"/{source.name}", contents[source.name])
            ),
            sha256=hashlib.sha256(contents[source.name]).hexdigest(),
        )
        for source in lastfm_sources.SOURCES
    )
    monkeypatch.setattr(lastfm_sources, "SOURCES", sources)
    return [source.url for source in sources]


def test_download(
    tiny_raw: Path,
    tmp_path: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    urls = publish(local_server, tiny_raw, monkeypatch)
    folder = prepare_lastfm(tmp_path / "data", None)
    for name, content in EXPECTED_FILES.items():
        assert (folder / name).read_bytes().decode() == content
    sources = json.loads((folder / "provenance.json").read_text())["sources"]
    assert [source["origin"] for source in sources] == [
        f"{urls[0]} (user_artists.dat)",
        f"{urls[1]} (artists.dat)",
        urls[2],
        urls[3],
    ]
    assert all(source["known_version"] for source in sources)
    assert visible_files(tmp_path / "data") == ["lastfm"]
    assert caplog.messages == []


@pytest.mark.parametrize("changed", range(4))
def test_download_of_another_version_is_refused(
    tiny_raw: Path,
    tmp_path: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    changed: int,
) -> None:
    publish(local_server, tiny_raw, monkeypatch)
    sources = list(lastfm_sources.SOURCES)
    sources[changed] = dataclasses.replace(sources[changed], sha256="0" * 64)
    monkeypatch.setattr(lastfm_sources, "SOURCES", tuple(sources))
    with pytest.raises(UserError) as caught:
        prepare_lastfm(tmp_path / "data", None)
    assert_one_line(str(caught.value), sources[changed].name, "SHA-256")
    assert visible_files(tmp_path / "data") == []


def test_real_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = prepare_lastfm(tmp_path / "data", shared_datasets_folder("raw"))
    assert caplog.messages == []
    provenance = json.loads((folder / "provenance.json").read_text())
    assert all(source["known_version"] for source in provenance["sources"])
    assert provenance["counts"] == {
        "users": 1872,
        "items": 3846,
        "interactions": 21173,
        "triples": 15518,
        "relations": 60,
    }
    counts = read_dataset(DatasetFiles(folder, "lastfm")).counts
    assert (counts.users, counts.items, counts.interactions) == (1872, 3846, 21173)
    assert (counts.entities, counts.relations, counts.triples) == (9366, 60, 15518)
    assert counts.unlinked_items == 0


def test_real_names_are_read_back(tmp_path: Path) -> None:
    raw = shared_datasets_folder("raw")
    folder = prepare_lastfm(tmp_path / "data", raw)
    lines = (raw / ARTISTS).read_bytes().decode("utf-8").split("\n")[1:-1]
    names = dict(line.split("\t")[:2] for line in lines)
    items = read_as_recbole(folder / "lastfm.item")
    assert len(items) == 3846
    for item, name in zip(items["item_id:token"], items["name:token_seq"]):
        assert name == names[item]
    with (folder / "lastfm.item").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1:]
    assert rows == items.to_numpy().tolist()


def test_same_interactions_as_the_published_split(tmp_path: Path) -> None:
    split = shared_datasets_folder("lastfm-split")
    folder = prepare_lastfm(tmp_path / "data", shared_datasets_folder("raw"))

    def interactions(path: Path) -> set[tuple[str, str, float]]:
        lines = path.read_text().splitlines()[1:]
        return {
            (user, item, float(count))
            for user, item, count in (line.split("\t") for line in lines)
        }

    published = [
        interactions(split / f"lastfm-split.{part}.inter")
        for part in ("train", "valid", "test")
    ]
    assert interactions(folder / "lastfm.inter") == set().union(*published)
    for suffix in ("kg", "link"):
        ours = (folder / f"lastfm.{suffix}").read_text()
        assert ours == (split / f"lastfm-split.{suffix}").read_text()
