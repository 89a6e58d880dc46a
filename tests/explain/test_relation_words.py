from __future__ import annotations

import pytest

from recbole_kgif.explain.relation_words import (
    readable,
    reads_backwards,
    what_it_is,
)


@pytest.mark.parametrize(
    ("relation", "expected"),
    [
        ("music.artist.origin", "origin"),
        ("people.person.place_of_birth", "birthplace"),
        ("film.film_genre.films_in_this_genre", "films in this genre"),
        ("film.person.film_film", "film"),
        ("hasGenre", "genre"),
        ("has_genre", "genre"),
        ("http://example.org/terms#Creator", "creator"),
        ("http://example.org/terms/subject/", "subject"),
        ("Ähnlich zu", "Ähnlich zu"),
        ("rel12", "fact"),
        ("25", "fact"),
        ("...", "fact"),
        ("P31", "fact"),
    ],
)
def test_a_relation_is_read_by_its_last_part(relation: str, expected: str) -> None:
    assert readable(relation) == expected


@pytest.mark.parametrize(
    ("relation", "inverse", "expected"),
    [
        ("film.actor.film", True, "actor"),
        ("film.film_genre.films_in_this_genre", True, "film genre"),
        ("film.film.genre", False, "genre"),
        ("interaction", True, "choice"),
        ("sequel", True, "sequel"),
        ("rel3", True, "fact"),
    ],
)
def test_backwards_a_relation_is_the_type_of_its_head(
    relation: str, inverse: bool, expected: str
) -> None:
    assert what_it_is(relation, inverse) == expected


def test_a_relation_without_types_reads_backwards_only_from_its_tail() -> None:
    assert reads_backwards("sequel", True)
    assert not reads_backwards("sequel", False)
    assert not reads_backwards("film.film.sequel", True)
    assert not reads_backwards("rel3", True)
