"""The command as a user gives it: files, counts, refusals, and a training after it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.reader import read_dataset
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import dataset_options
from tests.data.recipes.helpers import (
    PLAIN_ARGUMENTS,
    PLAIN_FILES,
    contents_of,
    large_kgat_files,
    lines_of,
    pairs_of,
    refusal_of,
    tree_of,
    write_files,
)

CHECKOUT = Path(__file__).resolve().parents[3]
PARTS = ["train", "valid", "test"]


def prepare(*arguments: str) -> None:
    assert main(["prepare", *arguments]) == 0


# --- the KGAT format ----------------------------------------------------------------


def test_kgat_round_trip(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("--kgat=kgat", "--name=recipes")
    folder = here / "dataset" / "recipes"
    counts = read_dataset(DatasetFiles(folder, "recipes", tuple(PARTS))).counts
    assert (counts.users, counts.items, counts.interactions) == (4, 6, 12)
    assert (counts.entities, counts.relations, counts.triples) == (10, 2, 10)
    assert counts.unlinked_items == 0
    assert pairs_of(folder, "test") == {("0", "3"), ("1", "4"), ("2", "5"), ("3", "0")}
    train, valid = pairs_of(folder, "train"), pairs_of(folder, "valid")
    assert len(valid) == 3  # one of every user with two in training
    assert train | valid == {
        *(("0", "0"), ("0", "1"), ("0", "2"), ("1", "1"), ("1", "2"), ("1", "3")),
        *(("2", "3"), ("2", "4")),
    }
    assert not train & valid
    assert lines_of(folder / "recipes.link") == [f"{n}\t{n}" for n in range(6)]
    assert "4\tmade from\t4" in lines_of(folder / "recipes.kg")
    assert "2\tcuisine\t9" in lines_of(folder / "recipes.kg")
    out = capsys.readouterr().out
    assert "triples: repeated 11 1 10" in " ".join(out.split())
    assert "interactions: repeated 13 1 12" in " ".join(out.split())
    assert "--dataset recipes" in out


def test_names_are_kept(here: Path) -> None:
    prepare("--kgat=kgat", "--name=recipes")
    folder = here / "dataset" / "recipes"
    items = (folder / "recipes.item").read_text("utf-8").splitlines()
    assert items[:2] == ["item_id:token\tname:token_seq", "0\tpea soup"]
    assert items[-1] == "5\t<script>alert(1)</script>"
    users = (folder / "recipes.user").read_text("utf-8").splitlines()
    assert users[0] == "user_id:token\tname:token_seq"
    assert users[3] == "2\tCleo de Mérode"
    entities = (folder / "recipes.entity").read_text("utf-8").splitlines()
    assert entities[0] == "entity_id:token\tname:token_seq"
    assert entities[7:9] == ["6\tsplit peas", '7\t"""black"" beans"']


def test_names_of_entities_are_kept(here: Path) -> None:
    (here / "entities.csv").write_text("id;label\nbeans;Black beans\nQ9;Nothing\n")
    columns = ("--entity-names-entity-column=id", "--name=recipes")
    prepare(*PLAIN_ARGUMENTS, "--entity-names=entities.csv", *columns)
    entities = (here / "dataset/recipes/recipes.entity").read_text("utf-8")
    assert entities == "entity_id:token\tname:token_seq\nbeans\tBlack beans\n"


def test_two_names_of_an_entity_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "e.csv").write_text("entity,name\nbeans,Beans\nbeans,Pulses\n")
    given = [*PLAIN_ARGUMENTS, "--entity-names=e.csv", "--name=recipes"]
    assert main(["prepare", *given]) == 2
    message = "line 3: the entity 'beans' has another name in line 2; keep one"
    assert message in capsys.readouterr().err


def test_the_record(here: Path) -> None:
    prepare("--kgat=kgat", "--name=recipes", "--seed=5")
    text = (here / "dataset/recipes/provenance.json").read_text("utf-8")
    assert str(here) not in text
    record = json.loads(text)
    assert (record["split"], record["seed"]) == ("as-given", 5)
    assert record["counts"] == {
        **{"users": 4, "items": 6, "entities": 10, "relations": 2, "triples": 10},
        **{"self_triples": 1, "train": 5, "valid": 3, "test": 4},
    }
    assert record["sources"][0]["name"] == "train.txt"
    assert len(record["split_hash"]) == 64


