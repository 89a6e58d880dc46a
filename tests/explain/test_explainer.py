from __future__ import annotations

import dataclasses
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
from recbole_kgif.explain.explanation_json import from_json
from recbole_kgif.explain.explanation_records import Reason
from recbole_kgif.explain.model_adapters import linear_score
from recbole_kgif.explain.reason_tree import score_tree
from recbole_kgif.explain.user_view import Detail
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
    [
        {},
        {"walks": False, "similarity": "inner-product"},
        {"attention": "softmax", "n_layers": 1},
        {"n_layers": 0},
    ],
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
        tree = score_tree(explainer.method, user, range(1, len(explainer.items) + 1))
        np.testing.assert_allclose(tree.total, explainer.scores(user)[1:], atol=1e-5)


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
    detail = Detail(n_paths=1000, shows_users=True)
    record = explainer.explain("cy", "brazil", detail=detail)
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
        assert path.nodes[0].id == "cy"
        assert (path.nodes[-1].id, path.nodes[-1].name) == ("brazil", None)
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
    itself = [r for r in known.reasons if "itself" in {part.kind for part in r.parts}]
    assert [reason.item.id for reason in itself] == ["alien"]
    assert explainer.explain("ann", "elf").seen_in == VALIDATION
    assert explainer.explain("bob", "alien").rank is not None, "a test item"


def test_reasons_are_the_training_items_and_add_up(explainer: Explainer) -> None:
    record = explainer.explain("cy", "casino", detail=Detail(n_reasons=100))
    history = explainer.interactions.history(explainer.users.index("cy") + 1)
    chosen = {explainer.items[n - 1] for n in history}
    assert {reason.item.id for reason in record.reasons} == chosen
    assert (record.n_others, record.others) == (0, pytest.approx(0, abs=1e-9))
    short = explainer.explain("cy", "casino", detail=Detail(n_reasons=1))
    assert short.reasons[0] == dataclasses.replace(record.reasons[0])
    assert short.n_others == len(chosen) - 1
    rest = sum(reason.value for reason in record.reasons[1:])
    assert short.others == pytest.approx(rest)


def test_a_reason_names_what_is_shared_and_whom_it_joins(explainer: Explainer) -> None:
    record = explainer.explain("dee", "elf", detail=Detail(n_reasons=100))
    nodes = [
        share.node
        for reason in record.reasons
        for part in reason.parts
        for share in part.shares
    ]
    assert [node.id for node in nodes] == ["comedy"]
    assert nodes[0].label == "comedy", "an id that is a word is a name"
    record = explainer.explain("cy", "brazil", detail=Detail(n_reasons=100))
    parts = {part.kind: part for r in record.reasons for part in r.parts}
    assert parts["people"].n_nodes >= 1
    nodes = [share.node for share in parts["fact"].shares]
    assert nodes[0].name == "Science fiction"
    for node in nodes:
        assert node.name or node.description, "no bare id"


def test_paths_lead_through_other_users_only_when_asked(explainer: Explainer) -> None:
    def users(shows_users: bool) -> set[str]:
        detail = Detail(n_paths=1000, shows_users=shows_users)
        paths = explainer.explain("cy", "brazil", detail=detail).paths
        return {n.id for path in paths for n in path.nodes[1:] if n.kind == "user"}

    assert users(shows_users=False) == set()
    assert users(shows_users=True) > set()


def test_without_an_item_is_as_if_it_had_not_been_chosen(explainer: Explainer) -> None:
    whole = explainer.explain("cy", "casino")
    (first, *_) = whole.reasons
    less = explainer.explain("cy", "casino", without=[first.item.id])
    assert less.removed == (first.item,)
    assert less.before is not None
    assert less.before.score == pytest.approx(whole.score)
    assert less.rank == first.rank_without
    assert first.item not in {reason.item for reason in less.reasons}
    edge = explainer.method.without(
        [e for e in explainer.method.graph.edges_of(3) if is_to(explainer, e, first)]
    )
    item = explainer.item_number("casino")
    assert less.score == pytest.approx(edge.scores(3)[item])
    with pytest.raises(UserError, match="is not in the training set of this user"):
        explainer.explain("cy", "casino", without=["casino"])


