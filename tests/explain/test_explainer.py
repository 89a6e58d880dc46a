from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recbole_kgif.cli import main
from recbole_kgif.errors import UserError
from recbole_kgif.explain import Explainer
from recbole_kgif.explain.explanation_records import Explanation, from_json
from recbole_kgif.explain.model_adapters import linear_score
from recbole_kgif.training.candidates import VALIDATION
from recbole_kgif.training.restore import restore
from recbole_kgif.training.run import run_experiment
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.specs import spec_of

NAMES = {"alien": "Alien", "elf": "<b>Elf</b>"}
# Users with a file of their own have no training interactions in it.
NEWCOMER = "eve\talien\n"

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def data_folder(workplace: Path) -> Path:
    """The tiny data set with names, and a user whom the training set does not have."""
    folder = workplace / "dataset" / "tiny"
    shutil.copytree(TINY_FOLDER, folder)
    rows = [f"{item}\t{name}\n" for item, name in NAMES.items()]
    (folder / "tiny.item").write_text(
        "".join(["item_id:token\tname:token_seq\n", *rows]), "utf-8"
    )
    (folder / "tiny.entity").write_text(
        "entity_id:token\tname:token_seq\nscifi\tScience fiction\n", "utf-8"
    )
    with (folder / "tiny.test.inter").open("a", encoding="utf-8") as file:
        file.write(NEWCOMER)
    return folder.parent


@pytest.fixture(scope="module")
def train(workplace: Path, data_folder: Path) -> Train:
    """The checkpoint of a model with some options, once a module."""

    def train_once(model: str = "KGIF", **options: Any) -> Path:
        output = workplace / "-".join([model, *map(str, options.values())])
        if not output.exists():
            output.mkdir()
            every = {**TINY_OPTIONS, "data_path": str(data_folder), **options}
            run_experiment(spec_of(model, "tiny", every), output)
        return output / "model.pth"

    return train_once


@pytest.fixture(scope="module")
def explainer(train: Train, data_folder: Path) -> Explainer:
    return Explainer.load(train(), data_path=data_folder)


@pytest.mark.parametrize(
    "options",
    [{}, {"walks": False}, {"attention": "softmax", "n_layers": 1}, {"n_layers": 0}],
)
def test_the_arrays_give_the_scores_of_the_model(
    options: dict[str, Any], train: Train, data_folder: Path
) -> None:
    explainer = Explainer.load(train(**options), data_path=data_folder)
    for user in range(1, len(explainer.users) + 1):
        np.testing.assert_allclose(
            explainer.method.scores(user)[1:],
            explainer.scores(user)[1:],
            rtol=1e-4,
            atol=1e-5,
        )
    record = explainer.explain("ann", "fargo")
    assert record.decomposition is not None
    assert record.decomposition.total == pytest.approx(record.score, rel=1e-4)


def test_the_best_items_are_those_of_recboles_evaluation(
    train: Train, data_folder: Path, explainer: Explainer
) -> None:
    from recbole.trainer import Trainer

    restored = restore(train(), data_path=data_folder)
    trainer = Trainer(restored.config, restored.model)
    trainer.item_tensor, trainer.tot_item_num = None, restored.data.dataset.item_num
    for batch in restored.data.test:
        interaction, scores, _, _ = trainer._full_sort_batch_eval(batch)
        for user, row in zip(interaction["user_id"].tolist(), scores):
            token = explainer.users[user - 1]
            if token == "eve":
                continue
            order = torch.argsort(row, descending=True)
            order = order[row[order] > -torch.inf].tolist()
            records = explainer.explain_top(token, k=10)
            items = [explainer.items.index(r.item.id) + 1 for r in records]
            assert items == order
            assert [r.rank for r in records] == list(range(1, len(order) + 1))
            assert {r.n_candidates for r in records} == {len(order)}


def test_a_path_runs_through_training_interactions_with_names_and_directions(
    explainer: Explainer,
) -> None:
    record = explainer.explain("bob", "alien", paths=1000)
    training = {
        tuple(line.split("\t"))
        for line in (TINY_FOLDER / "tiny.train.inter").read_text("utf-8").splitlines()
    }
    triples = {
        tuple(line.split("\t"))
        for line in (TINY_FOLDER / "tiny.kg").read_text("utf-8").splitlines()
    }
    entity = {"item": "m_{}".format, "entity": str}
    assert record.paths
    for path in record.paths:
        assert path.nodes[0].id == "bob"
        assert (path.nodes[-1].id, path.nodes[-1].name) == ("alien", "Alien")
        for hop in path.hops:
            ends = (hop.source, hop.target)
            head, tail = ends[::-1] if hop.inverse else ends
            if hop.relation == "interaction":
                assert (head.kind, tail.kind) == ("user", "item")
                assert (head.id, tail.id) in training
            else:
                fact = (entity[head.kind](head.id), hop.relation)
                assert (*fact, entity[tail.kind](tail.id)) in triples
    nodes = {node for path in record.paths for node in path.nodes}
    names = {node.id: node.name for node in nodes if node.kind != "user"}
    assert names["scifi"] == "Science fiction"
    assert names["brazil"] is None


