"""Relations in words: the names that knowledge graphs give them, made readable.

Knowledge graphs name a relation by a path, as in ``music.artist.origin``: domain, type
of its head, property. Read forwards it is the property, read backwards the type.
"""

from __future__ import annotations

import re

from recbole_kgif.explain.path_records import INTERACTION

# What a relation without a word is called.
FACT_WORD = "fact"
_WORDS = {"place of birth": "birthplace"}
_NO_WORD = re.compile(r"(r|rel|relation|property|p)?[\W_]*\d+|\W*", re.IGNORECASE)


def readable(relation: str) -> str:
    """The last part of a relation's name as words, none of them repeated.

    "fact" where the name has no word, as in ``rel3``.
    """
    return _words(_parts(relation)[-1])


def _parts(relation: str) -> list[str]:
    last_of_iri = re.split(r"[/#]", relation.rstrip("/#"))[-1]
    return [part for part in last_of_iri.split(".") if part] or [relation]


def _words(part: str) -> str:
    spaced = (
        re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part).replace("_", " ").replace("-", " ")
    )
    words: list[str] = []
    for word in spaced.split():
        if word.lower() not in map(str.lower, words):
            words.append(word)
    if len(words) > 1 and words[0].lower() in ("has", "is", "the"):
        words = words[1:]
    text = " ".join(words)
    if _NO_WORD.fullmatch(text):
        return FACT_WORD
    return _WORDS.get(text.lower(), text.lower() if text.istitle() else text)


def what_it_is(relation: str, inverse: bool) -> str:
    """What an entity is to the item that has it.

    Args:
        relation: the relation's name.
        inverse: whether the entity is the head of the fact, and the item its tail.
    """
    if relation == INTERACTION:
        return "choice"
    parts = _parts(relation)
    if inverse and len(parts) > 1:
        return _words(parts[-2])
    return readable(relation)


def reads_backwards(relation: str, inverse: bool) -> bool:
    """Whether the item is what `what_it_is` says, of the entity."""
    is_typed = len(_parts(relation)) > 1
    return inverse and not is_typed and readable(relation) != FACT_WORD


def is_participle(word: str) -> bool:
    """Whether a relation reads as in "directed by"."""
    return word.endswith(" by")


def counted(count: int, singular: str, plural: str) -> str:
    """A number with its noun."""
    return f"{count:,} {singular if count == 1 else plural}"
