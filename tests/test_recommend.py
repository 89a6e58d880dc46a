from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import recbole_kgif
from recbole_kgif.checkpoint import restore as restore_checkpoint
from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.explain import Explainer
from recbole_kgif.recommend import Recommender
from recbole_kgif.report.run_records import read_comparison
from recbole_kgif.training.checkpoint import load as load_checkpoint
from recbole_kgif.training.restore import restore
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.specs import DataSpec
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.specs import spec_of

COLUMNS = ["user_id", "rank", "item_id", "name", "score"]
SETS = ("train", "valid", "test")
NAMES = {"alien": "Alien", "brazil": '=1+1, "ä"', "elf": "<b>Elf</b>"}

Load = Callable[[str], Recommender]


@pytest.fixture(scope="module")
def data_folder(workplace: Path) -> Path:
    """A data_path with the tiny data set, and names for some of its items."""
    folder = workplace / "dataset" / "tiny"
    shutil.copytree(TINY_FOLDER, folder)
    lines = ["item_id:token\tname:token_seq", "alien\tAlien", "elf\t<b>Elf</b>"]
    lines.append('brazil\t"=1+1, ""ä"""')
    (folder / "tiny.item").write_text("\n".join(lines) + "\n", "utf-8")
    return folder.parent


@pytest.fixture(scope="module")
def train(workplace: Path, data_folder: Path) -> Callable[[str], Path]:
    """The checkpoint of a model, once a module."""

    def train_once(model: str) -> Path:
        output = workplace / model
        if not output.exists():
            output.mkdir()
            options = {**TINY_OPTIONS, "data_path": str(data_folder)}
            run_experiment(spec_of(model, "tiny", options), output)
        return output / "model.pth"

    return train_once


