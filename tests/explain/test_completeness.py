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
from recbole_kgif.explain.reason_tree import score_tree
from recbole_kgif.training.candidates import best_items

pytestmark = pytest.mark.slow


def gathered(score: LinearScore, node: int, n_layers: int) -> np.ndarray:
    """Sum of what a node sees over some layers, by products of sparse rows."""
    graph = score.graph
    matrix = csr_matrix(
        (score.weight, (graph.head, graph.tail)), shape=(graph.n_nodes,) * 2
    )
    row = total = csr_matrix(([1.0], ([0], [node])), shape=(1, graph.n_nodes))
    for _ in range(n_layers):
        row = row @ matrix
        total = total + row
    return np.asarray(total @ score.embedding).ravel()


@pytest.mark.parametrize("dataset", ["ml-100k", "lastfm"])
def test_the_reasons_make_the_scores_of_200_users(
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
        tree = score_tree(score, user, [item])
        record = explainer.explain(explainer.users[user - 1], explainer.items[item - 1])
        for reason in record.reasons:
            total = sum(part.value for part in reason.parts)
            assert total == pytest.approx(reason.value, abs=1e-9)
        assert tree.total[0] == pytest.approx(of_user[item], abs=1e-4)
        target = score.graph.item_node(item)
        z_user = gathered(score, user, score.n_layers)
        z_item = gathered(score, target, score.n_layers)
        scale = score.similarity_weight[item]
        scale /= np.linalg.norm(z_user) * np.linalg.norm(z_item)
        edge = int(tree.edges[random.integers(len(tree.edges))])
        brought = gathered(score, int(score.graph.tail[edge]), score.n_layers - 1)
        expected = scale * score.weight[edge] * (brought @ z_item)
        found = (tree.connected + tree.taste)[tree.edges == edge, 0]
        assert found[0] == pytest.approx(expected, abs=1e-9)
