from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, random

from recbole_kgif.serving import exported_walks
from recbole_kgif.serving.exported_scores import Regression, best
from recbole_kgif.serving.exported_walks import Walks

POLYNOMIAL = (0.9, -0.2, 0.03, -0.001)
N_ITEMS, N_USERS = 30, 5


@pytest.fixture(params=["tables", "products", "one by one"])
def walks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Walks:
    """Walks over neighbours of few and of many items, by each of the ways."""
    if request.param != "tables":
        monkeypatch.setattr(exported_walks, "_TABLE_CELLS", 0)
    if request.param == "one by one":
        monkeypatch.setattr(exported_walks, "_CACHED", 0)
    rare = random(N_ITEMS, 40, density=0.05, random_state=0)
    frequent = random(N_ITEMS, 10, density=0.5, random_state=1)
    matrix = csr_matrix(np.hstack([rare.toarray(), frequent.toarray()]))
    made = Walks(matrix, POLYNOMIAL)
    assert (made.tables is not None) == (request.param == "tables")
    return made


def by_hand(
    walks: Walks, history: NDArray[np.float64], own: int
) -> NDArray[np.float64]:
    """The formula of the module, with dense matrices."""
    x = walks.matrix.toarray()
    reached = x.T @ history
    if own >= 0:
        reached[own] = 0
    kernel = x @ x.T
    powers = [np.linalg.matrix_power(kernel, n) for n in range(len(POLYNOMIAL))]
    polynomial = sum(c * power for c, power in zip(POLYNOMIAL, powers))
    return np.asarray(polynomial @ x @ reached)


def test_all_ways_compute_the_formula(walks: Walks) -> None:
    history = np.random.default_rng(0).integers(0, 2, (N_USERS, N_ITEMS)).astype(float)
    history[-1] = 0  # somebody without items
    own = np.array([3, -1, 45, 49, -1])
    wanted = [by_hand(walks, *each) for each in zip(history, own)]
    np.testing.assert_allclose(walks.scores(csr_matrix(history), own), wanted)
    for row in range(N_USERS):
        some = walks.scores(csr_matrix(history[[row]]), own[[row]])
        np.testing.assert_allclose(some, wanted[row : row + 1], atol=1e-12)


def test_the_zero_weights_of_a_regression_are_left_out() -> None:
    weights = np.zeros((6, 4), dtype=np.float32)
    weights[[1, 4], 2], weights[4, 0] = (0.5, 0.25), -1
    regression = Regression.of(weights)
    assert regression.weights.shape == (2, 2)
    values = np.random.default_rng(0).normal(size=(3, 6))
    np.testing.assert_allclose(regression.predicted(values), values @ weights)


@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_best_are_those_of_a_stable_sort(k: int) -> None:
    random_numbers = np.random.default_rng(0)
    for n in (1, 10, 1000, 5003):
        scores = random_numbers.integers(0, n // 3 + 1, n).astype(float)  # with ties
        scores[random_numbers.random(n) < 0.3] = -np.inf
        wanted = np.argsort(-scores, kind="stable")[:k]
        assert best(scores, k).tolist() == wanted[scores[wanted] > -np.inf].tolist()
        assert len(best(np.full(n, -np.inf), k)) == 0
