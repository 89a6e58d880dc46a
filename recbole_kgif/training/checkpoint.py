"""The checkpoint of a run: written, read without running code, and made a model again.

A checkpoint holds what the trained model cannot be made again without: its parameters,
the options, and figures that tell the data that it was trained on from any other. It
holds no data and no paths.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import torch
from torch import nn

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.locate import locate_dataset
from recbole_kgif.data.reader import read_dataset
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.options.settings import (
    KNOWLEDGE_FAMILY,
    check_loaded_columns,
    check_option,
    default_options,
    in_one_line,
    known_models,
)
from recbole_kgif.training.loading import (
    LoadedData,
    fingerprint,
    load_data,
    make_config,
    make_model,
    require_same_data,
)
from recbole_kgif.training.tensorfile import (
    plain,
    read_tensors,
    restored,
    write_tensors,
)

FORMAT = "recbole_kgif checkpoint"
FORMAT_VERSION = 1

# What RecBole works out anew for each configuration.
_WORKED_OUT = frozenset(
    (
        *("model", "dataset", "MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "device"),
        *("single_spec", "local_rank", "valid_neg_sample_args", "test_neg_sample_args"),
    )
)
# Where files lie on one machine, its GPUs, what is shown, and what makes RecBole read
# pickles or open connections.
_OF_ONE_MACHINE = frozenset(
    (
        *("data_path", "checkpoint_dir", "config_file", "show_progress", "state"),
        "gpu_id",
        *("save_dataset", "dataset_save_path"),
        *("save_dataloaders", "dataloaders_save_path"),
        *("log_wandb", "wandb_project", "nproc", "world_size", "ip", "port", "offset"),
    )
)

# Families whose models RecBole makes from numbers and words alone. Of the others, one
# evaluates an option as Python, and some read pickles that options name, as do these.
_HARMLESS_FAMILIES = ("general_recommender", KNOWLEDGE_FAMILY)
_READ_FILES = frozenset({"ConvNCF", "LDiffRec", "NAIS", "NeuMF", "RaCT"})


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and where it comes from.

    Attributes:
        model: the model's name.
        dataset: the data set's name.
        options: all options of the run but those of one machine, defaults included.
        epoch: the epoch that ended with these parameters, counted from 0.
        state_dict: the model's parameters and buffers.
        other_parameter: what RecBole's models store besides these, as
            `tensorfile.plain` gives it.
        split_seed: seed of a random split.
        linked_items_only: see `loading.load_data`.
        data: fingerprint of the data; None in a checkpoint of RecBole's own.
        versions: of the libraries that trained it.
    """

    model: str
    dataset: str
    options: dict[str, Any]
    epoch: int
    state_dict: dict[str, torch.Tensor]
    other_parameter: dict[str, Any]
    split_seed: int
    linked_items_only: bool
    data: Optional[dict[str, Any]]
    versions: dict[str, str]


@dataclass(frozen=True)
class Restored:
    """A checkpoint made a model again, beside the data that it was trained on.

    Attributes:
        checkpoint: what was read.
        config: RecBole's configuration.
        model: the model, ready for evaluation.
        data: the data set, split as for the training.
        folder: where the data set's files lie.
    """

    checkpoint: Checkpoint
    config: Any
    model: Any
    data: LoadedData
    folder: Path


