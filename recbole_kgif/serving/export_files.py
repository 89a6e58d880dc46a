"""The files of an export: written completely or not at all, and read with checks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole_kgif.common.files import read_object
from recbole_kgif.data.textfiles import file_sha256
from recbole_kgif.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow

FORMAT = "recbole_kgif export"
FORMAT_VERSION = 1

MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
INDEX = "index.safetensors"
USERS, ITEMS = "users.parquet", "items.parquet"
ENTITIES, NEIGHBOURS = "entities.parquet", "neighbours.parquet"
TABLES = (USERS, ITEMS, ENTITIES, NEIGHBOURS)

INSTALL = 'run pip install "recbole-kgif[serving]"'


def require_replaceable(folder: Path) -> None:
    """Refuse a folder that an export must not replace.

    Raises:
        UserError: it holds something else than an export.
    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise UserError(f"--output {folder}: is not a folder; name another one")
    if any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UserError(
            f"--output {folder}: holds other files than those of an export; name a "
            "new folder"
        )


@contextlib.contextmanager
def new_export(folder: Path) -> Iterator[Path]:
    """Write an export in a hidden folder, which is renamed once it is complete.

    Args:
        folder: where the export will be; an earlier export there is replaced.

    Yields:
        The hidden folder, empty.

    Raises:
        UserError: `require_replaceable` refuses the folder, or the disk refuses a file.
    """
    require_replaceable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(folder)
        hidden = _hidden(folder, os.getpid(), "unfinished")
        hidden.mkdir()
        try:
            yield hidden
            require_replaceable(folder)
            _put_in_place(hidden, folder)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"--output {folder}: cannot be written ({error.strerror or error}); name "
            "another folder, or make room"
        ) from None


def _hidden(folder: Path, process: int, what: str) -> Path:
    return folder.with_name(f".{folder.name}.{process}.{what}")


def _put_in_place(hidden: Path, folder: Path) -> None:
    """Rename a folder; an earlier one is moved away just before, and removed after."""
    former = _hidden(folder, os.getpid(), "replaced")
    if folder.exists():
        folder.rename(former)
    try:
        hidden.rename(folder)
    except OSError:
        if former.exists():
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _remove_left_over(folder: Path) -> None:
    """Remove what earlier, killed processes have left.

    An export that was moved away for one that never came takes its place again.
    """
    for what in ("replaced", "unfinished"):
        for path in folder.parent.glob(f".{folder.name}.*.{what}"):
            process = path.name.split(".")[-2]
            if not process.isdigit() or _is_running(int(process)):
                continue
            if what == "replaced" and not folder.exists():
                path.rename(folder)
            else:
                shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return process != os.getpid()


def write_table(folder: Path, name: str, columns: Mapping[str, Any]) -> None:
    """Write a Parquet file.

    Args:
        folder: of the export.
        name: of the file.
        columns: arrays of one dimension or two, lists, or arrays of pyarrow.
    """
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    arrays = {}
    for column, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim == 2:
            flat = pyarrow.array(np.ascontiguousarray(values).ravel())
            values = pyarrow.FixedSizeListArray.from_arrays(flat, values.shape[1])
        arrays[column] = values
    parquet.write_table(pyarrow.table(arrays), folder / name)


def read_table(folder: Path, name: str, columns: list[str]) -> pyarrow.Table:
    """Read some columns of a Parquet file."""
    from pyarrow import parquet

    return parquet.read_table(folder / name, columns=columns)


def write_tensor_file(
    folder: Path, tensors: Mapping[str, np.ndarray[Any, Any]], name: str = TENSORS
) -> None:
    """Write tensors as safetensors."""
    import numpy as np
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(whole, folder / name)
    # It is written for the owner alone.
    (folder / name).chmod(folder.stat().st_mode & 0o666)


def read_tensor_file(folder: Path, name: str = TENSORS) -> dict[str, Any]:
    """Read all tensors of a file."""
    from safetensors.numpy import load_file

    tensors: dict[str, Any] = load_file(folder / name)
    return tensors


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest, with sizes and checksums of all files before it."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(folder.iterdir())
    }
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **content,
        "files": files,
    }
    text = json.dumps(manifest, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, "utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest, and compare the sizes and checksums of all files with it.

    Raises:
        UserError: there is no export of this version, or a file of it is missing or
            damaged.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError(
            f"{folder}: holds no {MANIFEST}; give the folder that export has written"
        )
    manifest = read_object(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise UserError(f"{folder / MANIFEST}: not the manifest of a {FORMAT}")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise UserError(
            f"{folder / MANIFEST}: version {manifest.get('format_version')}, and this "
            f"release reads version {FORMAT_VERSION}; export the model again"
        )
    files = manifest.get("files")
    missing = {*TABLES, TENSORS} - set(files if isinstance(files, dict) else ())
    if missing or not isinstance(files, dict):
        raise UserError(
            f"{folder / MANIFEST}: lists no {', '.join(sorted(missing)) or 'files'}; "
            "export the model again"
        )
    for name in files:
        _require_undamaged(folder / Path(name).name, files[name])
    return manifest


def _require_undamaged(path: Path, wanted: Any) -> None:
    try:
        is_whole = wanted["bytes"] == path.stat().st_size
        if is_whole and wanted["sha256"] == file_sha256(path):
            return
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); export the model again"
        ) from None
    except (KeyError, TypeError):
        pass
    raise UserError(
        f"{path}: is not what the manifest says; the export is damaged, or a file was "
        "changed; export the model again"
    )


def require_libraries(*names: str) -> None:
    """Import libraries of the extra, or say how to install them.

    Raises:
        UserError: one is missing, or does not work.
    """
    import importlib

    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(f"{name} is needed here ({error}); {INSTALL}") from None