def test_a_real_epoch_on_the_result(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["pytest"])
    prepare("--kgat=kgat", "--name=recipes")
    record = json.loads((here / "dataset/recipes/provenance.json").read_text("utf-8"))
    run = ["--dataset=recipes", "--epochs=1", "--output=out", "--use_gpu=False"]
    assert main([*run, "--topk=[2]", "--valid_metric=NDCG@2"]) == 0
    result = json.loads((here / "out/result.json").read_text("utf-8"))
    assert result["split_hash"] == record["split_hash"]
    data = result["data"]
    assert (data["users"], data["items"], data["triples"]) == (4, 6, 10)
    assert data["relations"] == 2
    assert "recipes: already in" in capsys.readouterr().out


def test_test_interactions_leave_the_training(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "kgat/train.txt").write_text("0 0 1 2 3\n1 1 2 3 4\n2 3 4 5\n", "utf-8")
    prepare("--kgat=kgat", "--name=recipes")
    folder = here / "dataset/recipes"
    assert pairs_of(folder, "test") == {("0", "3"), ("1", "4"), ("2", "5"), ("3", "0")}
    seen = pairs_of(folder, "train") | pairs_of(folder, "valid")
    assert not seen & pairs_of(folder, "test")
    assert "but in the test 15 3 12" in " ".join(capsys.readouterr().out.split())


def test_items_without_a_triple_are_left_out_and_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (here / "kgat/test.txt").open("a") as file:
        file.write("3 77\n")
    prepare("--kgat=kgat", "--name=recipes")
    out = " ".join(capsys.readouterr().out.split())
    assert "test: item without a triple 5 1 4" in out
    assert "not quite the published one" in out
    read_dataset(DatasetFiles(here / "dataset/recipes", "recipes", tuple(PARTS)))


