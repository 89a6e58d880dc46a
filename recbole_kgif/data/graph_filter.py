"""RecBole's filters of the knowledge graph, applied to a data set that was read.

RecBole drops triples whose head, tail or relation occurs too rarely or too often, again
and again until all remaining ones fit. Here the result is known before RecBole starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import BoolArray, NumberedDataset, mask_of
from recbole_kgif.errors import UserError

ENTITY_INTERVAL = "entity_kg_num_interval"
RELATION_INTERVAL = "relation_kg_num_interval"


@dataclass(frozen=True)
class Intervals:
    """Numbers of triples that an entity or a relation may have.

    Attributes:
        text: the option's value, such as ``[2,10);[20,inf)``; None allows any number.
    """

    text: Optional[str]

    def allow(self, counts: pd.Series[int]) -> BoolArray:
        """Whether each count is in one of the intervals, shape of `counts`."""
        if self.text is None:
            return np.ones(len(counts), dtype=np.bool_)
        allowed = np.zeros(len(counts), dtype=np.bool_)
        for part in self.text.split(";"):
            left, right = part.strip()[0], part.strip()[-1]
            low, high = map(float, part.strip()[1:-1].split(","))
            above = counts >= low if left == "[" else counts > low
            below = counts <= high if right == "]" else counts < high
            allowed |= (above & below).to_numpy()
        return allowed

    @property
    def is_trivial(self) -> bool:
        """Whether they allow any number."""
        return self.text is None or self.text.replace(" ", "") == "[0,inf)"


def has_graph_filter(options: Mapping[str, Any]) -> bool:
    """Whether some options filter the knowledge graph."""
    names = (ENTITY_INTERVAL, RELATION_INTERVAL)
    return not all(Intervals(options.get(name)).is_trivial for name in names)


def filtered_triples(
    triples: pd.DataFrame, entities: Intervals, relations: Intervals
) -> pd.DataFrame:
    """The triples that RecBole keeps.

    Args:
        triples: columns `head`, `relation` and `tail`.
        entities: numbers of triples that an entity may have, as head and as tail.
        relations: numbers of triples that a relation may have.
    """
    while True:
        of_entities = pd.concat([triples["head"], triples["tail"]]).value_counts()
        of_relations = triples["relation"].value_counts()
        fitting = of_entities.index[entities.allow(of_entities)]
        is_kept = triples["head"].isin(fitting) & triples["tail"].isin(fitting)
        fitting = of_relations.index[relations.allow(of_relations)]
        is_kept &= triples["relation"].isin(fitting)
        if is_kept.all():
            return triples
        triples = triples[is_kept]


def check_graph_filter(
    content: NumberedDataset, options: Mapping[str, Any]
) -> Optional[str]:
    """Refuse filters of the graph that leave too little of it.

    Args:
        content: the data set as it was read.
        options: RecBole's options.

    Returns:
        Which items RecBole drops with their interactions, as their entity loses all of
        its triples; None where it drops none.

    Raises:
        UserError: the filters leave no triple, or pre-split data lose items, which
            RecBole cannot drop there.
    """
    if not has_graph_filter(options):
        return None
    intervals = [options.get(name) for name in (ENTITY_INTERVAL, RELATION_INTERVAL)]
    given = ", ".join(
        f"{name}={text}"
        for name, text in zip((ENTITY_INTERVAL, RELATION_INTERVAL), intervals)
        if not Intervals(text).is_trivial
    )
    kept = filtered_triples(content.triples, *map(Intervals, intervals))
    if kept.empty:
        raise UserError(
            f"{given}: leaves none of the {len(content.triples):,} triples; give a "
            "wider interval"
        )
    in_graph = mask_of(len(content.entities), kept["head"], kept["tail"])
    useful = content.links[in_graph[content.links["entity"]]]
    is_lost = content.is_used & content.is_linked
    is_lost &= ~mask_of(len(content.items), useful["item"])
    n_lost = int(is_lost.sum())
    if not n_lost:
        return None
    n_interactions = int(is_lost[content.interactions["item"]].sum())
    lost = (
        f"{given}: leaves {n_lost:,} items with {n_interactions:,} interactions "
        "without a triple"
    )
    if content.is_split:
        raise UserError(
            f"{lost}; of pre-split data none can be left out; give a wider interval"
        )
    return f"{lost}; they are left out"
