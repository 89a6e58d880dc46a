from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet
from safetensors.numpy import load_file

from recbole_kgif.cli import main
from recbole_kgif.data.textfiles import file_sha256
from recbole_kgif.errors import UserError
from recbole_kgif.recommend import Recommender
from recbole_kgif.serving.export_files import (
    MANIFEST,
    TABLES,
    TENSORS,
    new_export,
)
from recbole_kgif.serving.exported_model import ExportedModel
from recbole_kgif.serving.exporting import export_model
from tests.docs.page_parser import CHECKOUT, PYTHON, blocks_of
from tests.serving.conftest import Exported

# --- scores -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trained", "extended"])
def test_lists_are_those_of_recommend(name: str, exports: dict[str, Exported]) -> None:
    of_export = exports[name].model.recommend(k=20)
    of_model = Recommender(exports[name].fitted._restored).recommend(k=20)
    pd.testing.assert_frame_equal(of_export, of_model, rtol=1e-12)


@pytest.mark.parametrize("name", ["trained", "extended"])
def test_scores_are_those_of_the_model_in_single_precision(
    name: str, exports: dict[str, Exported]
) -> None:
    import torch

    exported, restored = exports[name].model, exports[name].fitted._restored
    with torch.no_grad():
        users = torch.arange(1, len(exported.user_ids) + 1)
        wanted = restored.model._scores(users)[:, 1:].numpy()
    rows = np.arange(len(users))
    askers = exported.users.askers(rows, len(exported.item_ids))
    np.testing.assert_allclose(exported.items.scores(askers), wanted, atol=2e-5)
    # New items are scored in another way than known ones.
    has_new_items = name == "extended"
    assert exported.items.is_new.any() == has_new_items
    assert (exported.items.regression is not None) == has_new_items


def test_similar_items_are_those_of_the_model(exported: Exported) -> None:
    for row, item in enumerate(exported.model.item_ids):
        rows, cosines = exported.model.similar_items(row, 3)
        wanted = exported.fitted.similar_items(item, k=3)
        assert [exported.model.item_ids[each] for each in rows] == [*wanted["item_id"]]
        np.testing.assert_allclose(cosines, wanted["cosine"], atol=1e-6)


def test_a_list_of_items_is_scored_as_a_user_of_the_graph(exported: Exported) -> None:
    # The model's own answer changes the degrees of the listed items as well.
    items = ["left_alien", "left_dune"]
    rows = [exported.model.row("item", item) for item in items]
    found, scores = exported.model.best_of(exported.model.visitor(rows), 20)
    recommender = Recommender(exported.fitted._restored)
    wanted = recommender.recommend_from_items(items, k=20)
    ids = [exported.model.item_ids[row] for row in found]
    assert set(ids) == set(wanted["item_id"])
    by_id = dict(zip(wanted["item_id"], wanted["score"]))
    correlation = np.corrcoef(scores, [by_id[item] for item in ids])[0, 1]
    assert correlation > 0.95


def test_a_user_of_the_same_items_without_a_vector_scores_like_a_visitor(
    exported: Exported,
) -> None:
    model = exported.model
    user = next(row for row in range(len(model.user_ids)) if model.has_history(row))
    asker = model.user(user)
    items = asker.scored.history.indices
    visitor = model.visitor(items.tolist())
    by_weight = asker.weights @ model.tensors["item_contribution"][items]
    of_visitor = visitor.scored.vectors[0]
    cosine = by_weight @ of_visitor
    cosine /= np.linalg.norm(by_weight) * np.linalg.norm(of_visitor)
    assert cosine > 0.99


# --- reasons ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trained", "extended"])
def test_reasons_add_up_to_the_score(name: str, exports: dict[str, Exported]) -> None:
    model = exports[name].model
    every = range(len(model.item_ids))
    askers = [model.user(row) for row in range(len(model.user_ids))]
    for asker in [*askers, model.visitor([0, 3])]:
        scores = model.items.scores(asker.scored)[0]
        np.testing.assert_allclose(model.parts(asker, every).total, scores, atol=1e-12)


