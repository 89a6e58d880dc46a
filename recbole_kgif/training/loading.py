"""A data set and a model as a run sees them, loaded by RecBole."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from recbole.config import Config
from recbole.data import data_preparation
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import EvaluatorType, get_model, init_seed

from recbole_kgif.errors import UserError
from recbole_kgif.options.protocols import NEW_ITEMS
from recbole_kgif.options.protocols import OPTION as PROTOCOL
from recbole_kgif.training.catalogue import load_items
from recbole_kgif.training.corruption import change_knowledge_graph
from recbole_kgif.training.empty_graph import (
    check_runs_without_triples,
    without_triples,
)
from recbole_kgif.training.fingerprint import fingerprint
from recbole_kgif.training.labels import check_labels
from recbole_kgif.training.new_items_split import hold_out_items, require_new_items
from recbole_kgif.training.refit_data import with_validation
from recbole_kgif.training.refusals import refused_as_user_error
from recbole_kgif.training.specs import DataSpec

# User x item scores that one evaluation batch holds: 16 MiB of float32.
_EVALUATION_CELLS = 2**22
# The same for models that compute each pair separately, with vectors or matrices for
# each: MKR would ask for 69 GB on Last.FM.
_EVALUATION_CELLS_BY_PAIR = 2**16
# From so many interactions on, an epoch of KGIF has about as many steps as that of a
# smaller data set: each step propagates along the whole graph.
_MANY_INTERACTIONS = 2**18
_STEPS_AN_EPOCH = 128
_SCORED_BY_PAIR = frozenset({"KGCN", "KGNNLS", "RippleNet"})


@dataclass(frozen=True)
class LoadedData:
    """What RecBole makes of a data set.

    Attributes:
        dataset: RecBole's data set, all interactions.
        train: loader of the training interactions.
        valid: loader of the validation interactions.
        test: loader of the test interactions.
    """

    dataset: Any
    train: Any
    valid: Any
    test: Any

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What distinguishes these data from others, see `fingerprint.fingerprint`."""
        return fingerprint(self.dataset, self.train, self.valid, self.test)

    def loaders(self) -> list[Any]:
        """PyTorch's loaders, each with a generator of random numbers."""
        parts = (self.train, self.valid, self.test)
        return [loader for part in parts for loader in loaders_of(part)]


def load_data(
    config: Config,
    spec: DataSpec,
    *,
    size_evaluation_batches: bool = False,
    size_training_batches: bool = False,
    join_validation: bool = False,
) -> LoadedData:
    """Load and split a data set; equal arguments give equal splits.

    Args:
        config: the run's configuration.
        spec: the data. The triples are changed before the split, which depends on the
            interactions alone.
        size_evaluation_batches: whether to set ``eval_batch_size`` by what the model
            holds at once.
        size_training_batches: whether to set ``train_batch_size`` by the data.
        join_validation: whether the training loader yields the validation interactions
            too.

    Raises:
        UserError: RecBole refuses the data, lists are asked for that are longer than
            there are items, a part of the split is empty or lacks the labels that it is
            evaluated by, or the model cannot learn from the changed graph.
    """
    logger = logging.getLogger()
    what = f"data set {config['dataset']}"
    # Loading and splitting draw from this one; the model begins with its own.
    seed = config["seed"] if spec.split_seed is None else spec.split_seed
    init_seed(seed, config["reproducibility"])
    dataset = refused_as_user_error(
        what,
        load_items,
        config,
        linked_items_only=spec.linked_items_only,
    )
    logger.info(dataset)
    _require_items(config, dataset)
    if size_evaluation_batches:
        # RecBole's unit is a user-item cell: its default can mean one user a batch.
        cells = evaluation_cells(get_model(config["model"]))
        config["eval_batch_size"] = max(cells, dataset.item_num)
    if size_training_batches:
        size = training_batch_size(config["train_batch_size"], len(dataset))
        config["train_batch_size"] = size
    triples = spec.triples
    is_emptied = triples is not None and not triples.number_kept(len(dataset.kg_feat))
    if is_emptied:
        check_runs_without_triples(config["model"])
    elif triples is not None:
        change_knowledge_graph(dataset, triples)
    parts = _prepare_parts(config, dataset, seed)
    if join_validation:
        parts = refused_as_user_error(what, with_validation, config, parts)
    if is_emptied:
        parts = without_triples(dataset, parts)
    return LoadedData(dataset, *parts)


