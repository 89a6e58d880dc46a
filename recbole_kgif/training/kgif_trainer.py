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
from recbole_kgif.model.fast_kgif import KGIF
from recbole_kgif.model.score_weights import (
    candidate_score_weights,
    update_score_weights,
)
from recbole_kgif.options.item_groups import HARMONIC, WARM_ONLY, split_group
from recbole_kgif.training.distributed import group
from recbole_kgif.training.epoch_time import EpochTimeEstimator
from recbole_kgif.training.new_item_search import NewItemSearch, has_new_items
from recbole_kgif.training.training_batches import TrainingBatches


class KGIFTrainer(Trainer):
    """Trains both losses of KGIF in one step, and samples no triples in vain.

    RecBole's `KGTrainer` would do too: the model asks for nothing that only this
    trainer gives.
    """

    _has_begun = False
    _candidate: Optional[_CandidateValidation] = None
    _new_items: Optional[NewItemSearch] = None

    @property
    def is_changed_after_validation(self) -> bool:
        """Whether weights of the model were chosen by its own validation."""
        return bool(self.model.new_items.weights.any())

    def keep_choices(self, model: KGIF) -> None:
        """Score with the weights that another model's validations have chosen.

        What the other one has stored of new items is cleared: the memory is needed.
        """
        self.model.balance.copy_(model.balance)
        self.model.new_items.weights.copy_(model.new_items.weights)
        model.new_items.clear()

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
        """Train one epoch on interactions, joined or followed by triples."""
        if not self.config["single_spec"]:
            train_data.knowledge_shuffle(epoch_idx)
        learns_triples = self.model.knowledge_weight > 0
        alternates = learns_triples and self.model.knowledge_update == "alternate"
        is_joint = learns_triples and not alternates
        train_data.set_mode(
            KGDataLoaderState.RSKG if is_joint else KGDataLoaderState.RS
        )
        if not self._has_begun:
            self._has_begun = True
            capture_training_step(
                self.model.train(),
                self.config,
                _largest_batch(train_data.general_dataloader),
                _largest_batch(train_data.kg_dataloader),
            )
            loss_func = loss_func or self.model.calculate_loss
            loss_func = EpochTimeEstimator(loss_func, len(train_data))
        batches = (
            TrainingBatches(train_data) if self.config["worker"] == 0 else train_data
        )
        losses = super()._train_epoch(batches, epoch_idx, loss_func, show_progress)
        if not alternates:
            return losses
        train_data.set_mode(KGDataLoaderState.RSKG)
        loss_func = self.model.calculate_kg_loss
        loss = super()._train_epoch(batches, epoch_idx, loss_func, show_progress)
        return (*losses, loss)

    def _valid_epoch(
        self, valid_data: Any, show_progress: bool = False
    ) -> tuple[float, Any]:
        """Validate, and choose score weights and those of new items.

        The weights of new items are chosen by the scores of this validation, which
        itself has those of the last one.
        """
        new_items = self.model.new_items
        if has_new_items(valid_data, new_items.is_known):
            metric = str(self.config["valid_metric"]).lower()
            is_of_groups = split_group(metric)[0] in (HARMONIC, WARM_ONLY)
            k = max(self.config["topk"])
            self._new_items = NewItemSearch(new_items.is_known, k, is_of_groups)
        result = self._validate(valid_data, show_progress)
        search, self._new_items = self._new_items, None
        if search is not None:
            cost = self.model.new_items_cost
            weights = group.from_first(
                lambda: search.choose(cost) if search.has_new else None
            )
            if weights is not None:
                new_items.weights[:] = torch.tensor(weights)
        return result

    def _validate(self, valid_data: Any, show_progress: bool) -> tuple[float, Any]:
        """Validate, and keep the score weights that do better."""
        neighbour = candidate_score_weights(self.model)
        if neighbour is None:
            return super()._valid_epoch(valid_data, show_progress)
        search = copy.deepcopy(self._new_items)
        current, candidate = self._validate_both(
            neighbour, search, valid_data, show_progress
        )
        if self.valid_metric_bigger:
            is_better = candidate[0] > current[0]
        else:
            is_better = candidate[0] < current[0]
        update_score_weights(self.model, is_better)
        if is_better:
            self._new_items = search
        return candidate if is_better else current

    def _validate_both(
        self,
        neighbour: Tensor,
        search: Optional[NewItemSearch],
        valid_data: Any,
        show_progress: bool,
    ) -> tuple[tuple[float, Any], tuple[float, Any]]:
        """Validate by current and candidate score weights, in one pass over the users.

        Args:
            neighbour: the candidate score weights, shape: [2]
            search: is shown their scores, for the weights of new items.
            valid_data: RecBole's loader of the validation interactions.
            show_progress: whether the pass is shown.

        Returns:
            Score and result by the current weights, and by the candidate.
        """
        # Before a pass, a collector holds nothing but counts of the training data.
        collector = copy.deepcopy(self.eval_collector)
        self._candidate = _CandidateValidation(neighbour, collector, search)
        try:
            current = super()._valid_epoch(valid_data, show_progress)
            result = self.evaluator.evaluate(collector.get_data_struct())
            if not self.config["single_spec"]:
                result = self._map_reduce(result, self._candidate.n_samples)
        finally:
            self._candidate = None
        return current, (calculate_valid_score(result, self.valid_metric), result)

    def _full_sort_batch_eval(self, batched_data: Any) -> tuple[Any, ...]:
        return self._evaluated(super()._full_sort_batch_eval, batched_data)

    def _neg_sample_batch_eval(self, batched_data: Any) -> tuple[Any, ...]:
        return self._evaluated(super()._neg_sample_batch_eval, batched_data)

    def _evaluated(
        self, evaluate_batch: Callable[[Any], tuple[Any, ...]], batched_data: Any
    ) -> tuple[Any, ...]:
        """A batch by the current score weights, and by a candidate where one is tried.

        All but the weighted sum is then the same, and the model keeps it.
        """
        evaluated = evaluate_batch(batched_data)
        self._add_new_items(self._new_items, *evaluated)
        if self._candidate is None:
            return evaluated
        current = self.model.balance.clone()
        self.model.balance.copy_(self._candidate.balance)
        interaction, scores, row, item = evaluate_batch(batched_data)
        search = self._candidate.search
        self._add_new_items(search, interaction, scores, row, item)
        self.model.balance.copy_(current)
        self._candidate.collector.eval_batch_collect(scores, interaction, row, item)
        self._candidate.n_samples += len(batched_data)  # as RecBole counts them
        return evaluated

    def _add_new_items(
        self,
        search: Optional[NewItemSearch],
        interaction: Any,
        masked: Tensor,
        row: Tensor,
        item: Tensor,
    ) -> None:
        """Show a search a validated batch."""
        if search is None or search.is_full:
            return
        user = interaction[self.config["USER_ID_FIELD"]].to(self.device)
        scores = self.model.learned_scores(user)
        new_items = self.model.new_items
        expected = new_items.expected_scores(scores)
        walked = new_items.walk_scores_of(user)
        search.add(scores, expected, walked, ~torch.isneginf(masked), row, item)


@dataclass
class _CandidateValidation:
    """A validation by candidate score weights."""

    balance: Tensor
    collector: Any
    search: Optional[NewItemSearch]
    n_samples: int = 0


def _largest_batch(loader: Any) -> int:
    """Rows of the largest batch: RecBole's batch size may be beyond all rows."""
    size: int = min(loader._batch_size, loader.sample_size)
    return size


def _can_fuse(optimizer: torch.optim.Adam) -> bool:
    """Whether this torch takes these parameters into a fused step."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    try:
        type(optimizer)(parameters, fused=True)
    except (RuntimeError, TypeError):
        return False
    return True
