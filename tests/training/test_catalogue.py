"""Items of `.item` that nothing else names are no candidates."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli import main
from recbole_kgif.cli.summary import summarise
from recbole_kgif.errors import UserError
from recbole_kgif.recommend import Recommender
from recbole_kgif.training.checkpoint import load as load_checkpoint
from recbole_kgif.training.fingerprint import require_same_data
from recbole_kgif.training.restore import restore
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.tensorfile import write_tensors
from tests.conftest import LOADED_COLUMNS
from tests.specs import spec_of

N_USERS, N_ITEMS = 9, 8
# Linked without an interaction; neither linked nor interacted with, though the last
# one's entity is in the file of links.
NEW, UNKNOWN, NOT_IN_GRAPH = "new", "unknown", "not-in-graph"

WITH_ITEMS = {**LOADED_COLUMNS, "item": ["item_id", "colour"]}

Run = Callable[..., dict[str, Any]]


def write_dataset(folder: Path) -> None:
    """Users with neighbouring items, and a catalogue of three items more."""
    folder.mkdir(parents=True)
    items = [f"i{number}" for number in range(N_ITEMS)]
    files = {
        "inter": [
            "user_id:token\titem_id:token",
            *(
                f"u{user}\ti{(user + step) % N_ITEMS}"
                for user in range(N_USERS)
                for step in range(5)
            ),
        ],
        "item": [
            "item_id:token\tcolour:token",
            *(f"{item}\tred" for item in (*items, NEW, UNKNOWN, NOT_IN_GRAPH)),
        ],
        "link": [
            "item_id:token\tentity_id:token",
            *(f"{item}\tof-{item}" for item in (*items, NEW, NOT_IN_GRAPH)),
        ],
        "kg": [
            "head_id:token\trelation_id:token\ttail_id:token",
            *(f"of-{item}\tkind\tkind-{item[-1]}" for item in (*items, NEW)),
        ],
    }
    for suffix, lines in files.items():
        (folder / f"c.{suffix}").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture(scope="module")
def folder(workplace: Path) -> Path:
    write_dataset(workplace / "dataset" / "c")
    return workplace


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """Run a model, once for each set of options."""
    done: dict[str, dict[str, Any]] = {}

    def run_once(
        name: str, model: str = "KGIF", linked_items_only: bool = False, **options: Any
    ) -> dict[str, Any]:
        if name not in done:
            output = folder / name
            output.mkdir()
            every = {
                "load_col": LOADED_COLUMNS,
                "data_path": str(folder / "dataset"),
                "embedding_size": 4,
                "n_layers": 1,
                "epochs": 1,
                "topk": [2],
                "metrics": ["NDCG"],
                "valid_metric": "NDCG@2",
                "use_gpu": False,
                "eval_args": {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO"},
                **options,
            }
            spec = spec_of(model, "c", every, linked_items_only=linked_items_only)
            done[name] = run_experiment(spec, output)
        return done[name]

    return run_once


def recommended(folder: Path, name: str) -> set[str]:
    path, data_path = folder / name / "model.pth", folder / "dataset"
    frame = Recommender.load(path, data_path=data_path).recommend(k=100)
    return set(frame["item_id"]) - {f"i{number}" for number in range(N_ITEMS)}


# Number of candidates by what is loaded, model and choice.
@pytest.mark.parametrize(
    ("name", "expected", "more"),
    [
        ("plain", N_ITEMS + 1, {NEW}),
        ("items", N_ITEMS + 1, {NEW}),
        ("bpr", N_ITEMS, set()),
        ("linked-bpr", N_ITEMS + 1, {NEW}),
        ("all", N_ITEMS + 3, {NEW, UNKNOWN, NOT_IN_GRAPH}),
    ],
)
def test_what_a_model_knows_nothing_of_is_not_ranked(
    name: str, expected: int, more: set[str], run: Run, folder: Path
) -> None:
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "items": {"load_col": WITH_ITEMS},
        "bpr": {"model": "BPR", "load_col": WITH_ITEMS},
        "linked-bpr": {
            "model": "BPR",
            "load_col": WITH_ITEMS,
            "linked_items_only": True,
        },
        "all": {"load_col": WITH_ITEMS, "candidates": "catalogue"},
    }
    record = run(name, **options[name])
    assert record["data"]["items"] == record["candidates"]["count"] == expected
    assert record["split_hash"] == run("plain")["split_hash"]
    assert recommended(folder, name) == more
    assert f"candidates  {expected} items" in summarise(record, folder)


def test_equal_candidates_have_an_equal_hash_whatever_the_model(run: Run) -> None:
    options: dict[str, Any] = {"load_col": WITH_ITEMS}
    hashes = [
        run("items", **options)["candidates"]["hash"],
        run("linked-bpr", model="BPR", linked_items_only=True, **options)["candidates"][
            "hash"
        ],
        run("plain")["candidates"]["hash"],
        run("bpr", model="BPR", **options)["candidates"]["hash"],
    ]
    assert hashes[0] == hashes[1] == hashes[2] != hashes[3]


def test_without_a_catalogue_the_choice_changes_nothing(run: Run) -> None:
    records = [run("plain"), run("plain-all", candidates="catalogue")]
    for record in records:
        assert record["candidates"]["choice"] == "linked"
    assert records[0]["test"] == records[1]["test"]
    assert records[0]["epochs"][0]["loss"] == records[1]["epochs"][0]["loss"]


def test_sampled_negatives_are_candidates(run: Run, folder: Path) -> None:
    mode = {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO", "mode": "uni3"}
    record = run("sampled", load_col=WITH_ITEMS, eval_args=mode)
    assert record["candidates"]["count"] == N_ITEMS + 1


def test_pre_split_data_have_the_same_candidates(run: Run, folder: Path) -> None:
    parts = ("train", "valid", "test")
    data, copied = folder / "dataset" / "c", folder / "dataset" / "s"
    copied.mkdir()
    header, *lines = (data / "c.inter").read_text("utf-8").splitlines()
    for place, part in enumerate(parts):
        own = [header, *lines[place::3]]
        (copied / f"s.{part}.inter").write_text("\n".join(own) + "\n", "utf-8")
    for suffix in ("kg", "item"):
        text = (data / f"c.{suffix}").read_text("utf-8")
        (copied / f"s.{suffix}").write_text(text, "utf-8")
    links = [
        line
        for line in (data / "c.link").read_text("utf-8").splitlines()
        if NEW not in line and NOT_IN_GRAPH not in line
    ]
    (copied / "s.link").write_text("\n".join(links) + "\n", "utf-8")
    spec = spec_of(
        "KGIF",
        "s",
        {
            "data_path": folder / "dataset",
            "benchmark_filename": list(parts),
            "load_col": WITH_ITEMS,
            "epochs": 1,
            "topk": [2],
            "metrics": ["NDCG"],
            "valid_metric": "NDCG@2",
            "use_gpu": False,
        },
    )
    output = folder / "split"
    output.mkdir()
    assert run_experiment(spec, output)["candidates"]["count"] == N_ITEMS


def test_a_log_line_counts_what_is_left_out(
    folder: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run("items", load_col=WITH_ITEMS)
    run("all", load_col=WITH_ITEMS, candidates="catalogue")
    for name, level, words in (
        ("items", logging.INFO, "they are not ranked"),
        ("all", logging.WARNING, "they are ranked all the same"),
    ):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            restore(str(folder / name / "model.pth"), data_path=str(folder / "dataset"))
        (line,) = [r for r in caplog.records if "2 of the 11 items" in r.message]
        assert line.levelno == level
        assert words in line.message


def test_a_saved_data_set_with_other_candidates_is_refused(
    folder: Path, run: Run
) -> None:
    path = folder / "saved-all" / "c-KnowledgeBasedDataset.pth"
    options: dict[str, Any] = {"load_col": WITH_ITEMS, "dataset_save_path": str(path)}
    run("saved-all", candidates="catalogue", save_dataset=True, **options)
    assert path.exists()
    again = run("saved-again", candidates="catalogue", **options)
    assert again["test"] == run("saved-all")["test"]
    with pytest.raises(UserError, match=r"candidates=catalogue, and now .*linked"):
        run("saved-other", **options)


# --- checkpoints --------------------------------------------------------------------


def test_a_checkpoint_of_an_earlier_release_ranks_what_it_ranked(
    folder: Path, run: Run
) -> None:
    run("all", load_col=WITH_ITEMS, candidates="catalogue")
    path = folder / "all" / "model.pth"
    content = vars(load_checkpoint(path))
    options, data = dict(content["options"]), dict(content["data"])
    del options["candidates"], data["candidates"]
    (folder / "earlier").mkdir()
    write_tensors(
        folder / "earlier" / "model.pth",
        {
            "format": "recbole_kgif checkpoint",
            "format_version": 1,
            **content,
            "options": options,
            "data": data,
        },
    )
    assert recommended(folder, "earlier") == recommended(folder, "all")


def test_a_checkpoint_is_refused_with_another_catalogue(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    run("items", load_col=WITH_ITEMS)
    data = tmp_path / "dataset" / "c"
    write_dataset(data)
    path = data / "c.item"
    path.write_text(path.read_text("utf-8").replace(NEW, "newer"), "utf-8")
    with pytest.raises(UserError, match=r"trained with .* items, and the data has"):
        restore(folder / "items" / "model.pth", data_path=tmp_path / "dataset")


def test_other_candidates_are_named() -> None:
    before: dict[str, Any] = {
        "counts": {},
        "ids": {},
        "triples": None,
        "split": "a",
        "candidates": "x",
    }
    require_same_data("x.pth", before, before)
    with pytest.raises(UserError, match=r"x\.pth: trained with other candidates"):
        require_same_data("x.pth", before, {**before, "candidates": "y"})
    del before["candidates"]
    require_same_data("x.pth", before, {**before, "candidates": "y"})


# --- reports ------------------------------------------------------------------------


def test_runs_with_other_candidates_are_not_compared(
    folder: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("items", load_col=WITH_ITEMS)
    run("bpr", model="BPR", load_col=WITH_ITEMS)
    names = [str(folder / name) for name in ("items", "bpr")]
    assert main(["report", *names, f"--output={folder / 'report'}"]) == 2
    message = capsys.readouterr().err
    assert "different candidate items" in message
    assert "9 items ranked" in message and "8 items ranked" in message


def test_runs_of_an_earlier_release_are_compared_by_number(
    folder: Path, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("linked-bpr", model="BPR", load_col=WITH_ITEMS, linked_items_only=True)
    run("items", load_col=WITH_ITEMS)
    run("bpr", model="BPR", load_col=WITH_ITEMS)
    for name in ("linked-bpr", "items", "bpr"):
        record = json.loads((folder / name / "result.json").read_text("utf-8"))
        if name == "items":
            del record["candidates"]
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text(json.dumps(record), "utf-8")
    names = [str(tmp_path / name) for name in ("items", "linked-bpr")]
    assert main(["report", *names, f"--output={tmp_path / 'report'}"]) == 0
    names = [str(tmp_path / name) for name in ("items", "bpr")]
    assert main(["report", *names, f"--output={tmp_path / 'report'}"]) == 2
    assert "different candidate items" in capsys.readouterr().err


def test_a_report_says_how_many_candidates_there_are(
    folder: Path, run: Run, tmp_path: Path
) -> None:
    record = run("items", load_col=WITH_ITEMS)
    assert main(["report", str(folder / "items"), f"--output={tmp_path}"]) == 0
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "The candidates are 9 items" in page
    assert record["candidates"]["hash"] in page


def test_linked_items_of_a_split_without_an_interaction(
    folder: Path, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Pre-split files may link the whole catalogue; RecBole alone fails on them."""
    lines = (folder / "dataset/c/c.inter").read_text("utf-8").splitlines()
    for place, part in enumerate(("train", "valid", "test")):
        rows = [row for number, row in enumerate(lines[1:]) if number % 5 % 3 == place]
        path = folder / f"dataset/c/c.{part}.inter"
        path.write_text("\n".join([lines[0], *rows]) + "\n", "utf-8")
    with caplog.at_level(logging.INFO):
        record = run("pre-split", benchmark_filename=["train", "valid", "test"])
    assert record["candidates"]["count"] == N_ITEMS + 1
    assert record["candidates"]["without_an_interaction"] == 1
    assert recommended(folder, "pre-split") == {NEW}
    assert "1 items of c.link have triples and no interaction" in caplog.text


def test_a_filter_by_interactions_leaves_out_items_without_one(run: Run) -> None:
    record = run("filtered", item_inter_num_interval="[1,inf)")
    assert record["candidates"]["count"] == N_ITEMS