def test_an_item_that_the_user_has_seen_has_no_rank(explainer: Explainer) -> None:
    known = explainer.explain("ann", "alien")
    assert (known.rank, known.seen_in) == (None, "training")
    assert ["alien"] in [[hop.target.id for hop in path.hops] for path in known.paths]
    assert explainer.explain("ann", "elf").seen_in == VALIDATION
    assert explainer.explain("bob", "alien").rank is not None, "a test item"


def beginnings(record: Explanation) -> list[str]:
    return [path.hops[0].target.id for path in record.paths]


def test_the_paths_listed_begin_with_different_interactions(
    explainer: Explainer,
) -> None:
    every = explainer.explain("cy", "casino", paths=10_000)
    assert beginnings(every)[:4] == ["elf", "elf", "elf", "alien"]
    listed = explainer.explain("cy", "casino", paths=3)
    assert beginnings(listed) == ["elf", "alien", "dune"]
    assert listed.paths[0].contribution == every.paths[0].contribution
    assert listed.decomposition is not None
    shares = listed.decomposition
    rest = shares.bias + shares.different_endpoints + shares.longer_walks
    total = listed.shown + listed.other_walks + rest
    assert total == pytest.approx(listed.score, rel=1e-4)
    more = explainer.explain("cy", "casino", paths=4)
    assert beginnings(more) == ["elf", "elf", "alien", "dune"]


def test_an_interaction_of_weak_paths_is_not_listed(
    explainer: Explainer,
) -> None:
    every = explainer.explain("dee", "dune", paths=10_000)
    assert beginnings(every)[:3] == ["brazil", "brazil", "fargo"]
    strengths = [path.contribution or 0.0 for path in every.paths]
    assert strengths[2] < 0.1 * strengths[0]
    listed = explainer.explain("dee", "dune", paths=2)
    assert [path.contribution for path in listed.paths] == strengths[:2]


def test_all_paths_and_other_walks_make_the_walks(explainer: Explainer) -> None:
    record = explainer.explain("dee", "dune", paths=10_000)
    assert record.decomposition is not None
    # What is left are walks that return to a node, all of them positive.
    assert record.other_walks > 0
    assert sum(e.contribution for e in record.evidence) == pytest.approx(
        record.decomposition.walks
    )


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ("anna", "alien", "user 'anna' is not in tiny; the nearest users are ann"),
        ("ann", "alein", "item 'alein' is not in tiny; the nearest items are alien"),
        ("eve", "alien", "user eve has no training interactions"),
    ],
)
def test_an_unknown_user_or_item_or_one_without_history_is_refused(
    user: str, item: str, message: str, explainer: Explainer
) -> None:
    with pytest.raises(UserError, match=message):
        explainer.explain(user, item)


def test_a_model_that_is_not_linear_is_refused(train: Train, data_folder: Path) -> None:
    path = train(propagation="bi-interaction")
    with pytest.raises(UserError, match="bi-interaction is not linear"):
        Explainer.load(path, data_path=data_folder)


def test_a_model_without_paths_is_refused(train: Train, data_folder: Path) -> None:
    with pytest.raises(UserError, match="BPR has no paths to show"):
        Explainer.load(train("BPR"), data_path=data_folder)


# --- KGAT ---------------------------------------------------------------------------


def test_paths_of_kgat_are_ranked_by_its_attention(
    train: Train, data_folder: Path
) -> None:
    explainer = Explainer.load(train("KGAT"), data_path=data_folder)
    restored = restore(train("KGAT"), data_path=data_folder)
    with torch.no_grad():
        restored.model.update_attentive_A()
    attention = restored.model.A_in.to_dense()
    graph, weight = explainer.method.graph, explainer.method.weight
    for edge in range(graph.n_edges):
        head, tail = graph.head[edge], graph.tail[edge]
        expected = attention[head, tail] or attention[tail, head]
        assert weight[edge] == pytest.approx(float(expected))
    (record, *_) = explainer.explain_top("ann", k=1)
    assert not record.is_exact
    assert record.decomposition is None
    assert record.paths
    assert all(path.contribution is None for path in record.paths)
    ranked = explainer.interactions.candidates(1)
    assert record.score == pytest.approx(explainer.scores(1)[ranked].max())


# --- the command --------------------------------------------------------------------


@pytest.fixture
def command(train: Train, data_folder: Path, in_tmp_path: Path) -> list[str]:
    return [
        "explain",
        *("--checkpoint", str(train()), "--dataset-path", str(data_folder)),
    ]


