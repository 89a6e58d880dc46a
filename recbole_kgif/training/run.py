"""One run: load, train, validate, test, and write the record."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

from recbole.config import Config
from recbole.utils import init_logger, init_seed

from recbole_kgif.common.files import AnyPath
from recbole_kgif.options import protocols
from recbole_kgif.options.gpus import warn_of_missing_gpu
from recbole_kgif.options.settings import REFIT
from recbole_kgif.training import preflight
from recbole_kgif.training.checkpoint import portable_options
from recbole_kgif.training.configuration import make_config
from recbole_kgif.training.console import console_of_run
from recbole_kgif.training.distributed import group
from recbole_kgif.training.distributed.layout import Place
from recbole_kgif.training.loading import LoadedData, load_data, make_model
from recbole_kgif.training.run_folder import (
    CHECKPOINT_FILE,
    LAST_FILE,
    RESULT_FILE,
    remove_partial_files,
)
from recbole_kgif.training.run_record import record_of, write_json
from recbole_kgif.training.run_trainer import make_trainer
from recbole_kgif.training.specs import RunSpec
from recbole_kgif.training.trackers import named_wandb_run


def run_experiment(
    spec: RunSpec, output: AnyPath, *, place: Optional[Place] = None
) -> dict[str, Any]:
    """Train a model, test its best epoch and write the record of the run.

    Args:
        spec: model, data and options.
        output: existing folder that receives the checkpoint, ``metrics.jsonl`` with a
            line an epoch, the record ``result.json`` and RecBole's logs.
        place: this process's place among those that train one model together, each
            called with an equal `spec`; the folder of the first one receives the run's
            files. None where it is alone.

    Returns:
        The record, as it is written.

    Raises:
        UserError: RecBole or the model refuses an option or the data.
    """
    output = Path(output)
    options = _with_whole_paths(spec, output)
    started = datetime.now(timezone.utc)
    remove_partial_files(output)
    with recbole_files_in(output):
        config = make_config(spec.model, spec.data.name, options)
        with (
            group.join_process_group(place, config),
            _logging_as_recbole_does(config, spec.console),
        ):
            warn_of_missing_gpu(options, config["device"])
            data = load_data(
                config,
                spec.data,
                size_evaluation_batches="eval_batch_size" not in options,
                size_training_batches=_sizes_training_batches(spec),
            )
            with named_wandb_run(config):
                trainer = _new_trainer(config, data, spec)
                trainer.resume()
                with trainer.tracked():
                    valid_result = trainer.train()
                    tested = _tested(trainer, config, spec)
            record = record_of(trainer, valid_result, tested)
    triples = spec.data.triples
    record[protocols.OPTION] = protocols.protocol_of(options)
    record["split_seed"] = trainer.split_seed
    record["linked_items_only"] = spec.data.linked_items_only
    record["triples"] = None if triples is None else triples.to_json()
    record["started"] = started.isoformat(timespec="seconds")
    record["checkpoint"] = CHECKPOINT_FILE
    write_json(output / RESULT_FILE, record)
    (output / LAST_FILE).unlink(missing_ok=True)
    return record


def _tested(trainer: Any, config: Config, spec: RunSpec) -> dict[str, Any]:
    """What the tests of the best epoch, or of a model fitted anew, have shown."""
    if not spec.evaluate_test:
        return {}
    validated = trainer.validate_best()
    if not config[REFIT]:
        return {**validated, **trainer.test()}
    data = load_data(config, spec.data, join_validation=True)
    again = _new_trainer(config, data, dataclasses.replace(spec, resumable=False))
    again.refit(trainer)
    tested = again.test()
    again.save_last()
    seconds = [epoch["training_seconds"] for epoch in again.history]
    refit = {
        "training_interactions": len(data.train._dataset),
        "epochs": len(seconds),
        "training_seconds": sum(seconds),
    }
    return {**validated, **tested, REFIT: refit}


def _with_whole_paths(spec: RunSpec, output: Path) -> dict[str, Any]:
    """The options of a run, with paths that RecBole reads from within its folder."""
    options = {
        **spec.options,
        "data_path": str(spec.data.data_path.resolve()),
        "checkpoint_dir": str(output.resolve()),
    }
    for name in ("dataset_save_path", "dataloaders_save_path"):
        if options.get(name):
            options[name] = str(Path(options[name]).resolve())
    return options


def _sizes_training_batches(spec: RunSpec) -> bool:
    """Whether the data decide on the batches: other models train as RecBole does."""
    return spec.model == "KGIF" and "train_batch_size" not in spec.options


def _new_trainer(config: Config, data: LoadedData, spec: RunSpec) -> Any:
    """The trainer of a new model, equal in all processes."""
    advice = "give all machines the same data set"
    group.require_equal("data", data.fingerprint, advice)
    options = portable_options(config.final_config_dict)
    group.require_equal("options", options, "give all machines the same arguments")
    model = make_model(config, data)
    if group.n_processes() > 1:
        # From here on each draws negatives of its own.
        init_seed(config["seed"] + group.rank(), config["reproducibility"])
    logging.getLogger().info(model)
    dataset = data.train._dataset
    n_triples = len(getattr(dataset, "kg_feat", ()))
    preflight.log_memory_estimate(model, config, len(dataset), n_triples)
    return make_trainer(config, model, data, spec)


@contextlib.contextmanager
def recbole_files_in(folder: Path) -> Iterator[None]:
    """RecBole writes ``log`` and ``log_tensorboard`` into the current folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _logging_as_recbole_does(config: Config, console: str) -> Iterator[None]:
    """RecBole's log on the console and in a file, closed at the end."""
    root = logging.getLogger()
    before = list(root.handlers)
    level = root.level
    init_logger(config)
    try:
        with console_of_run(console):
            yield
    finally:
        for handler in [h for h in root.handlers if h not in before]:
            root.removeHandler(handler)
            handler.close()
        root.setLevel(level)
