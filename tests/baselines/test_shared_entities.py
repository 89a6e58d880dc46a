from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import LOADED_COLUMNS, TINY_OPTIONS
from tests.specs import spec_of


def features_by_item(dataset: Any) -> dict[int, set[tuple[str, int, int]]]:
    features: dict[int, set[tuple[str, int, int]]] = {
        item: set() for item in range(dataset.item_num)
    }
    for head, relation, tail in zip(
        dataset.head_entities, dataset.relations, dataset.tail_entities
    ):
        if head < dataset.item_num:
            features[int(head)].add(("to", int(relation), int(tail)))
        if tail < dataset.item_num:
            features[int(tail)].add(("from", int(relation), int(head)))
    return features


def cosine(first: Counter[Any], second: Counter[Any]) -> float:
    norms = [math.sqrt(sum(v * v for v in c.values())) for c in (first, second)]
    if 0 in norms:
        return 0
    return sum(v * second[k] for k, v in first.items()) / norms[0] / norms[1]


def expected_scores(dataset: Any, weight: float) -> Any:
    features = features_by_item(dataset)
    counts = Counter(feature for own in features.values() for feature in own)
    n_items = dataset.item_num - 1
    vectors = {
        item: Counter({f: math.log(n_items / counts[f]) for f in own})
        for item, own in features.items()
    }
    pairs = list(
        zip(dataset.inter_feat["user_id"].tolist(), dataset.inter_feat["item_id"])
    )
    popularity = Counter(int(item) for _, item in pairs)
    scores = np.zeros((dataset.user_num, dataset.item_num))
    for user in range(dataset.user_num):
        profile: Counter[Any] = Counter()
        for one, item in pairs:
            if one == user:
                for feature, value in vectors[int(item)].items():
                    profile[feature] += value
        for item in range(dataset.item_num):
            share = popularity[item] / max(popularity.values())
            scores[user, item] = cosine(profile, vectors[item]) + weight * share
    return scores


@pytest.mark.parametrize("weight", [0.01, 0.5])
def test_the_scores_are_those_of_a_dense_loop(
    load: Callable[..., Any], weight: float
) -> None:
    from recbole_kgif.training.loading import make_model

    config, data = load("SharedEntities")
    dataset = data.train._dataset
    model = make_model(config, data)
    model.popularity_weight.fill_(weight)
    expected = expected_scores(dataset, weight)
    # The tiny graph has shared, rare and missing features, and a triple between items.
    assert len(set(expected.round(6).ravel())) > 12

    users = torch.arange(dataset.user_num)
    ranked = model.full_sort_predict({"user_id": users})
    assert ranked.shape == (dataset.user_num * dataset.item_num,)
    torch.testing.assert_close(ranked.view(dataset.user_num, -1).numpy(), expected)

    user = users.repeat_interleave(dataset.item_num)
    item = torch.arange(dataset.item_num).repeat(dataset.user_num)
    torch.testing.assert_close(
        model.predict({"user_id": user, "item_id": item}).numpy(), expected.ravel()
    )


def test_the_weight_of_the_best_validation_is_kept(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole.trainer import Trainer
    from recbole.utils import get_trainer

    from recbole_kgif.training.loading import make_model

    config, data = load("SharedEntities")
    model = make_model(config, data)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    tried = []

    def judge(self: Any, valid_data: Any, show_progress: bool) -> tuple[float, Any]:
        weight = round(float(model.popularity_weight), 3)
        tried.append(weight)
        score = {0.01: 0.2, 0.05: 0.7, 0.1: 0.7, 0.5: 0.1}[weight]
        return score, {"ndcg@3": score}

    monkeypatch.setattr(Trainer, "_valid_epoch", judge)
    assert trainer._valid_epoch(data.valid) == (0.7, {"ndcg@3": 0.7})
    assert tried == [0.01, 0.05, 0.1, 0.5]
    assert float(model.popularity_weight) == pytest.approx(0.05)
    assert "popularity_weight" in model.state_dict()
    trainer.valid_metric_bigger = False
    assert trainer._valid_epoch(data.valid)[0] == 0.1
    assert float(model.popularity_weight) == pytest.approx(0.5)


def test_a_run_is_validated_and_tested_however_seldom_others_are(
    data_path: Path, tmp_path: Path
) -> None:
    from recbole_kgif.training.run import run_experiment

    (tmp_path / "run").mkdir()
    options = {
        **TINY_OPTIONS,
        "data_path": str(data_path),
        "load_col": LOADED_COLUMNS,
        "eval_step": 5,
        "epochs": 10,
    }
    spec = spec_of("SharedEntities", "tiny", options, linked_items_only=True)
    record = run_experiment(spec, tmp_path / "run")
    assert len(record["epochs"]) == 1
    assert set(record["test"]) == set(record["valid"])
    assert record["test_per_user"]["training_interactions"] == [2, 3, 3]
    assert record["test_per_item"]["test_interactions"] == [1, 1, 1, 1]