def is_to(explainer: Explainer, edge: int, reason: Reason) -> bool:
    node = explainer.method.graph.item_node(explainer.item_number(reason.item.id))
    return bool(explainer.method.graph.tail[edge] == node)


def test_a_comparison_adds_up_to_the_difference(explainer: Explainer) -> None:
    first, second = explainer.explain("cy", "casino"), explainer.explain("cy", "dune")
    both = explainer.compare("cy", "casino", "dune")
    assert both.against is not None
    assert both.explained == pytest.approx(first.score - second.score)
    assert both.against.item == second.item
    values = {reason.item: reason.value for reason in second.reasons}
    for reason in both.reasons:
        (former,) = [r for r in first.reasons if r.item == reason.item]
        assert reason.value == pytest.approx(former.value - values[reason.item])
    # The record checks that the row of the others makes up for what is not listed.
    few = explainer.compare("cy", "casino", "dune", detail=Detail(n_reasons=1))
    (listed,) = few.reasons
    assert few.others == pytest.approx(
        sum(reason.value for reason in both.reasons) + both.others - listed.value
    )
    with pytest.raises(UserError, match="cannot be compared with itself"):
        explainer.compare("cy", "casino", "casino")


def test_a_summary_is_the_sum_over_the_items(explainer: Explainer) -> None:
    detail = Detail(n_reasons=100)
    records = explainer.explain_top("cy", 3, detail=detail)
    found = explainer.summarise("cy", 3, detail=detail)
    assert found is not None
    assert found.score == pytest.approx(sum(record.score for record in records))
    for reason in found.reasons:
        values = [
            r.value
            for record in records
            for r in record.reasons
            if r.item == reason.item
        ]
        assert reason.value == pytest.approx(sum(values))
    kinds: dict[str, float] = {}
    for part in (p for record in records for r in record.reasons for p in r.parts):
        kinds[part.kind] = kinds.get(part.kind, 0.0) + part.value
    for kind, value in kinds.items():
        values = [part.value for part in found.parts if part.kind == kind]
        assert sum(values) == pytest.approx(value)


