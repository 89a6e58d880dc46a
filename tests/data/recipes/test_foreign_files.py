"""Files as people have them: headerless, compressed, of other programs and formats."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import sys
import tarfile
import types
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from tests.data.recipes.helpers import contents_of, lines_of, refusal_of

USERS, ITEMS = ("ann", "bob", "cyd"), ("ant", "bee", "cat", "doe", "eel")
FILES = {
    "inter.csv": "user,item\n"
    + "".join(f"{user},{item}\n" for user in USERS for item in ITEMS),
    "triples.tsv": "head\trelation\ttail\n"
    + "".join(f"{item.upper()}\teats\tgrass\n" for item in ITEMS),
    "links.csv": "item,entity\n"
    + "".join(f"{item},{item.upper()}\n" for item in ITEMS),
    "names.csv": "item,name\n" + "".join(f"{item},The {item}\n" for item in ITEMS),
}
ARGUMENTS = ["--name=zoo", *(f"--interactions={n}" for n in ("inter.csv",))]
ARGUMENTS += ["--triples=triples.tsv", "--links=links.csv", "--names=names.csv"]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small data set in plain files."""
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        Path(name).write_text(content, "utf-8")
    return tmp_path


def prepared(zoo: Path, arguments: list[str] = ARGUMENTS) -> Path:
    assert main(["prepare", *arguments]) == 0
    return zoo / "dataset" / "zoo"


def reference(zoo: Path) -> dict[str, bytes]:
    """What the plain files give."""
    folder = prepared(zoo, [*ARGUMENTS, "--output=expected"])
    return contents_of(zoo / "expected" / folder.name)


def without_header(name: str) -> None:
    path = Path(name)
    path.write_text(path.read_text("utf-8").partition("\n")[2], "utf-8")


# --- first lines --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("inter.csv", "interactions", "ann"),
        ("triples.tsv", "triples", "grass"),
        ("links.csv", "links", "ant"),
        ("names.csv", "names", "ant"),
    ],
)
def test_a_first_line_of_data(
    zoo: Path, capsys: pytest.CaptureFixture[str], name: str, kind: str, value: str
) -> None:
    expected = reference(zoo)
    without_header(name)
    path = Path(name)
    path.write_text("\n" + path.read_text("utf-8"), "utf-8")
    told = refusal_of(ARGUMENTS, capsys)
    assert f"{name}, line 2: " in told
    assert f"--no-header {kind}" in told
    if kind != "triples":
        assert repr(value) in told
    folder = prepared(zoo, [*ARGUMENTS, "--no-header", kind])
    assert contents_of(folder) == expected


def test_no_header_given_twice_holds_for_both(zoo: Path) -> None:
    expected = reference(zoo)
    without_header("inter.csv")
    without_header("links.csv")
    given = ["--no-header=interactions", "--no-header=links"]
    assert contents_of(prepared(zoo, [*ARGUMENTS, *given])) == expected


def test_a_relation_shows_a_first_line_of_data(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("triples.tsv").write_text(
        "ANT\teats\tleaves\nBEE\teats\tgrass\nCAT\teats\tgrass\n", "utf-8"
    )
    Path("links.csv").write_text("item,entity\nbee,BEE\ncat,CAT\n", "utf-8")
    assert "'eats' is taken for" in refusal_of(ARGUMENTS, capsys)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("inter.csv", "visitor,animal"),
        ("triples.tsv", "node1\tlabel\tnode2"),
        ("links.csv", "animal,node"),
        ("names.csv", "animal,called"),
    ],
)
def test_unusual_names_of_columns_are_a_header(
    zoo: Path, name: str, header: str
) -> None:
    expected = reference(zoo)
    without_header(name)
    path = Path(name)
    path.write_text(f"{header}\n" + path.read_text("utf-8"), "utf-8")
    assert contents_of(prepared(zoo)) == expected


