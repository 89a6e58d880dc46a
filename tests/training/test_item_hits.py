from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from recbole_kgif.training.item_hits import ItemHits, item_hits


def test_hits_are_counted_as_a_loop_counts_them() -> None:
    generator = torch.Generator().manual_seed(1)
    counts = ItemHits(9, [1, 3])
    tested, found = [0] * 9, {1: [0] * 9, 3: [0] * 9}
    for _ in range(2):
        scores = torch.rand(4, 9, generator=generator)
        row = torch.tensor([0, 0, 1, 3, 3])
        item = torch.tensor([2, 5, 2, 8, 1])
        counts.add(scores, row, item)
        for r, i in zip(row.tolist(), item.tolist()):
            place = int((scores[r] > scores[r, i]).sum())
            tested[i] += 1
            for length, by_item in found.items():
                by_item[i] += place < length
    assert counts.interactions.tolist() == tested
    assert counts.hits.tolist() == [found[1], found[3]]
    assert sum(found[3]) > sum(found[1])


def test_the_collector_is_left_as_it_was() -> None:
    class Collector:
        topk = (1,)

        def eval_batch_collect(self, *arguments: Any) -> str:
            return "collected"

    collector: Any = Collector()
    scores, one = torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    with item_hits(collector, 2) as counts:
        assert collector.eval_batch_collect(scores, None, one, one + 1) == "collected"
        # Values of single pairs, as they are collected for other metrics.
        assert collector.eval_batch_collect(scores[0], None, one, one) == "collected"
    assert "eval_batch_collect" not in vars(collector)
    assert counts.hits.tolist() == [[0, 1]]


def test_the_record_names_tested_items_alone(load: Callable[..., Any]) -> None:
    _, data = load("KGIF")
    dataset = data.train._dataset
    alien, elf = (dataset.token2id("item_id", name) for name in ("alien", "elf"))
    counts = ItemHits(dataset.item_num, [2])
    scores = torch.zeros(1, dataset.item_num)
    scores[0, alien] = 1
    scores[0, 0] = 0.5  # the padding, which no list of RecBole's holds
    counts.add(scores, torch.tensor([0, 0]), torch.tensor([alien, elf]))
    record = counts.to_record(dataset)
    by_item = dict(zip(record["items"], record["hits"]["2"]))
    assert by_item == {"alien": 1, "elf": 0}
    degrees = dict(zip(record["items"], record["training_interactions"]))
    assert degrees == {"alien": 2, "elf": 1}
    assert record["test_interactions"] == [1, 1]
