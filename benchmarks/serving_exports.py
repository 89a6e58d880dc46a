"""An export of random data, of any size: what `serving.py` measures costs by.

The graph is that of `synthetic.py`. Vectors, biases and relation weights are random,
and nothing is trained: the lists mean nothing, and cost what lists of a trained model
of this size cost. The walk matrix is made of the graph as the model makes its own, and
vectors are propagated over it, so that similar items are near the same users.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from synthetic import Counts, SyntheticData, generate

from recbole_kgif.model.kgif import NeighbourWalks, ridge_filter
from recbole_kgif.serving.export_files import (
    ENTITIES,
    INDEX,
    ITEMS,
    NEIGHBOURS,
    USERS,
    new_export,
    write_manifest,
    write_table,
    write_tensor_file,
)
from recbole_kgif.serving.exported_walks import Walks
from recbole_kgif.serving.spectral_index import strongest_directions

_DIMENSIONS = 64
# As in models that were trained on real data.
_BIAS, _SIMILARITY_WEIGHT, _WALK_WEIGHT = 0.05, 2.5, 2.0

Arrays = dict[str, NDArray[Any]]


def write_random_export(folder: Path, counts: Counts, seed: int = 0) -> None:
    """Write an export with random contents.

    Args:
        folder: gets the files.
        counts: users, items, triples and so on.
        seed: seed of the random generator.
    """
    random = np.random.default_rng(seed)
    data = generate(counts, seed)
    matrix, node = _walk_matrix(data, random)
    tensors: Arrays = {
        "item_bias": random.normal(scale=_BIAS, size=counts.items),
        "item_is_new": np.zeros(counts.items, dtype=np.uint8),
        **_interactions(data),
    }
    tensors.update(_vectors(counts, tensors, matrix, random))
    is_user = np.flatnonzero(node < 0)
    own = np.full(counts.users, -1)
    own[-node[is_user] - 1] = is_user
    lengths = np.diff(tensors["history_pointer"])
    tensors.update(
        walk_pointer=matrix.indptr.astype(np.int64),
        walk_column=matrix.indices.astype(np.int32),
        walk_value=matrix.data,
        walk_factor=lengths.clip(min=1) ** -0.5,
        own_neighbour=own,
    )
    manifest = _manifest(counts, matrix)
    walks = Walks(matrix, tuple(manifest["score"]["walk_polynomial"]))
    with new_export(folder) as hidden:
        write_tensor_file(hidden, tensors)
        write_tensor_file(hidden, strongest_directions(walks), INDEX)
        _write_tables(hidden, counts, node)
        write_manifest(hidden, manifest)


def _vectors(
    counts: Counts, tensors: Arrays, matrix: csr_matrix, random: Any
) -> Arrays:
    """Random vectors, propagated: of neighbours to items, and of items to users."""
    of_neighbours = random.normal(size=(matrix.shape[1], _DIMENSIONS))
    items = matrix @ of_neighbours + random.normal(size=(counts.items, _DIMENSIONS))
    history, pointer = tensors["history_item"], tensors["history_pointer"]
    shape = (counts.users, counts.items)
    chosen = csr_matrix((np.ones(len(history)), history, pointer), shape=shape)
    lengths = np.diff(pointer)[:, None].clip(min=1)
    users = chosen @ items / lengths**0.5
    users += random.normal(size=users.shape)
    return {"user_vectors": users, "item_vectors": items}


def _interactions(data: SyntheticData) -> Arrays:
    order = np.lexsort((data.items, data.users))
    user, item = data.users[order], data.items[order].astype(np.int32)
    pointer = np.searchsorted(user, np.arange(data.counts.users + 1)).astype(np.int64)
    return {
        "history_pointer": pointer,
        "history_item": item,
        "seen_pointer": pointer,
        "seen_item": item,
    }


def _walk_matrix(data: SyntheticData, random: Any) -> tuple[csr_matrix, Any]:
    """X with the relation weights, and the node of each column; users are negative."""
    counts = data.counts
    n_items, n_relations = counts.items, counts.relations
    forth, back = data.heads < n_items, data.tails < n_items
    parts = (
        (data.heads[forth], data.relations[forth], data.tails[forth]),
        (data.tails[back], n_relations + data.relations[back], data.heads[back]),
        (data.items, np.full(len(data.items), 2 * n_relations), -data.users - 1),
    )
    item, relation, node = (np.concatenate(columns) for columns in zip(*parts))
    shift = counts.users + 1
    keys = relation * (shift + n_items + counts.entities) + node + shift
    _, first, column, count = np.unique(
        keys, return_index=True, return_inverse=True, return_counts=True
    )
    is_shared = count > 1
    kept = is_shared[column]
    position = np.cumsum(is_shared) - 1
    item, column = item[kept], position[column[kept]]
    relation_of, node_of = relation[first][is_shared], node[first][is_shared]
    value = np.log(n_items / count[is_shared])[column]
    group = item * (2 * n_relations + 1) + relation_of[column]
    squares = np.bincount(group, value**2)
    value /= np.sqrt(squares[group]).clip(min=1e-12)
    trust = np.exp(random.normal(scale=0.5, size=2 * n_relations + 1))
    value *= np.sqrt(trust[relation_of[column]])
    shape = (n_items, int(is_shared.sum()))
    return csr_matrix((value, (item, column)), shape=shape), node_of


def _write_tables(folder: Path, counts: Counts, node: Any) -> None:
    users = [f"user {number}" for number in range(counts.users)]
    items = [f"item {number}" for number in range(counts.items)]
    write_table(folder, USERS, {"user_id": users})
    write_table(folder, ITEMS, {"item_id": items, "name": items})
    write_table(folder, ENTITIES, {"entity_id": [""]})
    write_table(
        folder,
        NEIGHBOURS,
        {
            "kind": np.where(node < 0, "user", "entity").tolist(),
            "id": list(map(str, node.tolist())),
            "name": [""] * len(node),
            "relation": ["relation"] * len(node),
            "inverse": np.zeros(len(node), dtype=bool),
        },
    )


def _manifest(counts: Counts, matrix: csr_matrix) -> dict[str, Any]:
    transposed = matrix.T.tocsr()

    def product(vectors: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(matrix @ (transposed @ vectors.numpy()))

    diagonal = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    form = NeighbourWalks.regularisation, NeighbourWalks.filter_degree
    by = ridge_filter(product, torch.from_numpy(diagonal), *form)
    polynomial = [c * by.scale**power for power, c in enumerate(by.coefficients)]
    return {
        "model": "KGIF",
        "dataset": "random",
        "score": {
            "similarity": "cosine",
            "similarity_weight": _SIMILARITY_WEIGHT,
            "walk_weight": _WALK_WEIGHT,
            "walk_polynomial": polynomial,
            "walk_exponent": 0.5,
            "visitor_normalisation": "root",
            "new_item_mixing": 0.0,
            "new_item_walk_mixing": 0.0,
            "new_item_offset": 0.0,
            "new_item_sharpness": 1.5,
            "new_item_least_share": 0.0,
            "new_item_least_arrivals": 0.0,
        },
        "counts": {
            "users": counts.users,
            "items": counts.items,
            "neighbours": matrix.shape[1],
            "walk_entries": int(matrix.nnz),
        },
    }
