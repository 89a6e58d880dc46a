"""Files of every kind, changed at random places by a seeded generator."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest

from recbole_kgif.report.figures import ACCURACY, COST, CURVES
from recbole_kgif.report.packed_records import pack
from tests.cli.test_cli import TINY
from tests.conftest import TINY_FOLDER
from tests.data.recipes.helpers import (
    KGAT_FILES,
    PLAIN_ARGUMENTS,
    PLAIN_FILES,
    write_files,
)
from tests.malformed.helpers import OUTPUT, outcome
from tests.malformed.test_data_files import TRAIN, load_alone
from tests.malformed.test_explanations import NAMES
from tests.report.records_by_hand import record, write_record

# Put in somewhere: what files are broken by, and what strangers would like to be run.
SNIPPETS = (
    *(b"", b"\0", b"\r", b"\n", b"\t", b" ", b'"', b"'", b",", b";", b"|", b":"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xe9", b"\x1b[31m", b"\xe2\x80\xa8", b"\xf0\x9f"),
    *(b"NaN", b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"[PAD]", b"null", b"~"),
    *(b"9" * 30, b"x" * 200_000, b"../../x", b"<script>alert(1)</script>", b"=1+1"),
    *(b"!!python/object/apply:os.mkdir [made]", b"*a", b"&a ", b"{", b"[", b"}", b"]"),
)


def mutated(content: bytes, generator: random.Random) -> bytes:
    """A file after one to three changes."""
    for _ in range(generator.randint(1, 3)):
        place = generator.randint(0, len(content))
        length = generator.choice((0, 0, 1, 2, 8, 40))
        kind = generator.randrange(5)
        if kind == 0:
            content = content[:place]
        elif kind == 1:
            lines = content.splitlines(keepends=True)
            generator.shuffle(lines)
            content = b"".join(lines)
        elif kind == 2:
            lines = content.splitlines(keepends=True) or [b""]
            line = generator.choice(lines)
            content += line * generator.randint(1, 3)
        elif kind == 3:
            noise = generator.randbytes(generator.randint(1, 6))
            content = content[:place] + noise + content[place + length :]
        else:
            snippet = generator.choice(SNIPPETS)
            content = content[:place] + snippet + content[place + length :]
    return content


def lay_out(here: Path, checkpoint: bytes) -> None:
    """All the files that a command may be given."""
    (here / "model.pth").write_bytes(checkpoint)
    for name, content in NAMES.items():
        (here / "dataset/tiny" / name).write_bytes(content)
    write_files(here / "kgat", KGAT_FILES)
    write_files(here / "plain", PLAIN_FILES)
    (here / "users.txt").write_text("ann\nbob\n", "utf-8")
    (here / "a.yaml").write_text(
        "epochs: 1\ntopk: [2]\nvalid_metric: NDCG@2\nmetrics: [NDCG]\n"
        "eval_args: {mode: full}\nlearning_rate: 1e-3\n",
        "utf-8",
    )
    write_record(here / "results", record("KGIF"))
    write_record(here / "packed", record("KGIF"))
    pack(here / "packed")
    (here / "dataset/tiny/tiny.yaml").write_text(
        "load_col: {inter: [user_id, item_id], kg: [head_id, relation_id, tail_id], "
        "link: [item_id, entity_id]}\nbenchmark_filename: [train, valid, test]\n",
        "utf-8",
    )


_WITHOUT_OPTIONS = [a for a in TINY if "topk" not in a and "metric" not in a]
_PREPARE = ["prepare", "--name=recipes", f"--output={OUTPUT}"]
_RESULT = "results/runs/KGIF-2020"

# Which file is changed, and the command that then reads it.
TARGETS: list[tuple[str, list[str]]] = [
    *((f"dataset/tiny/{path.name}", TRAIN) for path in sorted(TINY_FOLDER.iterdir())),
    ("dataset/tiny/tiny.yaml", TRAIN),
    ("a.yaml", [*_WITHOUT_OPTIONS, "--config-files", "a.yaml", f"--output={OUTPUT}"]),
    *((f"kgat/{name}", [*_PREPARE, "--kgat=kgat"]) for name in KGAT_FILES),
    *((f"plain/{name}", [*_PREPARE, *PLAIN_ARGUMENTS]) for name in PLAIN_FILES),
    *(
        (f"{_RESULT}/{n}", ["report", "results", f"--output={OUTPUT}"])
        for n in ("result.json", "request.json")
    ),
    ("packed/records.tar.xz", ["report", "packed", f"--output={OUTPUT}"]),
    *(
        (
            f"dataset/tiny/{name}",
            [
                *("explain", "--checkpoint=model.pth", "--user=ann"),
                f"--output={OUTPUT}/a.html",
            ],
        )
        for name in NAMES
    ),
    *(
        (
            name,
            [
                *("recommend", "--checkpoint=model.pth", "--users=users.txt"),
                f"--output={OUTPUT}/a.json",
            ],
        )
        for name in ("users.txt", "model.pth", "dataset/tiny/tiny.item")
    ),
]


def check_mutations(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: bytes,
    target: tuple[str, list[str]],
    seeds: range,
) -> None:
    monkeypatch.setattr("recbole_kgif.cli.train._train", load_alone)
    figures = {name: {"svg": b"<svg></svg>"} for name in (ACCURACY, COST, CURVES)}
    drawing = "recbole_kgif.report.report_files.draw_comparison"
    monkeypatch.setattr(drawing, lambda *_: figures)
    lay_out(here, checkpoint)
    name, arguments = target
    original = (here / name).read_bytes()
    for seed in seeds:
        content = mutated(original, random.Random(f"{name} {seed}"))
        (here / name).write_bytes(content)
        shutil.rmtree(here / OUTPUT, ignore_errors=True)
        code, _ = outcome(arguments, here, capsys)
        assert not list(here.parent.rglob("made"))
        if code == 0 and name.endswith("result.json"):
            json.loads(content)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
def test_a_few_changes_to_any_file(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: bytes,
    target: tuple[str, list[str]],
) -> None:
    check_mutations(here, capsys, monkeypatch, checkpoint, target, range(4))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
def test_many_changes_to_any_file(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: bytes,
    target: tuple[str, list[str]],
) -> None:
    check_mutations(here, capsys, monkeypatch, checkpoint, target, range(4, 64))