def test_an_intact_test_is_not_commented_on(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("--kgat=kgat", "--name=recipes")
    assert "published one" not in capsys.readouterr().out


def test_lists_are_optional(here: Path) -> None:
    for path in (here / "kgat").glob("*_list.txt"):
        path.unlink()
    prepare("--kgat=kgat", "--name=recipes")
    folder = here / "dataset/recipes"
    assert "2\t1\t9" in lines_of(folder / "recipes.kg")
    assert not list(folder.glob("*.item"))


def test_the_order_of_lines_does_not_matter(here: Path) -> None:
    prepare("--kgat=kgat", "--name=recipes")
    for name in ("train.txt", "test.txt", "kg_final.txt"):
        path = here / "kgat" / name
        lines = path.read_text("utf-8").splitlines()
        path.write_text("\n".join(reversed(lines)) + "\n", "utf-8")
    prepare("--kgat=kgat", "--name=recipes", "--output=other")
    first, second = here / "dataset/recipes", here / "other/recipes"
    assert contents_of(first) == contents_of(second)


def test_another_seed_gives_another_validation(tmp_path: Path) -> None:
    write_files(tmp_path / "large", large_kgat_files(50))
    validations = []
    for seed in ("1", "1", "2"):
        output = tmp_path / str(len(validations))
        common = [f"--kgat={tmp_path}/large", "--name=large", f"--output={output}"]
        prepare(*common, f"--seed={seed}")
        validations.append(pairs_of(output / "large", "valid"))
    assert validations[0] == validations[1] != validations[2]


def test_a_random_split_of_the_kgat_format(here: Path) -> None:
    prepare("--kgat=kgat", "--name=recipes", "--split=random")
    folder = here / "dataset/recipes"
    sizes = [len(pairs_of(folder, part)) for part in PARTS]
    assert sizes == [5, 3, 3] or sizes == [6, 3, 3]
    assert sum(sizes) == 12


# --- plain files --------------------------------------------------------------------


def test_plain_round_trip(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(*PLAIN_ARGUMENTS, "--name=recipes")
    folder = here / "dataset/recipes"
    counts = read_dataset(DatasetFiles(folder, "recipes", tuple(PARTS))).counts
    assert (counts.users, counts.items, counts.interactions) == (3, 5, 15)
    assert (counts.entities, counts.relations, counts.triples) == (8, 1, 5)
    assert [len(pairs_of(folder, part)) for part in PARTS] == [9, 3, 3]
    assert (folder / "recipes.item").read_text("utf-8") == (
        "item_id:token\tname:token_seq\nsoup\tSoup, of peas\nstew\t=1+1\n"
        'paella\t"a\tb"\n'
    )
    out = capsys.readouterr().out
    assert "cooked.csv: user = 'cook', item = 'recipe'" in out
    assert "graph.tsv: head = 'subject'" in out
    assert "(separator: semicolon)" in out


def test_a_split_by_time(here: Path) -> None:
    prepare(*PLAIN_ARGUMENTS, "--name=recipes", "--split=time")
    folder = here / "dataset/recipes"
    for part, item in (("test", "paella"), ("valid", "rice")):
        assert pairs_of(folder, part) == {(u, item) for u in ("Ada", "Ben", "Cleo")}
    line = "Ada\tpaella\t4.0\t1715644800.0"
    assert line in lines_of(folder / "recipes.test.inter")


def test_a_smallest_rating(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A low rating must not hide the repetition that has a higher one.
    with (here / "plain/cooked.csv").open("a") as file:
        file.write("Ada,soup,5,2024-06-01\nAda,stew,1,2024-06-01\n")
    prepare(*PLAIN_ARGUMENTS, "--name=recipes", "--minimum-rating=2")
    folder = here / "dataset/recipes"
    kept = set().union(*(pairs_of(folder, part) for part in PARTS))
    # Every cook gave 1, 3, 5, 2 and 4 stars.
    assert len(kept) == 13
    assert {("Ada", "soup"), ("Ada", "stew")} <= kept
    assert ("Ben", "soup") not in kept
    assert "rated below 2 17 4 13" in " ".join(capsys.readouterr().out.split())


def test_items_that_are_entities_need_no_links(here: Path) -> None:
    graph = PLAIN_FILES["graph.tsv"]
    for number, item in enumerate(("soup", "stew", "dal", "rice", "paella"), start=1):
        graph = graph.replace(f"Q{number}", item)
    (here / "plain/graph.tsv").write_text(graph, "utf-8")
    arguments = [a for a in PLAIN_ARGUMENTS if "links" not in a]
    prepare(*arguments, "--name=recipes")
    links = lines_of(here / "dataset/recipes/recipes.link")
    assert sorted(links) == sorted(
        f"{i}\t{i}" for i in ("soup", "stew", "dal", "rice", "paella")
    )


def test_files_without_a_header(here: Path) -> None:
    for name in ("cooked.csv", "graph.tsv"):
        path = here / "plain" / name
        path.write_text(path.read_text("utf-8").split("\n", 1)[1], "utf-8")
    arguments = [a for a in PLAIN_ARGUMENTS if "-column" not in a]
    prepare(*arguments, "--no-header", "interactions", "triples", "--name=recipes")
    folder = here / "dataset/recipes"
    read_dataset(DatasetFiles(folder, "recipes", tuple(PARTS)))
    assert len(lines_of(folder / "recipes.kg")) == 5


# --- refusals -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kgat=kgat"], "--name is missing"),
        (["--kgat=none", "--name=a"], "--kgat 'none': neither a folder"),
        (["--name=a"], "--kgat --interactions --dataset is required"),
        (["--kgat=kgat", "--name=../a"], "--name '../a': no name for a folder"),
        (["--kgat=kgat", "--name=a/b"], "no name for a folder"),
        (["--kgat=kgat", "--name=.."], "no name for a folder"),
        (["--kgat=kgat", "--name="], "no name for a folder"),
        (["--kgat=kgat", "--name=a\nb"], "no name for a folder"),
        (["--kgat=kgat", f"--name={'a' * 300}"], "no name for a folder"),
        (["--kgat=kgat", f"--name={'漢' * 50}"], "100 bytes at most"),
        (["--kgat=kgat", "--name=lastfm"], "a data set of this package"),
        (["--kgat=kgat", "--name=a", "--split=time"], "no times"),
        (["--kgat=kgat", "--name=a", "--triples=x"], "--triples: belongs to"),
        (["--kgat=kgat", "--name=a", "--head-column=x"], "--head-column: belongs"),
        (["--kgat=kgat", "--name=a", "--minimum-rating=0"], "--minimum-rating: bel"),
        (["--kgat=kgat", "--name=a", "--source=plain"], "--source: needs --kgat with"),
        (["--kgat=kgat", "--name=a", "--seed=-1"], "-1 is not a whole number"),
        (["--kgat=kgat", "--name=a", "--output=kgat/train.txt"], "cannot be written"),
        (["--kgat=last-fm", "--source=plain"], "--source plain: neither it nor"),
        (["--interactions=plain/cooked.csv", "--name=a"], "--triples is missing"),
        ([*PLAIN_ARGUMENTS, "--name=a", "--source=x"], "--source: belongs to --kgat"),
        ([*PLAIN_ARGUMENTS, "--name=a", "--split=as-given"], "are not split"),
        ([*PLAIN_ARGUMENTS, "--name=a", "--separator=;;"], "';;' is not one of"),
        ([*PLAIN_ARGUMENTS, "--name=a", "--minimum-rating=nan"], "not a finite number"),
        (
            [*PLAIN_ARGUMENTS, "--name=a", "--minimum-rating=9"],
            "rating 9: none",
        ),
        (
            [*PLAIN_ARGUMENTS, "--name=a", "--user-column=x"],
            "are called 'x'; name one by --user-column",
        ),
        (
            [*PLAIN_ARGUMENTS, "--name=a", "--item-column=cook"],
            "taken for both the user and the item",
        ),
        (
            [*PLAIN_ARGUMENTS[:2], "--name=a", "--names-name-column=x"],
            "--names-name-column: needs --names",
        ),
        (
            [*PLAIN_ARGUMENTS[:2], "--name=a", "--entity-names-name-column=x"],
            "--entity-names-name-column: needs --entity-names",
        ),
        (
            [*PLAIN_ARGUMENTS[:2], "--name=a", "--no-header", "links"],
            "--no-header links: needs --links",
        ),
        (
            [*PLAIN_ARGUMENTS, "--name=a", "--rating-column=date"],
            "line 2: the rating '2024-05-10' is not a finite number",
        ),
        (
            [
                *("--interactions=plain/links.csv", "--triples=plain/graph.tsv"),
                *("--name=a", "--split=time", "--user-column=item_id"),
                "--item-column=entity_id",
            ],
            "--split time: no column",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = tree_of(here)
    assert message in refusal_of(arguments, capsys)
    assert {k: v for k, v in tree_of(here).items() if k != "dataset"} == before


def test_an_existing_folder_is_never_touched(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "dataset/recipes").mkdir(parents=True)
    message = refusal_of(["--kgat=kgat", "--name=recipes"], capsys)
    assert "exists and is never overwritten" in message
    assert list((here / "dataset").rglob("*")) == [here / "dataset/recipes"]


def test_too_few_interactions_to_split(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "plain/cooked.csv").write_text("user,item\na,soup\nb,dal\n", "utf-8")
    arguments = [a for a in PLAIN_ARGUMENTS if "-column" not in a]
    message = refusal_of([*arguments, "--name=a"], capsys)
    assert "no interaction is left for the part valid" in message
    assert list((here / "dataset").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("checkpoint_dir: [1]", "checkpoint_dir: a data set's own file may hold"),
        ("load_col: __import__('os').system('touch hurt')", "as lists and mappings"),
        ("epochs: 3", "give this one with --config-files"),
    ],
)
def test_a_data_set_cannot_bring_along_any_option(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "own.yaml").write_text(content, "utf-8")
    with pytest.raises(UserError, match=r"own\.yaml") as raised:
        dataset_options("own", tmp_path)
    assert message in str(raised.value)


def test_help_is_quick_and_light() -> None:
    code = (
        "import sys; from recbole_kgif.cli import main\n"
        "try: main(['prepare', '--help'])\n"
        "finally: print({'torch', 'pandas', 'numpy', 'recbole'} & set(sys.modules))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    )
    assert process.stdout.splitlines()[-1] == "set()"
    for option in ("--kgat", "--interactions", "--links", "--split", "--seed"):
        assert option in process.stdout


# --- killed -------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL on this system")
def test_killed_at_any_moment_nothing_half_written_is_left(tmp_path: Path) -> None:
    write_files(tmp_path / "large", large_kgat_files(2000))
    command = [
        *(sys.executable, str(CHECKOUT / "run_recbole_kgif.py"), "prepare"),
        *("--kgat=large", "--name=large"),
    ]

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    # The work begins when the hidden folder has appeared.
    hidden = tmp_path / "dataset/.large.unfinished"

    def start_working() -> subprocess.Popen[bytes]:
        process = start()
        deadline = time.monotonic() + 30
        while not (hidden / "prepared").exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return process

    target, aside = tmp_path / "dataset/large", tmp_path / "aside"
    process = start_working()
    began = time.monotonic()
    assert process.wait(60) == 0
    duration = time.monotonic() - began
    target.rename(aside)
    expected = contents_of(aside)

    # Most moments lie within the work, however fast the machine is.
    rng = random.Random(7)
    was_killed = 0
    for _ in range(6):
        process = start_working()
        time.sleep(rng.uniform(0, 0.8) * duration)
        process.send_signal(signal.SIGKILL)
        was_killed += process.wait(30) == -signal.SIGKILL
        if target.exists():
            assert contents_of(target) == expected
            target.rename(tmp_path / f"aside-{time.monotonic_ns()}")
    assert was_killed >= 3
    assert start().wait(60) == 0
    assert contents_of(target) == expected
    assert os.listdir(tmp_path / "dataset") == ["large"]
