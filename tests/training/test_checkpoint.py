from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole_kgif.errors import UserError
from recbole_kgif.options import gpus
from recbole_kgif.training import restore as restore_module
from recbole_kgif.training.checkpoint import load, save
from recbole_kgif.training.restore import restore
from recbole_kgif.training.run import run_experiment
from recbole_kgif.training.run_trainer import RunTrainer
from recbole_kgif.training.tensorfile import write_tensors
from tests.conftest import TINY_FOLDER, TINY_OPTIONS
from tests.specs import spec_of
from tests.training.test_tensorfile import MakesFolder

# One that stores nothing else, and some that store tensors, arrays or sparse matrices.
MODELS = ("KGIF", "KGCN", "RippleNet", "LightGCN", "ItemKNN", "EASE", "Pop")


@dataclass(frozen=True)
class Trained:
    """A run, and its best epoch's model as the run itself tested it."""

    path: Path
    data_path: Path
    scores: torch.Tensor
    options: dict[str, Any]


def scores_of(model: Any, n_users: int) -> torch.Tensor:
    """Scores of all users and items, or of all pairs, shape: [n_users, n_items]."""
    from recbole.data.interaction import Interaction

    model.eval()
    users = torch.arange(1, n_users)
    with torch.no_grad():
        scores = model.full_sort_predict(Interaction({"user_id": users}))
    return torch.as_tensor(scores).view(len(users), -1).clone()


@pytest.fixture(scope="module")
def train(workplace: Path) -> Callable[[str], Trained]:
    """Train a model on the tiny data set, once a module."""
    shutil.copytree(TINY_FOLDER, workplace / "dataset" / "tiny")
    done: dict[str, Trained] = {}

    def train_once(name: str) -> Trained:
        if name not in done:
            output = workplace / name
            output.mkdir()
            found = {}
            test = RunTrainer.test

            def looked_at(trainer: Any) -> dict[str, Any]:
                result = test(trainer)
                n_users = trainer.data.dataset.user_num
                found["scores"] = scores_of(trainer.model, n_users)
                found["options"] = dict(trainer.config.final_config_dict)
                return result

            options = {**TINY_OPTIONS, "data_path": str(workplace / "dataset")}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(RunTrainer, "test", looked_at)
                run_experiment(spec_of(name, "tiny", options), output)
            done[name] = Trained(output / "model.pth", workplace / "dataset", **found)
        return done[name]

    return train_once


@pytest.fixture
def kgif(train: Callable[[str], Trained]) -> Trained:
    return train("KGIF")


def content_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def changed(path: Path, to: Path, **changes: Any) -> Path:
    """A copy of a checkpoint with other content."""
    write_tensors(to, {**content_of(path), **changes})
    return to


# --- what a run leaves --------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("model", MODELS)
def test_a_restored_model_scores_as_it_was_tested(
    model: str, train: Callable[[str], Trained]
) -> None:
    trained = train(model)
    restored = restore(trained.path, data_path=trained.data_path)
    n_users = restored.data.dataset.user_num
    assert torch.equal(scores_of(restored.model, n_users), trained.scores)
    assert not restored.model.training


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("model", MODELS)
def test_a_restored_configuration_is_that_of_the_run(
    model: str, train: Callable[[str], Trained]
) -> None:
    trained = train(model)
    restored = restore(trained.path, data_path=trained.data_path)
    options = dict(restored.config.final_config_dict)
    for name in ("checkpoint_dir", "show_progress", "state"):
        del options[name], trained.options[name]
    assert options == trained.options


def test_the_gpu_of_the_training_is_not_asked_for(
    kgif: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "_VISIBLE", "")
    options = {**content_of(kgif.path)["options"], "gpu_id": "7", "use_gpu": True}
    path = changed(kgif.path, tmp_path / "model.pth", options=options)
    assert restore(path, data_path=kgif.data_path).config["gpu_id"] == ""


def test_a_checkpoint_is_plain_data_without_paths(kgif: Trained) -> None:
    content = content_of(kgif.path)
    assert content["format"] == "recbole_kgif checkpoint"
    assert (content["model"], content["dataset"]) == ("KGIF", "tiny")
    assert content["data"]["counts"] == {
        "users": 4,
        "items": 6,
        "entities": 14,
        "relations": 5,
    }
    assert str(kgif.data_path.parent).encode() not in kgif.path.read_bytes()


def test_no_sampled_negatives_are_restored_as_none() -> None:
    options = restore_module._given_options(
        {"train_neg_sample_args": {"distribution": "none", "sample_num": "none"}}
    )
    assert options == {"train_neg_sample_args": None}


def test_saving_and_loading_are_inverse(kgif: Trained, tmp_path: Path) -> None:
    loaded = load(kgif.path)
    save(tmp_path / "copy.pth", loaded)
    copy = load(tmp_path / "copy.pth")
    for name, tensor in loaded.state_dict.items():
        assert torch.equal(tensor, copy.state_dict[name])
    assert (copy.options, copy.data) == (loaded.options, loaded.data)


# --- files that are refused ---------------------------------------------------------


