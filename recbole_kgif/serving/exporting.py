"""A trained KGIF as files: all that its scores, and the reasons for them, need."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from scipy.sparse import csr_matrix

from recbole_kgif.common.version import __version__
from recbole_kgif.errors import UserError
from recbole_kgif.explain.model_adapters import graph_of
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.model.new_items import LEAST_SHARE, SHARPNESS
from recbole_kgif.recommend import Recommender, in_double_precision
from recbole_kgif.serving.export_files import (
    ENTITIES,
    ITEMS,
    NEIGHBOURS,
    TENSORS,
    USERS,
    new_export,
    write_manifest,
    write_table,
    write_tensor_file,
)
from recbole_kgif.serving.exported_scores import ScoreForm
from recbole_kgif.serving.precision import Loss, measure_loss
from recbole_kgif.training.restore import Restored

PRECISIONS = ("float64", "float32", "float16")
_FORMULA = (
    "y = similarity_weight * s(z_u, z_i) + walk_weight * w(u, i) + bias_i; "
    "w(u, .) = f_u P(X X') X r_u; r_u = X' h_u, 0 where a neighbour is u; "
    "P(K) = sum_k walk_polynomial[k] K^k; new items: see docs/export.md"
)

Arrays = dict[str, Any]


def export_model(
    restored: Restored, folder: Path, precision: str = "float64"
) -> Optional[Loss]:
    """Write a trained model as files that need no PyTorch.

    Args:
        restored: the checkpoint and its data.
        folder: gets the files; an earlier export there is replaced.
        precision: of the vectors of users, items and entities, one of `PRECISIONS`.

    Returns:
        What a lower precision than float64 changes.

    Raises:
        UserError: the model is not KGIF, or the folder cannot be written.
    """
    recommender = Recommender(restored)
    if recommender.model_name != "KGIF":
        raise UserError(
            f"{recommender.model_name} cannot be exported: an export holds vectors and "
            "walks of KGIF; give a checkpoint of KGIF"
        )
    model = in_double_precision(restored.model)
    with torch.no_grad(), new_export(folder) as hidden:
        tensors = _tensors(model, recommender)
        form = _form(model)
        loss = None
        if precision != "float64":
            exact = dict(tensors)
            for name in ("user_vectors", "item_vectors"):
                tensors[name] = tensors[name].astype(precision)
            n_neighbours = _counts(tensors)["neighbours"]
            loss = measure_loss(form, exact, tensors, n_neighbours)
        write_tensor_file(hidden, tensors)
        names = _names(restored, recommender, model)
        _write_tables(hidden, tensors, recommender, names)
        _write_nodes(hidden, model, names, precision)
        write_manifest(hidden, _manifest(restored, tensors, form, precision, loss))
    return loss


def _names(restored: Restored, recommender: Recommender, model: Any) -> NodeNames:
    original = model.graph_nodes.cpu().numpy()
    return NodeNames(recommender, restored.folder, graph_of(model), original)


def _tensors(model: Any, recommender: Recommender) -> Arrays:
    """All arrays of the scores; the first row is that of number 1, not the padding."""
    users, items = model()
    tensors = {
        "user_vectors": _array(users)[1:],
        "item_vectors": _array(items)[1:],
        "item_bias": _array(model.item_bias.weight)[1:, 0],
        "item_is_new": ~_array(model.new_items.is_known)[1:],
        **_interactions(model, recommender),
        **_walks(model),
    }
    if float(model.new_items.weights[0]) > 0 and bool(model.new_items.is_known.any()):
        # The padding is the first of the new items.
        regression = _array(model.new_items.regression)
        tensors["new_item_regression"] = regression[:, 1:]
    tensors["item_is_new"] = tensors["item_is_new"].astype(np.uint8)
    return tensors


def _interactions(model: Any, recommender: Recommender) -> Arrays:
    """Training interactions with their weights, and all that are left out of lists."""
    head, _, tail = (_array(part) for part in model.graph.triples())
    chosen = np.flatnonzero(head < model.n_users)
    user, item = head[chosen] - 1, tail[chosen] - model.n_users - 1
    arrays = {
        "history_pointer": _pointer(user, model.n_users - 1),
        "history_item": item.astype(np.int32),
    }
    if not model.propagation.aggregators:
        fused, weights = model.fused_embeddings(), model.edge_weights()
        n_layers = model.n_layers + 1
        layer = _array(fused)
        matrix = csr_matrix(
            (_array(weights), (head, tail)), shape=(model.graph.n_nodes,) * 2
        )
        total = np.zeros_like(layer)
        for _ in range(model.n_layers):
            total, layer = total + layer, matrix @ layer
        first = model.n_users + 1
        arrays["history_weight"] = _array(weights)[chosen] / n_layers
        arrays["item_contribution"] = total[first : first + model.n_items - 1]
    seen = recommender.seen[1:, 1:].tocsr()
    seen.sort_indices()
    arrays["seen_pointer"] = seen.indptr.astype(np.int64)
    arrays["seen_item"] = seen.indices.astype(np.int32)
    return arrays


def _pointer(rows: Any, n_rows: int) -> Any:
    return np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int64)


def _walks(model: Any) -> Arrays:
    """The walk matrix X, with a column a neighbour, and what belongs to the users."""
    walks = model.walks
    if walks is None or not float(model.balance[1]):
        return {}
    shared = walks.shared
    trust = walks.relation_weights()[shared.relation].sqrt()
    value = _array(shared.value * trust[shared.items.column])
    item, neighbour = _array(shared.items.row), _array(shared.items.column)
    users = torch.arange(1, shared.history.n_rows)
    return {
        "walk_pointer": _pointer(item - 1, shared.items.n_rows - 1),
        "walk_column": neighbour.astype(np.int32),
        "walk_value": value,
        "walk_factor": _array(walks.user_factor(walks.n_items_of(users))),
        "own_neighbour": _array(shared.neighbour_of_user)[1:].astype(np.int64),
    }


def _form(model: Any) -> ScoreForm:
    similarity_weight, walk_weight = model.balance.tolist()
    mixing, offset = model.new_items.weights.tolist()
    by = None if model.walks is None else model.walks.spectral_filter()
    polynomial = (1.0,)
    if by is not None:
        polynomial = tuple(
            value * by.scale**power for power, value in enumerate(by.coefficients)
        )
    return ScoreForm(
        similarity="cosine" if model.similarity == "cosine" else "dot",
        similarity_weight=similarity_weight / model.temperature,
        walk_weight=0.0 if model.walks is None else walk_weight,
        walk_polynomial=polynomial,
        new_item_mixing=mixing,
        new_item_offset=offset,
        new_item_sharpness=SHARPNESS,
        new_item_least_share=LEAST_SHARE / max(1, int(model.new_items.is_known.sum())),
    )


def _write_tables(
    folder: Path, tensors: Arrays, recommender: Recommender, names: NodeNames
) -> None:
    n_interactions = np.diff(tensors["history_pointer"])
    write_table(
        folder,
        USERS,
        {
            "user_id": recommender.users,
            "n_interactions": n_interactions,
            "vector": tensors["user_vectors"],
        },
    )
    n_items = len(recommender.items)
    of_items = np.bincount(tensors["history_item"], minlength=n_items)
    write_table(
        folder,
        ITEMS,
        {
            "item_id": recommender.items,
            "name": [recommender.names.get(item, "") for item in recommender.items],
            "bias": tensors["item_bias"],
            "n_interactions": of_items,
            "is_new": tensors["item_is_new"].astype(bool),
            "vector": tensors["item_vectors"],
        },
    )


def _write_nodes(folder: Path, model: Any, names: NodeNames, precision: str) -> None:
    """The tables of entities and of neighbours."""
    vectors = model.propagation(
        model.graph, model.edge_weights(), model.fused_embeddings()
    )
    first = model.n_users + model.n_items
    nodes = [names.node(number) for number in range(first, len(vectors))]
    write_table(
        folder,
        ENTITIES,
        {
            "entity_id": [node.id for node in nodes],
            "name": [node.name or node.description or "" for node in nodes],
            "vector": _array(vectors)[first:].astype(precision),
        },
    )
    shared = None if model.walks is None else model.walks.shared
    number = [] if shared is None else _array(shared.node).tolist()
    relation = [] if shared is None else _array(shared.relation).tolist()
    nodes = [names.node(each) for each in number]
    relations = {each: names.relation(each) for each in set(relation)}
    write_table(
        folder,
        NEIGHBOURS,
        {
            "kind": [node.kind for node in nodes],
            "id": [node.id for node in nodes],
            "name": [node.name or node.description or "" for node in nodes],
            "relation": [relations[each][0] for each in relation],
            "inverse": [relations[each][1] for each in relation],
        },
    )


def _manifest(
    restored: Restored,
    tensors: Arrays,
    form: ScoreForm,
    precision: str,
    loss: Optional[Loss],
) -> dict[str, Any]:
    import dataclasses

    versions = {
        "recbole_kgif": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
    }
    return {
        "model": restored.checkpoint.model,
        "dataset": restored.checkpoint.dataset,
        "data": restored.data.fingerprint,
        "versions": versions,
        "versions_of_training": restored.checkpoint.versions,
        "epoch": restored.checkpoint.epoch,
        "formula": _FORMULA,
        "score": dataclasses.asdict(form),
        "precision": precision,
        "loss": None if loss is None else dataclasses.asdict(loss),
        "counts": _counts(tensors),
        "tensors": {
            name: {"shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in tensors.items()
        },
        "tensor_file": TENSORS,
    }


def _counts(tensors: Mapping[str, Any]) -> dict[str, int]:
    columns = tensors.get("walk_column")
    return {
        "users": len(tensors["user_vectors"]),
        "items": len(tensors["item_vectors"]),
        "new_items": int(tensors["item_is_new"].sum()),
        "interactions": len(tensors["history_item"]),
        "neighbours": 0 if columns is None or not len(columns) else int(columns.max()) + 1,
    }


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy()
