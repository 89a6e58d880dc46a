"""What every command plans first: the options that a user gives, and the data set.

Works on names and files alone, so that a mistake is reported before anything starts.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.locate import DatasetLocation, locate_dataset
from recbole_kgif.data.reader import DatasetCounts, read_dataset
from recbole_kgif.data.textfiles import numbered_lines
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.options.effects import Situation, check_consistency, check_effects
from recbole_kgif.options.models import base_model, known_models
from recbole_kgif.options.protocols import under_protocol
from recbole_kgif.options.settings import (
    check_loaded_columns,
    dataset_options,
    default_options,
    parse_overrides,
    read_config_file,
)
from recbole_kgif.report.run_files import LOCAL_OPTIONS, SHARED_OPTIONS

# What a comparison sets itself, each with the way to ask for it.
_RESERVED = {
    "seed": "give it by --seeds, or by --seed to tune",
    "save_dataset": "every run loads the data itself",
    "dataset_save_path": "every run loads the data itself",
    "save_dataloaders": "every run splits the data itself",
    "dataloaders_save_path": "every run splits the data itself",
}


@dataclass(frozen=True)
class GivenOptions:
    """The options that a user gives, checked.

    Attributes:
        in_files: those of configuration files.
        in_arguments: those of the command line, which override all others.
        of_models: options of single models, which override `in_files`.
    """

    in_files: Mapping[str, Any] = field(default_factory=dict)
    in_arguments: Mapping[str, Any] = field(default_factory=dict)
    of_models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def common(self) -> dict[str, Any]:
        """The options that hold for all models."""
        return {**self.in_files, **self.in_arguments}

    def options_of(self, model: str, below: Mapping[str, Any]) -> dict[str, Any]:
        """All options of one model.

        Args:
            model: name of the model.
            below: options of the data set, which all given ones override.
        """
        own = self.of_models.get(model, {})
        return {**below, **self.in_files, **own, **self.in_arguments}

    def restricted_to(self, known: Container[str]) -> GivenOptions:
        """The same with those common options alone that a model knows."""
        in_files, in_arguments = (
            {name: value for name, value in options.items() if name in known}
            for options in (self.in_files, self.in_arguments)
        )
        return GivenOptions(in_files, in_arguments, self.of_models)


def read_options(
    models: Sequence[str],
    config_files: Iterable[Path],
    arguments: Iterable[str],
    *,
    otherwise: str = "put it into DIR/MODEL.yaml and give --options-from DIR",
) -> GivenOptions:
    """Options that hold for every model, checked against each.

    Args:
        models: names of known models.
        config_files: RecBole configuration files, a later one overriding.
        arguments: ``--key=value``.
        otherwise: what to do about an option that only some of the models know.

    Raises:
        UserError: one of the models does not know an option or its value.
    """
    in_files: dict[str, Any] = {}
    for path in config_files:
        read = partial(read_config_file, path)
        in_files.update(_known_to_all(models, read, otherwise))
    parse = partial(parse_overrides, list(arguments))
    return GivenOptions(in_files, _known_to_all(models, parse, otherwise))


def _known_to_all(
    models: Sequence[str], read: Callable[[str], dict[str, Any]], otherwise: str
) -> dict[str, Any]:
    accepting: list[str] = []
    refusals: list[tuple[str, UserError]] = []
    options: dict[str, Any] = {}
    for model in models:
        try:
            options = read(model)
            accepting.append(model)
        except UserError as error:
            refusals.append((model, error))
    if not refusals:
        return options
    refusing, refusal = refusals[0]
    if not accepting:
        raise refusal
    raise UserError(
        f"{str(refusal).rstrip('?')}; {refusing} refuses it and "
        f"{', '.join(accepting)} would take it: {otherwise}"
    ) from refusal


def refuse_reserved(given: GivenOptions) -> None:
    """Refuse options that a comparison sets itself.

    Raises:
        UserError: one of them is given.
    """
    for name in given.common:
        if name in _RESERVED:
            raise UserError(f"{name}: a comparison sets it itself; {_RESERVED[name]}")


def options_by_model(
    models: Sequence[str], folder: Optional[Path]
) -> dict[str, dict[str, Any]]:
    """Options of single models, such as tuned ones.

    Args:
        models: the compared models.
        folder: holds ``MODEL.yaml`` for some of them; None where there is none.

    Returns:
        The options of each model; none for a model without a file.

    Raises:
        UserError: no file fits, a file's name is no model's, or it holds an option that
            is unknown or must be the same for all models.
    """
    if folder is None:
        return {model: {} for model in models}
    if not folder.is_dir():
        raise UserError(f"--options-from {folder}: no such folder; create it")
    paths = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    for name, path in paths.items():
        if name not in known_models():
            raise UserError(
                f"{path}: is named after no model; {suggest(name, known_models())}"
            )
    if not any(model in paths for model in models):
        raise UserError(
            f"--options-from {folder}: holds no file for any of "
            f"{', '.join(models)}; name them MODEL.yaml"
        )
    return {
        model: _own_options(paths[model], model) if model in paths else {}
        for model in models
    }


def _own_options(path: Path, model: str) -> dict[str, Any]:
    options = read_config_file(path, model)
    for name in options:
        if not may_differ(name):
            raise UserError(
                f"{path}: {name} must be the same for all models of a comparison; "
                "take it out of the file"
            )
    return options


def may_differ(name: str) -> bool:
    """Whether a model of a comparison may have its own value of an option."""
    shared = {*_RESERVED, *SHARED_OPTIONS, *LOCAL_OPTIONS}
    return name not in shared


@dataclass(frozen=True)
class PlannedDataset:
    """A data set that was found and checked.

    Attributes:
        location: where it is.
        counts: what its files hold.
        fingerprints: SHA-256 of each file that a run reads, by file name.
        options: the options of the data set itself, with those of the protocol.
        warnings: given options that have no effect, each with the reason, and what
            files lack.
    """

    location: DatasetLocation
    counts: DatasetCounts
    fingerprints: Mapping[str, str]
    options: Mapping[str, Any]
    warnings: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.location.name


def find_dataset(
    name: str,
    source: Optional[Path],
    protocol: str,
    given: GivenOptions,
    *,
    models: Sequence[str] = (),
    needs_knowledge_graph: bool = True,
) -> PlannedDataset:
    """Find a data set, or prepare it, and check its files and the options with it.

    Args:
        name: its name.
        source: folder with its raw or prepared files, if the user names one.
        protocol: name of the evaluation protocol.
        given: the options that the user gives.
        models: names of the models that are run.
        needs_knowledge_graph: whether triples and links are read. In a comparison they
            are for general models too, which get the interactions of linked items.

    Raises:
        UserError: the data set cannot be found, a file is not as it should be, or the
            options do not fit the protocol or the files.
    """
    location = locate_dataset(
        name,
        data_path=Path(given.common.get("data_path", "dataset")),
        source=source,
    )
    own = dataset_options(location.name, location.folder)
    options = under_protocol(protocol, own, given.common)
    every = {**options, **given.common}
    warnings = _check_with_data(given, options, models, needs_knowledge_graph)
    check_loaded_columns(every, needs_knowledge_graph=needs_knowledge_graph)
    files = DatasetFiles.from_options(location.folder, location.name, every)
    _check_loaded_files(files, every.get("load_col"), needs_knowledge_graph)
    checked = read_dataset(files, needs_knowledge_graph=needs_knowledge_graph)
    if needs_knowledge_graph:
        # Only now: the command line checks its arguments without pandas.
        from recbole_kgif.data.graph_filter import check_graph_filter

        dropped = check_graph_filter(checked.content, every)
        warnings += [] if dropped is None else [dropped]
    warnings += map(str, checked.missing)
    return PlannedDataset(location, checked.counts, checked.sha256, options, warnings)


def _check_loaded_files(
    files: DatasetFiles, columns: Optional[Mapping[str, Any]], needs_graph: bool
) -> None:
    """Refuse to load files or columns that do not exist: RecBole ignores them.

    Raises:
        UserError: a file or a column of `load_col` does not exist.
    """
    for suffix, names in (columns or {}).items():
        if suffix in ("kg", "link") and not needs_graph:
            continue
        path = files.folder / f"{files.name}.{suffix}"
        for file in files.inter_paths if suffix == "inter" else [path]:
            if not file.is_file():
                raise UserError(
                    f"load_col: {suffix}: there is no file {file}; leave {suffix} out"
                )
            known = _column_names(file, files.separator)
            for name in names:
                if name not in known:
                    raise UserError(
                        f"load_col: {suffix}: {name} is not a column of {file}, which "
                        f"has {', '.join(known)}; leave it out"
                    )


def _column_names(path: Path, separator: str) -> list[str]:
    """Names of the columns in the header of an atomic file."""
    _, header = next(numbered_lines(path), (1, ""))
    return [column.split(":")[0] for column in header.split(separator)]


def _check_with_data(
    given: GivenOptions,
    of_dataset: Mapping[str, Any],
    models: Sequence[str],
    needs_knowledge_graph: bool,
) -> list[str]:
    """Check the given options together with those of the data set.

    Returns:
        Given options that have no effect, each with the reason.

    Raises:
        UserError: options contradict each other, or one without an effect would make
            the run another one than is asked for.
    """
    situations = [
        Situation(
            base_model(model),
            {**default_options(model), **given.options_of(model, of_dataset)},
            needs_knowledge_graph,
        )
        for model in models
        if model in known_models()
    ]
    for situation in situations:
        check_consistency(situation)
    own = {name: v for of in given.of_models.values() for name, v in of.items()}
    return check_effects({**own, **given.common}, situations) if situations else []
