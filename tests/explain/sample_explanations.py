"""An explanation that a person can check, with names that try to break out."""

from __future__ import annotations

import dataclasses

from recbole_kgif.explain.explanation_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Decomposition,
    Evidence,
    Explanation,
    Hop,
    Node,
    Part,
    Path,
    with_hop_totals,
)

HOSTILE = '</script><img src=x onerror="alert(1)">\\" & $x_1$'

ANN = Node(USER, "26", "Ann")
BOB = Node(USER, "27")
ALIEN = Node(ITEM, "26", "Alien")
DUNE = Node(ITEM, "4", HOSTILE)
BRAZIL = Node(ITEM, "5", "Brazil")
SCIFI = Node(ENTITY, "scifi")
GENRE = "film.film.genre_of"


def path(*hops: Hop, value: float, second: float = 0.0) -> Path:
    """A path with a contribution of one or two parts."""
    attention = 1.0
    for hop in hops:
        attention *= hop.attention
    parts = [Part(1, value - second)] + ([Part(None, second)] if second else [])
    return Path(hops, attention, value, tuple(parts))


LIKES_ALIEN = Hop(ANN, INTERACTION, False, ALIEN, 0.5)
SHARED = path(
    LIKES_ALIEN,
    Hop(ALIEN, GENRE, False, SCIFI, 0.25),
    Hop(SCIFI, GENRE, True, DUNE, 0.1),
    value=0.41,
    second=0.3,
)
BY_BOB = path(
    LIKES_ALIEN,
    Hop(ALIEN, INTERACTION, True, BOB, 0.2),
    Hop(BOB, INTERACTION, False, DUNE, 0.1),
    value=-0.2,
)
LONG = path(
    Hop(ANN, INTERACTION, False, BRAZIL, 0.5),
    Hop(BRAZIL, INTERACTION, True, BOB, 0.2),
    Hop(BOB, INTERACTION, False, ALIEN, 0.2),
    Hop(ALIEN, GENRE, True, SCIFI, 0.25),
    Hop(SCIFI, GENRE, False, DUNE, 0.1),
    value=0.1,
)


def explanation() -> Explanation:
    """Three paths, one of which lowers the score."""
    return Explanation(
        model="KGIF",
        dataset="tiny",
        user=ANN,
        item=DUNE,
        score=2.1,
        rank=3,
        n_candidates=1234,
        seen_in=None,
        paths=with_hop_totals([SHARED, BY_BOB, LONG]),
        decomposition=Decomposition(
            0.05, 0.4, -0.1, (0.0, 0.0, 0.2, 0.0, 0.15, 0.0), 1.4
        ),
        evidence=(Evidence(ALIEN, 0.5), Evidence(BRAZIL, -0.1)),
    )


def by_attention() -> Explanation:
    """The same without contributions, as of KGAT."""
    paths = sorted(explanation().paths, key=lambda path: -path.attention)
    return dataclasses.replace(
        explanation(),
        model="KGAT",
        decomposition=None,
        evidence=(),
        paths=tuple(
            Path(
                tuple(dataclasses.replace(hop, contribution=None) for hop in p.hops),
                p.attention,
            )
            for p in paths
        ),
    )


def unreached() -> Explanation:
    """An item that no path reaches."""
    return dataclasses.replace(
        explanation(),
        paths=(),
        evidence=(),
        decomposition=Decomposition(0.7, 0.0, 0.0, (0.0, 0.0), 1.4),
    )
