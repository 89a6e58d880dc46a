from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from recbole.evaluator import Collector, Evaluator
from recbole.evaluator.collector import DataStruct

from recbole_kgif.training.evaluation import ItemHits, PerUserEvaluator, RunCollector


def test_hits_are_counted_as_a_loop_counts_them() -> None:
    generator = torch.Generator().manual_seed(1)
    counts = ItemHits(9, [1, 3])
    tested, found = [0] * 9, {1: [0] * 9, 3: [0] * 9}
    for _ in range(2):
        scores = torch.rand(4, 9, generator=generator)
        row = torch.tensor([0, 0, 1, 3, 3])
        item = torch.tensor([2, 5, 2, 8, 1])
        counts.add(scores.topk(3).indices, row, item)
        for r, i in zip(row.tolist(), item.tolist()):
            place = int((scores[r] > scores[r, i]).sum())
            tested[i] += 1
            for length, by_item in found.items():
                by_item[i] += place < length
    assert counts.interactions.tolist() == tested
    assert counts.hits.tolist() == [found[1], found[3]]
    assert sum(found[3]) > sum(found[1])


def test_the_collector_counts_hits_where_asked_to(load: Callable[..., Any]) -> None:
    config, _ = load("KGIF", topk=[1], metrics=["Recall"], valid_metric="Recall@1")
    ours, recboles = RunCollector(config), Collector(config)
    scores, one = torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    ours.eval_batch_collect(scores, None, one, one + 1)
    ours.item_hits = ItemHits(2, [1])
    for collector in (ours, recboles):
        collector.eval_batch_collect(scores, None, one, one + 1)
    assert ours.item_hits.hits.tolist() == [[0, 1]]
    collected = ours.get_data_struct().get("rec.topk")
    assert torch.equal(collected[1:], recboles.get_data_struct().get("rec.topk"))


def test_the_evaluator_keeps_the_values_of_users(load: Callable[..., Any]) -> None:
    config, _ = load("KGIF", topk=[1, 2], metrics=["Recall", "AveragePopularity"])
    evaluator, recboles = PerUserEvaluator(config), Evaluator(config)
    collected = DataStruct()
    # Hits of two users in the first two places, then their test items.
    collected.set("rec.topk", torch.tensor([[1, 0, 1], [0, 0, 2]]))
    collected.set("rec.items", torch.tensor([[1, 2], [3, 4]]))
    collected.set("data.count_items", Counter({1: 2, 2: 1}))
    result = evaluator.evaluate(collected)
    assert result == recboles.evaluate(collected)
    assert evaluator.per_user["recall@2"] == [1.0, 0.0]
    # A metric of lists and not of users has no such values.
    assert set(evaluator.per_user) == {"recall@1", "recall@2"}


def test_the_record_names_tested_items_alone(load: Callable[..., Any]) -> None:
    _, data = load("KGIF")
    dataset = data.train._dataset
    alien, elf = (dataset.token2id("item_id", name) for name in ("alien", "elf"))
    counts = ItemHits(dataset.item_num, [2])
    scores = torch.zeros(1, dataset.item_num)
    scores[0, alien] = 1
    scores[0, 0] = 0.5  # the padding, which no list of RecBole's holds
    ranked = scores.topk(2).indices
    counts.add(ranked, torch.tensor([0, 0]), torch.tensor([alien, elf]))
    record = counts.to_record(dataset)
    by_item = dict(zip(record["items"], record["hits"]["2"]))
    assert by_item == {"alien": 1, "elf": 0}
    degrees = dict(zip(record["items"], record["training_interactions"]))
    assert degrees == {"alien": 2, "elf": 1}
    assert record["test_interactions"] == [1, 1]
