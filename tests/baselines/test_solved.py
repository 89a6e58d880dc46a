"""Baselines without training, against dense computations by their equations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from recbole_kgif.baselines.item_features import unit_rows, weighted_features


def made(load: Callable[..., Any], name: str, **options: Any) -> tuple[Any, Any]:
    from recbole_kgif.training.loading import make_model

    config, data = load(name, **options)
    return make_model(config, data), data.train._dataset


def all_scores(model: Any, dataset: Any) -> Any:
    users = torch.arange(dataset.user_num)
    ranked = model.full_sort_predict({"user_id": users})
    scores = ranked.view(dataset.user_num, dataset.item_num)
    user, item = torch.tensor([3, 1, 3]), torch.tensor([2, 5, 1])
    pairs = model.predict({"user_id": user, "item_id": item})
    torch.testing.assert_close(pairs, scores[user, item])
    return scores.numpy()


def history_of(dataset: Any) -> Any:
    return (dataset.inter_matrix(form="csr").toarray() > 0).astype(float)


@pytest.mark.parametrize("ridge", [1.0, 5.0])
def test_kernel_ridge_is_the_regression_of_the_features(
    load: Callable[..., Any], ridge: float
) -> None:
    model, dataset = made(load, "KernelRidge", ridge=ridge)
    features = weighted_features(dataset).toarray()
    history = history_of(dataset)
    trained = history.any(axis=0)
    # The primal form: weights of the features, for each user.
    inputs = features[trained]
    normal = inputs.T @ inputs + ridge * np.eye(features.shape[1])
    weights = np.linalg.solve(normal, inputs.T @ history[:, trained].T)
    expected = (features @ weights).T
    np.testing.assert_allclose(all_scores(model, dataset), expected, atol=1e-5)
    assert expected[:, 1:].std() > 0.05


def test_entity_ease_minimises_the_error_without_the_diagonal(
    load: Callable[..., Any],
) -> None:
    options = {"reg_weight": 2.0, "feature_weight": 3.0}
    model, dataset = made(load, "EntityEASE", **options)
    features = 3.0 * unit_rows(weighted_features(dataset)).toarray()
    rows = np.concatenate([history_of(dataset), features.T])
    n_items = dataset.item_num
    expected = np.zeros((n_items, n_items))
    for item in range(n_items):
        others = [other for other in range(n_items) if other != item]
        inputs = rows[:, others]
        normal = inputs.T @ inputs + 2.0 * np.eye(n_items - 1)
        expected[others, item] = np.linalg.solve(normal, inputs.T @ rows[:, item])
    scores = history_of(dataset) @ expected
    np.testing.assert_allclose(all_scores(model, dataset), scores, atol=1e-5)
    # Without the entities it is another matrix.
    plain, _ = made(load, "EntityEASE", reg_weight=2.0, feature_weight=0.0)
    assert np.abs(all_scores(plain, dataset) - scores).max() > 0.01


@pytest.mark.parametrize("restart", [0.15, 0.6])
def test_page_rank_is_the_stationary_distribution(
    load: Callable[..., Any], restart: float
) -> None:
    model, dataset = made(load, "PageRank", restart=restart, n_iterations=200)
    n_users, n_nodes = dataset.user_num, dataset.user_num + dataset.entity_num
    edges = np.zeros((n_nodes, n_nodes))
    pairs = list(zip(*(dataset.inter_feat[f].tolist() for f in ("user_id", "item_id"))))
    pairs = [(user, n_users + item) for user, item in pairs]
    pairs += [
        (n_users + int(head), n_users + int(tail))
        for head, tail in zip(dataset.head_entities, dataset.tail_entities)
    ]
    for one, other in pairs:
        edges[one, other] += 1
        edges[other, one] += 1
    degree = np.maximum(edges.sum(axis=0), 1)
    steps = edges / degree
    solved = restart * np.linalg.inv(np.eye(n_nodes) - (1 - restart) * steps)
    expected = solved[n_users : n_users + dataset.item_num, :n_users].T
    scores = all_scores(model, dataset)
    np.testing.assert_allclose(scores[1:], expected[1:], atol=1e-5)
    assert scores[1:].std() > 0.01
