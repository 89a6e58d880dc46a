"""Phrases about explanations, in words that fit any kind of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional, Union

from recbole_kgif.explain.explanation_records import (
    BORROWED,
    ENDPOINTS,
    FACT,
    FILTER,
    ITSELF,
    LINK,
    LONGER,
    NEW,
    OWN,
    PEOPLE,
    TASTE,
    Explanation,
    Part,
    Reason,
    Relation,
    Share,
    UserSummary,
)
from recbole_kgif.explain.path_records import (
    INTERACTION,
    Hop,
    Node,
    Path,
)
from recbole_kgif.explain.relation_words import (
    FACT_WORD,
    counted,
    is_participle,
    readable,
    reads_backwards,
    what_it_is,
)
from recbole_kgif.explain.renderings.numerals import (
    digits,
    signed,
    whole_percentages,
)

# Parts that a clause about a reason names.
_NAMED_PARTS = 3
# A part smaller than this fraction of its reason is not named.
_SMALL = 0.05

# What a value is from, and the value.
Row = tuple[str, float]

# Endings of names of several things.
_PLURAL = ("choices", "facts")
_SHARE_WORDS = {
    OWN: "your taste in general",
    NEW: "being new in the catalogue",
    BORROWED: "known items with the same facts",
    ENDPOINTS: "similarity of the embeddings",
}


# --- a whole score ------------------------------------------------------------------


def score_rows(record: Union[Explanation, UserSummary]) -> list[Row]:
    """The parts of the score that are no single reason, with their names."""
    rows = []
    if record.n_others != 0:
        rows.append((_others(record.n_others), record.others))
    for share in record.shares:
        low = "low popularity" if share.value < 0 else "popularity"
        whose = "their" if isinstance(record, UserSummary) else "its"
        name = _SHARE_WORDS.get(share.kind, f"{whose} {low}")
        rows.append((name, share.value))
    return rows


def _others(count: Optional[int]) -> str:
    if count is None:
        return "all other walks of the graph"
    return "your other choice" if count == 1 else f"your {count:,} other choices"


def first_sentence(record: Union[Explanation, UserSummary]) -> str:
    """How much of the score is from what."""
    reasons, rows = [reason.value for reason in record.reasons], score_rows(record)
    values = [*reasons, *(value for _, value in rows)]
    total = math.fsum(values)
    whole = whole_percentages(values, total)
    if reasons:
        rows.insert(0, (_listed_choices(len(reasons), record.n_others), sum(reasons)))
    if whole is None:
        parts = [f"{signed(value)} from {name}" for name, value in rows if value]
        return f"{', '.join(parts)} make {signed(round(total, 9))}."
    n_reasons = len(reasons)
    shown = [sum(whole[:n_reasons])] * bool(reasons) + whole[n_reasons:]
    named = [(share, name) for share, (name, _) in zip(shown, rows) if share]
    raising = [f"{share} % from {name}" for share, name in named if share > 0]
    lowering = [
        f"{name} {'take' if name.endswith(_PLURAL) else 'takes'} {-share} % off"
        for share, name in named
        if share < 0
    ]
    if raising:
        raising[0] = raising[0].replace("%", f"% of the {_sum_of(record)} is", 1)
    return "; ".join(filter(None, [", ".join(raising), ", ".join(lowering)])) + "."


def _listed_choices(n_listed: int, n_others: Optional[int]) -> str:
    if n_others != 0:
        return f"{n_listed} of your choices"
    return "your one choice" if n_listed == 1 else f"your {n_listed} choices"


def _sum_of(record: Union[Explanation, UserSummary]) -> str:
    if isinstance(record, UserSummary):
        return f"{record.n_items} scores" if record.n_items > 1 else "score"
    return "score" if record.against is None else "difference"


def headline(explanation: Explanation, item: str = "") -> str:
    """Item, or its label, user, score, rank, and where so that it is not exact."""
    note = "" if explanation.is_exact else " (paths by attention, not exact)"
    return (
        f"{item or explanation.item.label} for {explanation.user.label}: score "
        f"{digits(explanation.score)}, {rank_in_words(explanation)}{note}"
    )


def rank_in_words(explanation: Explanation) -> str:
    """The item's rank among the candidates."""
    if explanation.seen_in is not None:
        return f"not ranked: it is in the {explanation.seen_in} set of this user"
    return f"rank {explanation.rank:,} of {explanation.n_candidates:,}"


