"""The advice that goes with a name that is not known."""

from __future__ import annotations

from recbole_kgif.errors import suggest


def test_a_misspelt_word_is_answered_with_the_nearest_in_their_own_writing() -> None:
    assert suggest("lightgnc", ["KGAT", "LightGCN"]) == "did you mean LightGCN?"


def test_a_word_unlike_all_is_answered_with_the_whole_list() -> None:
    assert suggest("zzz", ["b", "a"]) == "known are a, b"
