"""Filters of the knowledge graph on pre-split data, which RecBole ignores there."""

from __future__ import annotations

from typing import Any

from recbole.data.dataset import KnowledgeBasedDataset

from recbole_kgif.data.graph_filter import has_graph_filter


class GraphFilteredDataset(KnowledgeBasedDataset):
    """A pre-split data set whose triples are filtered as those of an unsplit one."""

    def _data_processing(self) -> None:
        self._filter_kg_by_triple_num()
        self.kg_feat.reset_index(drop=True, inplace=True)
        super()._data_processing()


def needs_own_filter(config: Any) -> bool:
    """Whether RecBole would ignore a filter of the graph."""
    is_split = config["benchmark_filename"] is not None
    return is_split and has_graph_filter(config.final_config_dict)
