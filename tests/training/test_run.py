from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif.cli.summary import summarise
from recbole_kgif.errors import UserError
from recbole_kgif.training.fingerprint import split_hash
from recbole_kgif.training.loading import evaluation_cells
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.run_record import write_json
from tests.conftest import TINY_OPTIONS, Loaded, copy_tiny
from tests.specs import spec_of

METRICS = {
    f"{metric}@{k}"
    for metric in ("recall", "ndcg", "mrr", "hit", "precision")
    for k in (2, 3)
}


@pytest.fixture
def run_tiny(data_path: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a model on the tiny data set into a folder of the test's."""

    def run(model: str = "KGIF", folder: str = "run", **options: Any) -> dict[str, Any]:
        output = tmp_path / folder
        output.mkdir()
        options = {**TINY_OPTIONS, "data_path": str(data_path), **options}
        return run_experiment(spec_of(model, "tiny", options), output)

    return run


def test_the_record_holds_all_that_a_table_needs(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    record = run_tiny(epochs=3)
    assert set(record["valid"]) == set(record["test"]) == METRICS
    assert record["model"] == "KGIF"
    assert record["seed"] == 2020
    assert len(record["epochs"]) == 3
    assert record["best_epoch"] in range(3)
    assert record["epochs"][record["best_epoch"]]["valid"] == record["valid"]
    assert record["training_seconds_per_epoch"] > 0
    # The process holds PyTorch, which takes more than 50 MiB and less than 24 GiB.
    assert 50 * 2**20 < record["peak_memory_bytes"] < 24 * 2**30
    assert record["data"] == {
        "users": 4,
        "items": 6,
        "training_interactions": 11,
        "validation_interactions": 3,
        "test_interactions": 4,
        "entities": 14,
        "triples": 16,
        "relations": 4,
    }
    assert {"recbole", "recbole_kgif", "torch", "python"} <= set(record["versions"])
    configuration = record["configuration"]
    assert configuration["embedding_size"] == TINY_OPTIONS["embedding_size"]
    # On pre-split data RecBole neither splits nor filters.
    assert configuration["eval_args"] == {"mode": {"valid": "full", "test": "full"}}
    assert "rm_dup_inter" not in configuration
    written = json.loads((tmp_path / "run/result.json").read_text("utf-8"))
    assert written == json.loads(json.dumps(record))


def test_the_count_of_parameters_is_that_of_the_tables(
    run_tiny: Callable[..., dict[str, Any]],
) -> None:
    record = run_tiny(
        fusion=False, attention="none", walks=False, knowledge_weight=0, epochs=1
    )
    n_nodes = 5 + 15  # users and entities, each with its padding
    assert record["parameters"] == n_nodes * TINY_OPTIONS["embedding_size"] + 7


def test_equal_seeds_give_equal_metrics_and_others_do_not(
    run_tiny: Callable[..., dict[str, Any]],
) -> None:
    def losses(record: dict[str, Any]) -> list[Any]:
        return [epoch["loss"] for epoch in record["epochs"]]

    first, second = run_tiny(folder="first"), run_tiny(folder="second")
    assert losses(first) == losses(second)
    assert [e["valid"] for e in first["epochs"]] == [
        e["valid"] for e in second["epochs"]
    ]
    assert first["test"] == second["test"]
    other = run_tiny(folder="other", seed=7)
    assert losses(other) != losses(first)


def test_another_process_tests_the_checkpoint_alike(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    record = run_tiny()
    code = """
import json, sys
from recbole_kgif.training.restore import restore
from recbole.utils import get_trainer
run = restore("run/model.pth")
config = run.config
trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, run.model)
trainer.eval_collector.data_collect(run.data.train)
print(json.dumps(trainer.evaluate(run.data.test, load_best_model=False)))
"""
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(process.stdout.splitlines()[-1]) == record["test"]


@pytest.mark.parametrize("model", ["BPR", "LightGCN", "CKE", "KGAT"])
def test_models_of_recbole_run_too(
    run_tiny: Callable[..., dict[str, Any]], model: str
) -> None:
    options = {key: TINY_OPTIONS[key] for key in ("embedding_size",)}
    record = run_tiny(model, **options, epochs=1)
    assert set(record["test"]) == METRICS


def test_nothing_is_left_behind_in_the_process_or_outside_the_folder(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    argv, folder = sys.argv, Path.cwd()
    handlers = list(logging.getLogger().handlers)
    before = set(tmp_path.rglob("*"))
    run_tiny()
    assert sys.argv is argv
    assert Path.cwd() == folder
    assert logging.getLogger().handlers == handlers
    new = {path for path in tmp_path.rglob("*") if path not in before}
    assert all(path.is_relative_to(tmp_path / "run") for path in new)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("result.json", "model.pth", "metrics.jsonl"),
        *("log", "log_tensorboard"),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embedding_size": -4}, "KGIF: embedding_size=-4 is not allowed; it must be"),
        (
            {"attention": "kgat"},
            "KGIF: attention='kgat' is not allowed; it must be one",
        ),
        ({"metrics": ["Recal"]}, "configuration: There is no metric named 'Recal'"),
        ({"topk": [0]}, "topk must be whole numbers from 1 on"),
        ({"topk": [7]}, r"topk=\[7\]: data set tiny has only 6 items"),
        ({"learning_rate": 1e38}, "KGIF: Training loss is nan"),
    ],
)
def test_what_recbole_refuses_is_told_in_one_line(
    run_tiny: Callable[..., dict[str, Any]],
    tmp_path: Path,
    options: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        run_tiny(**options)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run/result.json").exists()


@pytest.mark.parametrize(
    ("items_of_each", "part"), [(1, "validation"), (2, "validation")]
)
def test_a_split_that_leaves_a_part_empty_is_refused_before_training(
    tmp_path: Path, items_of_each: int, part: str
) -> None:
    folder = copy_tiny("thin", tmp_path / "data")
    items = ("alien", "brazil", "casino", "dune", "elf")
    lines = [
        f"user{number}\t{item}"
        for number in range(4)
        for item in (items * 2)[number : number + items_of_each]
    ]
    inter = "\n".join(["user_id:token\titem_id:token", *lines, ""])
    (folder / "thin.inter").write_text(inter, "utf-8")
    options = {**TINY_OPTIONS, "data_path": str(folder.parent)}
    del options["benchmark_filename"]
    output = tmp_path / "run"
    output.mkdir()
    with pytest.raises(UserError, match=f"leaves no interaction for {part}"):
        run_experiment(spec_of("KGIF", "thin", options), output)
    assert not (output / "metrics.jsonl").exists()


def test_a_fault_of_a_librarys_keeps_its_traceback(
    run_tiny: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_kgif.model.fast_kgif import KGIF

    def broken(self: KGIF) -> None:
        json.loads("{")

    monkeypatch.setattr(KGIF, "_initialise_parameters", broken)
    with pytest.raises(json.JSONDecodeError):
        run_tiny()


# --- values per user ----------------------------------------------------------------


def test_the_means_over_users_are_those_that_recbole_reports(
    run_tiny: Callable[..., dict[str, Any]],
) -> None:
    record = run_tiny()
    per_user = record["test_per_user"]
    assert sorted(per_user["users"]) == ["bob", "cy", "dee"]
    assert set(per_user["metrics"]) == METRICS
    for name, values in per_user["metrics"].items():
        assert len(values) == 3
        mean = sum(values) / 3
        # Half of RecBole's last digit, and what six digits a user leave out.
        assert abs(mean - record["test"][name]) <= 0.5e-4 + 1e-6
    # dee has two test items and the others one: a hit among two gives dee a half.
    recall = dict(zip(per_user["users"], per_user["metrics"]["recall@3"]))
    hits = dict(zip(per_user["users"], per_user["metrics"]["precision@3"]))
    for user, items in (("bob", 1), ("cy", 1), ("dee", 2)):
        assert recall[user] * items == pytest.approx(hits[user] * 3, abs=1e-5)


def test_metrics_without_values_per_user_are_left_out_of_them(
    run_tiny: Callable[..., dict[str, Any]],
) -> None:
    metrics = ["Recall", "GAUC", "MAP", "NDCG"]
    record = run_tiny("BPR", epochs=1, metrics=metrics)
    assert "gauc" in record["test"]
    assert set(record["test_per_user"]["metrics"]) == {
        f"{name}@{k}" for name in ("recall", "map", "ndcg") for k in (2, 3)
    }


# --- split --------------------------------------------------------------------------


def unsplit_with_an_unlinked_item(data_path: Path) -> dict[str, Any]:
    """Merge the parts of the tiny data set, and unlink an item."""
    folder = data_path / "tiny"
    lines = [
        line
        for part in ("train", "valid", "test")
        for line in (folder / f"tiny.{part}.inter").read_text("utf-8").splitlines()[1:]
    ]
    text = "\n".join(["user_id:token\titem_id:token", *lines]) + "\n"
    (folder / "tiny.inter").write_text(text, "utf-8")
    links = (folder / "tiny.link").read_text("utf-8")
    assert "brazil\tm_brazil\n" in links
    (folder / "tiny.link").write_text(links.replace("brazil\tm_brazil\n", ""), "utf-8")
    return {
        "benchmark_filename": None,
        "load_col": {
            "inter": ["user_id", "item_id"],
            "kg": ["head_id", "relation_id", "tail_id"],
            "link": ["item_id", "entity_id"],
        },
        "eval_args": {
            "split": {"RS": [0.5, 0.25, 0.25]},
            "group_by": "user",
            "order": "RO",
            "mode": "full",
        },
        "epochs": 1,
    }


def test_general_models_can_be_given_the_interactions_of_knowledge_aware_ones(
    run_tiny: Callable[..., dict[str, Any]], data_path: Path
) -> None:
    options = unsplit_with_an_unlinked_item(data_path)
    aware = run_tiny("KGIF", "aware", **options)
    stock = run_tiny("BPR", "stock", **options)
    alike = {}
    for model in ("BPR", "LightGCN"):
        output = data_path.parent / model
        output.mkdir()
        every = {**TINY_OPTIONS, "data_path": str(data_path), **options}
        spec = spec_of(model, "tiny", every, linked_items_only=True)
        alike[model] = run_experiment(spec, output)
    # RecBole itself shows BPR the item that KGIF never sees.
    assert stock["data"]["items"] == 6
    assert stock["split_hash"] != aware["split_hash"]
    for record in alike.values():
        assert record["data"] == aware["data"]
        assert record["data"]["items"] == 5
        assert record["split_hash"] == aware["split_hash"]
        assert record["linked_items_only"]
        assert set(record["test_per_user"]["users"]) == set(
            aware["test_per_user"]["users"]
        )


def test_a_split_seed_fixes_the_split_alone(
    run_tiny: Callable[..., dict[str, Any]], data_path: Path
) -> None:
    options = unsplit_with_an_unlinked_item(data_path)

    def run(seed: int, split_seed: int | None) -> dict[str, Any]:
        output = data_path.parent / f"{seed}-{split_seed}"
        output.mkdir()
        options_of_run = {
            **TINY_OPTIONS,
            "data_path": str(data_path),
            "seed": seed,
            **options,
        }
        spec = spec_of("BPR", "tiny", options_of_run, split_seed=split_seed)
        return run_experiment(spec, output)

    usual, other = run(2020, None), run(7, None)
    assert (usual["split_seed"], other["split_seed"]) == (2020, 7)
    assert usual["split_hash"] != other["split_hash"]
    fixed, explicit = run(7, 2020), run(2020, 2020)
    assert fixed["split_hash"] == usual["split_hash"] == explicit["split_hash"]
    losses = [record["epochs"][0]["loss"] for record in (usual, explicit, fixed)]
    assert losses[0] == losses[1] != losses[2]


def test_a_saved_data_set_is_found_from_the_current_folder(
    run_tiny: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_tiny(folder="saving", save_dataset=True, epochs=1)
    (saved,) = (tmp_path / "saving").glob("tiny-*Dataset.pth")
    monkeypatch.chdir(tmp_path)
    loaded: list[Path] = []
    load = pickle.load

    def noting(file: Any, *arguments: Any) -> Any:
        loaded.append(Path(file.name))
        return load(file, *arguments)

    monkeypatch.setattr(pickle, "load", noting)
    relative = str(saved.relative_to(tmp_path))
    run_tiny(folder="loading", dataset_save_path=relative, epochs=1)
    assert loaded == [saved]


# --- split hash ---------------------------------------------------------------------


def hash_of(loaded: Loaded) -> str:
    return split_hash(loaded.train_data, loaded.valid_data, loaded.test_data)


def test_the_split_hash_is_equal_for_models_that_number_items_otherwise(
    load_tiny: Callable[..., Loaded],
) -> None:
    assert hash_of(load_tiny("KGIF")) == hash_of(load_tiny("BPR"))


def test_the_split_hash_ignores_order_and_sees_every_change(
    load_tiny: Callable[..., Loaded], data_path: Path
) -> None:
    first = hash_of(load_tiny())
    train, test = (data_path / f"tiny/tiny.{part}.inter" for part in ("train", "test"))
    header, *lines = train.read_text("utf-8").splitlines()
    train.write_text("\n".join([header, *reversed(lines)]) + "\n", "utf-8")
    assert hash_of(load_tiny()) == first

    moved, *rest = lines
    train.write_text("\n".join([header, *rest]) + "\n", "utf-8")
    test.write_text(test.read_text("utf-8") + moved + "\n", "utf-8")
    assert hash_of(load_tiny()) != first


# --- files --------------------------------------------------------------------------


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text("utf-8")) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_value_a_user_takes_no_line_each(tmp_path: Path) -> None:
    value = {"a": {"b": [1.5, 2]}, "c": [{"d": [1]}, {"d": (2, 3)}], "e": [], "f": {}}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == json.loads(json.dumps(value))
    assert '    "b": [1.5, 2]\n' in text
    assert '    {"d": [1]},\n    {"d": [2, 3]}\n' in text


# --- summary ------------------------------------------------------------------------


def test_the_summary_tells_every_figure_of_the_record(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    record = run_tiny()
    text = summarise(record, tmp_path / "run")
    last = text.splitlines()[-1]
    for name, title in (
        ("recall@2", "Recall@2"),
        ("ndcg@3", "NDCG@3"),
        ("mrr@3", "MRR@3"),
    ):
        row = next(line for line in text.splitlines() if line.strip().startswith(title))
        assert [float(n) for n in row.split()[1:]] == [
            pytest.approx(record[part][name], abs=1e-4) for part in ("valid", "test")
        ]
        assert f"{title} {record['valid'][name]:.4f}" in last
        assert f"{title} {record['test'][name]:.4f}" in last
    for figure in (
        f"{record['parameters']:,} parameters",
        f"{record['training_seconds_per_epoch']:.2f} s/epoch training",
        "MiB peak memory",
        "seed 2020",
        record["split_hash"],
        f"torch {record['versions']['torch']}",
    ):
        assert figure in last
    assert str(tmp_path / "run") in text


def test_data_sets_of_another_split_give_another_hash(
    run_tiny: Callable[..., dict[str, Any]], data_path: Path
) -> None:
    shutil.copy(data_path / "tiny/tiny.valid.inter", data_path / "tiny/tiny.test.inter")
    changed = run_tiny(folder="changed")
    assert changed["data"]["test_interactions"] == 3


@pytest.mark.parametrize(
    ("model", "cells"),
    [("KGIF", 2**22), ("KGAT", 2**22), ("BPR", 2**22), ("MKR", 2**16), ("KGCN", 2**16)],
)
def test_evaluation_batches_fit_what_a_model_holds_at_once(
    model: str, cells: int
) -> None:
    from recbole.utils import get_model

    assert evaluation_cells(get_model(model)) == cells