def test_the_data_of_a_run_are_found_where_they_were(
    train: Callable[[str], Path],
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = shutil.copy(train("BPR"), tmp_path / "model.pth")
    record = tmp_path / "result.json"
    record.write_text(json.dumps({"configuration": {"data_path": "nowhere"}}), "utf-8")
    with pytest.raises(UserError, match=r"model\.pth was trained on it: name the fold"):
        Recommender.load(checkpoint)
    place = {"data_path": str(data_folder / "tiny")}
    record.write_text(json.dumps({"configuration": place}), "utf-8")
    found = Recommender.load(checkpoint).recommend("ann", k=2)
    expected = Recommender.load(checkpoint, data_path=data_folder).recommend("ann", k=2)
    pd.testing.assert_frame_equal(found, expected)


@pytest.fixture
def load(train: Callable[[str], Path], data_folder: Path) -> Load:
    return lambda model: Recommender.load(train(model), data_path=data_folder)


def seen(user: str) -> set[str]:
    """Items that a user has seen in any set, read from the files."""
    lines = [
        line.split("\t")
        for name in SETS
        for line in (TINY_FOLDER / f"tiny.{name}.inter").read_text("utf-8").splitlines()
    ]
    return {item for name, item in lines if name == user}


def by_hand(path: Path, data_path: Path, user: str) -> list[tuple[str, float]]:
    """A user's new items with their scores, one pair at a time, best first."""
    from recbole.data.interaction import Interaction

    restored = restore(path, data_path=data_path)
    dataset = restored.data.dataset
    number = dataset.token2id("user_id", user)
    scores = {}
    for item in range(1, dataset.item_num):
        pair = {"user_id": torch.tensor([number]), "item_id": torch.tensor([item])}
        with torch.no_grad():
            score = restored.model.predict(Interaction(pair))
        scores[str(dataset.id2token("item_id", item))] = float(score)
    new = [(item, score) for item, score in scores.items() if item not in seen(user)]
    return sorted(new, key=lambda pair: -pair[1])


# --- in Python ----------------------------------------------------------------------


# The second scores pairs alone, so that all items are asked for one after the other.
@pytest.mark.parametrize("model", ["KGIF", "CFKG", "BPR"])
def test_recommended_is_what_scores_best_among_the_new(
    model: str, load: Load, train: Callable[[str], Path], data_folder: Path
) -> None:
    recommender = load(model)
    frame = recommender.recommend(k=10)
    assert list(frame.columns) == COLUMNS
    assert list(frame["user_id"].unique()) == recommender.users
    for user in recommender.users:
        expected = by_hand(train(model), data_folder, user)
        rows = frame[frame["user_id"] == user]
        assert list(rows["item_id"]) == [item for item, _ in expected]
        assert list(rows["rank"]) == list(range(1, len(expected) + 1))
        np.testing.assert_allclose(
            rows["score"], [score for _, score in expected], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("one", ["ann", np.str_("ann"), ["ann"], ("ann",)])
def test_a_single_user_is_one_user(one: Any, load: Load) -> None:
    frame = load("KGIF").recommend(one, k=2)
    assert list(frame["user_id"]) == ["ann", "ann"]


def test_a_single_item_is_one_item(load: Load) -> None:
    recommender = load("KGIF")
    pd.testing.assert_frame_equal(
        recommender.recommend_from_items("alien"),
        recommender.recommend_from_items(["alien"]),
    )


# A number is an id, as in a list; the tiny data set has no such user.
def test_a_number_is_one_id(load: Load) -> None:
    with pytest.raises(UserError, match="user '26' is not in tiny"):
        load("KGIF").recommend(26)


def test_paths_may_be_texts(train: Callable[[str], Path], data_folder: Path) -> None:
    path, source = str(train("KGIF")), str(data_folder / "tiny")
    for load_model in (Recommender.load, Explainer.load, restore, restore_checkpoint):
        by_text = load_model(path, source=source)
        by_path = load_model(Path(path), data_path=str(data_folder))
        assert type(by_text) is type(by_path)
    assert read_comparison(str(Path(path).parent)).runs[0].label == "KGIF"
    assert read_comparison([str(Path(path).parent)]).runs[0].label == "KGIF"
    assert load_checkpoint(path).model == "KGIF"
    assert DataSpec("tiny", str(data_folder)).folder == data_folder / "tiny"  # type: ignore[arg-type]


# --- users of whom nothing was learned ----------------------------------------------


@pytest.fixture(scope="module")
def with_newcomers(workplace: Path) -> Path:
    """A checkpoint on data in which two users are in the test or validation alone."""
    own = workplace / "newcomers" / "tiny"
    shutil.copytree(TINY_FOLDER, own)
    for part, line in (("test", "eve\talien\n"), ("valid", "fay\tdune\n")):
        with (own / f"tiny.{part}.inter").open("a", encoding="utf-8") as file:
            file.write(line)
    output = workplace / "newcomers-KGIF"
    output.mkdir()
    options = {**TINY_OPTIONS, "data_path": str(own.parent)}
    run_experiment(spec_of("KGIF", "tiny", options), output)
    return output / "model.pth"


def test_lists_of_users_without_training_interactions_are_marked(
    with_newcomers: Path, workplace: Path
) -> None:
    data_path = workplace / "newcomers"
    recommender = Recommender.load(with_newcomers, data_path=data_path)
    assert sorted(recommender.untrained()) == ["eve", "fay"]
    frame = recommender.recommend(k=2)
    assert list(frame.columns) == [*COLUMNS, "approximate"]
    marked = frame.groupby("user_id")["approximate"].agg(["all", "any"])
    assert set(marked.index[marked["all"]]) == {"eve", "fay"}
    assert set(marked.index[marked["any"]]) == {"eve", "fay"}
    # The lists themselves are the model's, as they are in the test.
    assert len(frame[frame["user_id"] == "eve"]) == 2
    assert list(recommender.recommend(["ann", "bob"]).columns) == COLUMNS


def test_a_line_names_users_without_training_interactions(
    with_newcomers: Path, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "recommend",
        f"--checkpoint={with_newcomers}",
        f"--dataset-path={workplace / 'newcomers'}",
        "--output=new.csv",
    ]
    assert main([*command, "--users=all"]) == 0
    assert "approximate: 2 of the 6 users have no training interaction ('" in (
        capsys.readouterr().out
    )
    assert main([*command, "--users=eve,ann"]) == 0
    assert "1 of the 2 users have no training interaction ('eve')" in (
        capsys.readouterr().out
    )
    assert list(read(Path("new.csv")).columns) == [*COLUMNS, "approximate"]
    assert main([*command, "--users=ann"]) == 0
    assert "approximate" not in capsys.readouterr().out


# --- what is ranked -----------------------------------------------------------------


def test_nothing_is_recommended_that_a_user_has_seen(load: Load) -> None:
    # RecBole's test leaves out training and validation items; here those of the
    # test too.
    recommender = load("KGIF")
    for user in recommender.users:
        assert not seen(user) & set(recommender.recommend([user], 10)["item_id"])
        assert len(recommender.recommend([user], 10)) == 6 - len(seen(user))


@pytest.mark.parametrize("cells", [1, 7, 12, 1000])
def test_the_size_of_the_batches_changes_nothing(cells: int, load: Load) -> None:
    recommender = load("CFKG")
    expected = recommender.recommend(k=3)
    recommender.config["eval_batch_size"] = cells
    pd.testing.assert_frame_equal(recommender.recommend(k=3), expected)


def test_users_are_answered_once_in_the_order_asked_for(load: Load) -> None:
    frame = load("KGIF").recommend(["dee", "ann", "dee"], k=1)
    assert list(frame["user_id"]) == ["dee", "ann"]
    assert list(frame["rank"]) == [1, 1]
    assert list(load("KGIF").recommend([], k=1).columns) == COLUMNS


def test_names_follow_the_ids(load: Load) -> None:
    frame = load("KGIF").recommend(k=10)
    assert set(frame["item_id"]) & set(NAMES)
    for item, name in zip(frame["item_id"], frame["name"]):
        assert name == NAMES.get(item, "")


@pytest.mark.parametrize("user", ["anna", "[PAD]", ""])
def test_an_unknown_user_is_refused_with_the_nearest(user: str, load: Load) -> None:
    with pytest.raises(UserError, match=r"not in tiny; (the nearest|its) users are "):
        load("KGIF").recommend(["bob", user])


def test_no_items_a_user_are_refused(load: Load) -> None:
    with pytest.raises(UserError, match="k=0 must be at least 1"):
        load("KGIF").recommend(k=0)


def test_the_package_offers_the_class_and_nothing_unknown() -> None:
    assert recbole_kgif.Recommender is Recommender
    with pytest.raises(AttributeError, match="no attribute 'Recomender'"):
        _ = recbole_kgif.Recomender  # type: ignore[attr-defined]


def test_a_model_of_sequences_is_refused(
    train: Callable[[str], Path], data_folder: Path
) -> None:
    from recbole.utils import ModelType

    restored = restore(train("BPR"), data_path=data_folder)
    restored.config["MODEL_TYPE"] = ModelType.SEQUENTIAL
    with pytest.raises(UserError, match="BPR ranks by more than a user"):
        Recommender(restored)


# --- items in place of a user -------------------------------------------------------


def test_items_in_place_of_a_user(load: Load) -> None:
    recommender = load("KGIF")
    frame = recommender.recommend_from_items(["alien", "brazil", "alien"], k=10)
    assert list(frame.columns) == COLUMNS
    assert set(frame["user_id"]) == {""}
    assert set(frame["item_id"]) == set(recommender.items) - {"alien", "brazil"}
    assert list(frame["rank"]) == [1, 2, 3, 4]
    assert frame["score"].is_monotonic_decreasing


def test_similar_items_are_those_of_the_largest_cosine(load: Load) -> None:
    recommender = load("KGIF")
    with torch.no_grad():
        vectors = recommender._model()[1].numpy()
    number = recommender.items.index("alien") + 1
    lengths = np.linalg.norm(vectors, axis=1)
    expected = vectors @ vectors[number] / (lengths * lengths[number])
    frame = recommender.similar_items("alien", k=2)
    best = [n for n in np.argsort(-expected) if n not in (0, number)][:2]
    assert list(frame["item_id"]) == [recommender.items[n - 1] for n in best]
    np.testing.assert_allclose(frame["cosine"], expected[best], rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "items", "message"),
    [
        ("BPR", ["alien"], "works for KGIF alone, and this is BPR"),
        ("KGIF", [], "no items are given"),
        ("KGIF", ["aliens"], "item 'aliens' is not in tiny; the nearest items are al"),
    ],
)
def test_items_that_cannot_replace_a_user(
    model: str, items: list[str], message: str, load: Load
) -> None:
    with pytest.raises(UserError, match=message):
        load(model).recommend_from_items(items)


# --- the command --------------------------------------------------------------------


@pytest.fixture
def command(
    train: Callable[[str], Path], data_folder: Path, in_tmp_path: Path
) -> list[str]:
    return [
        "recommend",
        *("--checkpoint", str(train("KGIF")), "--dataset-path", str(data_folder)),
    ]


def read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text("utf-8")))
    return pd.read_csv(path, keep_default_na=False)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_every_form_holds_the_same(
    form: str, command: list[str], load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    output = Path("new/folder") / f"out.{form}"
    assert main([*command, "--users=all", "--k=4", f"--output={output}"]) == 0
    assert "recommendations: new" in capsys.readouterr().out
    pd.testing.assert_frame_equal(
        read(output), load("KGIF").recommend(k=4), check_dtype=False, rtol=1e-6
    )


def test_users_of_a_file_and_of_a_list(command: list[str]) -> None:
    Path("users.txt").write_text("dee\n\nann \r\n", "utf-8")
    assert main([*command, "--users=users.txt", "--k=1", "--output=a.csv"]) == 0
    assert main([*command, "--users=dee, ann", "--k=1", "--output=b.csv"]) == 0
    assert list(read(Path("a.csv"))["user_id"]) == ["dee", "ann"]
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()


def test_cold_items_are_a_user_of_the_graph(command: list[str], load: Load) -> None:
    assert main([*command, "--cold-items=alien,brazil", "--output=a.csv"]) == 0
    expected = load("KGIF").recommend_from_items(["alien", "brazil"])
    pd.testing.assert_frame_equal(
        read(Path("a.csv")), expected, check_dtype=False, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users=users.txt"], "users.txt, line 3: user 'anna' is not in tiny; the"),
        (
            ["--users=bob,anna"],
            "--users: user 'anna' is not in tiny; the nearest users",
        ),
        (
            ["--users=none.txt"],
            "--users: there is no such file, and user 'none.txt' is not in tiny; its "
            "users are such as ann",
        ),
        (["--users=./folder.csv"], "--users ./folder.csv: is a folder; give all, a"),
        (["--users=,"], "--users ,: names nobody"),
        (["--users=empty.txt"], "names nobody"),
        (["--users=latin.txt"], "latin.txt, line 1: byte 0xe4"),
        ([], "one of the arguments --users --cold-items is required"),
        (["--users=all", "--cold-items=alien"], "not allowed with argument"),
        (["--cold-items=alein"], "--cold-items: item 'alein' is not in tiny"),
        (["--cold-items=,"], "--cold-items ,: names nothing; give ids of items"),
        (["--users=all", "--k=0"], "0 is not a whole number from 1 on"),
        (["--users=all", "--output=out.txt"], "must end with .csv, .json, .parquet"),
        (["--users=all", "--output=folder.csv"], "is a folder; name a file"),
        (["--users=all", "--output=empty.txt/a.csv"], "cannot be written"),
        (
            ["--users=all", "--checkpoint=none.pth"],
            "does not exist; give the model.pth",
        ),
        (["--users=all", "--checkpoint=."], "is a folder without model.pth; give the"),
        (
            ["--users=all", "--checkpoint=empty.txt"],
            "empty, truncated or not a checkpoint",
        ),
        (["--users=all", "--source=none"], "--source none is not a folder"),
        (["--users=all", "--dataset-path=none"], "--dataset-path none: is not a"),
    ],
)
def test_a_bad_argument_is_reported_in_one_line(
    arguments: list[str],
    message: str,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("users.txt").write_text("bob\n\nanna\n", "utf-8")
    Path("latin.txt").write_bytes(b"\xe4\n")
    Path("empty.txt").write_text("", "utf-8")
    Path("folder.csv").mkdir()
    Path("nowhere").mkdir()
    before = set(Path().rglob("*"))
    if not any("--output" in argument for argument in arguments):
        arguments = [*arguments, "--output=out.csv"]
    if "--source=none" in arguments:
        command = [*command[:-1], "nowhere"]
    assert main([*command, *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert set(Path().rglob("*")) == before


def test_parquet_without_pyarrow_is_reported_before_anything_is_loaded(
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    arguments = ["--checkpoint=none", "--users=all", "--output=a.parquet"]
    assert main(["recommend", *arguments]) == 2
    error = capsys.readouterr().err
    assert "Parquet needs pyarrow" in error
    assert 'pip install "recbole-kgif[parquet]"' in error


def test_without_a_file_the_lists_are_shown(
    command: list[str], load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*command, "--user=dee", "--top-k=2"]
    assert main(arguments) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["user_id", "rank", "item_id", "name", "score"]
    expected = load("KGIF").recommend("dee", k=2)
    assert [row.split()[:3] for row in rows] == [
        ["dee", str(rank), item]
        for rank, item in zip(expected["rank"], expected["item_id"])
    ]
    assert main([*arguments, "-o", "-"]) == 0
    printed = capsys.readouterr().out
    assert main([*arguments, "--output=a.csv"]) == 0
    assert Path("a.csv").read_text("utf-8") == printed
    assert not Path("-").exists()


def test_a_checkpoint_is_named_by_its_run(command: list[str]) -> None:
    place = command.index("--checkpoint") + 1
    Path("run").mkdir()
    Path("run/model.pth").write_bytes(Path(command[place]).read_bytes())
    ask = ["--users=dee", "--top-k=1"]
    of_run = [*command[:place], "run", *command[place + 1 :]]
    assert main([*of_run, *ask, "--output=a.csv"]) == 0
    assert main([*command, *ask, "--output=b.csv"]) == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