def test_the_command_prints_text(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--user=bob", "--top-k=2", "--paths=1"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("for user bob: score") == 2
    assert printed.count("because you chose") == 2


@pytest.mark.parametrize("ending", ["json", "html", "dot", "svg", "png", "text"])
def test_the_command_writes_each_form(ending: str, command: list[str]) -> None:
    output = Path("new") / f"explained.{ending}"
    arguments = ["--user=bob", "--item=elf", f"--output={output}"]
    assert main([*command, *arguments]) == 0
    content = output.read_bytes()
    if ending == "json":
        (record,) = from_json(content.decode())
        assert (record.user.id, record.item.name) == ("bob", "<b>Elf</b>")
    if ending == "html":
        assert b"&lt;b&gt;Elf" in content
        assert b"<b>Elf" not in content
    assert content


def test_the_command_evaluates(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--evaluate", "--users=3", "--paths=2", "--seed=1"]
    assert main([*command, *arguments, "--output=e.json"]) == 0
    first = Path("e.json").read_bytes()
    assert Path("e.md").read_text("utf-8") in capsys.readouterr().out
    evaluation = json.loads(first)
    assert evaluation["largest_error"] < 1e-4
    outcomes = evaluation["outcomes"]
    assert set(outcomes) == set(evaluation["random"]) | {
        "attention",
        "varied attention",
    }
    for measure in ("path_walks", "hop_walks", "middle_facts", "comprehensiveness"):
        assert outcomes["strongest"][measure]["value"] > 0
    begun = {
        selection: outcomes[selection]["interactions"]["value"]
        for selection in outcomes
    }
    assert begun["varied"] >= begun["strongest"]
    assert begun["weightiest"] == 2
    strongest = outcomes["strongest"]["path_walks"]["value"]
    assert strongest >= outcomes["varied"]["path_walks"]["value"]
    assert strongest >= outcomes["attention"]["path_walks"]["value"]
    comparison = evaluation["comparisons"][0]
    assert [comparison[key] for key in ("selection", "measure", "users")] == [
        *("strongest", "path_walks", "all")
    ]
    rule = "from the user to the item"
    baseline = evaluation["random"]["strongest"][rule]["path_walks"]["value"]
    assert comparison["ratios"][rule]["value"] == pytest.approx(strongest / baseline)
    assert main([*command, *arguments, "--output=e.json"]) == 0
    assert Path("e.json").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--user is missing"),
        (["--user=anna"], "user 'anna' is not in tiny; the nearest users are ann"),
        (["--user=ann", "--item=x"], "item 'x' is not in tiny; its items are such as"),
        (["--user=eve"], "user eve has no training interactions"),
        (["--user=ann", "--item=elf", "--top-k=3"], "--top-k: not allowed with --item"),
        (["--user=ann", "--top-k=0"], "0 is not a whole number from 1 on"),
        (["--user=ann", "--format=png"], "a figure needs a file"),
        (["--user=ann", "--format=pdf"], "invalid choice: 'pdf'"),
        (["--user=ann", "--users=5"], "--users: needs --evaluate"),
        (["--evaluate", "--user=ann"], "--user: not allowed with --evaluate"),
        (["--evaluate"], "give --output FILE.json"),
        (["--user=ann", "--output=folder"], "is a folder; name a file"),
        (["--user=ann", "--output=file.txt/a.json"], "cannot be written"),
        (["--user=ann", "--output=pipe"], "--output pipe: is not a regular file; name"),
        (["--user=ann", "--output=link.pth"], "link.pth: is the checkpoint; name"),
        (["--user=ann", "--paths=1001"], "--paths 1001: 1,000 is the most"),
        (
            ["--user=ann", "--checkpoint=pipe"],
            "is not a regular file; give the model.pth",
        ),
        (["--user=ann", "--dataset-path=none"], "--dataset-path none: is not a folder"),
        (["--user=ann", "--checkpoint=none.pth"], "does not exist; give the model.pth"),
        (["--user=ann", "--checkpoint=folder"], "is a folder without model.pth"),
        (["--user=ann", "--checkpoint=cut.pth"], "cut.pth"),
        (["--user=ann", "--checkpoint=file.txt"], "file.txt"),
    ],
)
def test_a_bad_argument_is_reported_in_one_line(
    arguments: list[str],
    message: str,
    command: list[str],
    train: Train,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("folder").mkdir()
    Path("file.txt").write_text("no checkpoint", "utf-8")
    Path("link.pth").symlink_to(train())
    os.mkfifo("pipe")
    Path("cut.pth").write_bytes(train().read_bytes()[:1000])
    before = set(Path().rglob("*"))
    assert main([*command, *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert message in lines[0]
    assert set(Path().rglob("*")) == before


def test_a_checkpoint_of_other_data_is_refused(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(TINY_FOLDER, "other/tiny")
    assert main([*command, "--dataset-path=other", "--user=ann"]) == 2
    assert "the data has" in capsys.readouterr().err


def test_kgat_is_not_evaluated(
    train: Train,
    data_folder: Path,
    in_tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--checkpoint", str(train("KGAT")), "--output=e.json"]
    arguments += ["--dataset-path", str(data_folder), "--evaluate"]
    assert main(["explain", *arguments]) == 2
    assert "KGAT has no contributions" in capsys.readouterr().err


def test_the_model_is_left_as_it_was(train: Train, data_folder: Path) -> None:
    model = restore(train(), data_path=data_folder).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    linear_score(model).without([0]).scores(1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
