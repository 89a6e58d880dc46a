"""Metrics of RecBole that need statistics of the training data."""

from __future__ import annotations

import functools
import types
from typing import Any

from recbole_kgif.compat.shim import Shim


def _statistics_are_refused() -> bool:
    """Check: a collector that holds a number cannot return what it has collected."""
    from recbole.evaluator.collector import Collector, DataStruct

    collector = object.__new__(Collector)
    collector.data_struct = DataStruct()
    collector.data_struct.set("data.num_items", 1)
    try:
        collector.get_data_struct()
    except AttributeError:
        return True
    return False


def _collect_statistics() -> None:
    """Let RecBole compute the metrics that need the training data.

    Problem: ItemCoverage, AveragePopularity, ShannonEntropy, GiniIndex and
    TailPercentage need the number of items or how often each occurs. RecBole's
    collector reads them from an attribute that the loader of triples lacks, and then
    calls ``.cpu()`` on all it holds, numbers included.

    Workaround: the collector gets the loader's data set, and only tensors are moved.
    The statistics and the metrics are RecBole's own.
    """
    from recbole.evaluator.collector import Collector

    collect, get = Collector.data_collect, Collector.get_data_struct

    @functools.wraps(collect)
    def data_collect(self: Any, train_data: Any) -> None:
        collect(self, types.SimpleNamespace(dataset=train_data._dataset))

    @functools.wraps(get)
    def get_data_struct(self: Any) -> Any:
        import torch

        held = self.data_struct._data_dict
        statistics = {
            name: held.pop(name)
            for name in list(held)
            if not isinstance(held[name], torch.Tensor)
        }
        collected = get(self)
        for name, value in statistics.items():
            self.data_struct.set(name, value)
            collected.set(name, value)
        return collected

    Collector.data_collect = data_collect
    Collector.get_data_struct = get_data_struct


SHIM = Shim(
    name="metrics-of-diversity",
    reason=(
        "RecBole's collector moves numbers to the CPU as if they were tensors, so "
        "that ItemCoverage, AveragePopularity, ShannonEntropy, GiniIndex and "
        "TailPercentage fail"
    ),
    removable_when="a training with ItemCoverage among its metrics runs without it",
    patch="diversity-metrics",
    is_needed=_statistics_are_refused,
    apply=_collect_statistics,
)