def test_a_header_that_is_an_id_too(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """KGTK calls the relation label, and label may be a relation."""
    path = Path("triples.tsv")
    content = path.read_text("utf-8").replace("head\trelation\ttail", "n1\tlabel\tn2")
    path.write_text(f"{content}ANT\tlabel\tAnt\n", "utf-8")
    told = refusal_of(ARGUMENTS, capsys)
    assert "'label' is taken for" in told
    assert "--head-column" in told
    columns = ["--head-column=n1", "--relation-column=label", "--tail-column=n2"]
    prepared(zoo, [*ARGUMENTS, *columns])
    assert "ANT\tlabel\tAnt" in lines_of(zoo / "dataset/zoo/zoo.kg")


# --- columns that nobody needs ------------------------------------------------------

VALUES = {
    "rating": ["", "good", "4,5", "n/a", "5 stars"],
    "time": ["", "05/31/2024", "31.05.2024", "yesterday", "2024-13-01"],
}
NEEDS = {
    "rating": [["--minimum-rating=1"], ["--rating-column=rating"]],
    "time": [["--split=time"], ["--time-column=time"]],
}


@pytest.mark.parametrize(
    ("column", "value"),
    [(c, value) for c, values in VALUES.items() for value in values],
)
def test_values_that_nobody_needs(
    zoo: Path, capsys: pytest.CaptureFixture[str], column: str, value: str
) -> None:
    expected = reference(zoo)
    lines = FILES["inter.csv"].splitlines()
    rows = [f'{line},{place},"{value}"' for place, line in enumerate(lines[1:-1])]
    content = "\n".join([f"{lines[0]},number,{column}", *rows, f"{lines[-1]},9,3"])
    Path("inter.csv").write_text(content, "utf-8")
    for needs in NEEDS[column]:
        told = refusal_of([*ARGUMENTS, *needs], capsys)
        assert f"inter.csv, line 2: the {column} {value!r} is n" in told
    assert contents_of(prepared(zoo)) == expected
    note = f"inter.csv, line 2: the {column} {value!r} is n"
    assert note in capsys.readouterr().out
    record = json.loads((zoo / "dataset/zoo/provenance.json").read_text("utf-8"))
    assert record["notes"][0].startswith(note)
    assert record["notes"][0].endswith("the column is left out, as none needs it")


def test_values_that_can_be_read_are_kept(zoo: Path) -> None:
    lines = FILES["inter.csv"].splitlines()
    rows = [f"{line},4.5,2024-05-31" for line in lines[1:]]
    content = "\n".join([f"{lines[0]},rating,date", *rows])
    Path("inter.csv").write_text(content, "utf-8")
    folder = prepared(zoo)
    assert lines_of(folder / "zoo.test.inter")[0].split("\t")[2:] == [
        "4.5",
        "1717113600.0",
    ]
    assert "notes" not in json.loads((folder / "provenance.json").read_text("utf-8"))


# --- forms of files -----------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_compressed_files(zoo: Path, name: str) -> None:
    expected = reference(zoo)
    Path(f"{name}.gz").write_bytes(gzip.compress(Path(name).read_bytes()))
    arguments = [f"{a}.gz" if a.endswith(name) else a for a in ARGUMENTS]
    assert contents_of(prepared(zoo, arguments)) == expected


@pytest.mark.parametrize("cut", [5, 40, -8])
def test_damaged_compressed_files(
    zoo: Path, capsys: pytest.CaptureFixture[str], cut: int
) -> None:
    Path("inter.csv").write_bytes(gzip.compress(FILES["inter.csv"].encode())[:cut])
    told = refusal_of(ARGUMENTS, capsys)
    assert "inter.csv: the compressed file is damaged or incomplete" in told


@pytest.mark.parametrize("name", FILES)
def test_a_byte_order_mark_is_skipped(zoo: Path, name: str) -> None:
    expected = reference(zoo)
    Path(name).write_bytes(b"\xef\xbb\xbf" + FILES[name].encode())
    assert contents_of(prepared(zoo)) == expected


def workbook(first: str) -> bytes:
    buffer = io.BytesIO()
    # The time is written before the name; this one as a byte that ends a line.
    entry = zipfile.ZipInfo(first, (2026, 1, 1, 1, 16, 20))
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(entry, "application/vnd.oasis.opendocument.spreadsheet")
    assert b"\n" in buffer.getvalue()[:30]
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (workbook("[Content_Types].xml"), "an Excel workbook; export it as CSV"),
        (workbook("mimetype"), "a spreadsheet; export it as CSV"),
        (workbook("inter.csv"), "a zip archive; unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook; export it as CSV"),
        (FILES["inter.csv"].encode("utf-16"), "UTF-16; save it as UTF-8"),
        (b"BZh91AY", "compressed; unpack it"),
        (b"PAR1\x15\x04", "a Parquet file; export it as CSV"),
    ],
)
def test_files_that_are_no_text(
    zoo: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    Path("inter.csv").write_bytes(content)
    assert said in refusal_of(ARGUMENTS, capsys)


def test_an_archive_in_a_compressed_file(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tarfile.open("inter.csv.tar.gz", "w:gz") as archive:
        archive.add("inter.csv")
    arguments = [a.replace("inter.csv", "inter.csv.tar.gz") for a in ARGUMENTS]
    assert "a tar archive; unpack it" in refusal_of(arguments, capsys)


def test_the_separator_as_excel_notes_it(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("inter.csv").write_text("sep=,\n" + FILES["inter.csv"], "utf-8")
    told = refusal_of(ARGUMENTS, capsys)
    assert "inter.csv, line 1: 'sep=,' says by what Excel separates" in told


@pytest.mark.parametrize(
    "given", [[], ["--separator=::"], ["--separator=double-colon"]]
)
def test_double_colons(zoo: Path, given: list[str]) -> None:
    """As in MovieLens, whose names hold commas, blanks and single colons."""
    expected = reference(zoo)
    for name, content in FILES.items():
        text = content.replace("\t", "::").replace(",", "::")
        Path(name).write_text(text, "utf-8")
    assert contents_of(prepared(zoo, [*ARGUMENTS, *given])) == expected


def test_names_between_double_colons(zoo: Path) -> None:
    Path("names.csv").write_text(
        'item::name::kind\nant::Ant: a "life", (1998)::Fun|Kids\n'
        "bee::Bee Movie::Fun\ncat::Cats, The::Kids|Song\n",
        "utf-8",
    )
    lines = lines_of(prepared(zoo) / "zoo.item")
    assert lines == [
        'ant\t"Ant: a ""life"", (1998)"',
        "bee\tBee Movie",
        "cat\tCats, The",
    ]


# --- items --------------------------------------------------------------------------


def test_two_items_of_one_entity(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """RecBole's maps of items and entities are one to one; no item has to go."""
    links, triples = Path("links.csv"), Path("triples.tsv")
    links.write_text(FILES["links.csv"].replace("BEE", "ANT"), "utf-8")
    told = refusal_of(ARGUMENTS, capsys)
    assert "links.csv, line 3: the entity 'ANT' is linked to another item in l" in told
    assert "to keep both, link this one to an entity id of its own" in told
    assert "triples.tsv" in told
    links.write_text(FILES["links.csv"].replace("BEE", "ANT (bee)"), "utf-8")
    triples.write_text(FILES["triples.tsv"] + "ANT (bee)\teats\tgrass\n", "utf-8")
    assert len(lines_of(prepared(zoo) / "zoo.link")) == len(ITEMS)


@pytest.mark.parametrize("has_links", [True, False])
def test_items_without_an_interaction_are_counted(
    zoo: Path, capsys: pytest.CaptureFixture[str], has_links: bool
) -> None:
    """Where items are entities, the names say which entities are items."""
    arguments = [*ARGUMENTS]
    if not has_links:
        arguments.remove("--links=links.csv")
        content = FILES["triples.tsv"]
        for item in ITEMS:
            content = content.replace(item.upper(), item)
        Path("triples.tsv").write_text(content, "utf-8")
    rows = FILES["inter.csv"].splitlines()
    kept = [row for row in rows if not row.endswith(("doe", "eel"))]
    Path("inter.csv").write_text("\n".join(kept), "utf-8")
    folder = prepared(zoo, arguments)
    out = " ".join(capsys.readouterr().out.split())
    assert "5 items, 2 items without an interaction" in out
    assert len(lines_of(folder / "zoo.link")) == 5
    assert len(lines_of(folder / "zoo.item")) == 5


def test_items_of_the_kgat_format_without_an_interaction(
    zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("k").mkdir()
    for name, content in {
        "train.txt": "0 0 1 2\n1 0 1 2\n2 2 1 0\n",
        "test.txt": "0 3\n1 3\n",
        "kg_final.txt": "".join(f"{item} 0 9\n" for item in range(6)),
        "item_list.txt": "org_id remap_id\n"
        + "".join(f"i{item} {item}\n" for item in range(6)),
    }.items():
        (Path("k") / name).write_text(content, "utf-8")
    folder = prepared(zoo, ["--kgat=k", "--name=zoo"])
    out = " ".join(capsys.readouterr().out.split())
    assert "6 items, 2 items without an interaction" in out
    assert len(lines_of(folder / "zoo.link")) == 6


# --- RDF ----------------------------------------------------------------------------

N_TRIPLES = "".join(
    f"<http://zoo/{item.upper()}> <http://zoo/eats> <http://zoo/grass> .\n"
    for item in ITEMS
)
TURTLE = (
    "@prefix z: <http://zoo/> .\n"
    'z:ANT z:eats z:grass ; z:called "Ant"@en ; z:legs 6 .\n'
    + "".join(f"z:{item.upper()} z:eats z:grass .\n" for item in ITEMS[1:])
    + "z:ANT z:lives [ z:near z:grass ] .\n"
)
IN_RDF = [a.replace("triples.tsv", "zoo.nt") for a in ARGUMENTS]
IN_TURTLE = [a.replace("triples.tsv", "zoo.ttl") for a in ARGUMENTS]


@pytest.fixture
def rdf(zoo: Path) -> Path:
    """The data set with triples in N-Triples and Turtle."""
    Path("zoo.nt").write_text(N_TRIPLES, "utf-8")
    Path("zoo.ttl").write_text(TURTLE, "utf-8")
    content = "item,entity\n" + "".join(
        f"{item},<http://zoo/{item.upper()}>\n" for item in ITEMS
    )
    Path("links.csv").write_text(content, "utf-8")
    return zoo


class FakeNode(str):
    """A node of the stand-in for rdflib."""


class FakeLiteral(FakeNode):
    """A text, number or date."""


class FakeBlank(FakeNode):
    """A node without a name."""


class FakeGraph:
    """Reads lines of N-Triples of names alone, as rdflib does."""

    def add(self, triple: object) -> FakeGraph:
        raise NotImplementedError

    def parse(self, file: Iterator[bytes], format: str, publicID: str) -> None:
        assert (format, publicID) == ("nt", "file:///")
        for line in file:
            if not line.strip() or line.startswith(b"#"):
                continue
            self.add(tuple(FakeNode(x.strip("<>")) for x in line.decode().split()[:3]))
        self.add((FakeBlank("n81"), FakeNode("http://zoo/near"), FakeBlank("n81")))
        self.add((FakeNode("a"), FakeNode("b"), FakeLiteral("c")))


@pytest.fixture
def fake_rdflib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for rdflib, which is optional."""
    module = types.ModuleType("rdflib")
    members: Mapping[str, type] = {
        **{"Graph": FakeGraph, "Literal": FakeLiteral, "BNode": FakeBlank}
    }
    for name, value in members.items():
        setattr(module, name, value)
    module.__spec__ = importlib.util.spec_from_loader("rdflib", None)
    monkeypatch.setitem(sys.modules, "rdflib", module)


@pytest.mark.parametrize("name", ["zoo.nt", "zoo.nt.gz", "triples.txt"])
def test_n_triples(
    rdf: Path, fake_rdflib: None, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = f"# A dump\n\n{N_TRIPLES}".encode()
    Path(name).write_bytes(gzip.compress(content) if name[-1] == "z" else content)
    arguments = [a.replace("triples.tsv", name) for a in ARGUMENTS]
    folder = prepared(rdf, arguments)
    lines = lines_of(folder / "zoo.kg")
    assert len(lines) == len(ITEMS) + 1
    assert "http://zoo/ANT\thttp://zoo/eats\thttp://zoo/grass" in lines
    assert "_:b0\thttp://zoo/near\t_:b0" in lines
    assert "ant\thttp://zoo/ANT" in lines_of(folder / "zoo.link")
    note = f"{name}: 1 triples with a literal (a text, number or date)"
    assert note in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [IN_RDF, IN_TURTLE])
def test_without_rdflib(
    rdf: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "rdflib" else find_spec(name, *rest),
    )
    told = refusal_of(arguments, capsys)
    assert "pip install 'recbole-kgif[rdf]'" in told
    assert "--no-header triples" in told


def test_n_triples_as_text(rdf: Path) -> None:
    """As before: columns between blanks, one of them the full stop."""
    Path("links.csv").write_text(
        Path("links.csv").read_text("utf-8").replace('"', ""), "utf-8"
    )
    folder = prepared(rdf, [*IN_RDF, "--no-header", "triples"])
    assert "<http://zoo/ANT>\t<http://zoo/eats>\t<http://zoo/grass>" in lines_of(
        folder / "zoo.kg"
    )


def test_turtle(rdf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdflib")
    folder = prepared(rdf, IN_TURTLE)
    lines = lines_of(folder / "zoo.kg")
    assert len(lines) == len(ITEMS) + 2
    assert "http://zoo/ANT\thttp://zoo/lives\t_:b0" in lines
    assert "zoo.ttl: 2 triples with a literal" in capsys.readouterr().out
    again = prepared(rdf, [*IN_TURTLE, "--output=again"]).parents[1] / "again/zoo"
    assert contents_of(again) == contents_of(folder)
    Path("zoo.ttl").write_text(TURTLE + "z:ANT z:eats", "utf-8")
    told = refusal_of([*IN_TURTLE, "--output=third"], capsys)
    assert "zoo.ttl: rdflib cannot read it as turtle" in told


def test_n_triples_by_rdflib(rdf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rdflib")
    lines = lines_of(prepared(rdf, IN_RDF) / "zoo.kg")
    assert "http://zoo/ANT\thttp://zoo/eats\thttp://zoo/grass" in lines
    assert len(lines) == len(ITEMS)
    Path("zoo.nt").write_text(N_TRIPLES + "<http://zoo/ANT> .\n", "utf-8")
    told = refusal_of([*IN_RDF, "--output=other"], capsys)
    assert "zoo.nt: rdflib cannot read it as nt" in told
