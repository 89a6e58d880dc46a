"""Features of items from the knowledge graph: relations with entities."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse


def weighted_features(dataset: Any) -> sparse.csr_matrix:
    """The features of each item, weighted by inverse item frequency.

    A feature is a pair (relation, entity) of the item's triples, as head or as tail;
    its weight is log(n_items / items with it).

    Args:
        dataset: RecBole's data set with a knowledge graph.

    Returns:
        The weights, shape: [n_items, n_features]
    """
    return _weighted(_item_features(dataset))


def _item_features(dataset: Any) -> sparse.csr_matrix:
    """The features of each item as ones, shape: [n_items, n_features].

    A feature is a relation, in one of its directions, with an entity.
    """
    head, tail = dataset.head_entities, dataset.tail_entities
    inverse = dataset.relations + dataset.relation_num
    item = np.concatenate([head, tail])
    feature = np.concatenate(
        [
            dataset.relations * dataset.entity_num + tail,
            inverse * dataset.entity_num + head,
        ]
    )
    # Items are the first of the entities.
    is_item = item < dataset.item_num
    kinds, column = np.unique(feature[is_item], return_inverse=True)
    ones = np.ones(len(column))
    features = sparse.csr_matrix(
        (ones, (item[is_item], column)), shape=(dataset.item_num, len(kinds))
    )
    features.data[:] = 1  # a repeated triple counts once
    return features


def _weighted(features: sparse.csr_matrix) -> sparse.csr_matrix:
    """Features weighted by inverse item frequency, the padding item not counted."""
    count = np.asarray(features.sum(axis=0)).ravel()
    weight = np.log((features.shape[0] - 1) / count)
    return (features @ sparse.diags(weight)).tocsr()


def unit_rows(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each row divided by its norm; rows of zeros stay so."""
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
    return (sparse.diags(inverse) @ matrix).tocsr()
