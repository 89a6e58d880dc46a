"""Finding a data set: in RecBole, among the prepared ones, in a folder, or online."""

from __future__ import annotations

import difflib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from recbole_kgif.data.recipes import lastfm_sources
from recbole_kgif.data.recipes.kgat_files import PUBLISHED
from recbole_kgif.data.recipes.lastfm_sources import NAME as LASTFM
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError

SOURCE_VARIABLE = "RECBOLE_KGIF_DATA"
INSIDE_RECBOLE = "ml-100k"
SPLIT_ORIGINS = {
    "lastfm-split": "github.com/1371149/LightKG, folder dataset/lastfm",
    "book-crossing-split": (
        "github.com/1371149/LightKG, folder dataset/ (split), and "
        "github.com/CCIIPLab/MCCLK, folder data/book (triples)"
    ),
}
BUILT_IN_NAMES = (INSIDE_RECBOLE, LASTFM, *SPLIT_ORIGINS)
# Of a folder, with room for the endings of its files.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class DatasetLocation:
    """Where the atomic files of a data set are.

    Attributes:
        name: The data set's name.
        data_path: What RecBole calls `data_path`: the parent of the folder.
        folder: The folder with the atomic files, `data_path/name`.
        how_found: For people: why this folder.
    """

    name: str
    data_path: Path
    folder: Path
    how_found: str


def locate_dataset(
    name: str, *, data_path: Path, source: Optional[Path]
) -> DatasetLocation:
    """Find the atomic files of a data set; prepare `lastfm` where needed.

    Looks, in this order: inside RecBole (`ml-100k`, whose place RecBole fixes), below
    `data_path`, in `source` or else in the folder that the environment variable
    RECBOLE_KGIF_DATA names, in `../shared/datasets` beside the checkout, and online
    (`lastfm`). Atomic files are used in place; `lastfm` is prepared from raw
    files into `data_path/lastfm`.

    Args:
        name: The data set's name, without path separators.
        data_path: Folder of the prepared data sets; need not exist.
        source: Folder that the user points to: the data set's own folder, its parent,
            or for `lastfm` one with the raw files.

    Returns:
        Where the data set is. The atomic files themselves are not checked.

    Raises:
        UserError: The name is unknown, the source does not have the data set, or it is
            nowhere to be found.
    """
    _check_name(name)
    if source is not None and not source.is_dir():
        raise UserError(f"--source {source} is not a folder; give an existing one")
    data_path = _absolute(data_path)
    if name == INSIDE_RECBOLE:
        return _locate_inside_recbole(source)
    if _holds_atomic_files(data_path / name, name):
        reason = f"already in {data_path}" + _unread(source)
        return DatasetLocation(name, data_path, data_path / name, reason)
    if source is not None:
        found = _search(_absolute(source), name, data_path, "--source")
        if found is None:
            raise UserError(_not_in_source(source, name, data_path))
        return found
    found = _search_environment(name, data_path)
    if found is None and _shared_folder().is_dir():
        found = _search(_shared_folder(), name, data_path, "beside the checkout")
    if found is not None:
        return found
    if name == LASTFM:
        return _download_lastfm(data_path)
    raise UserError(_not_found(name, data_path))


def _check_name(name: str) -> None:
    is_name = name.isprintable() and len(name) <= _LONGEST_NAME
    if name in ("", ".", "..") or not is_name or any(mark in name for mark in "/\\"):
        raise UserError(
            f"{shown(name)} is not a data set's name; give the plain name of its "
            f"folder and set --data_path or --source to say where it is"
        )


def _locate_inside_recbole(source: Optional[Path]) -> DatasetLocation:
    specification = importlib.util.find_spec("recbole")
    if specification is None or not specification.submodule_search_locations:
        raise UserError("recbole is not installed; install it: pip install recbole")
    data_path = _absolute(
        Path(specification.submodule_search_locations[0]) / "dataset_example"
    )
    folder = data_path / INSIDE_RECBOLE
    if not _holds_atomic_files(folder, INSIDE_RECBOLE):
        raise UserError(
            f"{folder} of the recbole package is missing, and RecBole reads "
            f"{INSIDE_RECBOLE} from nowhere else; reinstall recbole"
        )
    reason = "part of the recbole package" + _unread(source)
    return DatasetLocation(INSIDE_RECBOLE, data_path, folder, reason)


def _search_environment(name: str, data_path: Path) -> Optional[DatasetLocation]:
    value = os.environ.get(SOURCE_VARIABLE)
    if not value:
        return None
    if not Path(value).is_dir():
        raise UserError(
            f"the environment variable {SOURCE_VARIABLE} names {value}, which is not "
            f"a folder; correct or unset it"
        )
    return _search(_absolute(Path(value)), name, data_path, SOURCE_VARIABLE)


