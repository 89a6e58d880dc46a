"""RecBole's metrics that look at the training data."""

from __future__ import annotations

import types
from collections import Counter

import pytest

from recbole_kgif import compat

pytestmark = pytest.mark.versions


def test_metrics_of_diversity_see_the_training_data() -> None:
    import torch
    from recbole.evaluator import Collector, Evaluator

    config = {
        "metrics": ["ItemCoverage", "AveragePopularity", "TailPercentage", "GiniIndex"],
        "topk": [1, 2],
        "tail_ratio": 0,
        "eval_args": {"mode": {"valid": "full", "test": "full"}},
        "metric_decimal_place": 4,
        "device": torch.device("cpu"),
        "ITEM_ID_FIELD": "item_id",
        "USER_ID_FIELD": "user_id",
    }
    collector, evaluator = Collector(config), Evaluator(config)
    train = types.SimpleNamespace(
        item_counter=Counter({1: 3, 2: 2, 3: 1}),
        num={"item_id": 5, "user_id": 3}.__getitem__,
    )
    collector.data_collect(types.SimpleNamespace(_dataset=train))
    scores = torch.tensor([[-9.0, 3, 2, 1, 0], [-9, 3, 1, 2, 0]])
    for _ in range(2):  # what was collected once is there for each evaluation
        collector.eval_batch_collect(scores, {}, torch.tensor([0]), torch.tensor([4]))
        result = evaluator.evaluate(collector.get_data_struct())
        assert result["itemcoverage@1"] == 0.2  # item 1 of five, the padding counted
        assert result["itemcoverage@2"] == 0.6  # items 1 to 3
        assert result["averagepopularity@1"] == 3
        assert result["averagepopularity@2"] == 2.25  # (3 + 2) / 2 and (3 + 1) / 2
        assert "rec.items" not in collector.data_struct


def test_the_gate_of_the_metrics_of_diversity_opens_once(
    shims: tuple[str, ...],
) -> None:
    if "metrics-of-diversity" not in shims:
        pytest.skip("RecBole computes them itself")
    (shim,) = (s for s in compat.SHIMS if s.name == "metrics-of-diversity")
    assert not shim.is_needed()
