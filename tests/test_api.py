"""The Python interface, beside the commands on files with the same rows."""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pandas as pd
import pytest

import recbole_kgif as rk
from recbole_kgif.cli import main
from recbole_kgif.data.data_frames import write_frames
from tests.conftest import TINY_FOLDER, TINY_OPTIONS, copy_tiny
from tests.docs.page_commands import shortened_python
from tests.docs.page_parser import CHECKOUT, PYTHON, blocks_of

EXAMPLE = CHECKOUT / "docs" / "example"
PARTS = ("train", "valid", "test")
# Of the tiny data set; `state` shows the warnings of RecBole's log alone.
TINY = {
    name: value
    for name, value in TINY_OPTIONS.items()
    if name not in ("benchmark_filename", "show_progress", "state")
}
RECIPES: dict[str, Any] = {"epochs": 2, "embedding_size": 8, "use_gpu": False}
COMMAND = ["--epochs=2", "--embedding_size=8", "--use_gpu=False"]


def tiny(suffix: str) -> pd.DataFrame:
    frame = pd.read_csv(TINY_FOLDER / f"tiny.{suffix}", sep="\t")
    return frame.rename(columns=lambda name: name.split(":")[0])


def tiny_frames() -> dict[str, Any]:
    parts = {part: tiny(f"{part}.inter") for part in PARTS}
    return {"interactions": parts, "triples": tiny("kg"), "links": tiny("link")}


def recipes() -> dict[str, pd.DataFrame]:
    """The tutorial's data, as frames; a recipe is the entity of the same id."""
    ratings = pd.read_csv(EXAMPLE / "ratings.csv")
    ratings.columns = pd.Index(["user_id", "item_id", *ratings.columns[2:]])
    graph = pd.read_csv(EXAMPLE / "graph.csv")
    graph.columns = pd.Index(["head_id", "relation_id", "tail_id"])
    names = pd.read_csv(EXAMPLE / "recipes.csv")
    names.columns = pd.Index(["item_id", "name"])
    used = ratings[ratings["item_id"].isin(graph["head_id"])]
    return {
        "interactions": used[["user_id", "item_id"]],
        "triples": graph,
        "names": names,
    }


@pytest.fixture(scope="module")
def model(workplace: Path) -> Iterator[rk.FittedModel]:
    """A model of the tiny data set, as data frames."""
    names = [
        pd.DataFrame({"item_id": ["alien", "dune"], "name": ["Alien", "<Dune>"]}),
        pd.DataFrame({"entity_id": ["scott"], "name": ["Ridley Scott"]}),
    ]
    yield rk.fit(**tiny_frames(), names=names, options=TINY)


# --- the same results as the commands -----------------------------------------------


@pytest.mark.parametrize("is_split", [True, False])
def test_frames_give_the_results_of_the_command_on_the_same_rows(
    is_split: bool, in_tmp_path: Path
) -> None:
    frames = tiny_frames() if is_split else recipes()
    options = TINY if is_split else RECIPES
    folder = in_tmp_path / "dataset" / "same"
    folder.mkdir(parents=True)
    write_frames(folder, **frames)
    arguments = [f"--{name}={json.dumps(value)}" for name, value in options.items()]
    assert main(["--dataset=same", "--output=run", "--seed=7", *arguments]) == 0
    expected = json.loads(Path("run/result.json").read_text("utf-8"))

    record = rk.fit(**frames, seed=7, options=options).record
    for name in ("valid", "test", "test_per_user", "split_hash", "best_epoch"):
        assert record[name] == expected[name], name
    losses = [list(epoch["loss"]) for epoch in record["epochs"]]
    assert losses == [epoch["loss"] for epoch in expected["epochs"]]


def test_the_name_of_a_data_set_gives_the_results_of_the_command(
    data_path: Path, in_tmp_path: Path
) -> None:
    arguments = [f"--{name}={json.dumps(value)}" for name, value in TINY.items()]
    assert main(["--dataset=tiny", "--output=run", *arguments]) == 0
    trained = rk.fit("tiny", **TINY)
    expected = json.loads(Path("run/result.json").read_text("utf-8"))
    assert trained.record["test"] == expected["test"]
    pd.testing.assert_frame_equal(trained.metrics, rk.load("run").metrics)


