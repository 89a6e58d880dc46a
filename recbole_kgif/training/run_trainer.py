"""One trainer for every run: RecBole's trainer of a model, extended for runs."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from recbole.trainer import Trainer
from recbole.utils import get_trainer

from recbole_kgif.common.files import write_atomic
from recbole_kgif.errors import UserError
from recbole_kgif.options.protocols import NEW_ITEMS
from recbole_kgif.options.protocols import OPTION as PROTOCOL
from recbole_kgif.training import checkpoint
from recbole_kgif.training.console import EPOCHS, EpochLines
from recbole_kgif.training.distributed import group, sharing
from recbole_kgif.training.evaluation import (
    ItemHits,
    PerUserEvaluator,
    RunCollector,
    RunEvaluator,
    evaluated_users,
    original_ids,
    training_interactions,
)
from recbole_kgif.training.group_evaluation import ItemGroups
from recbole_kgif.training.loading import LoadedData
from recbole_kgif.training.parameters import put_parameters, stored_parameters
from recbole_kgif.training.refusals import refused_as_user_error
from recbole_kgif.training.run_folder import CHECKPOINT_FILE, LAST_FILE, METRICS_FILE
from recbole_kgif.training.run_record import environment, floats, versions
from recbole_kgif.training.specs import RunSpec
from recbole_kgif.training.trackers import MlflowRun, mlflow_run
from recbole_kgif.training.training_state import load_state, save_state
from recbole_kgif.training.validation_sample import validation_sample


def make_trainer(config: Any, model: Any, data: LoadedData, spec: RunSpec) -> Any:
    """The trainer of a run.

    Args:
        config: RecBole's configuration; its ``checkpoint_dir`` is the run's folder.
        model: the model, the same in every process.
        data: its data; what the loaders yield becomes this process's share.
        spec: what the run is asked for.

    Returns:
        A `RunTrainer` that is also RecBole's trainer of the model.
    """
    base = get_trainer(config["MODEL_TYPE"], config["model"])
    return _run_trainer_class(base)(config, model, data, spec)


@functools.cache
def _run_trainer_class(base: type) -> type:
    return type(f"Run{base.__name__}", (RunTrainer, base), {})


class RunTrainer(Trainer):
    """What a run adds to RecBole's trainer of a model, the next class in line.

    Epochs are timed and recorded, the best one is saved without pickling, the state is
    saved after each epoch of a resumable run, and several processes share the work.

    Attributes:
        data: the data.
        spec: what the run is asked for.
        folder: the run's folder.
        options: the run's options, see `checkpoint.portable_options`.
        environment: what the last digits depend on, see `run_record.environment`.
        history: an entry for each epoch: number, seconds, loss and validation result.
        n_resumed: number of epochs that an earlier, unfinished run had done.
        epoch_lines: shows the epochs on the console; None where nothing else than
            RecBole's log does.
        mlflow: the run of MLflow; None where it is not asked for.
        sample: loader of the validated users where these are not all; else None.
        is_refit: whether the model learns from the validation interactions too.
        best_epoch: number of the best epoch, from 0 on, after `validate_best`.
    """

    is_refit = False
    best_epoch = 0

    def __init__(self, config: Any, model: Any, data: LoadedData, spec: RunSpec):
        is_single = config["single_spec"]
        # RecBole would wrap the model in a way that works on GPUs alone.
        config["single_spec"] = True
        super().__init__(config, model)
        config["single_spec"] = is_single
        self.data = data
        self.spec = spec
        self.folder = Path(config["checkpoint_dir"])
        self.options = checkpoint.portable_options(config.final_config_dict)
        self.environment = environment(config["device"])
        self.history: list[dict[str, Any]] = []
        self.n_resumed = 0
        self.epoch_lines = self._new_epoch_lines("epoch")
        self.mlflow: Optional[MlflowRun] = None
        self.item_groups = ItemGroups.of(
            *(loader._dataset for loader in (data.train, data.valid, data.test))
        )
        chooses_by_groups = config[PROTOCOL] == NEW_ITEMS
        self.eval_collector = RunCollector(
            config, self.item_groups if chooses_by_groups else None
        )
        self.evaluator = RunEvaluator(config)
        # A model that needs no training has one epoch, which has to be validated.
        eval_step: int = config["eval_step"]
        self.eval_step = min(eval_step, self.epochs)
        # Several processes share the users.
        self.sample = validation_sample(data.valid) if is_single else None
        if not is_single:
            sharing.share_loaders(data, config["seed"])
            shared = sharing.share_gradients(model, self.device)
            self.model, self.distributed_model = shared

    def _new_epoch_lines(self, name: str) -> Optional[EpochLines]:
        if self.spec.console != EPOCHS or group.rank() > 0:
            return None
        return EpochLines(
            str(self.config["valid_metric"]),
            epochs=self.epochs,
            is_larger_better=self.valid_metric_bigger,
            name=name,
        )

    # --- training -------------------------------------------------------------------

    def train(self) -> dict[str, Any]:
        """Train until RecBole stops, from where an earlier run was interrupted.

        Returns:
            Validation result of the best epoch.

        Raises:
            UserError: RecBole or the model refuses an option or the data.
        """
        if self._is_finished():
            self.eval_collector.data_collect(self.data.train)
            resumed: dict[str, Any] = self.best_valid_result
            return resumed
        validated = self.data.valid
        if self.sample is not None:
            validated = self.sample
            logging.getLogger().info(
                "validation of %d of %d users, drawn at random; the result is that of "
                "all",
                len(validated.uid_list),
                len(self.data.valid.uid_list),
            )
        # RecBole leaves its curves to the interpreter's shutdown, if it comes to that.
        with contextlib.closing(self.tensorboard):
            _, valid_result = refused_as_user_error(
                self.config["model"],
                self.fit,
                self.data.train,
                validated,
                show_progress=self.config["show_progress"],
                callback_fn=self._save_state,
            )
        best: dict[str, Any] = valid_result
        return best

    def refit(self, first: RunTrainer) -> None:
        """Train without validation, as long as the best epoch of another model took.

        The weights that are chosen in validation are those of the other model.

        Args:
            first: its trainer, after `validate_best`.
        """
        self.is_refit = True
        self.mlflow = first.mlflow
        self.epochs = first.best_epoch + 1
        self.epoch_lines = self._new_epoch_lines("refit")
        if hasattr(self, "keep_choices"):
            self.keep_choices(first.model)
        with contextlib.closing(self.tensorboard):
            refused_as_user_error(
                self.config["model"],
                self.fit,
                self.data.train,
                saved=False,
                show_progress=self.config["show_progress"],
            )

    @contextlib.contextmanager
    def tracked(self) -> Iterator[None]:
        """Keep the trackers that the configuration asks for, and end their runs."""
        self.mlflow = mlflow_run(self.config, self.options)
        status = "FAILED"
        try:
            yield
            status = "FINISHED"
        finally:
            if self.mlflow is not None:
                self.mlflow.end(status)

    def _is_finished(self) -> bool:
        """Whether no epoch is left, by their number or by early stopping."""
        has_stopped = self.cur_step > self.stopping_step
        return len(self.history) >= self.epochs or has_stopped

    def _train_epoch(
        self, train_data: Any, epoch_idx: int, *args: Any, **kwargs: Any
    ) -> sharing.Loss:
        """Train one epoch and record its seconds and loss."""
        is_shared = not self.config["single_spec"]
        start = time.perf_counter()
        if is_shared:
            sharing.shuffle_alike(self.data.train, epoch_idx)
        loss: sharing.Loss = super()._train_epoch(
            train_data, epoch_idx, *args, **kwargs
        )
        if is_shared:
            loss = sharing.join_epoch(self.model, loss)
        seconds = time.perf_counter() - start
        self.history.append(
            {"epoch": epoch_idx, "training_seconds": seconds, "loss": loss}
        )
        if self.is_refit:
            if self.epoch_lines is not None:
                self.epoch_lines.show(self.history[-1])
        elif (epoch_idx + 1) % self.eval_step != 0:
            self._write_epoch()
            self._save_state(epoch_idx)
        return loss

    def _valid_epoch(self, *args: Any, **kwargs: Any) -> tuple[float, dict[str, Any]]:
        """Validate and record the result."""
        start = time.perf_counter()
        score, result = super()._valid_epoch(*args, **kwargs)
        self.history[-1]["validation_seconds"] = time.perf_counter() - start
        self.history[-1]["valid"] = floats(result)
        self._write_epoch()
        return score, result

    # --- saving and resuming --------------------------------------------------------

    def _write_epoch(self) -> None:
        if self.epoch_lines is not None:
            self.epoch_lines.show(self.history[-1])
        if self.mlflow is not None:
            self.mlflow.log_epoch(self.history[-1])
        with (self.folder / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.write(_line(self.history[-1]))

    def save_last(self) -> None:
        """Save the last epoch in place of the best one."""
        self._save_checkpoint(self.epochs - 1)

    def _save_checkpoint(self, epoch: int, **_: Any) -> None:
        """Save the best epoch so far, in place of RecBole's pickle."""
        if group.rank() > 0:
            return
        state_dict, other_parameter = stored_parameters(self.model)
        checkpoint.save(
            self.folder / CHECKPOINT_FILE,
            checkpoint.Checkpoint(
                model=self.config["model"],
                dataset=self.config["dataset"],
                options=self.options,
                epoch=epoch,
                state_dict=state_dict,
                other_parameter=other_parameter,
                split_seed=self.split_seed,
                linked_items_only=self.spec.data.linked_items_only,
                data=self.data.fingerprint,
                versions=versions(),
            ),
        )

    @property
    def split_seed(self) -> int:
        """Seed of a random split: the data's, else the run's."""
        given = self.spec.data.split_seed
        seed: int = self.config["seed"] if given is None else given
        return seed

    def _save_state(self, _epoch: int, _valid_score: Optional[float] = None) -> None:
        """Save what a resumed run needs, at the end of an epoch."""
        if self.spec.resumable:
            save_state(self.folder / LAST_FILE, self)

    def resume(self) -> None:
        """Continue from the state of an unfinished run in the folder, if there is one.

        Call it right before `train`: it sets the states of the random generators.

        Raises:
            UserError: the state is of a run with other settings, data or versions.
        """
        path = self.folder / LAST_FILE
        if group.from_first(lambda: self.spec.resumable and path.exists()):
            load_state(path, self)
        self.n_resumed = len(self.history)
        lines = "".join(map(_line, self.history))
        write_atomic(self.folder / METRICS_FILE, lines)

    # --- testing --------------------------------------------------------------------

    def validate_best(self) -> dict[str, Any]:
        """Return to the best epoch, and validate it where it has to be.

        Returns:
            See `_validated_again`.

        Raises:
            UserError: the run was ended while a refitted model was saved.
        """
        path = self.folder / CHECKPOINT_FILE
        best = group.from_first(lambda: checkpoint.load(path))
        if best.data != self.data.fingerprint:
            raise UserError(
                f"{path}: already fitted to the validation set, which now says nothing "
                "of it; train into another folder"
            )
        put_parameters(str(path), self.model, best.state_dict, best.other_parameter)
        self.best_epoch = best.epoch
        return self._validated_again()

    def test(self) -> dict[str, Any]:
        """Test the model as it is.

        Returns:
            The metrics in ``test``; where lists are ranked, also the values of each
            user in ``test_per_user``, the hits of each item in ``test_per_item``, and
            the metrics of groups of items in ``test_groups``.
        """
        self.evaluator = PerUserEvaluator(self.config)
        hits = ItemHits(self.data.dataset.item_num, self.eval_collector.topk)
        self.eval_collector.item_hits = hits
        self.eval_collector.groups = self.item_groups
        self.eval_collector.evaluated = "test"
        result = self.evaluate(
            self.data.test,
            load_best_model=False,
            show_progress=self.config["show_progress"],
        )
        hits.interactions = group.total(hits.interactions)
        hits.hits = group.total(hits.hits)
        tested: dict[str, Any] = {"test": floats(result)}
        if self.mlflow is not None:
            self.mlflow.log_test(tested["test"])
        users = evaluated_users(self.data.test)
        if self.evaluator.per_user and users is not None:
            tested["test_per_user"] = {
                "users": original_ids(self.data.test, users),
                "training_interactions": training_interactions(self.data, users),
                "metrics": self.evaluator.per_user,
            }
        # Pairs with a label are valued, not ranked.
        if hits.interactions.any():
            tested["test_per_item"] = hits.to_record(self.data.train._dataset)
        groups = self.evaluator.groups
        if groups is not None:
            tested["test_groups"] = groups.to_record()
        return tested

    def _validated_again(self) -> dict[str, Any]:
        """The validation of the saved model by all users.

        Empty where that of its epoch was the same: neither by some of the users, nor
        before the last weights were chosen.
        """
        is_changed = getattr(self, "is_changed_after_validation", False)
        if self.sample is None and not is_changed:
            return {}
        result = self.evaluate(
            self.data.valid,
            load_best_model=False,
            show_progress=self.config["show_progress"],
        )
        validated: dict[str, Any] = {"valid": floats(result)}
        if self.sample is not None:
            validated["validation_sample"] = {"users": len(self.sample.uid_list)}
        return validated

    def _map_reduce(self, result: Any, _n_samples: int) -> Any:
        """The result of the first process, in place of a mean over processes.

        Each has evaluated what all have collected. All follow the first, so that no
        difference in the last digit lets one stop training while another continues.
        """
        return group.from_first(lambda: result)


def _line(epoch: dict[str, Any]) -> str:
    return json.dumps(epoch) + "\n"