def refusal(path: Path, data_path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as raised:
        restore(path, data_path=data_path, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_hostile_pickle_does_not_run(kgif: Trained, tmp_path: Path) -> None:
    path, made = tmp_path / "model.pth", tmp_path / "made"
    torch.save({**content_of(kgif.path), "options": MakesFolder(made)}, path)
    assert "give --trust" in refusal(path, kgif.data_path)
    assert not made.exists()


@pytest.mark.parametrize("name", ["loss", "temperature", "valid_metric", "no_option"])
def test_an_option_that_is_code_does_not_run(
    name: str, kgif: Trained, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    code = f"__import__('os').mkdir({str(made)!r})"
    options = {**content_of(kgif.path)["options"], name: code}
    path = changed(kgif.path, tmp_path / "model.pth", options=options)
    try:
        restore(path, data_path=kgif.data_path)
    except UserError:
        assert name != "no_option"
    assert not made.exists()


def test_a_pickled_data_set_beside_a_checkpoint_does_not_run(
    kgif: Trained, tmp_path: Path
) -> None:
    import pickle

    made = tmp_path / "made"
    hostile = tmp_path / "tiny-KnowledgeBasedDataset.pth"
    hostile.write_bytes(pickle.dumps(MakesFolder(made)))
    options = {
        **content_of(kgif.path)["options"],
        "checkpoint_dir": str(tmp_path),
        "dataset_save_path": str(hostile),
        "dataloaders_save_path": str(hostile),
    }
    path = changed(kgif.path, tmp_path / "model.pth", options=options)
    restore(path, data_path=kgif.data_path)
    assert not made.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "not a recbole_kgif checkpoint"),
        ({"format_version": 2}, "of version 2, and this release reads version 1"),
        ({"model": 3}, "model is missing or malformed"),
        ({"state_dict": {"a": 1}}, "state_dict is missing or malformed"),
        ({"state_dict": {}}, "its parameters are not those of this KGIF"),
        ({"options": [1]}, "options is missing or malformed"),
        ({"data": {"counts": {}}}, "data is missing or malformed"),
        ({"other_parameter": {"train": 1}}, "unknown are 'train'"),
        ({"data": None}, "data is missing or malformed"),
        ({"model": "CKE"}, "its parameters are not those of this CKE"),
        ({"model": "KGFI"}, "unknown here; did you mean KGIN or KGIF"),
        ({"model": "KD_DAGFM"}, "from code or files that options name; give --trust"),
        ({"model": "NeuMF"}, "from code or files that options name; give --trust"),
        ({"dataset": "tinny"}, "the data set 'tinny' is unknown"),
        ({"dataset": "../tiny"}, "is not a data set's name"),
    ],
)
def test_other_content_is_told_in_one_line(
    changes: dict[str, Any], message: str, kgif: Trained, tmp_path: Path
) -> None:
    path = changed(kgif.path, tmp_path / "model.pth", **changes)
    assert message in refusal(path, kgif.data_path)


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {"weight": 1}])
def test_other_files_of_pytorch_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pth")
    assert "not a " in refusal(tmp_path / "model.pth", tmp_path)


# --- data that are not those of the training ----------------------------------------


def move_a_line_to_the_test_part(folder: Path) -> None:
    # The last of the part before: the order of all lines stays as it was.
    valid, test = (folder / f"tiny.{part}.inter" for part in ("valid", "test"))
    *lines, moved = valid.read_text("utf-8").splitlines()
    valid.write_text("\n".join(lines) + "\n", "utf-8")
    header, *lines = test.read_text("utf-8").splitlines()
    test.write_text("\n".join([header, moved, *lines]) + "\n", "utf-8")


def reverse(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        header, *lines = path.read_text("utf-8").splitlines()
        path.write_text("\n".join([header, *reversed(lines)]) + "\n", "utf-8")

    return change


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / name).read_text("utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), "utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (move_a_line_to_the_test_part, "trained on split "),
        (reverse("tiny.train.inter"), "trained with other users than the data has"),
        (replace("tiny.train.inter", "ann\talien", "zoe\talien"), "with 4 users"),
        (replace("tiny.kg", "m_alien\tdirected_by", "m_dune\tdirected_by"), "graph"),
        (replace("tiny.kg", "scott", "scoot"), "entities"),
        (replace("tiny.kg", "directed_by", "made_by"), "relations"),
        (replace("tiny.kg", "directed_by\tscott", "scott"), "line 2"),
    ],
)
def test_other_data_are_told_in_one_line(
    change: Callable[[Path], None], message: str, kgif: Trained, data_path: Path
) -> None:
    change(data_path / "tiny")
    assert message in refusal(kgif.path, data_path)


def test_a_general_model_does_not_look_at_the_knowledge_graph(
    train: Callable[[str], Trained], data_path: Path
) -> None:
    trained = train("LightGCN")
    (data_path / "tiny/tiny.kg").unlink()
    restored = restore(trained.path, data_path=data_path)
    assert torch.equal(scores_of(restored.model, 5), trained.scores)


# --- checkpoints of RecBole's own ---------------------------------------------------


@pytest.mark.parametrize("model", ["KGIF", "BPR"])
def test_a_checkpoint_of_recboles_is_read_when_it_is_trusted(
    model: str, data_path: Path, in_tmp_path: Path
) -> None:
    from recbole.quick_start import load_data_and_model, run_recbole

    options = {**TINY_OPTIONS, "checkpoint_dir": "saved", "data_path": str(data_path)}
    run_recbole(model, "tiny", config_dict=dict(options))
    (path,) = (in_tmp_path / "saved").glob("*.pth")
    assert "give --trust" in refusal(path, data_path)

    restored = restore(path, data_path=data_path, trust=True)
    assert restored.checkpoint.data is None
    _, stock, *_ = load_data_and_model(str(path))
    assert torch.equal(scores_of(restored.model, 5), scores_of(stock, 5))


def test_a_trusted_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"config": {"model": "KGIF"}, "state_dict": {}}, path)
    assert "not a checkpoint of RecBole's" in refusal(path, tmp_path, trust=True)
