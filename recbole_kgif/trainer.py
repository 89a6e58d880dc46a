"""Trainer of KGIF: RecBole's, with joint batches and a fused optimiser."""

from __future__ import annotations

from typing import Any, Callable, Optional, Union

import torch
from recbole.trainer import Trainer
from recbole.utils import KGDataLoaderState

from recbole_kgif.batches import TrainingBatches
from recbole_kgif.preflight import PaceTeller


class KGIFTrainer(Trainer):
    """Trains both losses of KGIF in one step, and samples no triples in vain.

    RecBole's `KGTrainer` would do too: the model asks for nothing that only this
    trainer gives.
    """

    _has_told_pace = False

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
        if not self._has_told_pace:
            self._has_told_pace = True
            loss_func = loss_func or self.model.calculate_loss
            loss_func = PaceTeller(loss_func, len(train_data))
        if self.config["worker"] == 0:
            train_data = TrainingBatches(train_data)
        return super()._train_epoch(train_data, epoch_idx, loss_func, show_progress)

    def _valid_epoch(
        self, valid_data: Any, show_progress: bool = False
    ) -> tuple[float, Any]:
        """Validate, and keep the balance of embeddings and walks that does better."""
        in_force = super()._valid_epoch(valid_data, show_progress)
        neighbour = self.model.neighbouring_balance()
        if neighbour is None:
            return in_force
        balance = self.model.balance.clone()
        self.model.balance.copy_(neighbour)
        beside = super()._valid_epoch(valid_data, show_progress)
        self.model.balance.copy_(balance)
        if self.valid_metric_bigger:
            moves = beside[0] > in_force[0]
        else:
            moves = beside[0] < in_force[0]
        self.model.settle_balance(moves)
        return beside if moves else in_force


def _can_fuse(optimizer: torch.optim.Adam) -> bool:
    """Whether this torch takes these parameters into a fused step."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    try:
        type(optimizer)(parameters, fused=True)
    except (RuntimeError, TypeError):
        return False
    return True
