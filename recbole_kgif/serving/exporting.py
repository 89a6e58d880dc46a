"""A trained KGIF as files: all that its scores, and the reasons for them, need."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch

from recbole_kgif.common.version import __version__
from recbole_kgif.errors import UserError
from recbole_kgif.explain.model_adapters import graph_of
from recbole_kgif.explain.node_names import NodeNames
from recbole_kgif.recommend import Recommender, in_double_precision
from recbole_kgif.serving.export_arrays import (
    Arrays,
    array_of,
    form_of,
    tensors_of,
)
from recbole_kgif.serving.export_files import (
    ENTITIES,
    INDEX,
    ITEMS,
    NEIGHBOURS,
    TENSORS,
    USERS,
    new_export,
    write_manifest,
    write_table,
    write_tensor_file,
)
from recbole_kgif.serving.exported_scores import ItemScores, ScoreForm
from recbole_kgif.serving.precision import Loss, measure_loss
from recbole_kgif.serving.spectral_index import index_of
from recbole_kgif.training.restore import Restored

PRECISIONS = ("float64", "float32", "float16")
_FORMULA = (
    "y = similarity_weight * s(z_u, z_i) + walk_weight * w(u, i) + bias_i; "
    "w(u, .) = f_u P(X X') X r_u; r_u = X' h_u, 0 where a neighbour is u; "
    "P(K) = sum_k walk_polynomial[k] K^k; new items: see docs/export.md"
)


def export_model(
    restored: Restored,
    folder: Path,
    precision: str = "float64",
    *,
    with_index: bool = False,
) -> Optional[Loss]:
    """Write a trained model as files that need no PyTorch.

    Args:
        restored: the checkpoint and its data.
        folder: gets the files; an earlier export there is replaced.
        precision: of the vectors of users, items and entities, one of `PRECISIONS`.
        with_index: whether to write what `SpectralIndex` needs as well.

    Returns:
        What a lower precision than float64 changes.

    Raises:
        UserError: the model is not KGIF, an index would not help it, or the folder
            cannot be written.
    """
    recommender = Recommender(restored)
    if recommender.model_name != "KGIF":
        raise UserError(
            f"{recommender.model_name} cannot be exported: an export holds vectors and "
            "walks of KGIF; give a checkpoint of KGIF"
        )
    model = in_double_precision(restored.model).cpu()
    with torch.no_grad(), new_export(folder) as hidden:
        tensors = tensors_of(model, recommender)
        form = form_of(model)
        if with_index:
            items = ItemScores.of(form, tensors, _counts(tensors)["neighbours"])
            write_tensor_file(hidden, index_of(items), INDEX)
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
            "name": [node.name or "" for node in nodes],
            "vector": array_of(vectors)[first:].astype(precision),
        },
    )
    shared = None if model.walks is None else model.walks.shared
    number = [] if shared is None else array_of(shared.node).tolist()
    relation = [] if shared is None else array_of(shared.relation).tolist()
    nodes = [names.node(each) for each in number]
    relations = {each: names.relation(each) for each in set(relation)}
    write_table(
        folder,
        NEIGHBOURS,
        {
            "kind": [node.kind for node in nodes],
            "id": [node.id for node in nodes],
            "name": [node.name or "" for node in nodes],
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
        "neighbours": 0
        if columns is None or not len(columns)
        else int(columns.max()) + 1,
    }
