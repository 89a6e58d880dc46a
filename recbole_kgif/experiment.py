"""One run: data set, model, training, validation, test, and a record of all of it."""

from __future__ import annotations

import contextlib
import enum
import hashlib
import json
import logging
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Optional

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset import KnowledgeBasedDataset
from recbole.evaluator.base_metric import TopkMetric
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import (
    ModelType,
    get_model,
    get_trainer,
    init_logger,
    init_seed,
)

from recbole_kgif.compat import active_shims
from recbole_kgif.errors import UserError
from recbole_kgif.files import write_whole

RESULT_FILE = "result.json"
CHECKPOINT_FILE = "model.pth"

# User x item scores that one evaluation batch holds: 16 MiB of float32.
_EVALUATION_CELLS = 2**22
# The same for models that compute each pair by itself, with vectors or matrices for
# each: MKR would ask for 69 GB on Last.FM.
_EVALUATION_CELLS_BY_PAIR = 2**16
_SCORED_BY_PAIR = frozenset({"KGCN", "KGNNLS", "RippleNet"})

# Six digits keep a mean over users exact well beyond the four that RecBole reports.
_PER_USER_DIGITS = 6


def run_experiment(
    model: str,
    dataset: str,
    options: dict[str, Any],
    output: Path,
    *,
    split_seed: Optional[int] = None,
    linked_items_only: bool = False,
) -> dict[str, Any]:
    """Train a model, test its best epoch and write the record of the run.

    Args:
        model: name of a model of RecBole's, or KGIF.
        dataset: name of the data set, whose files lie in ``data_path/dataset``.
        options: RecBole's configuration; what it leaves out has RecBole's defaults.
        output: existing folder that receives the checkpoint, the record
            ``result.json`` and RecBole's logs.
        split_seed: seed of a random split. None takes the run's own seed, as RecBole
            does; a number gives runs of several seeds one and the same split, so that
            the seed varies initialisation, order and sampling alone.
        linked_items_only: whether a model that knows no knowledge graph is given the
            very interactions that a knowledge-aware one gets. Otherwise RecBole keeps
            the items without an entity for the former and drops them for the latter.

    Returns:
        The record, as it is written.

    Raises:
        UserError: RecBole or the model refuses an option or the data.
    """
    options = {
        **options,
        "data_path": str(Path(options.get("data_path", "dataset")).resolve()),
        "checkpoint_dir": str(output.resolve()),
    }
    with _recbole_files_in(output), _no_command_line():
        started = datetime.now(timezone.utc)
        config = _refused_as_user_error(
            "configuration", Config, model, dataset, None, options
        )
        if split_seed is None:
            split_seed = config["seed"]
        # Loading and splitting draw from this one; the model begins with its own.
        init_seed(split_seed, config["reproducibility"])
        with _logging_as_recbole_does(config):
            record = _train_and_test(
                config,
                _linked_dataset if linked_items_only else create_dataset,
                size_evaluation_batches="eval_batch_size" not in options,
            )
    record["split_seed"] = split_seed
    record["linked_items_only"] = linked_items_only
    record["started"] = started.isoformat(timespec="seconds")
    record["checkpoint"] = CHECKPOINT_FILE
    write_json(output / RESULT_FILE, record)
    return record


def _train_and_test(
    config: Config, load: Callable[[Config], Any], *, size_evaluation_batches: bool
) -> dict[str, Any]:
    logger = logging.getLogger()
    name = config["dataset"]
    dataset = _refused_as_user_error(f"data set {name}", load, config)
    logger.info(dataset)
    if max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']}: data set {name} has only {dataset.item_num - 1} "
            "items; give smaller ones, such as --topk=[1,3] with --valid_metric=NDCG@3"
        )
    if size_evaluation_batches:
        # RecBole's unit is a user-item cell: its default can mean one user a batch.
        cells = _evaluation_cells(get_model(config["model"]))
        config["eval_batch_size"] = max(cells, dataset.item_num)
    train_data, valid_data, test_data = _refused_as_user_error(
        f"data set {name}", data_preparation, config, dataset
    )

    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    model_class = get_model(config["model"])
    model = _refused_as_user_error(
        config["model"], model_class, config, train_data._dataset
    ).to(config["device"])
    logger.info(model)

    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.saved_model_file = str(Path(config["checkpoint_dir"]) / CHECKPOINT_FILE)
    epochs = _record_epochs(trainer)
    _, valid_result = _refused_as_user_error(
        config["model"],
        trainer.fit,
        train_data,
        valid_data,
        show_progress=config["show_progress"],
    )
    with _values_per_user(trainer.evaluator) as per_user:
        test_result = trainer.evaluate(
            test_data, load_best_model=True, show_progress=config["show_progress"]
        )
    validated = [epoch for epoch in epochs if "valid" in epoch]
    seconds = [epoch["training_seconds"] for epoch in epochs]
    return {
        "model": config["model"],
        "dataset": name,
        "seed": config["seed"],
        "split_hash": split_hash(train_data, valid_data, test_data),
        "valid": _floats(valid_result),
        "test": _floats(test_result),
        "test_per_user": {"users": _evaluated_users(test_data), "metrics": per_user},
        "best_epoch": _best_epoch(validated, valid_result),
        "epochs": epochs,
        "training_seconds_per_epoch": statistics.median(seconds),
        "validation_seconds_per_epoch": statistics.median(
            epoch["validation_seconds"] for epoch in validated
        ),
        "peak_memory_bytes": _peak_memory_bytes(config["device"]),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "data": _data_counts(dataset, train_data, valid_data, test_data),
        "device": _device_name(config["device"]),
        "threads": torch.get_num_threads(),
        "versions": _versions(),
        "shims": list(active_shims()),
        "configuration": _plain(config.final_config_dict),
    }


