"""The KGAT format's lists, and the published data sets from a server or a folder."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.data.recipes import kgat_files
from recbole_kgif.data.recipes.kgat import read_list
from tests.data.data_helpers import LocalServer
from tests.data.recipes.helpers import KGAT_FILES, contents_of, refusal_of


@pytest.mark.parametrize(
    ("name", "content", "names"),
    [
        (
            "item_list.txt",
            "org_id remap_id freebase_id\n0007178964 0 m.0y\nB 00 1 1 m.1\n",
            {"0": "0007178964", "1": "B 00 1"},
        ),
        # As Yelp 2018 has it, also where the name begins with a digit.
        (
            "item_list.txt",
            "org_id remap_id freebase_id\nF0QpbOa_5 8022F0QpbOa_5\n16rL 803216rL\n"
            "32 1232\n",
            {"8022": "F0QpbOa_5", "8032": "16rL", "12": "32"},
        ),
        ("item_list.txt", "org_id remap_id\nA 1 0\nB 1\n", {"0": "A 1", "1": "B"}),
        (
            "entity_list.txt",
            "org_id remap_id\ncategories::Private Jet Charter 136470\n\n",
            {"136470": "categories::Private Jet Charter"},
        ),
        ("user_list.txt", "Ada 0\r\nBen 007\r\n", {"0": "Ada", "7": "Ben"}),
    ],
)
def test_lists(tmp_path: Path, name: str, content: str, names: dict[str, str]) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_list(tmp_path / name) == names


def test_relation_names_are_not_taken_for_numbers(here: Path) -> None:
    (here / "kgat/relation_list.txt").write_text(
        "org_id remap_id\n1 0\n0 1\n", encoding="utf-8"
    )
    assert main(["prepare", "--kgat=kgat", "--name=recipes"]) == 0
    triples = (here / "dataset/recipes/recipes.kg").read_text("utf-8").splitlines()
    assert "0\t1\t6" in triples
    assert "0\t0\t9" in triples


def test_a_given_validation_is_kept(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = (here / "kgat/train.txt").read_text("utf-8").splitlines()
    user, *items = train[0].split()
    (here / "kgat/valid.txt").write_text(f"{user} {items[0]}\n", "utf-8")
    assert main(["prepare", "--kgat=kgat", "--name=recipes"]) == 0
    valid = (here / "dataset/recipes/recipes.valid.inter").read_text("utf-8")
    assert valid.splitlines()[1:] == [f"{user}\t{items[0]}"]
    assert "of training, but in the test or validation" in capsys.readouterr().out


def published(monkeypatch: pytest.MonkeyPatch, server: LocalServer) -> dict[str, bytes]:
    """Let a server publish the recipes in place of `amazon-book`."""
    files = {name: content.encode() for name, content in KGAT_FILES.items()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("kg_final.txt", files.pop("kg_final.txt"))
    files["kg_final.txt.zip"] = packed.getvalue()
    for name, content in files.items():
        url = server.serve_bytes(f"/amazon-book/{name}", content)
    monkeypatch.setattr(kgat_files, "_ORIGIN", url.rsplit("/", 2)[0])
    return files


def test_a_download(
    here: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = published(monkeypatch, local_server)
    assert main(["prepare", "--kgat=amazon-book"]) == 0
    out = capsys.readouterr().out
    record = json.loads(
        (here / "dataset/amazon-book/provenance.json").read_text("utf-8")
    )
    assert len(record["sources"]) == 7
    for source in record["sources"]:
        assert source["origin"].endswith(f"/amazon-book/{source['name']}")
        assert source["sha256"] == hashlib.sha256(files[source["name"]]).hexdigest()
        assert source["sha256"] in out
    assert [path.name for path in (here / "dataset").iterdir()] == ["amazon-book"]
    assert main(["prepare", "--kgat=kgat", "--name=amazon-book", "--output=o"]) == 0
    ours = contents_of(here / "dataset/amazon-book")
    assert ours == contents_of(here / "o/amazon-book")


def test_a_broken_off_download_goes_on_where_it_was(
    here: Path,
    local_server: LocalServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    published(monkeypatch, local_server)
    answers = local_server.answers
    last = answers.pop("/amazon-book/relation_list.txt")
    told = refusal_of(["--kgat=amazon-book"], capsys)
    assert "relation_list.txt: HTTP status 404" in told
    assert "--source DIR" in told
    assert not (here / "dataset/amazon-book").exists()
    answers.clear()
    answers["/amazon-book/relation_list.txt"] = last
    assert main(["prepare", "--kgat=amazon-book"]) == 0
    assert [path.name for path in (here / "dataset").iterdir()] == ["amazon-book"]


@pytest.mark.parametrize("source", ["shelf", "shelf/last-fm"])
def test_a_published_data_set_from_a_folder(here: Path, source: str) -> None:
    (here / "shelf").mkdir()
    (here / "kgat").rename(here / "shelf/last-fm")
    assert main(["prepare", "--kgat=last-fm", f"--source={source}"]) == 0
    record = (here / "dataset/last-fm/provenance.json").read_text("utf-8")
    assert json.loads(record)["sources"][0]["origin"] == "train.txt"
    assert str(here) not in record