def test_the_parts_of_interactions_are_those_of_explain(exported: Exported) -> None:
    model = exported.model
    user, item = "left_ann", "left_casino"
    explanation = exported.fitted.explain(user, item, paths=0)
    parts = model.parts(model.user(model.row("user", user)), [model.row("item", item)])
    found = {
        model.item_ids[row]: value
        for row, value in zip(parts.chosen, parts.of_chosen[:, 0])
    }
    wanted = {reason.item.id: reason.value for reason in explanation.reasons}
    assert wanted.keys() == {k for k, value in found.items() if abs(value) > 1e-9}
    for each, value in wanted.items():
        assert found[each] == pytest.approx(value, abs=1e-5)


# --- files --------------------------------------------------------------------------


def test_the_manifest_describes_every_file(exported: Exported) -> None:
    folder = exported.folder
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    assert {path.name for path in folder.iterdir()} == {*manifest["files"], MANIFEST}
    for name, described in manifest["files"].items():
        assert described["sha256"] == file_sha256(folder / name)
    tensors = load_file(folder / TENSORS)
    assert {
        name: {"shape": list(array.shape), "dtype": str(array.dtype)}
        for name, array in tensors.items()
    } == manifest["tensors"]
    assert manifest["data"] == exported.fitted._restored.data.fingerprint
    assert (folder / TENSORS).stat().st_mode & 0o777 == (
        folder / MANIFEST
    ).stat().st_mode & 0o777


def test_the_tables_have_the_rows_of_the_tensors(exported: Exported) -> None:
    tensors = load_file(exported.folder / TENSORS)
    tables = {n: parquet.read_table(exported.folder / n).to_pandas() for n in TABLES}
    items, users = tables["items.parquet"], tables["users.parquet"]
    assert np.array_equal(np.stack(items["vector"]), tensors["item_vectors"])
    assert np.array_equal(np.stack(users["vector"]), tensors["user_vectors"])
    assert np.array_equal(items["bias"], tensors["item_bias"])
    assert users["n_interactions"].sum() == items["n_interactions"].sum()
    assert (items["n_interactions"] == 0).tolist() == items["is_new"].tolist()
    wanted = exported.fitted.embeddings("entities")
    entities = tables["entities.parquet"].set_index("entity_id")["vector"]
    wanted = wanted.loc[entities.index]
    np.testing.assert_allclose(np.stack(entities), wanted, atol=1e-6)
    assert len(tables["neighbours.parquet"]) == tensors["walk_column"].max() + 1


