"""KGAT's initial attention, against loops over relations."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole_kgif import compat
from recbole_kgif.compat import kgat_without_dgl as shim

pytestmark = pytest.mark.versions

# Node 0 has two parallel edges to node 1 by relation 1, one to node 2 by the same, and
# one to node 1 by relation 2; the last edge is padding; node 4 has no edge.
HEADS = [0, 0, 0, 0, 1, 2, 2, 3]
RELATIONS = [1, 1, 1, 2, 3, 1, 2, 0]
TAILS = [1, 1, 2, 1, 0, 3, 3, 0]
N_NODES = 5
BY_HAND = np.array(
    [
        [0, 2 / 3 + 1, 1 / 3, 0, 0],
        [1, 0, 0, 0, 0],
        [0, 0, 0, 2, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
)


def attention_by_loops(
    heads: list[int], relations: list[int], tails: list[int], n_nodes: int
) -> np.ndarray[Any, Any]:
    """Relation by relation, as RecBole goes about it, with dense matrices."""
    total = np.zeros((n_nodes, n_nodes))
    for relation in range(1, max(relations, default=0) + 1):
        adjacency = np.zeros((n_nodes, n_nodes))
        for head, kind, tail in zip(heads, relations, tails):
            if kind == relation:
                adjacency[head, tail] += 1
        for node in range(n_nodes):
            if adjacency[node].sum() > 0:
                total[node] += adjacency[node] / adjacency[node].sum()
    return total


def test_initial_attention_by_hand() -> None:
    matrix = shim.kgat_initial_attention(HEADS, RELATIONS, TAILS, N_NODES)
    np.testing.assert_allclose(matrix.toarray(), BY_HAND)
    np.testing.assert_allclose(
        attention_by_loops(HEADS, RELATIONS, TAILS, N_NODES), BY_HAND
    )
    # One entry a pair of nodes, row by row.
    assert list(zip(matrix.row, matrix.col)) == [(0, 1), (0, 2), (1, 0), (2, 3)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 5)), max_size=30
    )
)
def test_initial_attention_equals_dense_loops(
    edges: list[tuple[int, int, int]],
) -> None:
    heads, relations, tails = ([edge[part] for edge in edges] for part in range(3))
    matrix = shim.kgat_initial_attention(heads, relations, tails, 6)
    assert matrix.shape == (6, 6)
    np.testing.assert_allclose(
        matrix.toarray(), attention_by_loops(heads, relations, tails, 6)
    )


class TinyDataset:
    """As much of a RecBole dataset as KGAT asks for, and no DGL."""

    n_users = 2
    uses = "its own attributes"

    def num(self, field: str) -> int:
        sizes = {"user_id": self.n_users, "item_id": 2, "relation_id": 4}
        return sizes.get(field, N_NODES - self.n_users)

    def ckg_graph(self, form: str, value_field: str) -> Any:
        from scipy.sparse import coo_matrix

        assert (form, value_field) == ("coo", "relation_id")
        return coo_matrix((RELATIONS, (HEADS, TAILS)), shape=(N_NODES, N_NODES))


def test_kgat_starts_from_that_attention() -> None:
    if "kgat-without-dgl" not in compat.active_shims():
        pytest.skip("a DGL that works is installed")
    import torch
    from recbole.model.knowledge_aware_recommender.kgat import KGAT

    config = {
        "USER_ID_FIELD": "user_id",
        "ITEM_ID_FIELD": "item_id",
        "NEG_PREFIX": "neg_",
        "ENTITY_ID_FIELD": "entity_id",
        "RELATION_ID_FIELD": "relation_id",
        "HEAD_ENTITY_ID_FIELD": "head_id",
        "TAIL_ENTITY_ID_FIELD": "tail_id",
        "device": torch.device("cpu"),
        "embedding_size": 4,
        "kg_embedding_size": 4,
        "layers": [4],
        "aggregator_type": "bi",
        "mess_dropout": 0.1,
        "reg_weight": 1e-5,
    }
    model = KGAT(config, TinyDataset())
    assert model.A_in.dtype == torch.float32
    torch.testing.assert_close(
        model.A_in.to_dense(), torch.tensor(BY_HAND, dtype=torch.float32)
    )
    users, entities = model.forward()
    assert users.shape == (2, 8)
    assert entities.shape == (3, 8)

    # Trained further by RecBole's own code, on the same edges.
    model.update_attentive_A()
    assert torch.equal(model.A_in.to_dense() > 0, torch.tensor(BY_HAND > 0))


def test_only_the_form_dgl_is_answered_otherwise() -> None:
    dataset = shim._DatasetWithoutDGL(TinyDataset())
    assert dataset.ckg_graph(form="dgl", value_field="relation_id").nnz == len(HEADS)
    assert dataset.uses == "its own attributes"
    with pytest.raises(AssertionError):
        dataset.ckg_graph(form="csr", value_field="relation_id")


@pytest.mark.parametrize(
    ("version", "module", "needed"),
    [
        (None, "", True),
        ("1.1.3+cu118", "", True),
        ("2.4.0", "", True),
        ("0.9.1", "", False),
        ("0.9.1", "raise ImportError('no module named dgl_core')", True),
        ("0.9.1", "raise OSError('libcudart.so: cannot open shared object')", True),
    ],
)
def test_gate_of_the_kgat_shim(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    version: Optional[str],
    module: str,
    needed: bool,
) -> None:
    (tmp_path / "dgl.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    # Set before it is deleted, so that the module is put back as it was.
    monkeypatch.setitem(sys.modules, "dgl", types.ModuleType("dgl"))
    monkeypatch.delitem(sys.modules, "dgl")
    monkeypatch.setattr(shim, "installed_version", {"dgl": version}.get)
    assert shim._dgl_is_unusable() is needed
