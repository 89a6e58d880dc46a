from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import PUBLISHED, Counts, generate, scaled

SMALL = scaled(PUBLISHED["amazon-book"], 60_000)


def degrees(*ends: np.ndarray) -> np.ndarray:
    return np.sort(np.bincount(np.concatenate(ends)))[::-1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_synthetic_data_has_exactly_its_counts(name: str) -> None:
    # Larger ones take the same way; Last-FM's are dense when small.
    counts = scaled(PUBLISHED[name], 200_000)
    data = generate(counts)
    assert len(data.users) == len(data.items) == counts.interactions
    assert len(data.heads) == len(data.tails) == counts.triples
    for ids, size in (
        (data.users, counts.users),
        (data.items, counts.items),
        (data.heads, counts.items + counts.entities),
        (data.tails, counts.items + counts.entities),
        (data.relations, counts.relations),
    ):
        assert ids.min() >= 0
        assert ids.max() < size


def test_interactions_and_triples_are_distinct() -> None:
    data = generate(SMALL)
    pairs = np.stack([data.users, data.items])
    assert np.unique(pairs, axis=1).shape == pairs.shape
    triples = np.stack([data.heads, data.relations, data.tails])
    assert np.unique(triples, axis=1).shape == triples.shape


def test_equal_seeds_give_equal_data_and_others_do_not() -> None:
    first, second, other = generate(SMALL), generate(SMALL), generate(SMALL, seed=1)
    assert np.array_equal(first.items, second.items)
    assert np.array_equal(first.tails, second.tails)
    assert not np.array_equal(first.items, other.items)


def test_a_few_hubs_have_many_edges() -> None:
    data = generate(SMALL)
    of_entities = degrees(data.heads, data.tails)
    tenth = len(of_entities) // 10
    # Equally likely ends would give these little more than a tenth.
    assert of_entities[:tenth].sum() > 0.3 * of_entities.sum()
    of_relations = degrees(data.relations)
    assert of_relations[0] > 0.2 * of_relations.sum()
    # One relation leads to each entity.
    tail_relations = np.unique(np.stack([data.tails, data.relations]), axis=1)
    assert tail_relations.shape[1] == len(np.unique(data.tails))


def test_scaling_keeps_the_degrees() -> None:
    published = PUBLISHED["amazon-book"]
    counts = scaled(published, 10**6)
    assert counts.edges == pytest.approx(10**6, rel=1e-4)
    assert counts.relations == published.relations
    assert counts.interactions / counts.users == pytest.approx(
        published.interactions / published.users, rel=1e-3
    )


def test_a_nearly_full_matrix_is_reached() -> None:
    counts = Counts(30, 20, 10, 2, 100, 500)
    assert len(generate(counts).users) == 500


def test_more_pairs_than_there_are_are_refused() -> None:
    with pytest.raises(ValueError, match="no 601 distinct pairs"):
        generate(replace(Counts(30, 20, 10, 2, 100, 500), interactions=601))