def _search(
    folder: Path, name: str, data_path: Path, named_by: str
) -> Optional[DatasetLocation]:
    """Look for a data set, or for the raw files of one, in an absolute folder."""
    for candidate in (folder, folder / name):
        if candidate.name == name and _holds_atomic_files(candidate, name):
            return DatasetLocation(
                name, candidate.parent, candidate, f"in {candidate} ({named_by})"
            )
    if name != LASTFM:
        return None
    for candidate in (folder, folder / "raw"):
        raw_files = lastfm_sources.find_raw_files(candidate)
        if raw_files:
            lastfm_sources.require_all(candidate, raw_files)
            prepared = _prepare_lastfm(data_path, candidate)
            reason = f"prepared from the raw files in {candidate} ({named_by})"
            return DatasetLocation(name, data_path, prepared, reason)
    return None


def _download_lastfm(data_path: Path) -> DatasetLocation:
    try:
        prepared = _prepare_lastfm(data_path, None)
    except UserError as error:
        raise UserError(
            f"{LASTFM} is neither in {data_path} nor can it be prepared: {error}; "
            f"or put {lastfm_sources.describe_sources()} into a folder DIR and give "
            "--source DIR"
        ) from error
    return DatasetLocation(
        LASTFM, data_path, prepared, "downloaded from its public sources"
    )


def _prepare_lastfm(data_path: Path, raw_folder: Optional[Path]) -> Path:
    # Only now: it loads pandas, and the command line answers without.
    from recbole_kgif.data.recipes.lastfm import prepare_lastfm

    return prepare_lastfm(data_path, raw_folder)


def _not_in_source(source: Path, name: str, data_path: Path) -> str:
    if _holds_atomic_files(source, name):
        return (
            f"--source {source} holds {name}'s files, but RecBole needs their folder "
            f"to be called {name}; rename the folder"
        )
    wanted = f"{name}/{name}.inter, {name}.kg, {name}.link"
    if name == LASTFM:
        wanted += f" or the raw files: {lastfm_sources.describe_sources()}"
    return f"--source {source} has no {wanted}" + _suggestion(name, data_path)


def _not_found(name: str, data_path: Path) -> str:
    folder = data_path / name
    origin = SPLIT_ORIGINS.get(name)
    if name in PUBLISHED:
        return (
            f"the data set {name} is not in {data_path}; make it from KGAT's files, "
            f"which are downloaded, with: prepare --kgat {name}"
        )
    if origin is None:
        return (
            f"the data set {shown(name)} is unknown: there is no {folder} with "
            f"{name}.inter, {name}.kg and {name}.link"
        ) + _suggestion(name, data_path)
    parts = ", ".join(f"{name}.{part}.inter" for part in ("train", "valid", "test"))
    return (
        f"{name} is not in {data_path} and is not downloaded; get it from {origin}, "
        f"and name the files {parts}, {name}.kg and {name}.link in {folder} "
        f"or in a folder {name} given with --source"
    )


def _suggestion(name: str, data_path: Path) -> str:
    known = known_names(data_path)
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, n=3) or known
    return f"; known names: {', '.join(near)}"


def known_names(data_path: Path) -> list[str]:
    """List the data sets that can be asked for by name.

    Args:
        data_path: Folder of the prepared data sets; need not exist.

    Returns:
        The built-in names and the sub-folders of `data_path` that hold a data set.
    """
    folders = sorted(_entries(data_path)) if data_path.is_dir() else []
    own = [f.name for f in folders if _holds_atomic_files(f, f.name)]
    return list(dict.fromkeys([*BUILT_IN_NAMES, *own]))


def list_datasets(data_path: Path, source: Optional[Path]) -> dict[str, str]:
    """Where each known data set is, without preparing or downloading anything.

    Args:
        data_path: Folder of the prepared data sets; need not exist.
        source: Folder that the user points to; None takes that of the environment.

    Returns:
        The folder of each data set's files, or how they are got.

    Raises:
        UserError: the source is not a folder.
    """
    if source is not None and not source.is_dir():
        raise UserError(f"--source {source} is not a folder; give an existing one")
    named = os.environ.get(SOURCE_VARIABLE, "")
    chosen = source or (Path(named) if named else _shared_folder())
    folders = [data_path, *([chosen, chosen.parent] if chosen.is_dir() else [])]
    names = dict.fromkeys([*known_names(data_path), *known_names(chosen), *PUBLISHED])
    places = {INSIDE_RECBOLE: "part of the recbole package"}
    for name in [name for name in names if name not in places]:
        found = [f / name for f in folders if _holds_atomic_files(f / name, name)]
        places[name] = str(found[0]) if found else _how_it_is_got(name)
    return places


def _how_it_is_got(name: str) -> str:
    if name == LASTFM:
        return "downloaded and prepared when it is first asked for"
    if name in PUBLISHED:
        return f"made by: prepare --kgat {name}"
    return f"not here; get it from {SPLIT_ORIGINS[name]}"


def _holds_atomic_files(folder: Path, name: str) -> bool:
    return folder.is_dir() and any(
        path.name.startswith(f"{name}.") and path.suffix in (".inter", ".kg")
        for path in _entries(folder)
    )


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"cannot list {folder}: {error.strerror or error}; check its permissions"
        ) from error


def _unread(source: Optional[Path]) -> str:
    return "" if source is None else f" (--source {source} was not needed)"


def _shared_folder() -> Path:
    checkout = Path(__file__).resolve().parents[2]
    return checkout.parent / "shared" / "datasets"


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