def notes(explanation: Explanation) -> list[str]:
    """What a reader has to know about an explanation, a sentence each."""
    remarks = []
    if explanation.against is not None:
        other = explanation.against
        gap = explanation.explained
        side = "above" if gap >= 0 else "below"
        rank = "" if other.rank is None else f" (rank {other.rank:,})"
        remarks.append(
            f"{explanation.item.label} scores {digits(abs(gap))} {side} "
            f"{other.item.label}{rank}. The reasons add up to this difference."
        )
    if explanation.before is not None:
        former = explanation.before
        removed = ", ".join(node.label for node in explanation.removed)
        rank = "not ranked" if former.rank is None else f"rank {former.rank:,}"
        remarks.append(
            f"As it would be without {removed}. With it: score {digits(former.score)}, "
            f"{rank}."
        )
    if not explanation.is_exact:
        remarks.append(
            f"Not exact: {explanation.model} has no contributions to a score to show. "
            "These are the paths of the largest attention, which is no share of the "
            "score and need not be what the score depends on."
        )
        if not explanation.paths:
            remarks.append(
                "No path through training interactions and the knowledge graph that "
                f"is short enough for the model leads from {explanation.user.label} "
                f"to {explanation.item.label}."
            )
    return remarks


# --- one reason ---------------------------------------------------------------------


def told_parts(reason: Reason) -> list[Part]:
    """The parts of a reason, with facts that no word tells apart in one."""
    parts: list[Part] = []
    facts: dict[bool, list[Part]] = {}
    for part in reason.parts:
        words = set(map(_word, part.relations)) - {FACT_WORD}
        if part.kind == FACT and not words:
            facts.setdefault(part.against, []).append(part)
        else:
            parts.append(part)
    for against, members in facts.items():
        parts.append(_in_one(members, against) if len(members) > 1 else members[0])
    return sorted(parts, key=lambda part: -abs(part.value))


def _in_one(facts: Sequence[Part], against: bool) -> Part:
    """Facts of several relations as one part.

    A fact in common is the same relation to the same entity. Entities that the two
    items have by different relations count where they are more.
    """
    by_node: dict[Node, float] = {}
    for share in (share for part in facts for share in part.shares):
        by_node[share.node] = by_node.get(share.node, 0.0) + share.value
    n_same = sum(part.n_nodes for part in facts if len(part.relations) < 2)
    n_facts = max(n_same, len(by_node), *(part.n_nodes for part in facts))
    shares = [Share(node, value) for node, value in by_node.items()]
    shares.sort(key=lambda share: -abs(share.value))
    value = math.fsum(part.value for part in facts)
    return Part(FACT, value, (), n_facts, tuple(shares[:_NAMED_PARTS]), against)


def reason_clause(reason: Reason, explanation: Explanation) -> str:
    """What the largest parts of a reason are, those of its own sign."""
    least = _SMALL * abs(reason.value)
    parts = [
        part_phrase(part, reason, explanation)
        for part in told_parts(reason)
        if part.value * reason.value > 0 and abs(part.value) >= least
    ]
    return ", ".join(parts[:_NAMED_PARTS])


def sentence(reason: Reason, explanation: Explanation, share: str = "") -> str:
    """A reason as a sentence."""
    clause = reason_clause(reason, explanation)
    amount = share or signed(reason.value)
    verb = "Because" if reason.value > 0 else "Although"
    why = f": {clause}" if clause else ""
    return f"{verb} you chose {reason.item.label}{why} ({amount})."


def part_phrase(part: Part, reason: Reason, explanation: Explanation) -> str:
    """A part of a reason in words."""
    item = explanation.item.label
    if part.against and explanation.against is not None:
        item = explanation.against.item.label
    words = _phrase(part, reason.item.label, item)
    return f"{words} (with {item})" if part.against else words


def _phrase(part: Part, chosen: str, item: str) -> str:
    if part.kind == PEOPLE:
        return f"{counted(part.n_nodes, 'person', 'people')} chose both"
    if part.kind == LINK:
        return _link(part.relations[0], item)
    if part.kind == FACT:
        return _fact(part)
    if part.kind == FILTER and part.value > 0:
        return "what they share is rare"
    if part.kind == TASTE and part.value < 0:
        return "different in taste"
    return {
        ITSELF: "you chose it already",
        LONGER: "longer chains of people and facts",
        TASTE: "similar in taste",
        FILTER: "taken off: much of it is common to many items",
    }[part.kind]