def stored_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a configuration that hold on any machine.

    Args:
        config: RecBole's resolved options, ``Config.final_config_dict``.
    """
    left_out = _WORKED_OUT | _OF_ONE_MACHINE
    return {key: plain(value) for key, value in config.items() if key not in left_out}


def stored_parameters(model: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """State dictionary and other parameters of a model, as a file holds them."""
    other = {
        name: plain(value)
        for name, value in model.other_parameter().items()
        # A module's parameters stand in the state dictionary already.
        if not isinstance(value, nn.Module)
    }
    return plain(dict(model.state_dict())), other


def put_parameters(
    where: str,
    model: Any,
    state_dict: Mapping[str, torch.Tensor],
    other_parameter: Mapping[str, Any],
) -> None:
    """Give a model the parameters of a file.

    Args:
        where: the file, for the message.
        model: the model.
        state_dict: what `stored_parameters` returned.
        other_parameter: likewise.

    Raises:
        UserError: they are not those of this model.
    """
    unknown = set(other_parameter) - set(model.other_parameter())
    try:
        if unknown:
            raise ValueError(f"unknown are {', '.join(sorted(map(shown, unknown)))}")
        model.load_state_dict(state_dict)
        model.load_other_parameter(restored(other_parameter, model.device))
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        message = " ".join(str(error).split())[:300]
        raise UserError(
            f"{where}: its parameters are not those of this {type(model).__name__}; "
            f"use the versions that trained it ({message})"
        ) from error


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        UserError: the disk refuses it.
    """
    fields = {
        field.name: getattr(checkpoint, field.name)
        for field in dataclasses.fields(checkpoint)
    }
    write_tensors(path, {"format": FORMAT, "format_version": FORMAT_VERSION, **fields})