def test_ids_of_any_form_are_those_of_the_texts(in_tmp_path: Path) -> None:
    folder = in_tmp_path / "ids"
    folder.mkdir()
    times = pd.to_datetime(
        ["1970-01-02", "1970-01-01T00:00:01", "1970-01-01"], format="ISO8601"
    )
    ids = pd.DataFrame({"user_id": [3, 1, 3], "item_id": [7.0, 8.0, 8.0]})
    triples = pd.DataFrame(
        {"head_id": [7, 8], "relation_id": ["a b"] * 2, "tail_id": 9}
    )
    write_frames(folder, ids.assign(timestamp=times, rating=5), triples)
    assert (folder / "ids.inter").read_text("utf-8").splitlines() == [
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        *("3\t7\t5.0\t86400.0", "1\t8\t5.0\t1.0", "3\t8\t5.0\t0.0"),
    ]
    assert (folder / "ids.link").read_text("utf-8").splitlines()[1:] == ["7\t7", "8\t8"]


# --- the trained model --------------------------------------------------------------


def test_metrics_are_a_frame(model: rk.FittedModel) -> None:
    assert list(model.metrics.columns) == ["validation", "test"]
    assert model.metrics.loc["NDCG@3", "test"] == model.record["test"]["ndcg@3"]


def test_an_evaluation_of_the_test_is_the_test(model: rk.FittedModel) -> None:
    test = tiny("test.inter")
    pd.testing.assert_series_equal(
        model.evaluate(test.sample(frac=1, random_state=1))["value"],
        model.metrics["test"],
        check_names=False,
    )
    # Known interactions are left out.
    with_known = pd.concat([tiny("train.inter"), test])
    pd.testing.assert_frame_equal(model.evaluate(with_known), model.evaluate(test))


@pytest.mark.parametrize("item", ["casino", "fargo"])
def test_an_evaluation_by_hand(item: str, model: rk.FittedModel) -> None:
    # Ann has neither in her training and validation, so both are ranked.
    rank = model.explain("ann", item).rank
    assert rank is not None
    values = model.evaluate(pd.DataFrame({"user_id": ["ann"], "item_id": [item]}))
    for k in (2, 3):
        found = rank <= k
        assert values.loc[f"Hit@{k}", "value"] == found
        ndcg = found / np.log2(rank + 1)
        assert values.loc[f"NDCG@{k}", "value"] == pytest.approx(ndcg, abs=5e-5)


def test_an_evaluation_refuses_what_is_unknown_in_one_message(
    model: rk.FittedModel,
) -> None:
    new = pd.DataFrame({"user_id": ["ann", "zoe", 5], "item_id": ["dune", "e", "f"]})
    with pytest.raises(rk.UserError) as refusal:
        model.evaluate(new)
    assert "2 of the users ('zoe', '5') and 2 of the items ('e', 'f')" in str(
        refusal.value
    )
    with pytest.raises(rk.UserError, match="all are in the training or the valid"):
        model.evaluate(tiny("train.inter"))
    with pytest.raises(rk.UserError, match="none of its columns 'user_id' is item_id"):
        model.evaluate(new[["user_id"]])


def test_recommendations(model: rk.FittedModel) -> None:
    one = model.recommend("ann", k=2)
    pd.testing.assert_frame_equal(one, model.recommend(["ann"], k=2))
    assert list(one["user_id"]) == ["ann", "ann"]
    assert set(model.recommend()["user_id"]) == set(model.users)
    with pytest.raises(rk.UserError, match="user '5' is not in"):
        model.recommend(5)


def test_similar_items_are_those_of_the_embeddings(model: rk.FittedModel) -> None:
    similar = model.similar_items("alien", k=3)
    vectors = model.embeddings("items")
    unit = vectors.div(np.sqrt((vectors**2).sum(axis=1)), axis=0)
    cosines = (unit @ unit.loc["alien"]).drop("alien").nlargest(3)
    assert list(similar["item_id"]) == list(cosines.index)
    np.testing.assert_allclose(similar["cosine"], cosines, rtol=1e-4)
    assert set(similar["name"]) <= {"<Dune>", ""}


