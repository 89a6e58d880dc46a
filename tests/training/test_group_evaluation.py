"""Metrics of groups of items, against loops over users."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recbole.config import Config
from recbole.evaluator.collector import DataStruct

from recbole_kgif.options.item_groups import (
    FEW,
    HARMONIC,
    NEW,
    NEW_ONLY,
    REST,
    WARM,
    WARM_ONLY,
    harmonic_mean,
    split_group,
)
from recbole_kgif.register import register
from recbole_kgif.training.group_evaluation import (
    COLLECTED,
    GroupMetrics,
    ItemGroups,
)

CONFIG = {
    "metrics": ["Recall", "NDCG", "MRR", "AveragePopularity"],
    "topk": [1, 2, 3],
    "metric_decimal_place": 4,
}
# Training interactions of the items 0 (the padding), 1, 2, ...
DEGREES = [0, 0, 0, 0, 1, 5, 6, 9, 0, 0]
# Items 1 and 2 are the test's new ones, 3 the validation's, 8 and 9 nobody's.
TESTED = [(0, 1), (0, 2), (0, 4), (0, 6), (1, 6), (1, 7), (2, 2), (2, 5), (3, 7)]
VALIDATED = [(0, 3), (1, 5)]


@pytest.fixture(autouse=True)
def _shims() -> None:
    """RecBole's metrics need the aliases of NumPy that its `Config` restores."""
    register()
    Config.compatibility_settings(object())


def part(pairs: list[int]) -> Any:
    return SimpleNamespace(
        inter_feat={"item_id": torch.tensor(pairs)}, iid_field="item_id", item_num=10
    )


@pytest.fixture
def groups() -> ItemGroups:
    trained = [item for item, count in enumerate(DEGREES) for _ in range(count)]
    return ItemGroups.of(
        part(trained),
        part([item for _, item in VALIDATED]),
        part([item for _, item in TESTED]),
    )


def group_of(item: int) -> str:
    degree = DEGREES[item]
    return NEW if degree == 0 else FEW if degree <= 5 else REST


def expected(
    scores: torch.Tensor, group: str, k: int, users: range
) -> dict[str, list[float]]:
    """Recall, NDCG and MRR at k of each user with a test item of the group."""
    values: dict[str, list[float]] = {"recall": [], "ndcg": [], "mrr": []}
    for user in users:
        items = list(range(1, 10))
        if group == NEW_ONLY:
            items = [1, 2, 8, 9]
        elif group == WARM_ONLY:
            items = [4, 5, 6, 7]
        kinds = {NEW_ONLY: {NEW}, WARM: {FEW, REST}, WARM_ONLY: {FEW, REST}}.get(
            group, {group}
        )
        wanted = {i for u, i in TESTED if u == user and group_of(i) in kinds}
        if not wanted:
            continue
        ranked = sorted(items, key=lambda item: -float(scores[user, item]))[:k]
        places = [place for place, item in enumerate(ranked, 1) if item in wanted]
        ideal = sum(1 / math.log2(p + 1) for p in range(1, min(k, len(wanted)) + 1))
        values["recall"].append(len(places) / len(wanted))
        values["ndcg"].append(sum(1 / math.log2(p + 1) for p in places) / ideal)
        values["mrr"].append(1 / places[0] if places else 0.0)
    return values


def evaluated(groups: ItemGroups, scores: torch.Tensor) -> Any:
    """The result of two batches, of two users each."""
    collected = DataStruct()
    for start in (0, 2):
        batch = scores[start : start + 2]
        pairs = [(u - start, i) for u, i in TESTED if start <= u < start + 2]
        row, item = (torch.tensor(column) for column in zip(*pairs))
        ranked = batch.topk(3).indices
        for name, hits in groups.collect(batch, ranked, row, item, "test").items():
            collected.update_tensor(name, hits)
    result = GroupMetrics(CONFIG).evaluate(collected)
    assert result is not None
    return result


@pytest.fixture
def scores() -> torch.Tensor:
    drawn = torch.rand(4, 10, generator=torch.Generator().manual_seed(5))
    drawn[:, 0] = -math.inf
    drawn[0, 1] += 0.5  # so that some new item is found
    return drawn


