from __future__ import annotations

import math
import random

import numpy as np
import pytest
from recbole.evaluator.metrics import NDCG
from recbole.evaluator.register import metric_information, metric_types, metrics_dict

from recbole_kgif.training.kgat_ndcg import KGATNDCG

CONFIG = {"topk": [2, 4], "metric_decimal_place": 6}


def kgat_ndcg(hits: list[int], k: int) -> float:
    """KGAT's definition for one user, by loops over the retrieved list."""

    def gain(ranked: list[int]) -> float:
        return sum(
            hit / math.log2(place + 1) for place, hit in enumerate(ranked[:k], start=1)
        )

    ideal = gain(sorted(hits, reverse=True))
    return gain(hits) / ideal if ideal else 0.0


def test_recbole_knows_the_metric_beside_its_own() -> None:
    assert metrics_dict["kgatndcg"] is KGATNDCG
    assert metrics_dict["ndcg"] is NDCG
    assert metric_types["kgatndcg"] == metric_types["ndcg"]
    assert metric_information["kgatndcg"] == ["rec.topk"]


def test_an_example_by_hand() -> None:
    # Of three test items the lists find those at places 2 and 4, one at 1, and none.
    is_hit = np.array([[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    second, fourth = 1 / math.log2(3), 1 / math.log2(5)
    values = KGATNDCG(CONFIG).metric_info(is_hit, np.array([3, 3, 3]))
    # The two hits would stand at places 1 and 2 at best, with gains of 1 and 1/log2(3).
    assert values[0] == pytest.approx(
        [0, second / (1 + second), second / (1 + second), (second + fourth) / 1.63093],
        abs=1e-5,
    )
    assert values[1].tolist() == [1, 1, 1, 1]
    assert values[2].tolist() == [0, 0, 0, 0]


def test_it_agrees_with_kgats_definition_and_is_never_below_ndcg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = random.Random(5)
    lists = [[int(rng.random() < share) for _ in range(30)] for share in (0, 0.1, 0.5)]
    lists += [[int(rng.random() < 0.2) for _ in range(30)] for _ in range(40)]
    is_hit = np.array(lists, dtype=bool)
    test_items = is_hit.sum(axis=1) + np.array([rng.randint(1, 5) for _ in lists])
    values = KGATNDCG(CONFIG).metric_info(is_hit)
    expected = [[kgat_ndcg(hits, k) for k in range(1, 31)] for hits in lists]
    np.testing.assert_allclose(values, expected, atol=1e-12)

    # As RecBole does when it makes a Config: its metrics use the removed name.
    monkeypatch.setattr(np, "float", float, raising=False)
    ndcg = NDCG(CONFIG).metric_info(is_hit, test_items)
    assert (values >= ndcg - 1e-12).all()
    assert (values > ndcg + 0.01).any()