def kind_rows(summary: UserSummary) -> list[Row]:
    """The parts of all interactions, those of the same words together."""
    rows: dict[str, float] = {}
    for part in summary.parts:
        words = _kind_phrase(part)
        rows[words] = rows.get(words, 0.0) + part.value
    return sorted(rows.items(), key=lambda row: -abs(row[1]))


def _kind_phrase(part: Part) -> str:
    if part.kind == PEOPLE:
        return "people who chose both"
    if part.kind == LINK:
        word = readable(part.relations[0].name)
        return "items that are linked" if word == FACT_WORD else f"being its {word}"
    if part.kind == FACT:
        relation = part.relations[0]
        if _word(relation) == FACT_WORD:
            return "facts in common"
        if reads_backwards(relation.name, relation.inverse):
            return f"being the {_word(relation)} of the same"
        return f"the same {_word(relation)}"
    return _phrase(part, "", "")


def _word(relation: Relation) -> str:
    return what_it_is(relation.name, relation.inverse)


def _link(relation: Relation, item: str) -> str:
    word = readable(relation.name)
    if word == FACT_WORD:
        return f"a fact joins it with {item}"
    if is_participle(word):
        return f"one was {word} the other"
    return (
        f"it is the {word} of {item}" if relation.inverse else f"its {word} is {item}"
    )


def _fact(part: Part) -> str:
    names = [share.node.name for share in part.shares if share.node.name]
    words_of = [*dict.fromkeys(map(_word, part.relations))]
    if not words_of or FACT_WORD in words_of:
        words = counted(part.n_nodes, "fact", "facts") + " in common"
        return f"{words}: {_listed(names, part.n_nodes)}" if names else words
    word = words_of[0]
    if len(words_of) > 1:
        both = f"the {word} of one is the {words_of[1]} of the other"
        return f"{both}: {_listed(names, part.n_nodes)}" if names else both
    if reads_backwards(part.relations[0].name, part.relations[0].inverse):
        of = _listed(names, part.n_nodes) if names else "the same"
        return f"both are the {word} of {of}"
    if is_participle(word):
        by = _listed(names, part.n_nodes) if names else "the same"
        return f"both {word} {by}"
    if names:
        return f"the same {word}: {_listed(names, part.n_nodes)}"
    if part.n_nodes > 1:
        return f"{part.n_nodes:,} times the same {word}"
    return f"the same {word}{_joined(part)}"


def _listed(names: Sequence[str], count: int) -> str:
    more = count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def _joined(part: Part) -> str:
    """Whom else an entity without a name joins."""
    share = part.shares[0] if part.shares else None
    if share is None:
        return ""
    if not share.n_others:
        return ", and no other item has it"
    others = share.n_others - len(share.others)
    if not share.others:
        return f" as {counted(others, 'other item', 'other items')}"
    more = f" and {others:,} more" if others else ""
    return f" as {', '.join(share.others)}{more}"


def rank_without(reason: Reason, explanation: Explanation) -> str:
    """What the item's rank would be without an interaction; empty where not known."""
    if reason.rank_without is None:
        return ""
    if reason.rank_without == explanation.rank:
        return f"Without it, it would still be at rank {explanation.rank:,}."
    return f"Without it, it would be at rank {reason.rank_without:,}."


# --- paths --------------------------------------------------------------------------


def path_sentence(path: Path) -> str:
    """A path as a chain of names and relations."""
    names = [f"{hop_label(hop)} {hop.target.label}" for hop in path.hops]
    return ", ".join(["you", *names])


def hop_label(hop: Hop) -> str:
    """A hop as an arrow with its relation."""
    if hop.relation == INTERACTION:
        return "chosen by" if hop.inverse else "chose"
    word = readable(hop.relation)
    return f"is {word} of" if hop.inverse else f"has {word}"


def strength(path: Path) -> str:
    """A path's contribution, or its attention where it has none."""
    if path.contribution is None:
        return f"attention {digits(path.attention)}"
    return signed(path.contribution)
