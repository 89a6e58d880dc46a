"""The parts of real scores, each by a route of its own: run it with -m slow."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from recbole_kgif.cli import main
from recbole_kgif.explain import Explainer
from recbole_kgif.explain.linear_score import LinearScore
from recbole_kgif.training.candidates import best_items

pytestmark = pytest.mark.slow

_BLOCK = 2000


def seen(score: LinearScore, node: int) -> np.ndarray:
    """What a node sees over all layers, by products of sparse rows."""
    graph = score.graph
    matrix = csr_matrix(
        (score.weight, (graph.head, graph.tail)), shape=(graph.n_nodes,) * 2
    )
    row = total = csr_matrix(([1.0], ([0], [node])), shape=(1, graph.n_nodes))
    for _ in range(score.n_layers):
        row = row @ matrix
        total = total + row
    return total.toarray()[0]


def parts_of_the_cosine(
    score: LinearScore, user: int, item: int
) -> tuple[float, float]:
    """Equal and different endpoints, summed over all pairs of nodes."""
    left, right = seen(score, user), seen(score, score.graph.item_node(item))
    z_user, z_item = left @ score.embedding, right @ score.embedding
    scale = score.cosine_weight / (np.linalg.norm(z_user) * np.linalg.norm(z_item))
    equal = different = 0.0
    nodes = np.flatnonzero(left)
    for start in range(0, len(nodes), _BLOCK):
        rows = nodes[start : start + _BLOCK]
        products = score.embedding[rows] @ score.embedding.T
        weighted = left[rows, None] * products * right
        own = weighted[np.arange(len(rows)), rows]
        equal += float(own.sum())
        weighted[np.arange(len(rows)), rows] = 0
        different += float(weighted.sum())
    return scale * equal, scale * different


@pytest.mark.parametrize("dataset", ["ml-100k", "lastfm"])
def test_the_parts_make_the_scores_of_200_users(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if dataset == "lastfm" and not os.environ.get("RECBOLE_KGIF_DATA"):
        pytest.skip("RECBOLE_KGIF_DATA names no folder with the data of Last.FM")
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset", dataset, "--epochs", "1", "--output", "run"]
    assert main(arguments) == 0
    explainer = Explainer.load("run/model.pth")
    score = explainer.method
    assert isinstance(score, LinearScore)
    users = explainer.interactions.users_with_history()
    random = np.random.default_rng(0)
    for user in random.choice(users, 200, replace=False).tolist():
        of_user = explainer.scores(user)
        (item,) = best_items(of_user, explainer.interactions.candidates(user), 1)
        record = explainer.explain(explainer.users[user - 1], explainer.items[item - 1])
        parts = record.decomposition
        assert parts is not None
        equal, different = parts_of_the_cosine(score, user, item)
        assert sum(parts.connected) == pytest.approx(equal, abs=1e-9)
        assert parts.different_endpoints == pytest.approx(different, abs=1e-9)
        walks = parts.direct_walks + parts.longer_walks
        total = equal + different + walks + parts.bias
        assert total == pytest.approx(of_user[item], rel=1e-4)
