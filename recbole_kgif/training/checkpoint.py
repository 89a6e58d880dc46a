"""The checkpoint file of a run, read without running code.

A checkpoint holds what is needed to rebuild the trained model: its parameters, the
options, and fingerprints of the data that it was trained on. It holds no data and no
paths.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import torch

from recbole_kgif.common.files import AnyPath
from recbole_kgif.errors import UserError
from recbole_kgif.training.tensorfile import plain, read_tensors, write_tensors

FORMAT = "recbole_kgif checkpoint"
FORMAT_VERSION = 1

# What RecBole derives for each configuration.
_DERIVED = frozenset(
    (
        *("model", "dataset", "MODEL_TYPE", "MODEL_INPUT_TYPE", "eval_type", "device"),
        *("single_spec", "local_rank", "valid_neg_sample_args", "test_neg_sample_args"),
    )
)
# Paths and GPUs of one machine, what is shown, and what makes RecBole read pickles or
# open connections.
_OF_ONE_MACHINE = frozenset(
    (
        *("data_path", "checkpoint_dir", "config_file", "show_progress", "state"),
        "gpu_id",
        *("save_dataset", "dataset_save_path"),
        *("save_dataloaders", "dataloaders_save_path"),
        *("log_wandb", "wandb_project", "log_mlflow"),
        *("nproc", "world_size", "ip", "port", "offset"),
    )
)


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
        linked_items_only: see `specs.DataSpec`.
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


def portable_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a configuration that hold on any machine.

    Args:
        options: RecBole's resolved options, ``Config.final_config_dict``.
    """
    left_out = _DERIVED | _OF_ONE_MACHINE
    return {key: plain(value) for key, value in options.items() if key not in left_out}


def save(path: AnyPath, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically.

    Raises:
        UserError: the disk refuses it.
    """
    fields = {
        field.name: getattr(checkpoint, field.name)
        for field in dataclasses.fields(checkpoint)
    }
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **fields}
    write_tensors(Path(path), content)


def load(path: AnyPath, trust: bool = False) -> Checkpoint:
    """Read a checkpoint.

    Args:
        path: the file.
        trust: whether to read also what RecBole itself has written, which is a pickle
            and runs what its author put in.

    Returns:
        The checkpoint, tensors on the CPU.

    Raises:
        UserError: it cannot be read, is damaged, is not a checkpoint, or holds more
            than tensors and plain values and is not trusted.
    """
    path = Path(path)
    content = read_tensors(path, trust=trust)
    if not isinstance(content, dict):
        raise UserError(f"{path}: not a checkpoint; give the model.pth of a run")
    if trust and "config" in content and "state_dict" in content:
        return _of_recbole(path, content)
    require_format(path, content, FORMAT, FORMAT_VERSION)
    names = [field.name for field in dataclasses.fields(Checkpoint)]
    wrong = [name for name in names if not _fits(name, content.get(name))]
    if wrong:
        raise UserError(
            f"{path}: {wrong[0]} is missing or malformed; give another file"
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
        raise UserError(f"{path}: not a {name}; give a file that a run has written")
    if content.get("format_version") != version:
        raise UserError(
            f"{path}: {name} of version {content.get('format_version')}, and this "
            f"release reads version {version}; use the release that wrote it"
        )


def _fits(name: str, value: Any) -> bool:
    """Whether a field of a checkpoint has the expected type."""
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
            options=portable_options(config.final_config_dict),
            epoch=content["epoch"],
            state_dict=dict(content["state_dict"]),
            other_parameter=plain(content.get("other_parameter") or {}),
            split_seed=config["seed"],
            linked_items_only=False,
            data=None,
            versions={},
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a checkpoint of RecBole's ({error})") from error