def test_new_candidates_are_those_of_the_set_and_those_of_none(
    groups: ItemGroups,
) -> None:
    assert groups.new_candidates["test"].tolist() == [1, 2, 8, 9]
    assert groups.new_candidates["valid"].tolist() == [3, 8, 9]


@pytest.mark.parametrize("group", [NEW, FEW, REST, WARM, NEW_ONLY, WARM_ONLY])
def test_metrics_are_those_of_a_loop(
    groups: ItemGroups, scores: torch.Tensor, group: str
) -> None:
    result = evaluated(groups, scores)
    for k in CONFIG["topk"]:
        for metric, values in expected(scores, group, k, range(4)).items():
            found = result.values[group][f"{metric}@{k}"]
            np.testing.assert_allclose(found, values, atol=1e-6)
    assert "averagepopularity@1" not in result.values[group]
    assert any(v.any() for v in result.values[NEW].values())


def test_the_mean_of_both(groups: ItemGroups, scores: torch.Tensor) -> None:
    result = evaluated(groups, scores)
    means = result.means()
    warm, new = means[WARM]["ndcg@3"], means[NEW]["ndcg@3"]
    assert means[HARMONIC]["ndcg@3"] == pytest.approx(2 / (1 / warm + 1 / new))
    flat = result.flat(4)
    assert flat["harmonic-ndcg@3"] == round(harmonic_mean(warm, new), 4)
    assert means[NEW_ONLY]["ndcg@3"] != new
    assert means[WARM_ONLY]["ndcg@3"] != warm
    assert result.to_record()[NEW]["interactions"] == 3


def test_a_harmonic_mean_is_zero_where_one_of_the_values_is() -> None:
    assert harmonic_mean(0.2, 0.0) == harmonic_mean(0.0, 0.2) == 0
    assert harmonic_mean(0.0, 0.0) == 0
    assert harmonic_mean(0.2, 0.1) == pytest.approx(2 / (5 + 10))


def test_values_of_users_average_to_the_metric(
    groups: ItemGroups, scores: torch.Tensor
) -> None:
    result = evaluated(groups, scores)
    columns, flat = result.per_user(6), result.flat(9)
    assert columns["new-recall@3"][1] is None  # the user has no new test item
    for name, column in columns.items():
        known = [value for value in column if value is not None]
        assert np.mean(known) == pytest.approx(flat[name], abs=1e-5)
    # The harmonic mean in first order: a small change of one user's value.
    name, step = "harmonic-ndcg@3", 1e-4
    before = result.means()[HARMONIC]["ndcg@3"]
    row = np.flatnonzero(result.has_items[NEW])[0]
    contribution = columns[name][row] - before
    new = result.values[NEW]["ndcg@3"]
    share = new[0] - new.mean()
    warm_share = 0.0
    if result.has_items[WARM][row]:
        place = np.flatnonzero(np.flatnonzero(result.has_items[WARM]) == row)[0]
        warm = result.values[WARM]["ndcg@3"]
        warm_share = warm[place] - warm.mean()
    means = result.means()
    n, users = means[NEW]["ndcg@3"], len(result.has_items[NEW])
    w = means[WARM]["ndcg@3"]
    moved = harmonic_mean(
        w + step * warm_share / result.has_items[WARM].sum() * users,
        n + step * share / result.has_items[NEW].sum() * users,
    )
    assert contribution == pytest.approx((moved - before) / step, abs=1e-3)


def test_nothing_is_evaluated_where_nothing_was_collected() -> None:
    assert GroupMetrics(CONFIG).evaluate(DataStruct()) is None
    assert set(COLLECTED) == {NEW, FEW, REST, WARM, NEW_ONLY, WARM_ONLY}


def test_names_of_metrics() -> None:
    assert split_group("new-ndcg@20") == ("new", "ndcg@20")
    assert split_group("ndcg@20") == ("", "ndcg@20")
    assert split_group("other-ndcg@20") == ("", "other-ndcg@20")
