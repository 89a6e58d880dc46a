"""One run: data set, model, training, validation, test, and a record of all of it."""

from __future__ import annotations

import contextlib
import enum
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
from recbole.evaluator.base_metric import TopkMetric
from recbole.utils import init_logger, init_seed

from recbole_kgif.common.files import write_atomic
from recbole_kgif.compat import active_shims
from recbole_kgif.options import protocols
from recbole_kgif.options.gpus import warn_of_missing_gpu
from recbole_kgif.training import checkpoint, preflight
from recbole_kgif.training.corruption import TripleChange
from recbole_kgif.training.distributed import group
from recbole_kgif.training.distributed.layout import Place
from recbole_kgif.training.distributed.training import make_trainer
from recbole_kgif.training.item_hits import item_hits
from recbole_kgif.training.loading import (
    LoadedData,
    fingerprint,
    load_data,
    make_config,
    make_model,
    refused_as_user_error,
)
from recbole_kgif.training.resume import Training, is_finished, load_state, save_state
from recbole_kgif.training.run_folder import (
    CHECKPOINT_FILE,
    LAST_FILE,
    METRICS_FILE,
    RESULT_FILE,
    remove_partial_files,
)

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
    evaluate_test: bool = True,
    resumable: bool = False,
    triples: Optional[TripleChange] = None,
    place: Optional[Place] = None,
) -> dict[str, Any]:
    """Train a model, test its best epoch and write the record of the run.

    Args:
        model: name of a model of RecBole's, or KGIF.
        dataset: name of the data set, whose files lie in ``data_path/dataset``.
        options: RecBole's configuration; what it leaves out has RecBole's defaults.
        output: existing folder that receives the checkpoint, ``metrics.jsonl`` with a
            line an epoch, the record ``result.json`` and RecBole's logs.
        split_seed: seed of a random split. None takes the run's own seed, as RecBole
            does; a number gives runs of several seeds one and the same split, so that
            the seed varies initialisation, order and sampling alone.
        linked_items_only: whether a model that knows no knowledge graph is given the
            very interactions that a knowledge-aware one gets. Otherwise RecBole keeps
            the items without an entity for the former and drops them for the latter.
        evaluate_test: whether the best epoch is tested. Where options are chosen, the
            test interactions must have no say: the record then has no test results.
        resumable: whether to leave, after each epoch, what a later call with equal
            arguments goes on from, and to go on from what an earlier one has left.
        triples: what is done to the knowledge graph before; None leaves it as it is.
        place: this process's among those that train one model together, each called
            with equal arguments but for the folder; the first one's has the run's
            files, and that of another is of no further use. None where it is alone.

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
    started = datetime.now(timezone.utc)
    remove_partial_files(output)
    with _recbole_files_in(output):
        config = make_config(model, dataset, options)
        if split_seed is None:
            split_seed = config["seed"]
        with group.join_process_group(place, config), _logging_as_recbole_does(config):
            warn_of_missing_gpu(options, config["device"])
            data = load_data(
                config,
                split_seed=split_seed,
                linked_items_only=linked_items_only,
                size_evaluation_batches="eval_batch_size" not in options,
                triples=triples,
            )
            record = _train_and_test(
                config,
                data,
                split_seed=split_seed,
                linked_items_only=linked_items_only,
                evaluate_test=evaluate_test,
                resumable=resumable,
            )
    record[protocols.OPTION] = protocols.protocol_of(options)
    record["split_seed"] = split_seed
    record["linked_items_only"] = linked_items_only
    record["triples"] = None if triples is None else triples.to_json()
    record["started"] = started.isoformat(timespec="seconds")
    record["checkpoint"] = CHECKPOINT_FILE
    write_json(output / RESULT_FILE, record)
    (output / LAST_FILE).unlink(missing_ok=True)
    return record


def _train_and_test(
    config: Config,
    data: LoadedData,
    *,
    split_seed: int,
    linked_items_only: bool,
    evaluate_test: bool,
    resumable: bool,
) -> dict[str, Any]:
    folder = Path(config["checkpoint_dir"])
    data_fingerprint = fingerprint(data)
    group.require_equal("data", data_fingerprint, "give all machines the same data set")
    options = checkpoint.stored_options(config.final_config_dict)
    group.require_equal("options", options, "give all machines the same arguments")
    model = make_model(config, data)
    if group.n_processes() > 1:
        # From here on each draws negatives of its own.
        init_seed(config["seed"] + group.rank(), config["reproducibility"])
    logging.getLogger().info(model)
    preflight.log_memory_estimate(model, config)
    trainer = make_trainer(config, model, data)
    # A model that needs no training has one epoch, which has to be validated.
    trainer.eval_step = min(trainer.eval_step, trainer.epochs)

    epochs: list[dict[str, Any]] = []
    training = Training(
        trainer,
        data,
        options,
        data_fingerprint,
        _environment(config["device"]),
    )
    last = folder / LAST_FILE
    if group.from_first(lambda: resumable and last.exists()):
        epochs += load_state(last, training)
    resumed_after = len(epochs)
    write_atomic(folder / METRICS_FILE, "".join(map(_line, epochs)))

    def end_epoch(_epoch: int, _valid_score: Optional[float] = None) -> None:
        if resumable:
            save_state(last, training, epochs)

    def save_checkpoint(epoch: int, **_options: Any) -> None:
        if group.rank() > 0:
            return
        state_dict, other_parameter = checkpoint.stored_parameters(model)
        checkpoint.save(
            folder / CHECKPOINT_FILE,
            checkpoint.Checkpoint(
                model=config["model"],
                dataset=config["dataset"],
                options=dict(training.options),
                epoch=epoch,
                state_dict=state_dict,
                other_parameter=other_parameter,
                split_seed=split_seed,
                linked_items_only=linked_items_only,
                data=data_fingerprint,
                versions=_versions(),
            ),
        )

    # In place of RecBole's, which pickles its configuration.
    trainer._save_checkpoint = save_checkpoint
    _record_epochs(trainer, epochs, folder / METRICS_FILE, end_epoch)
    if is_finished(trainer, len(epochs)):
        trainer.eval_collector.data_collect(data.train)
        valid_result = trainer.best_valid_result
    else:
        # RecBole leaves its curves to Python's clearing up, if it comes to that.
        with contextlib.closing(trainer.tensorboard):
            _, valid_result = refused_as_user_error(
                config["model"],
                trainer.fit,
                data.train,
                data.valid,
                show_progress=config["show_progress"],
                callback_fn=end_epoch,
            )
    tested = _test(trainer, data, folder) if evaluate_test else {}
    validated = [epoch for epoch in epochs if "valid" in epoch]
    seconds = [epoch["training_seconds"] for epoch in epochs]
    return {
        "model": config["model"],
        "dataset": config["dataset"],
        "seed": config["seed"],
        "processes": group.n_processes(),
        "split_hash": data_fingerprint["split"],
        "valid": _floats(valid_result),
        **tested,
        "best_epoch": _best_epoch(validated, valid_result),
        "epochs": epochs,
        "resumed_after_epochs": resumed_after,
        "training_seconds_per_epoch": statistics.median(seconds),
        "validation_seconds_per_epoch": statistics.median(
            epoch["validation_seconds"] for epoch in validated
        ),
        "peak_memory_bytes": _peak_memory_bytes(config["device"]),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "data": _data_counts(data),
        **_environment(config["device"]),
        "shims": list(active_shims()),
        "configuration": _plain(config.final_config_dict),
    }


def _test(trainer: Any, data: LoadedData, folder: Path) -> dict[str, Any]:
    """The test results of the best epoch, as means, by user and by item."""
    path = folder / CHECKPOINT_FILE
    best = group.from_first(lambda: checkpoint.load(path))
    checkpoint.put_parameters(
        str(path), trainer.model, best.state_dict, best.other_parameter
    )
    with (
        _values_per_user(trainer.evaluator) as per_user,
        item_hits(trainer.eval_collector, data.dataset.item_num) as by_item,
    ):
        result = trainer.evaluate(
            data.test,
            load_best_model=False,
            show_progress=trainer.config["show_progress"],
        )
        by_item.interactions = group.total(by_item.interactions)
        by_item.hits = group.total(by_item.hits)
    return {
        "test": _floats(result),
        "test_per_user": {
            "users": _evaluated_users(data.test),
            "training_interactions": _training_interactions(data),
            "metrics": per_user,
        },
        "test_per_item": by_item.to_record(data.train._dataset),
    }


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


def _training_interactions(data: LoadedData) -> list[int]:
    """How many each of the evaluated users has, in the same order."""
    train = data.train._dataset
    users = train.inter_feat[train.uid_field]
    degree = torch.bincount(users, minlength=train.user_num)
    of_users: list[int] = degree[data.test.uid_list].tolist()
    return of_users


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is there whole or not at all."""
    write_atomic(path, _laid_out(value) + "\n")


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


