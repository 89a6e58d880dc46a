"""Explanations that a person can check, with names that try to break out."""

from __future__ import annotations

import dataclasses

from recbole_kgif.explain.explanation_records import (
    FACT,
    FILTER,
    LINK,
    LONGER,
    OWN,
    PEOPLE,
    POPULARITY,
    TASTE,
    Explanation,
    Part,
    Reason,
    Relation,
    ScoreShare,
    Share,
    Standing,
    UserSummary,
)
from recbole_kgif.explain.path_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Hop,
    Node,
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
GENRE = Relation("film.film.genre", False)
BIRTHPLACE = Relation("people.person.place_of_birth", False)
SEQUEL = Relation("film.film.sequel", True)


def path(*hops: Hop, value: float) -> Path:
    """A path with a contribution."""
    attention = 1.0
    for hop in hops:
        attention *= hop.attention
    return Path(hops, attention, value)


LIKES_ALIEN = Hop(ANN, INTERACTION, False, ALIEN, 0.5)
SHARED = path(
    LIKES_ALIEN,
    Hop(ALIEN, GENRE.name, False, SCIFI, 0.25),
    Hop(SCIFI, GENRE.name, True, DUNE, 0.1),
    value=0.41,
)
BY_BOB = path(
    LIKES_ALIEN,
    Hop(ALIEN, INTERACTION, True, BOB, 0.2),
    Hop(BOB, INTERACTION, False, DUNE, 0.1),
    value=-0.2,
)
BY_ALIEN = Reason(
    ALIEN,
    1.0,
    (
        Part(PEOPLE, 0.7, n_nodes=12),
        Part(FACT, 0.41, (GENRE,), 1, (Share(SCIFI, 0.41, ("Solaris",), 4),)),
        Part(FILTER, -0.3),
        Part(TASTE, 0.15),
        Part(LONGER, 0.02),
        Part(LINK, 0.02, (SEQUEL,), 1),
    ),
    rank_without=7,
)
BY_BRAZIL = Reason(BRAZIL, -0.2, (Part(TASTE, -0.2),), rank_without=3)


def explanation() -> Explanation:
    """Two reasons, one of which lowers the score."""
    return Explanation(
        model="KGIF",
        dataset="tiny",
        user=ANN,
        item=DUNE,
        score=2.0,
        rank=3,
        n_candidates=1234,
        seen_in=None,
        paths=with_hop_totals([SHARED, BY_BOB]),
        reasons=(BY_ALIEN, BY_BRAZIL),
        n_others=3,
        others=0.6,
        shares=(ScoreShare(OWN, 0.2), ScoreShare(POPULARITY, 0.4)),
    )


def compared() -> Explanation:
    """Why Dune, and not Brazil, without Alien."""
    other = Part(PEOPLE, -0.1, n_nodes=2, against=True)
    reason = Reason(BRAZIL, -0.3, (Part(TASTE, -0.2), other))
    return dataclasses.replace(
        explanation(),
        score=1.5,
        paths=(),
        reasons=(reason,),
        n_others=0,
        others=0.0,
        shares=(ScoreShare(OWN, 0.4), ScoreShare(POPULARITY, -0.1)),
        against=Standing(BRAZIL, 1.5, 4),
        removed=(ALIEN,),
        before=Standing(DUNE, 2.0, 1),
    )


def by_attention() -> Explanation:
    """Paths without contributions, as of KGAT."""
    paths = sorted(explanation().paths, key=lambda path: -path.attention)
    return dataclasses.replace(
        explanation(),
        model="KGAT",
        reasons=(),
        shares=(),
        n_others=0,
        others=0.0,
        paths=tuple(
            Path(
                tuple(dataclasses.replace(hop, contribution=None) for hop in p.hops),
                p.attention,
            )
            for p in paths
        ),
    )


def unreached() -> Explanation:
    """An item that no path of attention reaches."""
    return dataclasses.replace(by_attention(), paths=())


def summary() -> UserSummary:
    """What drives ten items together."""
    return UserSummary(
        user=ANN,
        n_items=10,
        score=20.0,
        reasons=(Reason(ALIEN, 9.0),),
        n_others=4,
        others=5.0,
        parts=(
            Part(TASTE, 10.0),
            Part(PEOPLE, 5.0),
            Part(FACT, 2.0, (BIRTHPLACE,)),
            Part(FACT, 1.5, (Relation("rel1", False),)),
            Part(FACT, -0.5, (Relation("rel2", True),)),
            Part(FILTER, -4.0),
        ),
        shares=(ScoreShare(OWN, 2.0), ScoreShare(POPULARITY, 4.0)),
    )
