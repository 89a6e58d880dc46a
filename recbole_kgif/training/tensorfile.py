"""Files of tensors and plain values, which run no code when they are read.

PyTorch's files are zip archives around a pickle, and reading a pickle runs whatever
its author put in. What is written here holds nothing but tensors, numbers, texts, lists
and dictionaries, and is read by a reader that knows nothing else.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError

# Marks a dictionary that represents a value of NumPy's or SciPy's.
_KIND = "__kind__"


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file atomically.

    Args:
        path: the file; replaced where it exists.
        content: tensors and plain values, see `plain`.

    Raises:
        UserError: the disk refuses it.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}); make room, or name another "
            "folder"
        ) from None


def read_tensors(path: Path, *, trust: bool = False) -> Any:
    """Read a file of PyTorch's.

    Args:
        path: the file.
        trust: whether to read whatever it holds, and so to run what its author put in.

    Returns:
        What it holds, tensors on the CPU.

    Raises:
        UserError: it cannot be read, is damaged, is not a file of PyTorch's, or holds
            more than tensors and plain values and is not trusted.
    """
    _require_undamaged(path)
    try:
        with warnings.catch_warnings():
            # Of RecBole's checkpoints, just before the error that says more.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust:
            raise UserError(f"{path}: damaged, or not made by PyTorch") from error
        raise UserError(
            f"{path}: holds more than tensors and plain values, as RecBole's own "
            "checkpoints do, and reading it would run what its author put in; give "
            "--trust (in Python trust=True) only if you know where it comes from"
        ) from error
    except Exception as error:
        # A file that was made to mislead can fail in any way.
        message = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: cannot be read as a file of PyTorch's ({message})"
        ) from error


def _require_undamaged(path: Path) -> None:
    """Compare the checksums of the archive, which PyTorch itself does not always do."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            # PyTorch compresses nothing: more than the file's size is a trap.
            damaged = archive.testzip() if unpacked <= size else None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:
        # A damaged archive can fail in any way.
        raise UserError(
            f"{path}: empty, truncated or not a checkpoint ({error}); give another file"
        ) from None
    if unpacked > size:
        raise UserError(f"{path}: compressed, so not made by PyTorch")
    if damaged is not None:
        raise UserError(f"{path}: damaged at {damaged}; give another file")


def plain(value: Any) -> Any:
    """A value as a file holds it.

    Args:
        value: tensors, NumPy's arrays and numbers, SciPy's sparse matrices, plain
            values, and lists, tuples and dictionaries of these.

    Returns:
        The same of tensors and plain values alone.

    Raises:
        TypeError: it is, or holds, anything else.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        kind = "matrix" if isinstance(value, np.matrix) else "array"
        # A copy, because PyTorch refuses arrays with negative strides.
        return {_KIND: kind, "values": torch.from_numpy(np.array(value))}
    if sparse.issparse(value):
        rows = value.tocsr()
        return {
            _KIND: "sparse",
            "format": value.format,
            "shape": [int(size) for size in rows.shape],
            "data": torch.from_numpy(rows.data),
            "indices": torch.from_numpy(rows.indices),
            "indptr": torch.from_numpy(rows.indptr),
        }
    raise TypeError(f"{type(value).__name__} is not a plain value")


def restored(value: Any, device: torch.device) -> Any:
    """What `plain` was given.

    Args:
        value: what it returned.
        device: where the tensors go.
    """
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, list):
        return [restored(item, device) for item in value]
    if isinstance(value, tuple):
        return tuple(restored(item, device) for item in value)
    if not isinstance(value, dict):
        return value
    kind = value.get(_KIND)
    if kind == "array":
        return value["values"].numpy()
    if kind == "matrix":
        return np.asmatrix(value["values"].numpy())
    if kind == "sparse":
        parts = (value[part].numpy() for part in ("data", "indices", "indptr"))
        matrix = sparse.csr_matrix(tuple(parts), shape=tuple(value["shape"]))
        return matrix.asformat(value["format"])
    return {key: restored(item, device) for key, item in value.items()}
