"""A model restored from a checkpoint, with the data that it was trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from recbole_kgif.common.files import AnyPath, read_object
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.locate import DatasetLocation, locate_dataset
from recbole_kgif.data.reader import read_dataset
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.options.models import (
    KNOWLEDGE_FAMILY,
    is_knowledge_aware,
    known_models,
)
from recbole_kgif.options.settings import (
    CANDIDATES,
    CATALOGUE,
    REFIT,
    check_loaded_columns,
    check_option,
    default_options,
    in_one_line,
)
from recbole_kgif.training.checkpoint import Checkpoint, load, portable_options
from recbole_kgif.training.configuration import make_config
from recbole_kgif.training.fingerprint import require_same_data
from recbole_kgif.training.loading import LoadedData, load_data, make_model
from recbole_kgif.training.parameters import put_parameters
from recbole_kgif.training.run_folder import DATA_FOLDER, RESULT_FILE
from recbole_kgif.training.specs import DataSpec

# Families whose models RecBole makes from numbers and words alone. Of the others, one
# evaluates an option as Python, and some read pickles that options name, as do these.
_HARMLESS_FAMILIES = ("general_recommender", KNOWLEDGE_FAMILY)
_READ_FILES = frozenset({"ConvNCF", "LDiffRec", "NAIS", "NeuMF", "RaCT"})


@dataclass(frozen=True)
class Restored:
    """A restored model and the data that it was trained on.

    Attributes:
        checkpoint: what was read.
        config: RecBole's configuration.
        model: the model, ready for evaluation.
        data: the data set, split as for the training.
        folder: folder of the data set's files.
    """

    checkpoint: Checkpoint
    config: Any
    model: Any
    data: LoadedData
    folder: Path


def restore(
    path: AnyPath,
    *,
    data_path: Optional[AnyPath] = None,
    source: Optional[AnyPath] = None,
    trust: bool = False,
) -> Restored:
    """Restore the model of a checkpoint, with the data that it was trained on.

    Args:
        path: the checkpoint.
        data_path: folder of the prepared data sets. None takes the data saved beside
            the checkpoint, else, without `source`, where they were for the training,
            else ``dataset``.
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
    _require_harmless_model(path, checkpoint.model, trust)
    location = _locate(path, checkpoint.dataset, data_path, source)
    _check_options(path, checkpoint.model, checkpoint.options)
    _check_files(location, checkpoint)
    config, data = _load(location, checkpoint)
    config["checkpoint_dir"] = str(path.resolve().parent)
    if checkpoint.data is not None:
        require_same_data(str(path), checkpoint.data, data.fingerprint)
    model = make_model(config, data)
    put_parameters(str(path), model, checkpoint.state_dict, checkpoint.other_parameter)
    model.eval()
    return Restored(checkpoint, config, model, data, location.folder)


def _locate(
    path: Path, dataset: str, data_path: Optional[AnyPath], source: Optional[AnyPath]
) -> DatasetLocation:
    """Find the data set of a checkpoint.

    Raises:
        UserError: it is not found.
    """
    if data_path is not None:
        place = Path(data_path)
    elif path.with_name(DATA_FOLDER).is_dir():
        place = path.with_name(DATA_FOLDER)
    else:
        former = _former_data_path(path) if source is None else None
        place = former or Path(DATA_FOLDER)
    try:
        return locate_dataset(
            dataset, data_path=place, source=None if source is None else Path(source)
        )
    except UserError as error:
        raise UserError(
            f"{error}; {path} was trained on it: name the folder that has it by "
            "--dataset-path, in Python by data_path"
        ) from None


def _former_data_path(path: Path) -> Optional[Path]:
    """Where the data of a run were; None where they are there no more."""
    try:
        configuration = read_object(path.with_name(RESULT_FILE)).get("configuration")
    except UserError:
        return None
    folder = configuration.get("data_path") if isinstance(configuration, dict) else None
    if not isinstance(folder, str) or not Path(folder).is_dir():
        return None
    return Path(folder).parent


def _check_files(location: DatasetLocation, checkpoint: Checkpoint) -> None:
    """Check the data set's files as for the training.

    Raises:
        UserError: a file is not as it should be.
    """
    options = checkpoint.options
    is_aware = is_knowledge_aware(checkpoint.model)
    needs_graph = is_aware or checkpoint.linked_items_only
    check_loaded_columns(options, needs_knowledge_graph=needs_graph)
    keeps_unlinked = options.get("unlinked_items") == "keep"
    files = DatasetFiles.from_options(
        location.folder,
        location.name,
        options,
        unlinked_items="keep" if keeps_unlinked else "drop",
    )
    read_dataset(files, needs_knowledge_graph=needs_graph, was_trained_on=True)


def _load(location: DatasetLocation, checkpoint: Checkpoint) -> tuple[Any, LoadedData]:
    """RecBole's configuration and the data, split as for the training."""
    spec = DataSpec(
        location.name,
        location.data_path,
        checkpoint.split_seed,
        checkpoint.linked_items_only,
    )
    # RecBole unpickles a data set that it finds beside the checkpoints.
    with tempfile.TemporaryDirectory() as empty:
        options = {
            # Earlier releases ranked every item that was loaded.
            CANDIDATES: CATALOGUE,
            **_given_options(checkpoint.options),
            "data_path": str(location.data_path),
            "checkpoint_dir": empty,
            "show_progress": False,
        }
        config = make_config(
            checkpoint.model, location.name, options, are_resolved=True
        )
        return config, load_data(config, spec, join_validation=bool(config[REFIT]))


def _check_options(path: Path, model: str, options: Mapping[str, Any]) -> None:
    """Refuse options that no run can have written.

    Raises:
        UserError: one of them has a wrong type or range.
    """
    known = default_options(model)
    for name, value in portable_options(options).items():
        if name in known:
            where = f"{path}: {name}: {in_one_line(value)}"
            check_option(where, name, value, known)


def _require_harmless_model(path: Path, model: str, trust: bool) -> None:
    """Refuse a model that does not exist, or whose options may run code.

    Raises:
        UserError: it is one.
    """
    if model not in known_models():
        raise UserError(
            f"{path}: its model {shown(model)} is unknown here; "
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
    """Resolved options as RecBole's Config takes them."""
    given = portable_options(options)
    sampling = given.get("train_neg_sample_args")
    if isinstance(sampling, dict) and sampling.get("distribution") == "none":
        # Config writes this for None, and does not take it back.
        given["train_neg_sample_args"] = None
    return given
