"""A data set as a run sees it: configured, loaded, split, and told from any other."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset import KnowledgeBasedDataset
from recbole.model.abstract_recommender import AbstractRecommender
from recbole.utils import ModelType, get_model, init_seed

from recbole_kgif.data.splitting import hash_split
from recbole_kgif.errors import UserError
from recbole_kgif.options.gpus import gpu_id_for
from recbole_kgif.training.corruption import TripleChange, change_knowledge_graph
from recbole_kgif.training.empty_graph import (
    check_runs_without_triples,
    without_triples,
)

# User x item scores that one evaluation batch holds: 16 MiB of float32.
_EVALUATION_CELLS = 2**22
# The same for models that compute each pair by itself, with vectors or matrices for
# each: MKR would ask for 69 GB on Last.FM.
_EVALUATION_CELLS_BY_PAIR = 2**16
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


def make_config(model: str, dataset: str, options: Mapping[str, Any]) -> Config:
    """RecBole's configuration from options alone.

    Args:
        model: the model's name.
        dataset: the data set's name.
        options: what is given over RecBole's and the model's defaults.

    Raises:
        UserError: RecBole refuses an option.
    """
    given = {name: _without_code(value) for name, value in options.items()}
    gpu_id = gpu_id_for(given)
    if gpu_id is not None:
        given["gpu_id"] = _without_code(gpu_id)
    with _no_command_line():
        config: Config = refused_as_user_error(
            "configuration", Config, model, dataset, None, given
        )
    return config


def _without_code(value: Any) -> Any:
    """An option's value as RecBole's Config makes it of a text, but for what would run.

    Config evaluates a text as Python. Here a literal, such as "None", is that value,
    and any other text is handed over as the literal of itself.
    """
    if not isinstance(value, str):
        return value
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return repr(value)
    if isinstance(literal, str):
        return repr(literal)
    is_known = literal is None or isinstance(literal, (int, float, list, tuple, dict))
    return literal if is_known else repr(value)


@contextlib.contextmanager
def _no_command_line() -> Iterator[None]:
    """RecBole's Config reads ``sys.argv`` and evaluates it; it is parsed already."""
    before = sys.argv
    sys.argv = before[:1] or [""]
    try:
        yield
    finally:
        sys.argv = before


def load_data(
    config: Config,
    *,
    split_seed: int,
    linked_items_only: bool,
    size_evaluation_batches: bool = False,
    triples: Optional[TripleChange] = None,
) -> LoadedData:
    """Load and split a data set; equal arguments give equal splits.

    Args:
        config: the run's configuration.
        split_seed: seed of a random split.
        linked_items_only: whether a model that knows no knowledge graph is given the
            very interactions that a knowledge-aware one gets.
        size_evaluation_batches: whether to set ``eval_batch_size`` by what the model
            holds at once.
        triples: what is done to the knowledge graph before the split, which depends on
            the interactions alone; None leaves it as it is.

    Raises:
        UserError: RecBole refuses the data, lists are asked for that are longer than
            there are items, a part of the split is empty, or the model cannot learn
            from the changed graph.
    """
    logger = logging.getLogger()
    name = config["dataset"]
    load = _linked_dataset if linked_items_only else create_dataset
    # Loading and splitting draw from this one; the model begins with its own.
    init_seed(split_seed, config["reproducibility"])
    dataset = refused_as_user_error(f"data set {name}", load, config)
    logger.info(dataset)
    if max(config["topk"]) >= dataset.item_num:
        raise UserError(
            f"topk={config['topk']}: data set {name} has only {dataset.item_num - 1} "
            "items; give smaller ones, such as --topk=[1,3] with --valid_metric=NDCG@3"
        )
    if size_evaluation_batches:
        # RecBole's unit is a user-item cell: its default can mean one user a batch.
        cells = evaluation_cells(get_model(config["model"]))
        config["eval_batch_size"] = max(cells, dataset.item_num)
    is_emptied = triples is not None and not triples.number_kept(len(dataset.kg_feat))
    if is_emptied:
        check_runs_without_triples(config["model"])
    elif triples is not None:
        change_knowledge_graph(dataset, triples)
    parts = refused_as_user_error(f"data set {name}", data_preparation, config, dataset)
    for part, loader in zip(("training", "validation", "test"), parts):
        if not len(loader._dataset):
            raise UserError(
                f"data set {name}: eval_args={config['eval_args']} leaves no "
                f"interaction for {part}; users need more interactions (three for the "
                "usual split), or the data set another split"
            )
    if is_emptied:
        parts = without_triples(dataset, parts)
    return LoadedData(dataset, *parts)


