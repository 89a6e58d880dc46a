"""Random graphs with the sizes and the unevenness of the data of the KGAT paper.

The counts are those of Table 1 of the paper (Wang et al., "KGAT: Knowledge Graph
Attention Network for Recommendation", KDD 2019). Its *entities* are counted beside the
items: the log that its authors published for Last-FM has 106,389 nodes in the knowledge
graph, which are 58,266 and the 48,123 items. The published files of Last-FM hold fewer
interactions (1,712,638) than the table says; the table's count is used here.

The degrees are assumed, because the paper says no more about them than that every user
and item has at least ten interactions: they fall with the rank by a power, and so do
the frequencies of the relations. The exponents lie among those that were measured on
the public graphs of Last.FM, Book-Crossing and MovieLens-100K (entities 0.7 to 1.1,
items 0.7 to 1.0, users 0.2 to 0.7, relations 1.4 to 4.5). As in these, where 1.0 to 2.0
relations lead to an entity in the mean, one relation leads to each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

_USER_EXPONENT = 0.5
_ITEM_EXPONENT = 0.7
_ENTITY_EXPONENT = 0.75
_RELATION_EXPONENT = 1.5
_FEWEST_INTERACTIONS = 10


@dataclass(frozen=True)
class Counts:
    """Sizes of a data set.

    Attributes:
        users: users.
        items: items, each an entity too.
        entities: entities beside the items.
        relations: relations of the triples.
        triples: triples of the knowledge graph.
        interactions: interactions of users and items.
    """

    users: int
    items: int
    entities: int
    relations: int
    triples: int
    interactions: int

    @property
    def edges(self) -> int:
        """Edges of the collaborative knowledge graph, both directions counted."""
        return 2 * (self.triples + self.interactions)


PUBLISHED = {
    "last-fm": Counts(23_566, 48_123, 58_266, 9, 464_567, 3_034_796),
    "amazon-book": Counts(70_679, 24_915, 88_572, 39, 2_557_746, 847_733),
    "yelp2018": Counts(45_919, 45_538, 90_961, 42, 1_853_704, 1_185_068),
}


@dataclass(frozen=True)
class SyntheticData:
    """Distinct interactions and triples; every id counts from 0.

    Attributes:
        counts: the sizes.
        users: user of each interaction.
        items: item of each interaction.
        heads: head of each triple; the items are the first entities.
        relations: relation of each triple.
        tails: tail of each triple.
    """

    counts: Counts
    users: Ids
    items: Ids
    heads: Ids
    relations: Ids
    tails: Ids


def scaled(counts: Counts, n_edges: int) -> Counts:
    """The same data set larger or smaller, with the same degrees in the mean.

    Args:
        counts: sizes of a data set.
        n_edges: edges that the graph is to have, about.
    """
    factor = n_edges / counts.edges
    names = ("users", "items", "entities", "triples", "interactions")
    return replace(
        counts,
        **{name: max(2, round(factor * getattr(counts, name))) for name in names},
    )


def generate(counts: Counts, seed: int = 0) -> SyntheticData:
    """A random data set of exactly these counts.

    Args:
        counts: the sizes.
        seed: equal seeds give equal data.

    Raises:
        ValueError: there are not as many distinct interactions or triples.
    """
    random = np.random.default_rng(seed)
    n_entities = counts.items + counts.entities
    fewest = min(
        _FEWEST_INTERACTIONS, counts.interactions // max(counts.users, counts.items)
    )
    users, items = _distinct_pairs(
        _degrees(counts.users, counts.interactions, _USER_EXPONENT, fewest, random),
        _degrees(counts.items, counts.interactions, _ITEM_EXPONENT, fewest, random),
        random,
    )
    ends = _degrees(n_entities, 2 * counts.triples, _ENTITY_EXPONENT, 1, random)
    # Each end of a triple is its head or its tail by chance.
    of_heads = random.binomial(ends, 0.5)
    of_tails = _with_sum(ends - of_heads, int(of_heads.sum()), random)
    heads, tails = _distinct_pairs(of_heads, of_tails, random, counts.triples)
    ranks = np.arange(1, counts.relations + 1)
    share = ranks**-_RELATION_EXPONENT
    relation_of = random.choice(counts.relations, n_entities, p=share / share.sum())
    return SyntheticData(counts, users, items, heads, relation_of[tails], tails)


def _degrees(
    n: int, total: int, exponent: float, fewest: int, random: np.random.Generator
) -> Ids:
    """Degrees that fall by a power of the rank, in random order, with a given sum."""
    share = np.arange(1, n + 1) ** -exponent
    above = random.multinomial(total - n * fewest, share / share.sum())
    return random.permutation(fewest + above).astype(np.int64)


def _with_sum(degrees: Ids, total: int, random: np.random.Generator) -> Ids:
    """The degrees made larger, or smaller, by chance until they have this sum."""
    ends = np.repeat(np.arange(len(degrees)), degrees)
    if len(ends) < total:
        ends = np.concatenate([ends, random.choice(ends, total - len(ends))])
    chosen = random.permutation(ends)[:total]
    return np.bincount(chosen, minlength=len(degrees))


def _distinct_pairs(
    left: Ids,
    right: Ids,
    random: np.random.Generator,
    n_pairs: Optional[int] = None,
) -> tuple[Ids, Ids]:
    """Distinct pairs of a left and a right node, with about these degrees.

    All ends are joined by chance. What this joins twice is replaced: the left end stays
    as likely as it was, the right one is any, so that there is an end to it also where
    nearly all pairs are taken.

    Args:
        left: degree of each left node.
        right: degree of each right node, of the same sum.
        random: generator.
        n_pairs: number of pairs; None for the sum of the degrees.
    """
    n_pairs = int(left.sum()) if n_pairs is None else n_pairs
    if n_pairs > 0.9 * np.count_nonzero(left) * len(right):
        raise ValueError(
            f"{len(left)} and {len(right)} nodes have no {n_pairs} distinct pairs"
        )
    left_ends = np.repeat(np.arange(len(left)), left)
    right_ends = random.permutation(np.repeat(np.arange(len(right)), right))
    pairs = np.unique(left_ends * len(right) + right_ends)
    while len(pairs) < n_pairs:
        n_missing = n_pairs - len(pairs)
        new_left = random.choice(left_ends, 2 * n_missing)
        new_right = random.integers(len(right), size=2 * n_missing)
        new = np.setdiff1d(new_left * len(right) + new_right, pairs)
        kept = random.permutation(new)[:n_missing]
        pairs = np.concatenate([pairs, kept])
    pairs = random.permutation(pairs)[:n_pairs]
    return pairs // len(right), pairs % len(right)
