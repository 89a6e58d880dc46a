"""RecBole's checkpoints are read, and hostile files are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recbole_kgif import compat
from recbole_kgif.compat import checkpoints
from recbole_kgif.compat.shim import release
from tests.compat.helpers import Run

pytestmark = pytest.mark.versions


def test_recboles_checkpoint_readers_read_what_recbole_wrote(
    run: Callable[[str], Run],
) -> None:
    import torch
    from recbole.config import Config
    from recbole.quick_start import load_data_and_model
    from recbole.trainer import Trainer

    class DerivedTrainer(Trainer):
        pass

    done = run("BPR")
    written = torch.load(done.checkpoint, weights_only=False)
    assert isinstance(written["config"], Config)

    config, model, _, _, _, test_data = load_data_and_model(done.checkpoint)
    assert config.final_config_dict == written["config"].final_config_dict
    assert set(model.state_dict()) == set(written["state_dict"])
    for name, value in model.state_dict().items():
        assert torch.equal(value, written["state_dict"][name])

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    trainer = DerivedTrainer(config, model)
    result = trainer.evaluate(test_data, model_file=str(done.checkpoint))
    assert result == done.result["test_result"]

    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    trainer.resume_checkpoint(done.checkpoint)
    assert trainer.start_epoch == written["epoch"] + 1
    for name, value in model.state_dict().items():
        assert torch.equal(value, written["state_dict"][name])


class MakesFolder:
    """Unpickled, it makes a folder: a harmless stand-in for hostile code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def needs_safe_default() -> None:
    import torch

    if release(torch.__version__) < (2, 6):
        pytest.skip("this PyTorch reads whole pickles for every caller")


def test_torch_load_still_refuses_a_hostile_file(tmp_path: Path) -> None:
    import pickle

    import torch

    needs_safe_default()
    assert "recbole-checkpoint-load" in compat.active_shims()
    torch.save({"state_dict": MakesFolder(tmp_path / "made")}, tmp_path / "hostile.pth")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "hostile.pth")
    assert not (tmp_path / "made").exists()

    view = checkpoints._CheckpointTorch()
    with pytest.raises(pickle.UnpicklingError):
        view.load(tmp_path / "hostile.pth", weights_only=True)
    assert not (tmp_path / "made").exists()

    # So the file would do it; only RecBole's own reading lets it.
    view.load(tmp_path / "hostile.pth")
    assert (tmp_path / "made").is_dir()


# Before it refuses, it says that it does not understand protocol 4.
@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4:UserWarning:torch")
def test_torch_load_refuses_recboles_checkpoint_so_the_shim_is_needed(
    run: Callable[[str], Run],
) -> None:
    import pickle

    import torch

    needs_safe_default()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(run("BPR").checkpoint)


def test_all_but_load_is_pytorch_itself() -> None:
    import torch

    view = checkpoints._CheckpointTorch()
    assert view.save is torch.save
    assert view.Tensor is torch.Tensor
    assert view.distributed is torch.distributed
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = view.no_such_name


def reads_as_recbole(path: str) -> Any:
    import torch

    return torch.load(path, map_location="cpu")


def reads_whole_files(path: str) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=False)


@pytest.mark.parametrize(
    ("version", "readers", "needed"),
    [
        ("2.5.1+cu118", (reads_as_recbole,), False),
        ("2.6.0", (reads_as_recbole,), True),
        ("2.13.0+cpu", (reads_as_recbole,), True),
        ("2.13.0+cpu", (reads_whole_files, reads_as_recbole), True),
        ("2.13.0+cpu", (reads_whole_files, reads_whole_files), False),
    ],
)
def test_gate_of_the_checkpoint_shim(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    readers: tuple[Callable[..., Any], ...],
    needed: bool,
) -> None:
    import torch

    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(checkpoints, "_checkpoint_readers", lambda: readers)
    assert checkpoints._checkpoints_are_refused() is needed


def test_the_checkpoint_gate_looks_at_recboles_own_functions() -> None:
    import inspect

    for reader in checkpoints._checkpoint_readers():
        code = inspect.unwrap(reader).__code__
        assert {"torch", "load"} <= set(code.co_names)
