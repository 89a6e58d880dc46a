"""What in a knowledge graph may spoil a result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from recbole_kgif.data.numbered import IntArray, NumberedDataset, mask_of
from recbole_kgif.data.textfiles import shown
from recbole_kgif.doctor.findings import Finding, Level, count

_DOMINANT_SHARE = 0.9
_NAMED_RELATIONS = 5


def triples_by_relation(data: NumberedDataset) -> dict[str, int]:
    """Number of triples of each relation, the largest first."""
    sizes = np.bincount(data.triples["relation"])
    order = np.argsort(-sizes, kind="stable")
    return {data.relations[number]: int(sizes[number]) for number in order}


def examine_triples(
    data: NumberedDataset, relations: Mapping[str, int]
) -> list[Finding]:
    """Findings about triples and relations.

    Args:
        data: The data set.
        relations: What `triples_by_relation` gives for it.
    """
    triples, total = data.triples, len(data.triples)
    largest = next(iter(relations.values())) / total
    named = [
        f"{shown(name)} {size / total:.1%}"
        for name, size in list(relations.items())[:_NAMED_RELATIONS]
    ]
    is_dominated = len(relations) > 1 and largest > _DOMINANT_SHARE
    return [
        Finding(
            "largest relations",
            ", ".join(named),
            Level.NOTE if is_dominated else Level.OK,
            "Shares of the triples."
            + (" One relation outweighs all others." if is_dominated else ""),
            "Check whether it says anything about what users like."
            if is_dominated
            else "",
            largest,
        ),
        count(
            "relations with one triple",
            sum(size == 1 for size in relations.values()),
            Level.NOTE,
            "Nothing can be learned about a relation that holds once.",
            "Merge them into one, or leave them out.",
            of=len(relations),
        ),
        count(
            "duplicate triples",
            int(triples.duplicated().sum()),
            Level.NOTE,
            "RecBole keeps them, and each counts as an edge of its own.",
            "Remove the lines unless they are meant to weigh more.",
            of=total,
        ),
        count(
            "self triples",
            int((triples["head"] == triples["tail"]).sum()),
            Level.NOTE,
            "Head and tail are the same entity, which says nothing about another one.",
            "Remove the lines.",
            of=total,
        ),
    ]


def examine_entities(data: NumberedDataset) -> list[Finding]:
    """Findings about entities without neighbours and about cycles."""
    n_entities = len(data.entities)
    proper = data.triples[data.triples["head"] != data.triples["tail"]]
    heads, tails = proper["head"].to_numpy(), proper["tail"].to_numpy()
    in_cycles = _entities_in_cycles(heads, tails, n_entities)
    is_item = mask_of(n_entities, data.links["entity"])
    neighbours = _neighbours(heads, tails, n_entities)
    in_graph = data.in_graph
    return [
        count(
            "dangling entities",
            int((in_graph & ~is_item & (neighbours < 2)).sum()),
            Level.NOTE,
            "They have fewer than two neighbours and are not items, so no path goes "
            "through them. Models still learn an embedding for each.",
            "Nothing has to be done; without them the graph is smaller.",
            of=int(in_graph.sum()),
        ),
        Finding(
            "cycles of the triples",
            f"yes, through {in_cycles:,} entities" if in_cycles else "none",
            meaning="KGIF and RecBole's models walk the triples in both directions, so "
            "cycles do no harm.",
            number=in_cycles,
        ),
    ]


def _neighbours(heads: IntArray, tails: IntArray, n_entities: int) -> IntArray:
    """How many different neighbours each entity has, shape: [n_entities]."""
    one = np.concatenate([heads, tails]).astype(np.int64)
    pairs = pd.unique(one * n_entities + np.concatenate([tails, heads]))
    return np.bincount(pairs // n_entities, minlength=n_entities)


def _entities_in_cycles(heads: IntArray, tails: IntArray, n_entities: int) -> int:
    """How many entities are in a cycle of edges from heads to tails."""
    edges = coo_matrix(
        (np.ones(len(heads), dtype=np.int8), (heads, tails)),
        shape=(n_entities, n_entities),
    )
    _, component = connected_components(edges, directed=True, connection="strong")
    sizes = np.bincount(component)
    return int(sizes[sizes > 1].sum())


def examine_ids(data: NumberedDataset) -> list[Finding]:
    """Findings about ids that mean two things."""
    in_both = set(data.relations).intersection(data.entities)
    entity_of = dict(zip(data.links["item"], data.links["entity"]))
    numbers = {entity: number for number, entity in enumerate(data.entities)}
    others = sum(
        item in numbers and entity_of.get(number) != numbers[item]
        for number, item in enumerate(data.items)
    )
    return [
        count(
            "ids of a relation and an entity",
            len(in_both),
            Level.NOTE,
            "RecBole keeps the two apart, so nothing breaks; swapped columns look "
            "like this, too.",
            "Check the order of the columns of the triples.",
            of=len(data.relations),
        ),
        count(
            "ids of an item and another entity",
            others,
            Level.NOTE,
            "The item has the id of an entity that it is not linked to. RecBole "
            "follows the links, so nothing breaks; wrong links look like this, too.",
            "Check the links.",
            of=len(data.items),
        ),
    ]