def _prepare_parts(config: Config, dataset: Any, seed: int) -> tuple[Any, Any, Any]:
    """Split a data set by the protocol of the run, and check the parts."""
    if config[PROTOCOL] == NEW_ITEMS:
        hold_out_items(dataset, seed)
    what = f"data set {config['dataset']}"
    parts = refused_as_user_error(what, data_preparation, config, dataset)
    _require_interactions(config, parts)
    if config[PROTOCOL] == NEW_ITEMS:
        require_new_items(*(loader._dataset for loader in parts))
    check_labels(config, dict(zip(("valid", "test"), parts[1:])))
    return parts


def _require_items(config: Config, dataset: Any) -> None:
    """Refuse lists that are longer than there are items."""
    is_ranking = config["eval_type"] == EvaluatorType.RANKING
    if is_ranking and max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']}: data set {config['dataset']} has only "
            f"{dataset.item_num - 1} items; give smaller ones, such as --topk=[1,3] "
            "with --valid_metric=NDCG@3"
        )


def _require_interactions(config: Config, parts: Any) -> None:
    """Refuse a split with an empty part."""
    for part, loader in zip(("training", "validation", "test"), parts):
        if not len(loader._dataset):
            raise UserError(
                f"data set {config['dataset']}: eval_args={config['eval_args']} leaves "
                f"no interaction for {part}; users need more interactions (three for "
                "the usual split), or the data set another split"
            )


def loaders_of(loader: Any) -> list[Any]:
    """PyTorch's loaders in one of RecBole's, which joins two for triples."""
    if hasattr(loader, "kg_dataloader"):
        return [loader.general_dataloader, loader.kg_dataloader]
    return [loader]


def evaluation_cells(model_class: Any) -> int:
    """How many user-item pairs a model can score at once.

    RecBole repeats the users for a model that cannot rank all items at once; some
    models of their own do so in what should rank them.
    """
    ranks_all_items = (
        model_class.full_sort_predict is not AbstractRecommender.full_sort_predict
    )
    if ranks_all_items and model_class.__name__ not in _SCORED_BY_PAIR:
        return _EVALUATION_CELLS
    return _EVALUATION_CELLS_BY_PAIR


def training_batch_size(usual: int, n_interactions: int) -> int:
    """Interactions a step of KGIF, the usual number unless there are many.

    Args:
        usual: RecBole's default.
        n_interactions: number of interactions of all sets.
    """
    if n_interactions < _MANY_INTERACTIONS:
        return usual
    least: int = 2 ** math.ceil(math.log2(n_interactions / _STEPS_AN_EPOCH))
    return max(usual, least)


def make_model(config: Config, data: LoadedData) -> Any:
    """A new model on the device of the configuration.

    Raises:
        UserError: the model refuses an option or the data, or does not fit in memory.
    """
    # The same in all processes: some models sample the graph when they are made.
    init_seed(config["seed"], config["reproducibility"])
    name = config["model"]
    try:
        model = refused_as_user_error(
            name, get_model(name), config, data.train._dataset
        )
        return model.to(config["device"])
    except (RuntimeError, MemoryError) as error:
        message = " ".join(str(error).split())
        if not any(word in message.lower() for word in ("memory", "storage size")):
            raise
        raise UserError(
            f"{name}: does not fit in memory ({message[:200]}); give smaller sizes, "
            "such as --embedding_size=32"
        ) from error
