"""Phrases about explanations, in words that fit any kind of items."""

from __future__ import annotations

from recbole_kgif.explain.explanation_records import (
    ENTITY,
    INTERACTION,
    ITEM,
    USER,
    Explanation,
    Hop,
    Path,
)


def sentence(path: Path) -> str:
    """A path as a clause that begins with "because", without its strength."""
    hops = path.hops
    if len(hops) == 1:
        return "because you chose it yourself"
    beginning = f"because you chose {hops[0].target.label}"
    if len(hops) == 3 and _is_shared(hops[1], hops[2]):
        return beginning + _shared(hops[1], path.nodes[-1].label)
    return beginning + "".join(f", {_clause(hop)}" for hop in hops[1:])


def _is_shared(first: Hop, second: Hop) -> bool:
    """Whether both ends reach the middle by the same relation in the same direction."""
    return first.relation == second.relation and first.inverse != second.inverse


def _shared(hop: Hop, item: str) -> str:
    middle, relation = hop.target.label, readable(hop.relation)
    if hop.relation == INTERACTION:
        return f", and {middle}, who chose it too, also chose {item}"
    if hop.inverse:
        return f", which, like {item}, is {relation} of {middle}"
    return f", which shares {relation} {middle} with {item}"


def _clause(hop: Hop) -> str:
    target = hop.target.label
    if hop.relation == INTERACTION:
        return f"who chose {target}" if hop.inverse is False else f"as did {target}"
    relation = readable(hop.relation)
    if hop.inverse:
        return f"which is {relation} of {target}"
    return f"whose {relation} is {target}"


def readable(relation: str) -> str:
    """The last part of a dotted relation name, with spaces for underscores.

    Knowledge graphs name relations by a path, as in ``music.artist.origin``.
    """
    last = relation.rstrip(".").rpartition(".")[2] or relation
    return last.replace("_", " ").strip() or relation


def link_label(relation: str, inverse: bool) -> str:
    """A relation on a line drawn to the right."""
    if relation == INTERACTION:
        return "chosen by" if inverse else "chose"
    if inverse:
        return f"\N{LEFTWARDS ARROW} {readable(relation)}"
    return f"{readable(relation)} \N{RIGHTWARDS ARROW}"


def signed(value: float, digits: int = 2) -> str:
    """A contribution with its sign, at least two digits of which are not zero."""
    if value == 0:
        return "0"
    decimals = digits
    while decimals < 8 and abs(value) < 10 ** (1 - decimals):
        decimals += 1
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def measured(value: float, is_exact: bool) -> str:
    """A contribution with its sign, or an attention, which has none."""
    return signed(value) if is_exact else f"{value:.2g}"


def headline(explanation: Explanation, item: str = "") -> str:
    """Item, or its label, user, score, rank, and where so that it is not exact."""
    note = "" if explanation.is_exact else " (paths by attention, not exact)"
    return (
        f"{item or explanation.item.label} for {explanation.user.label}: score "
        f"{explanation.score:.2f}, {rank_in_words(explanation)}{note}"
    )


def rank_in_words(explanation: Explanation) -> str:
    """The item's rank among the candidates."""
    if explanation.seen_in is not None:
        return f"not ranked: it is in the {explanation.seen_in} set of this user"
    return f"rank {explanation.rank:,} of {explanation.n_candidates:,}"


def notes(explanation: Explanation) -> list[str]:
    """What a reader has to know about an explanation, a sentence each."""
    remarks = []
    if not explanation.is_exact:
        remarks.append(
            f"Not exact: {explanation.model} has no contributions to a score to show. "
            "These are the paths of the largest attention, which need not be what the "
            "score depends on."
        )
    if not explanation.paths:
        rest = "; the score is made of the other parts" if explanation.is_exact else ""
        remarks.append(
            "No path through training interactions and the knowledge graph that is "
            f"short enough for the model leads from {explanation.user.label} to "
            f"{explanation.item.label}{rest}."
        )
    elif any(path.strength < 0 for path in explanation.paths):
        remarks.append("A path with a minus sign lowers the score.")
    return remarks


_LONGER_WALKS = "walks of 5 edges and more, from item to item"


def decomposition_rows(explanation: Explanation) -> list[tuple[str, float]]:
    """The parts of the score with their names, in the order of display."""
    parts = explanation.decomposition
    if parts is None:
        return []
    n_paths = len(explanation.paths)
    shown = "the path shown" if n_paths == 1 else f"the {n_paths} paths shown"
    rows = [(shown, explanation.shown)] if n_paths else []
    rows.append(("all other walks of the graph", explanation.other_walks))
    if parts.longer_walks:
        rows.append((_LONGER_WALKS, parts.longer_walks))
    return [
        *rows,
        ("similarity of different endpoints", parts.different_endpoints),
        ("the item's own bias", parts.bias),
    ]


def length_rows(explanation: Explanation) -> list[tuple[str, float]]:
    """Sums over all walks by kind and number of edges, without those that are 0."""
    parts = explanation.decomposition
    if parts is None:
        return []
    rows = [
        ("direct walks of 3 edges", parts.direct_walks),
        (_LONGER_WALKS, parts.longer_walks),
    ]
    rows += [
        (f"walks of {length} edge{'s' if length > 1 else ''}, by embeddings", value)
        for length, value in enumerate(parts.connected, start=1)
    ]
    return [(name, value) for name, value in rows if value != 0]


def evidence_rows(explanation: Explanation) -> list[tuple[str, float]]:
    """The user's items with the sums of the walks that begin with them."""
    return [(entry.item.label, entry.contribution) for entry in explanation.evidence]


def kind_name(kind: str) -> str:
    """A kind of nodes in the plural."""
    return {USER: "users", ITEM: "items", ENTITY: "entities"}[kind]