def test_an_item_is_found_by_its_name(explainer: Explainer) -> None:
    number = explainer.item_number("alien")
    assert explainer.item_number("ALIEN") == number
    assert explainer.item_number("<B>ELF</b>") == explainer.item_number("elf")
    with pytest.raises(UserError, match=r"the nearest are <b>Elf</b> \(item elf\)"):
        explainer.item_number("<b>Elv</b>")


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ("anna", "alien", "user 'anna' is not in tiny; the nearest users are ann"),
        ("ann", "alein", "by id or by name; the nearest are Alien .item alien."),
        ("ann", "fargp", "item 'fargp' is not in tiny; the nearest items are fargo"),
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
    with pytest.raises(UserError, match="BPR has no reasons to show"):
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
    assert not record.reasons
    assert record.paths
    assert all(path.contribution is None for path in record.paths)
    ranked = explainer.interactions.candidates(1)
    assert record.score == pytest.approx(explainer.scores(1)[ranked].max())
    assert explainer.summarise("ann") is None
    with pytest.raises(UserError, match="without: needs the exact scores of KGIF"):
        explainer.explain("ann", "elf", without=["alien"])
    with pytest.raises(UserError, match="against: needs the exact scores of KGIF"):
        explainer.compare("ann", "elf", "fargo")


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
    assert main([*command, "--user=dee", "--top-k=2", "--paths=1"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("for user dee: score") == 2
    assert printed.count("% of the score is from") == 2
    assert "What drives the 2 best items of user dee" in printed
    assert "path: you, chose" in printed


def test_the_command_compares_and_asks_what_if(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--user=cy", "--item=casino", "--against=dune", "--without", "Alien"]
    assert main([*command, *asked, "--show-users"]) == 0
    printed = capsys.readouterr().out
    assert "The reasons add up to this difference." in printed
    assert "As it would be without Alien." in printed


@pytest.mark.parametrize("ending", ["json", "html", "dot", "svg", "png", "pdf", "txt"])
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
    arguments = ["--evaluate", "--users=3", "--reasons=1", "--seed=1"]
    assert main([*command, *arguments, "--output=e.json"]) == 0
    first = Path("e.json").read_bytes()
    assert Path("e.md").read_text("utf-8") in capsys.readouterr().out
    evaluation = json.loads(first)
    assert evaluation["largest_error"] < 1e-4
    assert evaluation["n_users"] == 3
    effects = evaluation["effects"]
    assert list(effects) == ["strongest", "largest attention", "random"]
    drops = {name: by["comprehensiveness"]["value"] for name, by in effects.items()}
    ratio = evaluation["ratios"]["random"]
    if ratio is not None:
        expected = drops["strongest"] / drops["random"]
        assert ratio["value"] == pytest.approx(expected)
    assert main([*command, *arguments, "--output=e.json"]) == 0
    assert Path("e.json").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--user is missing"),
        (["--user=anna"], "user 'anna' is not in tiny; the nearest users are ann"),
        (["--user=ann", "--item=x"], "item 'x' is not in tiny; its items are such as"),
        (["--user=ann", "--against=elf"], "--against: needs --item"),
        (["--user=ann", "--item=elf", "--against=x"], "item 'x' is not in tiny"),
        (["--user=ann", "--without", "elf"], "item 'elf' is not in the training set"),
        (["--user=ann", "--output=a.xyz"], "a.xyz: its ending names no known format"),
        (["--user=ann", "--output=a"], "one of .txt, .gv, .htm, .text, .json, .dot"),
        (["--user=ann", "--reasons=1001"], "--reasons 1001: 1,000 is the most"),
        (["--evaluate", "--paths=2", "--output=e.json"], "--paths: not allowed with"),
        (["--evaluate", "--reasons=9", "--output=e.json"], "no user has more than 9"),
        (["--user=eve"], "user eve has no training interactions"),
        (["--user=ann", "--item=elf", "--top-k=3"], "--top-k: not allowed with --item"),
        (["--user=ann", "--top-k=0"], "0 is not a whole number from 1 on"),
        (["--user=ann", "--format=png"], "a figure needs a file"),
        (["--user=ann", "--format=pdf"], "a figure needs a file"),
        (["--user=ann", "--format=doc"], "invalid choice: 'doc'"),
        (["--user=ann", "--users=5"], "--users: needs --evaluate"),
        (["--evaluate", "--user=ann"], "--user: not allowed with --evaluate"),
        (["--evaluate"], "give --output FILE.json"),
        (["--user=ann", "--output=folder.json"], "is a folder; name a file"),
        (["--user=ann", "--output=file.txt/a.json"], "cannot be written"),
        (
            ["--user=ann", "--output=pipe.txt"],
            "--output pipe.txt: is not a regular file; name",
        ),
        (
            ["--user=ann", "--output=link.pth", "--format=text"],
            "link.pth: is the checkpoint; name",
        ),
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
    Path("folder.json").mkdir()
    Path("file.txt").write_text("no checkpoint", "utf-8")
    Path("link.pth").symlink_to(train())
    os.mkfifo("pipe")
    os.mkfifo("pipe.txt")
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


def test_kgat_has_no_reasons_to_list(
    train: Train, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "--checkpoint", str(train("KGAT")), "--user=ann"]
    arguments += ["--dataset-path", str(data_folder)]
    for option in ("--reasons=2", "--show-users"):
        assert main([*arguments, option]) == 2
        name = option.partition("=")[0]
        assert f"{name}: needs the exact scores of KGIF" in capsys.readouterr().err
    assert main([*arguments, "--top-k=1", "--paths=1"]) == 0
    assert "Not exact: KGAT has no contributions" in capsys.readouterr().out


def test_the_model_is_left_as_it_was(train: Train, data_folder: Path) -> None:
    model = restore(train(), data_path=data_folder).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    linear_score(model).without([0]).scores(1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
