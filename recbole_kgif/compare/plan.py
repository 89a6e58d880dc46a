"""What is to be run: models, seeds and checked options, as requests for single runs.

Works on names and files alone, so that a mistake is told before anything is started.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Optional

from recbole_kgif.errors import UserError, suggest
from recbole_kgif.options.settings import (
    KNOWLEDGE_FAMILY,
    default_options,
    known_models,
    parse_overrides,
    read_config_file,
)
from recbole_kgif.report.run_files import LOCAL_OPTIONS, SHARED_OPTIONS

ALL_MODELS = (
    *("KGIF", "CFKG", "CKE", "KGAT", "KGCN", "KGIN", "KGNNLS", "KTUP", "MCCLK", "MKR"),
    *("RippleNet", "BPR", "LightGCN", "EASE"),
)
FIRST_SEED = 2020
# One split a data set, whatever the seed: users can be paired over seeds and models.
SPLIT_SEED = 2020

_FAMILIES = (KNOWLEDGE_FAMILY, "general_recommender")

# What a comparison sets itself, each with the way to ask for it.
_RESERVED = {
    "seed": "give it by --seeds, or by --seed to tune",
    "checkpoint_dir": "give the folder by --output",
    "save_dataset": "every run loads the data itself",
    "dataset_save_path": "every run loads the data itself",
    "save_dataloaders": "every run splits the data itself",
    "dataloaders_save_path": "every run splits the data itself",
}

# RecBole loads triples and links for knowledge-aware models only, unless told to.
_LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


@dataclass(frozen=True)
class RunRequest:
    """All that determines one run.

    Attributes:
        model: Name of the model.
        dataset: Name of the data set.
        seed: Seed of initialisation, order and sampling.
        split_seed: Seed of a random split.
        options: RecBole's options as given, by the data set's file or the user.
        defaults: The model's defaults for all options that it knows.
        model_options: Names of the options with a default of this model's own.
        files: SHA-256 of each file of the data set, by the file's name.
        kind: Name of the folder that holds the folders of such runs.
    """

    kind: ClassVar[str] = "runs"

    model: str
    dataset: str
    seed: int
    split_seed: int
    options: Mapping[str, Any]
    defaults: Mapping[str, Any]
    model_options: Sequence[str]
    files: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.model}-{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """The request as JSON knows it, equal after being written and read."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


def parse_models(text: str) -> list[str]:
    """The models that ``--models`` names.

    Args:
        text: names, separated by commas, or "all".

    Raises:
        UserError: an unknown name, one that stands twice, or a model of a kind that
            cannot be compared, such as a sequential one.
    """
    if text == "all":
        return list(ALL_MODELS)
    known = [name for name, family in known_models().items() if family in _FAMILIES]
    models: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name not in known_models():
            raise UserError(f"--models {name}: no such model; {suggest(name, known)}")
        if name not in known:
            raise UserError(
                f"--models {name}: is neither knowledge-aware nor a general model, so "
                "it cannot be compared on the same interactions; leave it out"
            )
        if name in models:
            raise UserError(f"--models {text}: {name} stands twice; name it once")
        models.append(name)
    return models


def options_for_all(
    models: Sequence[str],
    config_files: Iterable[Path],
    arguments: Iterable[str],
    *,
    otherwise: str = "put it into DIR/MODEL.yaml and give --options-from DIR",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options that hold for every model, checked against each.

    Args:
        models: names that `parse_models` has passed.
        config_files: RecBole configuration files, a later one overriding.
        arguments: ``--key=value``.
        otherwise: what to do about an option that only some of the models know.

    Returns:
        The options of the files, and those of the arguments.

    Raises:
        UserError: one of the models does not know an option or its value.
    """
    from_files: dict[str, Any] = {}
    for path in config_files:
        read = partial(read_config_file, path)
        from_files.update(_known_to_all(models, read, otherwise))
    arguments = list(arguments)
    given = _known_to_all(models, partial(parse_overrides, arguments), otherwise)
    for name in (*from_files, *given):
        _refuse_reserved(name)
    return from_files, given


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


def _refuse_reserved(name: str) -> None:
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
            is unknown or must be alike for all models.
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
                f"{path}: {name} must be alike for all models of a comparison; take it "
                "out of the file"
            )
    return options


def may_differ(name: str) -> bool:
    """Whether a model of a comparison may have a value of its own for an option."""
    return (
        name not in _RESERVED
        and name not in SHARED_OPTIONS
        and name not in LOCAL_OPTIONS
    )


def plan_runs(
    models: Sequence[str],
    seeds: int,
    dataset: str,
    *,
    options_below: Mapping[str, Any],
    options_of_models: Mapping[str, Mapping[str, Any]],
    options_above: Mapping[str, Any],
    files: Mapping[str, str],
) -> list[RunRequest]:
    """The requested runs, every model of a seed before the next seed.

    Args:
        models: names of the models.
        seeds: how many seeds, counted from `FIRST_SEED`.
        dataset: name of the data set.
        options_below: options of the data set and of configuration files.
        options_of_models: options of each model, which override those.
        options_above: options of the command line, which override both.
        files: SHA-256 of each of the data set's files, by its name.
    """
    base = default_options("")
    requests = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for model in models:
            defaults = default_options(model)
            options = {
                "load_col": _LOADED_COLUMNS,
                **options_below,
                **options_of_models[model],
                **options_above,
            }
            options.pop("data_path", None)
            own = [k for k, v in defaults.items() if k not in base or base[k] != v]
            requests.append(
                RunRequest(
                    model, dataset, seed, SPLIT_SEED, options, defaults, own, files
                )
            )
    return requests