def loaders_of(loader: Any) -> list[Any]:
    """PyTorch's loaders in one of RecBole's, which joins two for triples."""
    if hasattr(loader, "kg_dataloader"):
        return [loader.general_dataloader, loader.kg_dataloader]
    return [loader]


def _linked_dataset(config: Config) -> Any:
    """The data set as RecBole loads it for knowledge-aware models, for any model.

    The same class filters the same interactions in the same order, so that equal seeds
    give equal splits; a general model does not look at the triples that come along.
    """
    if config["MODEL_TYPE"] == ModelType.KNOWLEDGE:
        return create_dataset(config)
    return KnowledgeBasedDataset(config)


def evaluation_cells(model_class: Any) -> int:
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


def make_model(config: Config, data: LoadedData) -> Any:
    """A new model on the device of the configuration.

    Raises:
        UserError: the model refuses an option or the data, or does not fit in memory.
    """
    # Alike in all processes: some models draw a part of the graph when they are made.
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


# --- telling data sets apart --------------------------------------------------------


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
    parts = {}
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
        parts[part] = zip(users, items)
    return hash_split(parts)


def fingerprint(data: LoadedData) -> dict[str, Any]:
    """All of the data that a trained model depends on, in a few figures.

    Returns:
        `counts` of users, items and, with a knowledge graph, entities and relations,
        padding left out; `ids`, for each of these a hash over the original ids in the
        order of RecBole's numbers; `triples`, a hash over the knowledge graph; and
        `split`, see `split_hash`.
    """
    dataset = data.dataset
    fields = {"users": dataset.uid_field, "items": dataset.iid_field}
    triples = None
    if hasattr(dataset, "kg_feat"):
        fields["entities"] = dataset.entity_field
        fields["relations"] = dataset.relation_field
        triples = _triples_hash(dataset)
    return {
        "counts": {what: dataset.num(field) - 1 for what, field in fields.items()},
        "ids": {
            what: _ids_hash(dataset.field2id_token[field])
            for what, field in fields.items()
        },
        "triples": triples,
        "split": split_hash(data.train, data.valid, data.test),
    }


def _ids_hash(tokens: Any) -> str:
    return hashlib.sha256("\n".join(map(str, tokens)).encode()).hexdigest()


def _triples_hash(dataset: Any) -> str:
    fields = (
        dataset.head_entity_field,
        dataset.relation_field,
        dataset.tail_entity_field,
    )
    columns = [np.asarray(dataset.kg_feat[field], dtype="<i8") for field in fields]
    triples = np.stack(columns, axis=1)[np.lexsort(columns)]
    return hashlib.sha256(triples.tobytes()).hexdigest()


def require_same_data(
    where: str, expected: Mapping[str, Any], found: Mapping[str, Any]
) -> None:
    """Compare two fingerprints.

    Args:
        where: the file that expects the data, for the message.
        expected: the fingerprint that it holds.
        found: that of the data at hand.

    Raises:
        UserError: they differ; the message says in what.
    """
    advice = "give the data that it was trained on"
    for what in {**expected["counts"], **found["counts"]}:
        before, now = (side["counts"].get(what, 0) for side in (expected, found))
        if before != now:
            raise UserError(
                f"{where}: trained with {before:,} {what}, and the data has {now:,}; "
                f"{advice}"
            )
    for what, ids in expected["ids"].items():
        if found["ids"][what] != ids:
            raise UserError(
                f"{where}: trained with other {what} than the data has, or in another "
                f"order; {advice}"
            )
    if found["triples"] != expected["triples"]:
        raise UserError(
            f"{where}: trained with another knowledge graph than the data has; {advice}"
        )
    if found["split"] != expected["split"]:
        raise UserError(
            f"{where}: trained on split {expected['split'][:12]}, and the data gives "
            f"{found['split'][:12]}; {advice}"
        )


# --- what RecBole refuses -----------------------------------------------------------


def refused_as_user_error(
    what: str, function: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Call RecBole, and tell what it refuses in one line.

    RecBole answers bad options and data by these exceptions, with a readable message.
    """
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError, NotImplementedError, AssertionError) as error:
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
