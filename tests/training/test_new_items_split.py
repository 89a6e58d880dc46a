"""The protocol of new items: one split in memory and on disk, and what is evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.options.item_groups import harmonic_mean
from recbole_kgif.options.protocols import NEW_ITEMS
from recbole_kgif.training.configuration import make_config
from recbole_kgif.training.loading import load_data
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.specs import DataSpec
from tests.conftest import LOADED_COLUMNS
from tests.specs import spec_of

N_USERS, N_ITEMS = 24, 20
IDLE = "idle"  # in the catalogue, with a triple and without an interaction


@pytest.fixture(scope="module")
def place(workplace: Path) -> Path:
    """A data set of two tastes, and the same prepared with new items held out."""
    folder = workplace / "dataset" / "tastes"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    likes = generator.random((N_USERS, N_ITEMS)) < 0.2
    for user in range(N_USERS):
        likes[user, user % 2 :: 2] |= generator.random(N_ITEMS // 2) < 0.6
    items = [*(f"i{item}" for item in range(N_ITEMS)), IDLE]
    tastes = [
        "even" if item == IDLE or int(item[1:]) % 2 == 0 else "odd" for item in items
    ]
    files = {
        "inter": [
            "user_id:token\titem_id:token",
            *(f"u{user}\ti{item}" for user, item in np.argwhere(likes)[::-1]),
        ],
        "link": [
            "item_id:token\tentity_id:token",
            *(f"{item}\tof-{item}" for item in items),
        ],
        "kg": [
            "head_id:token\trelation_id:token\ttail_id:token",
            *(f"of-{item}\ttaste\t{taste}" for item, taste in zip(items, tastes)),
        ],
    }
    for suffix, lines in files.items():
        (folder / f"tastes.{suffix}").write_text("\n".join(lines) + "\n", "utf-8")
    command = ["prepare", "--dataset=tastes", "--split=new-items", "--name=whole"]
    assert main(command) == 0
    return workplace


def options_of(place: Path, **options: Any) -> dict[str, Any]:
    return {
        "data_path": str(place / "dataset"),
        "load_col": LOADED_COLUMNS,
        "protocol": NEW_ITEMS,
        "topk": [3],
        "metrics": ["Recall", "NDCG"],
        "valid_metric": "warmonly-NDCG@3",
        "epochs": 1,
        "use_gpu": False,
        "show_progress": False,
        "eval_args": {"mode": "full"},
        **options,
    }


def loaded(place: Path, name: str, seed: int, **options: Any) -> Any:
    every = options_of(place, checkpoint_dir=str(place), **options)
    config = make_config("SharedEntities", name, every)
    return load_data(config, DataSpec(name, place / "dataset", seed))


SPLIT = {"benchmark_filename": ["train", "valid", "test"]}


def test_the_split_in_memory_is_that_of_prepare(place: Path) -> None:
    path = place / "dataset" / "whole" / "provenance.json"
    written = json.loads(path.read_text("utf-8"))
    assert written["split"] == NEW_ITEMS
    assert written["counts"]["items"] == N_ITEMS + 1
    assert written["counts"]["items_without_an_interaction"] == 1
    in_memory = loaded(place, "tastes", 2020).fingerprint
    prepared = loaded(place, "whole", 0, **SPLIT).fingerprint
    assert in_memory["split"] == prepared["split"] == written["split_hash"]
    assert in_memory["candidates"] == prepared["candidates"]
    assert loaded(place, "tastes", 2021).fingerprint["split"] != written["split_hash"]


def test_a_set_without_new_items_is_refused(place: Path) -> None:
    whole, folder = place / "dataset" / "whole", place / "dataset" / "old"
    folder.mkdir()
    for path in whole.iterdir():
        name = path.name.replace("whole", "old").replace("train", "valid")
        (folder / name).write_bytes(path.read_bytes())
    train = (whole / "whole.train.inter").read_bytes()
    for part in ("train", "valid"):
        (folder / f"old.{part}.inter").write_bytes(train)
    with pytest.raises(UserError, match="the validation set of old has only old items"):
        loaded(place, "old", 0, **SPLIT)


@pytest.fixture(scope="module")
def records(place: Path) -> dict[str, dict[str, Any]]:
    """Runs of two models under the protocol, and of one without it."""
    runs = {}
    for name, model, change in (
        ("KernelRidge", "KernelRidge", {}),
        ("Pop", "Pop", {}),
        ("ordinary", "Pop", {"protocol": "recbole", "valid_metric": "NDCG@3"}),
    ):
        output = place / "runs" / name
        output.mkdir(parents=True)
        spec = spec_of(
            model, "whole", options_of(place, **SPLIT, **change), linked_items_only=True
        )
        if "protocol" not in change:
            object.__setattr__(spec, "options", {**spec.options, "protocol": NEW_ITEMS})
        runs[name] = run_experiment(spec, output)
    return runs


def test_new_items_are_found_by_what_they_are(records: dict[str, Any]) -> None:
    ridge, popularity = records["KernelRidge"], records["Pop"]
    # The idle item and the validation's new ones are ranked, too.
    assert ridge["candidates"]["count"] == N_ITEMS + 1
    assert ridge["candidates"]["without_an_interaction"] == 1
    assert ridge["test"]["newonly-recall@3"] > 0.5
    assert ridge["test"]["newonly-ndcg@3"] > popularity["test"]["newonly-ndcg@3"]
    for record in (ridge, popularity):
        both = (record["test"][f"{group}-ndcg@3"] for group in ("warm", "new"))
        mean = record["test"]["harmonic-ndcg@3"]
        assert mean == pytest.approx(harmonic_mean(*both), abs=2e-4)
        groups = record["test_groups"]
        sizes = {name: groups[name]["interactions"] for name in ("new", "warm")}
        assert sum(sizes.values()) == record["data"]["test_interactions"]
        values = record["test_per_user"]["metrics"]["new-ndcg@3"]
        assert sum(value is not None for value in values) == groups["new"]["users"]


def test_an_ordinary_record_has_the_groups_apart(records: dict[str, Any]) -> None:
    ordinary = records["ordinary"]
    assert set(ordinary["test"]) == {"recall@3", "ndcg@3"}
    assert set(ordinary["test_per_user"]["metrics"]) == {"recall@3", "ndcg@3"}
    assert ordinary["test_groups"] == records["Pop"]["test_groups"]


def test_the_report_has_a_column_for_each_group(
    place: Path, records: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(place / "runs" / name) for name in ("KernelRidge", "Pop")]
    assert main(["report", *folders, f"--output={place / 'report'}"]) == 0
    page = (place / "report" / "report.md").read_text("utf-8")
    assert (
        "| Model | Seeds | All | Warm | New | Harmonic mean | New among new |" in page
    )
    rows = (place / "report" / "report.csv").read_text("utf-8").splitlines()
    column = rows[0].split(",").index("p_value_holm")
    harmonic = [row.split(",") for row in rows if "harmonic-ndcg@3" in row]
    assert [row[column] != "" for row in harmonic] == [False, True]
    assert main(["report", str(place / "runs/ordinary"), "--output=o"]) == 0
    assert "training interactions of the test item" in Path("o/report.md").read_text()