def _evaluation_cells(model_class: Any) -> int:
    """How many user-item pairs a model can score at once.

    RecBole repeats the users for a model that cannot rank all items by itself; some
    models of their own do so in what should rank them.
    """
    ranks_all_items = (
        model_class.full_sort_predict is not AbstractRecommender.full_sort_predict
    )
    if ranks_all_items and model_class.__name__ not in _SCORED_BY_PAIR:
        return _EVALUATION_CELLS
    return _EVALUATION_CELLS_BY_PAIR


def _linked_dataset(config: Config) -> Any:
    """The data set as RecBole loads it for knowledge-aware models, for any model.

    The same class filters the same interactions in the same order, so that equal seeds
    give equal splits; a general model does not look at the triples that come along.
    """
    if config["MODEL_TYPE"] == ModelType.KNOWLEDGE:
        return create_dataset(config)
    return KnowledgeBasedDataset(config)


@contextlib.contextmanager
def _values_per_user(evaluator: Any) -> Iterator[dict[str, list[float]]]:
    """Keep what RecBole's top-k metrics take their means of.

    Yields:
        A dictionary that holds, after an evaluation, the values of each metric at each
        k, one a user, in the order of the evaluated users.
    """
    values: dict[str, list[float]] = {}
    metrics = [m for m in evaluator.metric_class.values() if isinstance(m, TopkMetric)]
    for metric in metrics:
        metric.topk_result = _keeping(values, metric)
    try:
        yield values
    finally:
        for metric in metrics:
            del metric.topk_result  # uncovers the class's own


def _keeping(values: dict[str, list[float]], metric: Any) -> Callable[..., Any]:
    take_means = metric.topk_result

    def topk_result(name: str, value: Any) -> Any:
        for k in metric.topk:
            column = value[:, k - 1].astype(float).round(_PER_USER_DIGITS)
            values[f"{name}@{k}"] = column.tolist()
        return take_means(name, value)

    return topk_result


def _evaluated_users(loader: Any) -> list[str]:
    """Original ids of the users, in the order in which they are evaluated."""
    dataset = loader._dataset
    return [str(user) for user in dataset.id2token(dataset.uid_field, loader.uid_list)]


def split_hash(train_data: Any, valid_data: Any, test_data: Any) -> str:
    """Fingerprint of a split: equal for equal sets of interactions in each part.

    It is taken over the original ids, so it does not depend on a model's numbering of
    users and items, nor on the order of the interactions.

    Args:
        train_data: RecBole's loader of the training interactions.
        valid_data: that of the validation interactions.
        test_data: that of the test interactions.

    Returns:
        64 hexadecimal digits (SHA-256).
    """
    digest = hashlib.sha256()
    for part, data in (
        ("train", train_data),
        ("valid", valid_data),
        ("test", test_data),
    ):
        dataset = data._dataset
        users, items = (
            dataset.id2token(field, dataset.inter_feat[field])
            for field in (dataset.uid_field, dataset.iid_field)
        )
        lines = sorted(f"{user}\t{item}\n" for user, item in zip(users, items))
        digest.update(f"{part} {len(lines)}\n".encode())
        digest.update("".join(lines).encode())
    return digest.hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    write_whole(path, _laid_out(value) + "\n")


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON with a line for each entry of an object, and for each object of a list.

    Thousands of values, one a user, would otherwise take a line each.
    """
    inner = indent + "  "
    if isinstance(value, dict) and value:
        entries = (
            f"{json.dumps(str(k))}: {_laid_out(v, inner)}" for k, v in value.items()
        )
        opening, closing = "{", "}"
    elif isinstance(value, (list, tuple)) and any(isinstance(v, dict) for v in value):
        entries = (json.dumps(item) for item in value)
        opening, closing = "[", "]"
    else:
        return json.dumps(value)
    lines = f",\n{inner}".join(entries)
    return f"{opening}\n{inner}{lines}\n{indent}{closing}"


def _refused_as_user_error(what: str, function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call RecBole, and tell what it refuses in one line.

    RecBole answers bad options and data by these exceptions, with a readable message.
    """
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError, NotImplementedError) as error:
        if not _is_refusal(error):
            raise
        message = " ".join(str(error).split())
        raise UserError(f"{what}: {message}") from error


