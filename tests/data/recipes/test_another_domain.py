"""Pottery, in the KGAT format: from the files of strangers to names in explanations."""

from __future__ import annotations

import csv
import json
import random
import sys
from pathlib import Path

import pytest

from recbole_kgif.cli import main

# Numbers with gaps, as a filter leaves them, and no order.
POTTERS = {7: "Ōtagaki Rengetsu", 12: "Bernard Leach", 13: "Maria  Martínez", 40: "李"}
POTS = {
    3: "moon jar",
    5: "tea bowl, “Unohanagaki”",
    8: 'plate "à la fourchette"',
    21: "<b>black</b> ware",
    34: "=1+1",
    55: "ewer\N{ZERO WIDTH JOINER}\N{AMPHORA}",
    89: "Krug",
    90: "lid",
}
GLAZES = {100: "ash glaze", 203: "céladon", 999_999_999_999: "raku  glaze"}
RELATIONS = {0: "fired with", 4: "Ähnlich zu"}


@pytest.fixture
def pottery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files of the format in the folder `clay`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.delenv("RECBOLE_KGIF_DATA", raising=False)
    generator = random.Random(4)
    train, test, triples = [], [], []
    for potter in (*POTTERS, 77):  # one whom no list names
        pots = generator.sample([pot for pot in POTS if pot != 90], 5)
        train.append(f"{potter} {' '.join(map(str, pots[:4]))}")
        if potter != 12:  # who has no line in the test
            test.append(f"{potter} {pots[4]} ")
    test.append("500")
    for pot in POTS:
        for glaze in generator.sample(sorted(GLAZES), 2):
            triples.append(f"{pot} 0 {glaze}")
        triples.append(f"{pot} 4 {generator.choice(list(POTS))}")
    generator.shuffle(triples)
    lists = {
        "user_list.txt": ("org_id remap_id", POTTERS),
        "entity_list.txt": ("org_id remap_id", {**POTS, **GLAZES}),
        "relation_list.txt": ("org_id remap_id", RELATIONS),
    }
    files = {
        name: [header, *(f"{word} {number}" for number, word in words.items())]
        for name, (header, words) in lists.items()
    }
    files["item_list.txt"] = ["org_id remap_id freebase_id"]
    files["item_list.txt"] += [f"{word} {n} m.0{n}" for n, word in POTS.items()]
    files.update({"train.txt": train, "test.txt": test, "kg_final.txt": triples})
    (tmp_path / "clay").mkdir()
    for name, lines in files.items():
        (tmp_path / "clay" / name).write_text("\r\n".join(lines) + "\r\n", "utf-8")
    return tmp_path


def test_from_foreign_files_to_named_explanations(
    pottery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--kgat=clay", "--name=pottery"]) == 0
    counts = json.loads(
        (pottery / "dataset/pottery/provenance.json").read_text("utf-8")
    )["counts"]
    assert counts["users"] == 5
    assert counts["items"] == 8  # nobody made a lid: it is for sale
    assert (counts["entities"], counts["relations"]) == (11, 2)

    train = ["--dataset=pottery", "--epochs=2", "--output=run", "--use_gpu=False"]
    small = ["--embedding_size=8", "--topk=[2]", "--valid_metric=NDCG@2"]
    assert main([*train, *small]) == 0
    record = json.loads((pottery / "run/result.json").read_text("utf-8"))
    assert len(record["epochs"]) == 2
    assert record["data"]["items"] == 8
    capsys.readouterr()

    checkpoint = "--checkpoint=run/model.pth"
    explain = ["explain", checkpoint, "--user=40", "--item=5"]
    assert main(explain) == 0
    text = capsys.readouterr().out
    assert text.startswith("tea bowl, “Unohanagaki” (item 5) for 李: ")
    assert main([*explain, "--format=json", "--output=why.json"]) == 0
    why = (pottery / "why.json").read_text("utf-8")
    assert "Ähnlich zu" in why or "fired with" in why
    assert any(name in why for name in ("ash glaze", "céladon", "raku glaze"))

    assert main(["recommend", checkpoint, "--users=all", "--output=best.csv"]) == 0
    with (pottery / "best.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["user_id"] for row in rows} == {"7", "12", "13", "40", "77"}
    assert rows
    for row in rows:
        assert row["name"] == POTS[int(row["item_id"])]
