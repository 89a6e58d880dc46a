"""Random graphs with the sizes and skewed degrees of the data of the KGAT paper.

The counts are those of Table 1 of the paper (Wang et al., "KGAT: Knowledge Graph
Attention Network for Recommendation", KDD 2019). Its *entities* do not include the
items: the log published by its authors for Last-FM has 106,389 nodes in the knowledge
graph, which are 58,266 and the 48,123 items. The published files of Last-FM have fewer
interactions (1,712,638) than the table; the table's count is used here.

The degrees are assumed. The paper only says that every user and item has at least ten
interactions. Degrees and relation frequencies follow power laws of the rank. The
exponents are within the ranges measured on the public graphs of Last.FM, Book-Crossing
and MovieLens-100K (entities 0.7 to 1.1, items 0.7 to 1.0, users 0.2 to 0.7, relations
1.4 to 4.5). In these, an entity is the tail of 1.0 to 2.0 relations on average; here it
is one.
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
        items: items, each of them also an entity.
        entities: entities that are not items.
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
        """Edges of the collaborative knowledge graph, in both directions."""
        return 2 * (self.triples + self.interactions)


PUBLISHED = {
    "last-fm": Counts(23_566, 48_123, 58_266, 9, 464_567, 3_034_796),
    "amazon-book": Counts(70_679, 24_915, 88_572, 39, 2_557_746, 847_733),
    "yelp2018": Counts(45_919, 45_538, 90_961, 42, 1_853_704, 1_185_068),
}


@dataclass(frozen=True)
class SyntheticData:
    """Distinct interactions and triples; ids start at 0.

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
    """Scale a data set, with the same average degrees.

    Args:
        counts: sizes of a data set.
        n_edges: approximate number of edges of the graph.
    """
    factor = n_edges / counts.edges
    names = ("users", "items", "entities", "triples", "interactions")
    return replace(
        counts,
        **{name: max(2, round(factor * getattr(counts, name))) for name in names},
    )


def generate(counts: Counts, seed: int = 0) -> SyntheticData:
    """Generate a random data set with exactly these counts.

    Args:
        counts: the sizes.
        seed: seed of the random generator.

    Raises:
        ValueError: there are not enough distinct interactions or triples.
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
    # Each end of a triple is its head or its tail at random.
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
    """Power-law degrees in random order, with a given sum."""
    share = np.arange(1, n + 1) ** -exponent
    above = random.multinomial(total - n * fewest, share / share.sum())
    return random.permutation(fewest + above).astype(np.int64)


def _with_sum(degrees: Ids, total: int, random: np.random.Generator) -> Ids:
    """Change degrees at random until they have this sum."""
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
    """Distinct pairs of a left and a right node, with approximately these degrees.

    All ends are joined at random. Repeated pairs are replaced: the left end is drawn by
    degree, the right one uniformly, so that this ends even if nearly all pairs exist.

    Args:
        left: degree of each left node.
        right: degree of each right node, with the same sum.
        random: random generator.
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