def _is_refusal(error: BaseException) -> bool:
    """Whether RecBole or KGIF raised this itself, not something that they called."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return False
    module = str(traceback.tb_frame.f_globals.get("__name__", ""))
    return module.split(".")[0] in ("recbole", "recbole_kgif") and bool(str(error))


def _record_epochs(trainer: Any) -> list[dict[str, Any]]:
    """Have a trainer note each epoch's seconds, loss and validation result.

    Returns:
        The list that grows by one entry an epoch.
    """
    epochs: list[dict[str, Any]] = []
    train_epoch, valid_epoch = trainer._train_epoch, trainer._valid_epoch

    def timed_train_epoch(train_data: Any, epoch: int, *args: Any, **kw: Any) -> Any:
        start = time.perf_counter()
        loss = train_epoch(train_data, epoch, *args, **kw)
        seconds = time.perf_counter() - start
        epochs.append({"epoch": epoch, "training_seconds": seconds, "loss": loss})
        return loss

    def timed_valid_epoch(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        score, result = valid_epoch(*args, **kwargs)
        epochs[-1]["validation_seconds"] = time.perf_counter() - start
        epochs[-1]["valid"] = _floats(result)
        return score, result

    trainer._train_epoch = timed_train_epoch
    trainer._valid_epoch = timed_valid_epoch
    return epochs


def _floats(result: Mapping[str, Any]) -> dict[str, float]:
    """A result as JSON knows it: some metrics of RecBole's are NumPy's float32."""
    return {name: float(value) for name, value in result.items()}


def _best_epoch(validated: list[dict[str, Any]], valid_result: Any) -> int:
    """The last epoch with the best validation result: RecBole keeps that one."""
    return max(e["epoch"] for e in validated if e["valid"] == _floats(valid_result))


@contextlib.contextmanager
def _recbole_files_in(folder: Path) -> Iterator[None]:
    """RecBole writes ``log`` and ``log_tensorboard`` into the current folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _no_command_line() -> Iterator[None]:
    """RecBole's Config reads ``sys.argv`` and evaluates it; it is parsed already."""
    before = sys.argv
    sys.argv = before[:1] or [""]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _logging_as_recbole_does(config: Config) -> Iterator[None]:
    """RecBole's log on the console and in a file, closed at the end."""
    root = logging.getLogger()
    before = list(root.handlers)
    level = root.level
    init_logger(config)
    try:
        yield
    finally:
        for handler in [h for h in root.handlers if h not in before]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)


def _data_counts(
    dataset: Any, train_data: Any, valid_data: Any, test_data: Any
) -> dict[str, int]:
    """Sizes as the model sees them, padding left out."""
    counts = {
        "users": dataset.user_num - 1,
        "items": dataset.item_num - 1,
        "training_interactions": len(train_data._dataset),
        "validation_interactions": len(valid_data._dataset),
        "test_interactions": len(test_data._dataset),
    }
    if hasattr(dataset, "kg_feat"):
        counts["entities"] = dataset.entity_num - 1
        counts["triples"] = len(dataset.kg_feat)
        # RecBole counts its own interaction relation, and padding, among them.
        counts["relations"] = dataset.relation_num - 2
    return counts


def _peak_memory_bytes(device: torch.device) -> int:
    """Largest memory of the process so far; on a GPU that of its tensors."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.processor() or platform.machine()})"


def _versions() -> dict[str, str]:
    packages = ("recbole", "torch", "numpy", "scipy", "pandas")
    found = {package: version(package) for package in packages}
    from recbole_kgif import __version__

    return {"recbole_kgif": __version__, **found, "python": platform.python_version()}


def _plain(value: Any) -> Any:
    """A configuration value as JSON knows it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, enum.Enum):
        return value.name
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
