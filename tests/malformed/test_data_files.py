"""Damaged and hostile atomic files, for every command that trains on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recbole_kgif.cli import main
from recbole_kgif.cli.many_runs import Reporter
from recbole_kgif.doctor.findings import Finding
from recbole_kgif.training.configuration import make_config
from recbole_kgif.training.loading import load_data, make_model
from recbole_kgif.training.specs import RunSpec
from tests.cli.test_cli import TINY
from tests.conftest import TINY_FOLDER
from tests.malformed.helpers import DAMAGES, OUTPUT, outcome

FILES = sorted(path.name for path in TINY_FOLDER.iterdir())
TRAIN = [*TINY, f"--output={OUTPUT}"]


def load_alone(_layout: object, spec: RunSpec, output: Path, *_: object) -> str:
    """In place of the training: RecBole loads the data, and the model is made."""
    folders = {"data_path": str(spec.data.data_path), "checkpoint_dir": str(output)}
    config = make_config(spec.model, spec.data.name, {**spec.options, **folders})
    make_model(config, load_data(config, spec.data))
    return "loaded"


@pytest.fixture
def without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads the data in place of every training, and starts no other process."""
    monkeypatch.setattr("recbole_kgif.cli.train._train", load_alone)
    monkeypatch.setattr("recbole_kgif.cli.many_runs.run_all", lambda *_, **__: 0)
    reporter = Reporter(lambda *_: [], lambda _: "")
    monkeypatch.setattr("recbole_kgif.cli.compare._reporter", lambda: reporter)
    monkeypatch.setattr(
        "recbole_kgif.report.run_records.read_comparison", lambda _: None
    )


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_every_damage_to_every_file(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_training: None,
    name: str,
    damage: str,
) -> None:
    path = here / "dataset/tiny" / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    code, told = outcome(TRAIN, here, capsys)
    if code == 2:
        # Else the file is sound by itself, and does not fit the others.
        assert name in told or "tiny." in told, told


@pytest.mark.parametrize("command", ["train", "compare", "tune"])
@pytest.mark.parametrize("name", FILES)
def test_a_folder_or_nothing_in_place_of_a_file(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_training: None,
    name: str,
    command: str,
) -> None:
    path = here / "dataset/tiny" / name
    path.unlink()
    arguments = TRAIN
    if command != "train":
        options = [a for a in TINY if "embedding_size" not in a]
        arguments = [command, "--models=KGIF", *options, f"--output={OUTPUT}"]
    code, told = outcome(arguments, here, capsys)
    assert code == 2
    assert name in told
    path.mkdir()
    code, told = outcome(arguments, here, capsys)
    assert code == 2
    assert name in told


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["half", "a script"])
def test_a_comparison_is_as_careful(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_training: None,
    name: str,
    damage: str,
) -> None:
    path = here / "dataset/tiny" / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    options = [a for a in TINY if "embedding_size" not in a]
    arguments = ["compare", "--models=KGIF,BPR", *options, f"--output={OUTPUT}"]
    code, told = outcome(arguments, here, capsys)
    assert code == 0 or "tiny." in told


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("tiny.kg", damage) for damage in DAMAGES),
        *(
            (name, damage)
            for name in ("tiny.link", "tiny.train.inter", "tiny.test.inter")
            for damage in (
                *("empty", "half", "first line alone", "UTF-16", "byte-order mark"),
                *("Latin-1", "NUL", "a column less", "a column more", "huge ids"),
                *("an escape sequence", "a script", "missing values"),
            )
        ),
    ],
)
def test_the_doctor_examines_anything(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    damage: str,
) -> None:
    doctor = "recbole_kgif.doctor"
    monkeypatch.setattr(f"{doctor}.environment.examine_environment", list)
    finding = Finding("training", "not of interest here")
    monkeypatch.setattr(f"{doctor}.smoke_training.examine_training", lambda: finding)
    path = here / "dataset/tiny" / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert main(["doctor", "--dataset=tiny"]) in (0, 1)
    out, err = capsys.readouterr()
    assert err == ""
    assert "Data set tiny" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("command", ["train", "compare", "tune", "doctor"])
def test_features_are_checked_by_every_command(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    without_training: None,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    doctor = "recbole_kgif.doctor"
    monkeypatch.setattr(f"{doctor}.environment.examine_environment", list)
    finding = Finding("training", "not of interest here")
    monkeypatch.setattr(f"{doctor}.smoke_training.examine_training", lambda: finding)
    path = here / "dataset/tiny/tiny.item"
    path.write_text("item_id:token\tname:token_seq\nm_alien\tAlien\n\tDune\n", "utf-8")
    columns = (
        "--load_col={inter: [user_id, item_id], item: [item_id, name], "
        "kg: [head_id, relation_id, tail_id], link: [item_id, entity_id]}"
    )
    said = "tiny.item, line 3: item_id is empty"
    if command == "doctor":
        assert main(["doctor", "--dataset=tiny", columns]) == 1
        assert said in " ".join(capsys.readouterr().out.split())
        return
    arguments = [*TRAIN, columns]
    if command != "train":
        options = [a for a in TINY if "embedding_size" not in a]
        arguments = [command, "--models=KGIF", *options, columns, f"--output={OUTPUT}"]
    code, told = outcome(arguments, here, capsys)
    assert code == 2
    assert said in told
