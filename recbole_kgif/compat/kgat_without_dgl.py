"""KGAT without DGL."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from recbole_kgif.compat.shim import Shim, installed_version, recbole_source, release

if TYPE_CHECKING:
    import numpy.typing as npt
    from scipy.sparse import coo_matrix


def _dgl_is_unusable() -> bool:
    """Check: KGAT imports DGL, and there is none, one too new or a broken one."""
    if "import dgl" not in recbole_source("model.knowledge_aware_recommender.kgat"):
        return False
    version = installed_version("dgl")
    if version is None or release(version) >= (1, 0):
        return True
    try:
        import dgl  # noqa: F401
    except (ImportError, OSError):
        # OSError: a shared library of DGL's that does not fit the rest. Whether
        # the import works is the very question, so the failure is the answer.
        return True
    return False


def kgat_initial_attention(
    heads: npt.ArrayLike,
    relations: npt.ArrayLike,
    tails: npt.ArrayLike,
    n_nodes: int,
) -> coo_matrix:
    r"""Build KGAT's attention matrix before any training.

    The adjacency matrix of each relation is divided by its row sums, and the
    results are added up:

    .. math:: A = \sum_r D_r^{-1} A_r

    So an edge :math:`(h, r, t)` adds one over the number of edges that leave
    :math:`h` by :math:`r`. Parallel edges count, each for itself. Relation 0 is
    RecBole's padding and is left out.

    Args:
        heads: Source node of each edge, shape ``[n_edges]``.
        relations: Relation of each edge, shape ``[n_edges]``.
        tails: Target node of each edge, shape ``[n_edges]``.
        n_nodes: Number of nodes.

    Returns:
        Matrix of shape ``[n_nodes, n_nodes]``, row = source, column = target, one
        entry for each pair of nodes with an edge, in row-major order.
    """
    import numpy as np
    from scipy.sparse import coo_matrix

    relation = np.asarray(relations, dtype=np.int64)
    real = relation > 0
    head = np.asarray(heads, dtype=np.int64)[real]
    tail = np.asarray(tails, dtype=np.int64)[real]
    # One number for each pair of a head and a relation.
    pair = head * (relation.max(initial=0) + 1) + relation[real]
    _, pair_of_edge, edges_of_pair = np.unique(
        pair, return_inverse=True, return_counts=True
    )
    weight = 1.0 / edges_of_pair[pair_of_edge]
    # Through CSR, which adds up entries of equal index and sorts the rows.
    matrix = coo_matrix((weight, (head, tail)), shape=(n_nodes, n_nodes)).tocsr()
    matrix.sort_indices()
    return matrix.tocoo()


class _DatasetWithoutDGL:
    """A RecBole dataset that answers a request for a DGL graph with a COO matrix."""

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

    Problem: ``KGAT.__init__`` asks the dataset for a DGL graph and ``init_graph``
    calls methods of it that DGL 1.0 changed; an older DGL has no build for Python
    3.11 and newer (RecBole issues 1758, 1978 and 2201).

    Workaround: the constructor sees the same graph as a COO matrix with relations, and
    ``init_graph`` computes the same values from that
    (:func:`kgat_initial_attention`; with DGL 0.9.1 beside it, the two matrices of
    the ml-100k graph were equal to the last bit). The rest of KGAT stays RecBole's,
    its weak points included: the softmax of ``update_attentive_A`` adds up the
    logits of parallel edges, and a checkpoint does not carry the attention.

    Removable when: RecBole's KGAT no longer imports DGL.
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
            # Cheap, once a model, and PyTorch warns of a matrix left unchecked.
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
