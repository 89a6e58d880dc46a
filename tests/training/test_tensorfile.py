from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from recbole_kgif.errors import UserError
from recbole_kgif.training.tensorfile import (
    plain,
    read_tensors,
    restored,
    write_tensors,
)


class MakesFolder:
    """Unpickled, it makes a folder: a harmless stand-in for hostile code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def round_trip(value: Any, path: Path) -> Any:
    write_tensors(path, {"value": plain(value)})
    return restored(read_tensors(path)["value"], torch.device("cpu"))


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2**40, -1.5, float("-inf"), "ä", [1, [2.5, None]], ("a", (1,))],
)
def test_plain_values_come_back(value: Any, tmp_path: Path) -> None:
    back = round_trip(value, tmp_path / "a.pth")
    assert back == value
    assert type(back) is type(value)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3))[:, ::-1],
        np.asmatrix(np.eye(2, dtype=np.float32)),
    ],
)
def test_arrays_come_back(array: Any, tmp_path: Path) -> None:
    back = round_trip({"a": [array]}, tmp_path / "a.pth")["a"][0]
    assert type(back) is type(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil"])
def test_sparse_matrices_come_back(form: str, tmp_path: Path) -> None:
    matrix = sparse.random(4, 5, 0.4, form, random_state=1, dtype=np.float32)
    back = round_trip(matrix, tmp_path / "a.pth")
    assert (back.format, back.shape, back.dtype) == (form, (4, 5), np.float32)
    np.testing.assert_array_equal(back.toarray(), matrix.toarray())


def test_sparse_and_dense_tensors_come_back(tmp_path: Path) -> None:
    dense = torch.randn(3, 4, requires_grad=True)
    both = round_trip([dense, dense.detach().to_sparse()], tmp_path / "a.pth")
    assert torch.equal(both[0], dense)
    assert not both[0].requires_grad
    assert torch.equal(both[1].to_dense(), dense)


def test_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="MakesFolder is not a plain value"):
        plain({"a": [MakesFolder(tmp_path)]})


# --- reading ------------------------------------------------------------------------


def test_a_pickle_does_not_run_unless_it_is_trusted(tmp_path: Path) -> None:
    path, made = tmp_path / "a.pth", tmp_path / "made"
    torch.save({"state_dict": MakesFolder(made)}, path)
    with pytest.raises(UserError, match="give --trust") as refused:
        read_tensors(path)
    assert "\n" not in str(refused.value)
    assert not made.exists()
    read_tensors(path, trust=True)
    assert made.exists()


@pytest.mark.parametrize("trust", [False, True])
def test_a_pickle_without_an_archive_does_not_run_at_all(
    trust: bool, tmp_path: Path
) -> None:
    path, made = tmp_path / "a.pth", tmp_path / "made"
    torch.save(MakesFolder(made), path, _use_new_zipfile_serialization=False)
    with pytest.raises(UserError, match="empty, truncated or not a checkpoint"):
        read_tensors(path, trust=trust)
    assert not made.exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_told_in_one_line(share: float, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    write_tensors(path, {"a": torch.zeros(100)})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"a\.pth: ") as raised:
        read_tensors(path)
    assert "\n" not in str(raised.value)


def test_a_changed_byte_is_noticed_or_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    value = {"a": torch.arange(50), "b": [1.5, "text"]}
    write_tensors(path, value)
    content = path.read_bytes()
    places = random.Random(0).sample(range(len(content)), 200)
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        try:
            back = read_tensors(path)
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert torch.equal(back["a"], value["a"])
            assert back["b"] == value["b"]


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**6))
    with pytest.raises(UserError, match="compressed, so not made by PyTorch"):
        read_tensors(path)


def test_other_files_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("text", "utf-8")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("a.txt", "text")
    for name in ("text.pth", "zip.pth", "missing.pth", "."):
        with pytest.raises(UserError) as raised:
            read_tensors(tmp_path / name)
        assert str(tmp_path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_what_cannot_be_written_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        write_tensors(path, {"a": 1})
    assert list(tmp_path.iterdir()) == [path]