def test_embeddings(model: rk.FittedModel) -> None:
    assert list(model.embeddings("users").index) == model.users
    items = model.embeddings("items")
    assert list(items.index) == model.items
    entities = model.embeddings("entities")
    assert {"m_alien", "scott"} <= set(entities.index)
    np.testing.assert_allclose(
        entities.loc[[f"m_{item}" for item in model.items]], items, rtol=1e-5
    )
    with pytest.raises(rk.UserError, match="did you mean items"):
        model.embeddings("item")


def test_attention(model: rk.FittedModel) -> None:
    table = model.attention()
    assert {"head", "relation", "tail", "weight"} <= set(table.columns)
    facts = table[~table["inverse"]]
    history = facts[facts["relation"] == "interaction"]
    pairs = set(zip(history["head"], history["tail"]))
    train = tiny("train.inter")
    assert pairs == set(zip(train["user_id"], train["item_id"]))
    directed = facts[facts["relation"] == "directed_by"]
    assert set(directed["head_kind"]) == {"item"}
    hop = model.explain("dee", "elf").paths[0].hops[0]
    (weight,) = table[(table["head"] == "dee") & (table["tail"] == hop.target.id)][
        "weight"
    ]
    assert weight == pytest.approx(hop.attention)


def test_an_explanation_shows_itself(model: rk.FittedModel) -> None:
    explanation = model.explain("ann", "elf")
    assert str(explanation).startswith("item elf (genre comedy) for user ann: score ")
    page = explanation._repr_html_()
    assert page.startswith('<iframe sandbox=""')
    assert page.count("<") == 2
    assert "Alien" in page
    assert "<Dune>" not in page
    assert "NDCG@3" in model._repr_html_()
    assert repr(model) == "KGIF on dataframes: 4 users, 6 items"


def test_a_saved_model_has_its_data_with_it(
    model: rk.FittedModel, in_tmp_path: Path
) -> None:
    model.save("a/saved")
    loaded = rk.load("a/saved")
    pd.testing.assert_frame_equal(loaded.metrics, model.metrics)
    pd.testing.assert_frame_equal(loaded.recommend(), model.recommend())
    assert loaded.explain("ann", "elf") == model.explain("ann", "elf")
    loaded.save("again")
    again = rk.load(Path("again/model.pth"))
    pd.testing.assert_frame_equal(again.attention(), model.attention())
    with pytest.raises(rk.UserError, match="saved: exists and is not an empty folder"):
        model.save("a/saved")
    with pytest.raises(rk.UserError, match="none does not exist; give the folder"):
        rk.load("none")


