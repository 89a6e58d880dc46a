"""Trainer of KGIF: RecBole's, with joint batches and a fused optimiser."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

import torch
from recbole.trainer import Trainer
from recbole.utils import KGDataLoaderState, calculate_valid_score
from torch import Tensor

from recbole_kgif.model.cuda_graphs import capture_training_step
from recbole_kgif.training.preflight import EpochTimeEstimator
from recbole_kgif.training.training_batches import TrainingBatches


class KGIFTrainer(Trainer):
    """Trains both losses of KGIF in one step, and samples no triples in vain.

    RecBole's `KGTrainer` would do too: the model asks for nothing that only this
    trainer gives.
    """

    _has_begun = False
    _beside: Optional[_Beside] = None

    def _build_optimizer(self, **kwargs: Any) -> torch.optim.Optimizer:
        """RecBole's optimiser, Adam in its fused form where this torch has it.

        The step is the same; it passes over the embedding tables once instead of ten
        times.
        """
        optimizer = super()._build_optimizer(**kwargs)
        if isinstance(optimizer, torch.optim.Adam) and _can_fuse(optimizer):
            for group in optimizer.param_groups:
                group.update(fused=True, foreach=False)
        return optimizer

    def _train_epoch(
        self,
        train_data: Any,
        epoch_idx: int,
        loss_func: Optional[Callable[[Any], Any]] = None,
        show_progress: bool = False,
    ) -> Union[float, tuple[float, ...]]:
        """Train one epoch on interactions, joined by triples where they are learned."""
        if not self.config["single_spec"]:
            train_data.knowledge_shuffle(epoch_idx)
        train_data.set_mode(
            KGDataLoaderState.RSKG
            if self.model.knowledge_weight > 0
            else KGDataLoaderState.RS
        )
        if not self._has_begun:
            self._has_begun = True
            capture_training_step(
                self.model.train(),
                self.config,
                train_data.general_dataloader._batch_size,
                train_data.kg_dataloader._batch_size,
            )
            loss_func = loss_func or self.model.calculate_loss
            loss_func = EpochTimeEstimator(loss_func, len(train_data))
        if self.config["worker"] == 0:
            train_data = TrainingBatches(train_data)
        return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _valid_epoch(
        self, valid_data: Any, show_progress: bool = False
    ) -> tuple[float, Any]:
        """Validate, and keep the balance of embeddings and walks that does better."""
        neighbour = self.model.candidate_score_weights()
        if neighbour is None:
            return super()._valid_epoch(valid_data, show_progress)
        in_force, beside = self._validate_beside(neighbour, valid_data, show_progress)
        if self.valid_metric_bigger:
            moves = beside[0] > in_force[0]
        else:
            moves = beside[0] < in_force[0]
        self.model.update_score_weights(moves)
        return beside if moves else in_force

    def _validate_beside(
        self, neighbour: Tensor, valid_data: Any, show_progress: bool
    ) -> tuple[tuple[float, Any], tuple[float, Any]]:
        """Validate by two balances, in one pass over the users.

        Args:
            neighbour: the balance that is not in force, shape: [2]
            valid_data: RecBole's loader of the validation interactions.
            show_progress: whether the pass is shown.

        Returns:
            Score and result of the validation by the balance in force and by the other.
        """
        # Before a pass, a collector holds nothing but figures of the training data.
        collector = copy.deepcopy(self.eval_collector)
        self._beside = _Beside(neighbour, collector)
        try:
            in_force = super()._valid_epoch(valid_data, show_progress)
            result = self.evaluator.evaluate(collector.get_data_struct())
            if not self.config["single_spec"]:
                result = self._map_reduce(result, self._beside.n_samples)
        finally:
            self._beside = None
        return in_force, (calculate_valid_score(result, self.valid_metric), result)

    def _full_sort_batch_eval(self, batched_data: Any) -> tuple[Any, ...]:
        return self._evaluated(super()._full_sort_batch_eval, batched_data)

    def _neg_sample_batch_eval(self, batched_data: Any) -> tuple[Any, ...]:
        return self._evaluated(super()._neg_sample_batch_eval, batched_data)

    def _evaluated(
        self, evaluate_batch: Callable[[Any], tuple[Any, ...]], batched_data: Any
    ) -> tuple[Any, ...]:
        """A batch by the balance in force; by the other one, too, where one is tried.

        All but the weighted sum is then the same, and the model keeps it.
        """
        evaluated = evaluate_batch(batched_data)
        if self._beside is None:
            return evaluated
        in_force = self.model.balance.clone()
        self.model.balance.copy_(self._beside.balance)
        interaction, scores, row, item = evaluate_batch(batched_data)
        self.model.balance.copy_(in_force)
        self._beside.collector.eval_batch_collect(scores, interaction, row, item)
        self._beside.n_samples += len(batched_data)  # as RecBole counts them
        return evaluated


@dataclass
class _Beside:
    """A validation by the balance that is not in force."""

    balance: Tensor
    collector: Any
    n_samples: int = 0


def _can_fuse(optimizer: torch.optim.Adam) -> bool:
    """Whether this torch takes these parameters into a fused step."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    try:
        type(optimizer)(parameters, fused=True)
    except (RuntimeError, TypeError):
        return False
    return True
