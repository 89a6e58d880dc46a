"""KGAT without DGL."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from recbole_kgif.compat.shim import (
    Shim,
    can_import,
    installed_version,
    recbole_source,
    release,
)

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import coo_matrix


def _dgl_is_unusable() -> bool:
    """Check: KGAT imports DGL, which is missing, too new or broken."""
    if "import dgl" not in recbole_source("model.knowledge_aware_recommender.kgat"):
        return False
    version = installed_version("dgl")
    return version is None or release(version) >= (1, 0) or not can_import("dgl")


def kgat_initial_attention(
    heads: npt.ArrayLike,
    relations: npt.ArrayLike,
    tails: npt.ArrayLike,
    n_nodes: int,
) -> coo_matrix:
    r"""Build KGAT's attention matrix before any training.

    It is :math:`A = \sum_r D_r^{-1} A_r`: the sum of the adjacency matrices of the
    relations, each divided by its row sums. An edge :math:`(h, r, t)` adds one over the
    number of edges out of :math:`h` with relation :math:`r`, parallel edges counted.
    Relation 0 is RecBole's padding and is left out.

    Args:
        heads: Source node of each edge, shape ``[n_edges]``.
        relations: Relation of each edge, shape ``[n_edges]``.
        tails: Target node of each edge, shape ``[n_edges]``.
        n_nodes: Number of nodes.

    Returns:
        Matrix of shape ``[n_nodes, n_nodes]``, row = source, column = target, one
        entry for each pair of linked nodes, in row-major order.
    """
    import numpy as np
    from scipy.sparse import coo_matrix

    relation = np.asarray(relations, dtype=np.int64)
    real = relation > 0
    head = np.asarray(heads, dtype=np.int64)[real]
    tail = np.asarray(tails, dtype=np.int64)[real]
    pair = head * (relation.max(initial=0) + 1) + relation[real]
    _, pair_of_edge, edges_of_pair = np.unique(
        pair, return_inverse=True, return_counts=True
    )
    weight = 1.0 / edges_of_pair[pair_of_edge]
    # The conversion to CSR adds up entries of equal index.
    matrix = coo_matrix((weight, (head, tail)), shape=(n_nodes, n_nodes)).tocsr()
    matrix.sort_indices()
    return matrix.tocoo()


class _DatasetWithoutDGL:
    """A RecBole dataset that returns a COO matrix in place of a DGL graph."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)

    def ckg_graph(self, form: str = "coo", value_field: str | None = None) -> Any:
        """The dataset's ``ckg_graph``, never in the form ``"dgl"``."""
        form = "coo" if form == "dgl" else form
        return self._dataset.ckg_graph(form=form, value_field=value_field)


def _build_kgat_without_dgl() -> None:
    """Let KGAT build its initial attention matrix without DGL.

    Problem: ``KGAT.__init__`` asks the dataset for a DGL graph, and ``init_graph``
    calls methods of it that DGL 1.0 changed; an older DGL has no build for Python 3.11
    and newer (RecBole issues 1758, 1978 and 2201).

    Workaround: the constructor gets the same graph as a COO matrix with relations, from
    which ``init_graph`` computes the same values (:func:`kgat_initial_attention`; on
    ml-100k its matrix equals that of DGL 0.9.1 bit for bit). The rest of KGAT stays
    RecBole's, including its defects: the softmax of ``update_attentive_A`` adds up the
    logits of parallel edges, and a checkpoint does not contain the attention.
    """
    from recbole.model.knowledge_aware_recommender.kgat import KGAT

    original_init = KGAT.__init__

    @functools.wraps(original_init)
    def __init__(self: Any, config: Any, dataset: Any) -> None:
        original_init(self, config, _DatasetWithoutDGL(dataset))

    def init_graph(self: Any) -> Any:
        """Return the initial attention matrix as a sparse tensor on the device."""
        import numpy as np
        import torch

        attention = kgat_initial_attention(
            self.ckg.row, self.ckg.data, self.ckg.col, self.matrix_size[0]
        )
        return torch.sparse_coo_tensor(
            torch.from_numpy(np.stack([attention.row, attention.col]).astype(np.int64)),
            torch.from_numpy(attention.data.astype(np.float32)),
            self.matrix_size,
            # PyTorch warns of a matrix that is not checked.
            check_invariants=True,
        ).to(self.device)

    KGAT.__init__ = __init__
    KGAT.init_graph = init_graph


SHIM = Shim(
    name="kgat-without-dgl",
    reason=(
        "KGAT cannot be constructed without a DGL older than 1.0, which has no "
        "build for Python 3.11 and newer (RecBole issues 1758, 1978, 2201)"
    ),
    removable_when="RecBole's KGAT no longer imports DGL",
    patch="kgat-without-dgl",
    is_needed=_dgl_is_unusable,
    apply=_build_kgat_without_dgl,
)