def test_a_saved_model_finds_a_named_data_set(
    in_tmp_path: Path, data_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = rk.fit("tiny", **TINY)
    trained.save("saved")
    assert sorted(os.listdir("saved")) == ["model.pth", "result.json"]
    saved = Path("saved").resolve()
    elsewhere = in_tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert rk.load(saved).users == trained.users
    (saved / "result.json").unlink()
    assert rk.load(saved, data_path=data_path).users == trained.users
    with pytest.raises(rk.UserError, match=r"there is no result\.json"):
        _ = rk.load(saved, data_path=data_path).metrics


def test_other_models_are_trained_and_refuse_what_they_cannot(
    in_tmp_path: Path,
) -> None:
    interactions = tiny_frames()["interactions"]
    options = {**TINY, "epochs": 1}
    trained = rk.fit(interactions, model="BPR", options=options)
    assert len(trained.recommend("ann", k=1)) == 1
    assert len(trained.evaluate(interactions["test"])) == len(trained.metrics)
    for call in (
        trained.embeddings,
        trained.attention,
        lambda: trained.similar_items("alien"),
        lambda: trained.explain("ann", "elf"),
    ):
        with pytest.raises(rk.UserError, match="BPR"):
            call()


# --- the pages ----------------------------------------------------------------------


def test_the_page_runs(workplace: Path) -> None:
    shutil.copytree(EXAMPLE, workplace / "docs/example")
    blocks = [b for b in blocks_of(CHECKOUT / "docs/python.md") if b.kind == PYTHON]
    assert len(blocks) == 2
    for block in blocks:
        text = shortened_python(block)
        exec(compile(text, f"{block.page}:{block.line}", "exec"), {})
    assert sorted(os.listdir(workplace)) == ["docs", "models"]


@pytest.mark.slow
def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(EXAMPLE / "recipes.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace("epochs=50", "epochs=2")
    before = sorted(os.listdir(EXAMPLE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(CHECKOUT))
        client = nbclient.NotebookClient(
            notebook, timeout=300, resources={"metadata": {"path": str(EXAMPLE)}}
        )
        client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    shown = [out["data"] for out in outputs if "data" in out]
    assert any("<iframe sandbox" in data.get("text/html", "") for data in shown)
    assert sorted(os.listdir(EXAMPLE)) == before


def test_attention_of_kgat(in_tmp_path: Path) -> None:
    trained = rk.fit(**changed(model="KGAT", epochs=1))
    table = trained.attention()
    path = trained.explain("ann", "elf").paths[0]
    hop = path.hops[0]
    row = table[(table["head"] == "ann") & (table["tail"] == hop.target.id)]
    assert row["weight"].item() == pytest.approx(hop.attention)


# --- mistakes -----------------------------------------------------------------------


def changed(**changes: Any) -> dict[str, Any]:
    return {**tiny_frames(), "options": TINY, **changes}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (changed(epoch=3), "epoch=3: unknown option epoch; did you mean epochs"),
        (changed(epochs="many"), "epochs=many: epochs must be a number"),
        (changed(seed=-1), "seed=-1: seed must be at least 0"),
        (changed(model="KGIFF"), "KGIFF: no such model; did you mean KGIF"),
        (changed(protocol="kgat"), "protocol='kgat': "),
        (changed(triples=None), "triples is missing, and KGIF learns from them"),
        (changed(interactions=[1]), "interactions: is a list; give a pandas data fra"),
        (changed(interactions={"a": 1}), "interactions: has the parts 'a'; give train"),
        (changed(interactions="tinny"), "names a data set, which has triples, links"),
        ({"interactions": "tinny"}, "the data set 'tinny' is unknown"),
        (changed(triples=tiny("kg")[:0]), "triples: has no row; fill it"),
        (
            changed(triples=tiny("kg").rename(columns={"head_id": "head"})),
            "triples: none of its columns 'head, relation_id, tail_id' is head_id",
        ),
        (
            changed(links=tiny("link").replace("alien", "ali\ten")),
            "links.iloc[0]: item_id 'ali\\ten' holds a tab or a line break",
        ),
        (
            changed(links=tiny("link").replace("alien", None)),
            "links.iloc[0]: item_id is missing; fill it",
        ),
        (
            changed(links=tiny("link")[1:]),
            "interactions['train'].iloc[0]: item 'alien' is not in links; this",
        ),
        (
            changed(links=pd.concat([tiny("link"), tiny("link")[:1]])),
            "links.iloc[6]: item 'alien' is linked a second time, after row 0",
        ),
        (changed(links=None), "links is missing: no item has the id of an entity"),
        (
            changed(interactions=tiny("train.inter").assign(rating="good")),
            "interactions.iloc[0]: rating 'good' is not a finite number",
        ),
        (
            changed(interactions=tiny("train.inter"), links=tiny("link")[1:]),
            "concerns 1 items with 2 interactions; unlinked_items='drop' leaves them",
        ),
        (changed(topk=[2, 30]), "valid_metric=NDCG@3: is not computed with"),
        (changed(topk=[3, 30]), "has only 6 items; give smaller ones, such as topk=[1"),
        (
            changed(names=pd.DataFrame({"name": ["a"]})),
            "names: its columns 'name' name 0 of user_id, item_id, entity_id",
        ),
    ],
)
def test_a_mistake_is_a_user_error(
    arguments: dict[str, Any], message: str, in_tmp_path: Path
) -> None:
    with pytest.raises(rk.UserError) as refusal:
        rk.fit(**arguments)
    assert message in str(refusal.value)
    assert "recbole_kgif-" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert os.listdir(in_tmp_path) == []


def test_an_option_without_effect_is_warned_of(in_tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="train_kg_step") as caught:
        rk.fit(**changed(train_kg_step=2, epochs=1))
    assert {Path(w.filename).name for w in caught if "kg_step" in str(w.message)} == {
        Path(__file__).name
    }


# --- quiet, cheap and without a trace -----------------------------------------------


def test_nothing_is_left_or_printed(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = in_tmp_path / "temporary"
    empty = in_tmp_path / "empty"
    temporary.mkdir()
    empty.mkdir()
    code = """
import sys
import pandas as pd
import recbole_kgif as rk
from tests.test_api import TINY, tiny_frames
streams = sys.stdout, sys.stderr
model = rk.fit(**tiny_frames(), options=TINY)
model.evaluate(tiny_frames()["interactions"]["test"])
model.explain("ann", "elf")
assert (sys.stdout, sys.stderr) == streams
"""
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(temporary)}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ended.stderr == ""
    assert os.listdir(empty) == os.listdir(temporary) == []


def test_the_data_go_with_the_model(in_tmp_path: Path) -> None:
    trained = rk.fit(**changed(epochs=1))
    folder = trained._restored.folder
    assert folder.is_dir()
    del trained
    gc.collect()
    assert not folder.exists()


def test_an_interrupted_training_leaves_nothing(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_kgif.training import run

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load_data", interrupt)
    monkeypatch.setattr(tempfile, "tempdir", str(in_tmp_path))
    with pytest.raises(KeyboardInterrupt):
        rk.fit(**changed())
    assert os.listdir(in_tmp_path) == []
    assert Path.cwd() == in_tmp_path


@pytest.mark.parametrize("verbose", [True, False, None])
def test_progress_is_shown_when_it_is_asked_for(
    verbose: Optional[bool], in_tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before, root.handlers = root.handlers, []  # else RecBole adds none
    try:
        rk.fit(**changed(epochs=1, verbose=verbose))
    finally:
        root.handlers = before
    shown = capfd.readouterr()
    assert ("epoch 0 training" in shown.err) == bool(verbose)
    assert bool(shown.out + shown.err) == bool(verbose)


def test_the_names_of_the_package() -> None:
    assert set(rk.__all__) <= set(dir(rk))
    for name in rk.__all__:
        assert getattr(rk, name) is not None
        assert getattr(rk, name).__doc__


# --- RecBole's own entry point ------------------------------------------------------


def test_run_recbole_takes_prepared_data_as_the_command_does(
    in_tmp_path: Path,
) -> None:
    from recbole.quick_start import run_recbole

    files = [
        f"--interactions={EXAMPLE / 'ratings.csv'}",
        f"--triples={EXAMPLE / 'graph.csv'}",
        *("--user-column=cook", "--item-column=recipe"),
    ]
    assert main(["prepare", "--name=recipes", *files]) == 0
    assert main(["--dataset=recipes", "--output=run", *COMMAND]) == 0
    expected = json.loads(Path("run/result.json").read_text("utf-8"))["test"]
    options = {**RECIPES, "show_progress": False, "state": "ERROR"}
    result = run_recbole(model="KGIF", dataset="recipes", config_dict=options)
    assert dict(result["test_result"]) == pytest.approx(expected, abs=2e-4)
    # The user's options come first, and another model sees the same data.
    options.update(topk=[3], valid_metric="MRR@3", epochs=1)
    result = run_recbole(model="BPR", dataset="recipes", config_dict=options)
    assert "ndcg@3" in result["test_result"]


def test_data_that_were_not_prepared_are_left_to_recbole(
    in_tmp_path: Path, data_path: Path
) -> None:
    from recbole.config import Config

    (copy_tiny("mine", data_path) / "mine.yaml").write_text("learner: sgd\n", "utf-8")
    options = {"data_path": str(data_path)}
    config = Config("KGIF", "mine", config_dict=options)
    assert config["learner"] == "adam"
    assert config["benchmark_filename"] is None
