"""The data set with the items that are ranked: those with a history or with triples.

RecBole ranks every item of a ``.item`` file, also one that no interaction and no link
names: its embedding stays as it was initialised. An item that has a link and triples,
but no interaction, it leaves out of a data set that it splits itself, and fails on in a
pre-split one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data import dataset as recbole_datasets
from recbole.utils import FeatureType, ModelType

from recbole_kgif.data.graph_filter import Intervals
from recbole_kgif.errors import UserError
from recbole_kgif.options.models import BASELINES
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
    reads_graph = config["MODEL_TYPE"] == ModelType.KNOWLEDGE
    return bool(reads_graph or config["model"] in BASELINES)


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
    """A subclass of a data set's class with all candidates, and no others."""

    class OfCandidates(base):
        item_feat: Any

        def _load_data(self, token: str, dataset_path: str) -> None:
            super()._load_data(token, dataset_path)
            self.links_without_history = _links_without_history(self)

        def _remap_ID_all(self) -> None:
            without_history = _kept_links(self) if hasattr(self, "item2entity") else []
            if self.item_feat is not None:
                _drop_unknown_items(self)
            elif without_history:
                # RecBole numbers the items of this table as well.
                self.item_feat = pd.DataFrame({self.iid_field: without_history})
                self.feat_name_list.append("item_feat")
                super()._remap_ID_all()
                self.item_feat = None
                self.feat_name_list.remove("item_feat")
                return
            super()._remap_ID_all()

    return OfCandidates


def _links_without_history(dataset: Any) -> dict[Any, Any]:
    """The entities of linked items without an interaction.

    There are none where the items are asked to have some: RecBole's filter of items by
    their interactions leaves these out, too.
    """
    allowed = Intervals(dataset.config["item_inter_num_interval"])
    is_split = dataset.benchmark_filename_list is not None
    if not is_split and not allowed.allow(pd.Series([0]))[0]:
        return {}
    interacted = set(dataset.inter_feat[dataset.iid_field])
    links: dict[Any, Any] = getattr(dataset, "item2entity", {})
    return {item: entity for item, entity in links.items() if item not in interacted}


def _kept_links(dataset: Any) -> list[Any]:
    """Keep the links of items without an interaction that have triples, and no others.

    RecBole has taken all of them out of unsplit data, and none out of pre-split ones.

    Returns:
        The items whose links are kept.
    """
    in_graph = dataset._get_entity_token()
    features = dataset.item_feat
    listed = None if features is None else set(features[dataset.iid_field])
    kept = []
    for item, entity in dataset.links_without_history.items():
        if entity in in_graph and (listed is None or item in listed):
            kept.append(item)
            dataset.item2entity[item] = entity
            dataset.entity2item[entity] = item
        elif item in dataset.item2entity:
            del dataset.item2entity[item]
            del dataset.entity2item[entity]
    if kept:
        logging.getLogger().info(
            f"{len(kept):,} items of {dataset.dataset_name}.link have triples and no "
            "interaction; they are ranked like the others"
        )
    return kept


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