def load(path: Path, trust: bool = False) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: the file.
        trust: whether to read also what RecBole itself has written, which is a pickle
            and runs what its author put in.

    Returns:
        The checkpoint, tensors on the CPU.

    Raises:
        UserError: it cannot be read, is damaged, is no checkpoint, or holds more than
            tensors and plain values and is not trusted.
    """
    path = Path(path)
    content = read_tensors(path, trust=trust)
    if not isinstance(content, dict):
        raise UserError(f"{path}: no checkpoint; give the model.pth of a run")
    if trust and "config" in content and "state_dict" in content:
        return _of_recbole(path, content)
    require_format(path, content, FORMAT, FORMAT_VERSION)
    names = [field.name for field in dataclasses.fields(Checkpoint)]
    wrong = [name for name in names if not _fits(name, content.get(name))]
    if wrong:
        raise UserError(
            f"{path}: {wrong[0]} is missing or of another form; give another file"
        )
    return Checkpoint(**{name: content[name] for name in names})


def require_format(
    path: Path, content: Mapping[str, Any], name: str, version: int
) -> None:
    """Compare the format that a file names with the expected one.

    Raises:
        UserError: it is another one, or a newer version of it.
    """
    if content.get("format") != name:
        raise UserError(f"{path}: no {name}; give a file that a run has written")
    if content.get("format_version") != version:
        raise UserError(
            f"{path}: {name} of version {content.get('format_version')}, and this "
            f"release reads version {version}; use the release that wrote it"
        )


def _fits(name: str, value: Any) -> bool:
    """Whether a field of a checkpoint has the type that it is to have."""
    if name in ("model", "dataset"):
        return isinstance(value, str)
    if name in ("epoch", "split_seed"):
        # NumPy's generator takes no larger seed.
        return type(value) is int and 0 <= value < 2**32
    if name == "linked_items_only":
        return isinstance(value, bool)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return False
    if name == "state_dict":
        return all(isinstance(tensor, torch.Tensor) for tensor in value.values())
    if name == "data":
        counts, ids = value.get("counts"), value.get("ids")
        return (
            isinstance(counts, dict)
            and isinstance(ids, dict)
            and counts.keys() == ids.keys()
            and all(type(count) is int for count in counts.values())
            and isinstance(value.get("split"), str)
            and "triples" in value
        )
    return True


def _of_recbole(path: Path, content: Mapping[str, Any]) -> Checkpoint:
    """A checkpoint that RecBole's own trainer has written."""
    config = content["config"]
    try:
        return Checkpoint(
            model=config["model"],
            dataset=config["dataset"],
            options=stored_options(config.final_config_dict),
            epoch=content["epoch"],
            state_dict=dict(content["state_dict"]),
            other_parameter=plain(content.get("other_parameter") or {}),
            split_seed=config["seed"],
            linked_items_only=False,
            data=None,
            versions={},
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: no checkpoint of RecBole's ({error})") from error


def restore(
    path: Path,
    *,
    data_path: Optional[Path] = None,
    source: Optional[Path] = None,
    trust: bool = False,
) -> Restored:
    """Make a checkpoint a model again, beside the data that it was trained on.

    Args:
        path: the checkpoint.
        data_path: folder of the prepared data sets; None takes ``dataset``.
        source: folder with the raw or prepared files of the data set, as `locate` looks
            them up for a run.
        trust: see `load`.

    Returns:
        The model, ready for evaluation, and the data, split as for the training.

    Raises:
        UserError: the checkpoint cannot be read, the data set cannot be found, or it is
            not the one that the model was trained on.
    """
    path = Path(path)
    checkpoint = load(path, trust)
    name = checkpoint.model
    _require_harmless_model(path, name, trust)
    location = locate_dataset(
        checkpoint.dataset, data_path=data_path or Path("dataset"), source=source
    )
    options = checkpoint.options
    _check_options(path, name, options)
    needs_knowledge_graph = (
        known_models()[name] == KNOWLEDGE_FAMILY or checkpoint.linked_items_only
    )
    check_loaded_columns(options, needs_knowledge_graph=needs_knowledge_graph)
    files = DatasetFiles.from_options(
        location.folder, location.name, options, unlinked_items="drop"
    )
    read_dataset(files, needs_knowledge_graph=needs_knowledge_graph)
    # RecBole unpickles a data set that it finds beside the checkpoints.
    with tempfile.TemporaryDirectory() as empty:
        config = make_config(
            name,
            location.name,
            {
                **_given_options(options),
                "data_path": str(location.data_path),
                "checkpoint_dir": empty,
                "show_progress": False,
            },
        )
        data = load_data(
            config,
            split_seed=checkpoint.split_seed,
            linked_items_only=checkpoint.linked_items_only,
        )
    config["checkpoint_dir"] = str(path.resolve().parent)
    if checkpoint.data is not None:
        require_same_data(str(path), checkpoint.data, fingerprint(data))
    model = make_model(config, data)
    put_parameters(str(path), model, checkpoint.state_dict, checkpoint.other_parameter)
    model.eval()
    return Restored(checkpoint, config, model, data, location.folder)


def _check_options(path: Path, model: str, options: Mapping[str, Any]) -> None:
    """Refuse options that no run can have had.

    Raises:
        UserError: one of them is of a wrong form.
    """
    known = default_options(model)
    for name, value in options.items():
        if name in known:
            where = f"{path}: {name}: {in_one_line(value)}"
            check_option(where, name, value, known)


def _require_harmless_model(path: Path, model: str, trust: bool) -> None:
    """Refuse a model that does not exist, or whose options may run code.

    Raises:
        UserError: it is such a model.
    """
    if model not in known_models():
        raise UserError(
            f"{path}: of model {shown(model)}, which is unknown here; "
            f"{suggest(model, known_models())}"
        )
    is_harmless = (
        known_models()[model] in _HARMLESS_FAMILIES and model not in _READ_FILES
    )
    if not is_harmless and not trust:
        raise UserError(
            f"{path}: RecBole makes {model} from code or files that options name; give "
            "--trust (in Python trust=True) only if you know where it comes from"
        )


def _given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Resolved options as RecBole's Config takes them.

    Config evaluates every text as Python, so each is handed over as the literal of
    itself: an option of a stranger's checkpoint is not to run.
    """
    left_out = _WORKED_OUT | _OF_ONE_MACHINE
    given = {
        key: repr(value) if isinstance(value, str) else value
        for key, value in options.items()
        if key not in left_out
    }
    sampling = given.get("train_neg_sample_args")
    if isinstance(sampling, dict) and sampling.get("distribution") == "none":
        # Config writes this for None, and does not take it back.
        given["train_neg_sample_args"] = None
    return given
