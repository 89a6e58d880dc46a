"""The restored method of SciPy's ``dok_matrix``."""

from __future__ import annotations

import numpy as np
import pytest

from recbole_kgif.compat import dok_matrix as shim

pytestmark = pytest.mark.versions


def test_update_of_a_dok_matrix_stores_like_a_loop() -> None:
    from scipy.sparse import dok_matrix

    data = {(0, 1): 2.0, (3, 0): -1.0, (2, 2): 5}
    matrix = dok_matrix((4, 3), dtype=np.float32)
    matrix[0, 1] = 9
    matrix[1, 1] = 7
    expected = matrix.toarray()
    for (row, column), value in data.items():
        expected[row, column] = value

    matrix._update(data)

    assert matrix.dtype == np.float32
    assert matrix.nnz == 4
    np.testing.assert_array_equal(matrix.toarray(), expected)
    # What RecBole then does with it.
    np.testing.assert_array_equal((matrix > 0).sum(axis=1).ravel(), [[1, 1, 1, 0]])


def test_gate_of_the_dok_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.sparse import dok_matrix

    assert not shim._dok_update_is_gone()
    # SciPy 1.11 and 1.12 have their own on a base class.
    (owner,) = (base for base in dok_matrix.__mro__ if "_update" in vars(base))
    monkeypatch.delattr(owner, "_update")
    assert shim._dok_update_is_gone()
    shim._restore_dok_update()
    assert dok_matrix._update is shim._dok_update
    # Taken away again first, so that what has been there is put back as it was.
    monkeypatch.delattr(dok_matrix, "_update")