def _line(epoch: Mapping[str, Any]) -> str:
    return json.dumps(epoch) + "\n"


def _record_epochs(
    trainer: Any,
    epochs: list[dict[str, Any]],
    path: Path,
    end_unvalidated: Callable[[int], None],
) -> None:
    """Have a trainer note each epoch's seconds, loss and validation result.

    Args:
        trainer: RecBole's trainer.
        epochs: grows by one entry an epoch.
        path: file that grows by one line an epoch.
        end_unvalidated: called after an epoch that no validation follows.
    """
    train_epoch, valid_epoch = trainer._train_epoch, trainer._valid_epoch

    def write_line() -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(epochs[-1]))

    def timed_train_epoch(train_data: Any, epoch: int, *args: Any, **kw: Any) -> Any:
        start = time.perf_counter()
        loss = train_epoch(train_data, epoch, *args, **kw)
        seconds = time.perf_counter() - start
        epochs.append({"epoch": epoch, "training_seconds": seconds, "loss": loss})
        if (epoch + 1) % trainer.eval_step != 0:
            write_line()
            end_unvalidated(epoch)
        return loss

    def timed_valid_epoch(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        score, result = valid_epoch(*args, **kwargs)
        epochs[-1]["validation_seconds"] = time.perf_counter() - start
        epochs[-1]["valid"] = _floats(result)
        write_line()
        return score, result

    trainer._train_epoch = timed_train_epoch
    trainer._valid_epoch = timed_valid_epoch


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


def _data_counts(data: LoadedData) -> dict[str, int]:
    """Sizes as the model sees them, padding left out."""
    dataset = data.dataset
    counts = {
        "users": dataset.user_num - 1,
        "items": dataset.item_num - 1,
        "training_interactions": len(data.train._dataset),
        "validation_interactions": len(data.valid._dataset),
        "test_interactions": len(data.test._dataset),
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


def _environment(device: torch.device) -> dict[str, Any]:
    """What the last digits of a result depend on."""
    return {
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "versions": _versions(),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU ({platform.processor() or platform.machine()})"


def _versions() -> dict[str, str]:
    packages = ("recbole", "torch", "numpy", "scipy", "pandas")
    found = {package: version(package) for package in packages}
    from recbole_kgif.common.version import __version__

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