@pytest.mark.parametrize("name", [*TABLES, TENSORS])
@pytest.mark.parametrize("harm", ["changed", "cut", "missing"])
def test_a_damaged_export_is_refused(
    name: str, harm: str, exported: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported.folder, folder)
    content = bytearray((folder / name).read_bytes())
    if harm == "missing":
        (folder / name).unlink()
    else:
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content[: -1 if harm == "cut" else None])
    with pytest.raises(UserError, match=f"{name}: .*export the model again"):
        ExportedModel(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "else"}, "not the manifest"),
        ({"format_version": 2}, "version 2"),
        ({"files": {}}, "lists no entities.parquet"),
        ({"files": None}, "lists no entities.parquet"),
        ({"score": {}}, "describes no score"),
    ],
)
def test_another_manifest_is_refused(
    change: dict[str, Any], message: str, exported: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    shutil.copytree(exported.folder, folder)
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    (folder / MANIFEST).write_text(json.dumps({**manifest, **change}), "utf-8")
    with pytest.raises(UserError, match=message):
        ExportedModel(folder)


def test_an_export_replaces_an_earlier_one_or_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    for content in ("first", "second"):
        with new_export(folder) as hidden:
            (hidden / MANIFEST).write_text(content, "utf-8")
        assert (folder / MANIFEST).read_text("utf-8") == content
    with pytest.raises(ValueError), new_export(folder) as hidden:
        (hidden / MANIFEST).write_text("third", "utf-8")
        raise ValueError
    assert (folder / MANIFEST).read_text("utf-8") == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    (tmp_path / "file").touch()
    for name in ("notes", "file"):
        with (
            pytest.raises(UserError, match=f"--output .*{name}"),
            new_export(tmp_path / name),
        ):
            pass


def test_an_export_that_was_moved_away_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    # The process was killed between its two renamings; no process has this number.
    former = tmp_path / ".export.999999999.replaced"
    former.mkdir()
    (former / MANIFEST).write_text("former", "utf-8")
    with pytest.raises(ValueError), new_export(folder):
        raise ValueError
    assert (folder / MANIFEST).read_text("utf-8") == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


_KILLED = """
import os, sys
from pathlib import Path
from recbole_kgif.serving.export_files import new_export
with new_export(Path(sys.argv[1])) as hidden:
    (hidden / "half").write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_killed_export_leaves_nothing_that_counts(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    process = subprocess.run(
        [sys.executable, "-c", _KILLED, str(folder)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    assert process.returncode == -9
    assert not folder.exists() and len(list(tmp_path.iterdir())) == 1
    with new_export(folder) as hidden:
        (hidden / MANIFEST).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


# --- precision ----------------------------------------------------------------------


def test_a_lower_precision_says_what_it_changes(
    exported: Exported, tmp_path: Path
) -> None:
    folder = tmp_path / "half"
    loss = export_model(exported.fitted._restored, folder, "float16")
    assert loss is not None and 0 < loss.largest_difference < 0.05
    model = ExportedModel(folder)
    assert model.tensors["item_vectors"].dtype == np.float16
    assert model.manifest["loss"]["largest_difference"] == loss.largest_difference
    exact, half = (m.recommend(k=20) for m in (exported.model, model))
    scores = [f.set_index(["user_id", "item_id"])["score"] for f in (exact, half)]
    differences = (scores[0] - scores[1]).abs()
    assert differences.max() == pytest.approx(loss.largest_difference)
    same = (exact["item_id"] == half["item_id"]).groupby(exact["user_id"]).all()
    assert same.mean() == loss.same_lists


# --- the command --------------------------------------------------------------------


def test_the_command_writes_the_same_export(
    checkpoint: list[str],
    exported: Exported,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "new" / "export"
    output = [f"--output={folder}", "--precision=float32"]
    assert main(["export", *checkpoint, *output]) == 0
    report, named = capsys.readouterr().out.splitlines()
    assert report.startswith("float32: of ") and named == str(folder)
    pd.testing.assert_frame_equal(
        ExportedModel(folder).recommend(), exported.model.recommend(), rtol=1e-4
    )


def test_a_folder_with_other_files_is_left_alone(
    checkpoint: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    assert main(["export", *checkpoint, f"--output={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: --output {tmp_path}: holds other files")
    assert (tmp_path / "mine.txt").read_text("utf-8") == "mine"


def test_other_models_are_refused(tmp_path: Path, load: Any) -> None:
    from recbole_kgif.training.loading import make_model

    config, data = load("BPR")
    trained: Any = SimpleNamespace(
        config=config, data=data, model=make_model(config, data), folder=tmp_path
    )
    with pytest.raises(UserError, match="BPR cannot be exported"):
        export_model(trained, tmp_path / "export")


# --- the page -----------------------------------------------------------------------


def test_the_page_rebuilds_a_score(
    exports: dict[str, Exported], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (block,) = (b for b in blocks_of(CHECKOUT / "docs/export.md") if b.kind == PYTHON)
    for_known_items, _, _ = block.text.partition("# The scores of new items")
    assert len([line for line in for_known_items.splitlines() if line.strip()]) == 20
    for name, exported in exports.items():
        model = exported.model
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        shutil.copytree(exported.folder, place / "export")
        for row in range(len(model.user_ids)):
            text = block.text.replace("user = 0", f"user = {row}")
            found: dict[str, Any] = {}
            exec(compile(text, "export.md", "exec"), found)
            wanted = model.items.scores(model.user(row).scored)[0]
            np.testing.assert_allclose(found["score"], wanted, atol=1e-12)
