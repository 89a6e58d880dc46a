"""The data set with those items of its ``.item`` file that are ranked.

RecBole ranks every item of that file, also one that no interaction and no link names:
its embedding stays as it was initialised.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data import dataset as recbole_datasets
from recbole.utils import FeatureType, ModelType

from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import CANDIDATES, CATALOGUE, LINKED
from recbole_kgif.training.graph_filtered_dataset import (
    GraphFilteredDataset,
    needs_own_filter,
)


def load_items(config: Config, *, linked_items_only: bool = False) -> Any:
    """RecBole's data set with the candidates that the configuration asks for.

    Args:
        config: RecBole's configuration; its ``candidates`` is set where it is None.
        linked_items_only: see `specs.DataSpec`.

    Raises:
        UserError: a data set that RecBole has saved has other candidates.
    """
    config[CANDIDATES] = str(config[CANDIDATES] or LINKED).lower()
    base = _dataset_class(config, linked_items_only)
    saved = config["dataset_save_path"] or (
        f"{config['checkpoint_dir']}/{config['dataset']}-{base.__name__}.pth"
    )
    may_be_saved = base.__module__.startswith("recbole.") and (
        not linked_items_only or _is_knowledge_aware(config)
    )
    if may_be_saved and Path(saved).exists():
        dataset = create_dataset(config)
        if dataset.config is not config:  # it was read, not made
            _require_same_candidates(saved, dataset, config)
            return dataset
    dataset = _of_candidates(base)(config)
    # The class is of use while loading, and RecBole pickles what it saves.
    dataset.__class__ = base
    if dataset.item_feat is None:
        config[CANDIDATES] = LINKED  # there is no catalogue
    if may_be_saved and config["save_dataset"]:
        dataset.save()
    return dataset


def _dataset_class(config: Config, linked_items_only: bool) -> Any:
    """The class that RecBole's `create_dataset` would take, or ours in its place.

    With linked items only, a general model gets that of knowledge-aware ones: the same
    class filters the same interactions in the same order, so that equal seeds give
    equal splits. The model does not look at the triples that come along.
    """
    own = f"{config['model']}Dataset"
    if linked_items_only or _is_knowledge_aware(config):
        if needs_own_filter(config):
            return GraphFilteredDataset
        own = "KnowledgeBasedDataset"
    elif config["MODEL_TYPE"] == ModelType.SEQUENTIAL and not hasattr(
        recbole_datasets, own
    ):
        own = "SequentialDataset"
    return getattr(recbole_datasets, own, recbole_datasets.Dataset)


def _is_knowledge_aware(config: Config) -> bool:
    return bool(config["MODEL_TYPE"] == ModelType.KNOWLEDGE)


def _require_same_candidates(saved: str, dataset: Any, config: Config) -> None:
    """Refuse a saved data set with other candidates.

    Raises:
        UserError: it has others.
    """
    before, now = dataset.config[CANDIDATES] or CATALOGUE, config[CANDIDATES]
    if dataset.item_feat is not None and before != now:
        raise UserError(
            f"{saved}: was saved with candidates={before}, and now candidates={now} is "
            "asked for; remove the file, or give the former"
        )


def _of_candidates(base: Any) -> Any:
    """A subclass of a data set's class that leaves out what is no candidate."""

    class OfCandidates(base):
        def _remap_ID_all(self) -> None:
            if self.item_feat is not None:
                _drop_unknown_items(self)
            super()._remap_ID_all()

    return OfCandidates


def _drop_unknown_items(dataset: Any) -> None:
    """Leave out the items of ``.item`` that nothing else names, or warn of them."""
    is_known = dataset.item_feat[dataset.iid_field].isin(_known_items(dataset))
    n_unknown = int((~is_known).sum())
    if not n_unknown:
        return
    reason = (
        f"{n_unknown:,} of the {len(is_known):,} items of {dataset.dataset_name}.item "
        "have no interaction"
    )
    if hasattr(dataset, "item2entity"):
        reason += " and no linked entity"
    if dataset.config[CANDIDATES] == CATALOGUE:
        logging.getLogger().warning(
            f"{reason}; with candidates={CATALOGUE} they are ranked all the same, by "
            "embeddings that no training changes unless the model reads their features"
        )
        return
    logging.getLogger().info(
        f"{reason}; they are not ranked (--{CANDIDATES}={CATALOGUE} ranks them)"
    )
    dataset.item_feat = dataset.item_feat[is_known].reset_index(drop=True)


def _known_items(dataset: Any) -> set[Any]:
    """Ids of the items in interactions, their sequences among them, or with a link."""
    known = set(getattr(dataset, "item2entity", ()))
    for field in dataset.alias["item_id"]:
        if field not in dataset.inter_feat:
            continue
        values = dataset.inter_feat[field].to_numpy()
        if dataset.field2type[field] == FeatureType.TOKEN_SEQ and len(values):
            values = np.concatenate(values)
        known.update(values)
    return known
