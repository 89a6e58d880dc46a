"""Joining new facts to what a trained model knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recbole_kgif.data.numbered import IntArray, NumberedDataset, mask_of
from recbole_kgif.data.splitting import PARTS
from recbole_kgif.data.textfiles import shown
from recbole_kgif.errors import UserError, suggest
from recbole_kgif.extension.linking import merged_links
from recbole_kgif.extension.loaded_tables import LoadedTables
from recbole_kgif.extension.new_facts import NewFacts

_TRAINING = PARTS[0]
_TRIPLE = ["head", "relation", "tail"]
# Ids that a line names.
_MOST_NAMED = 3
_MOST_RELATIONS = 10


@dataclass(frozen=True)
class MergedTables:
    """Old and new facts; the old ids keep their numbers, new ones follow.

    Attributes:
        data: the tables. The new interactions are at the end of the training set's,
            the new triples at the end of the triples.
        counts: how many users, items, entities, interactions and triples are new.
        notes: what people should know of the new facts.
    """

    data: NumberedDataset
    counts: Mapping[str, int]
    notes: Sequence[str] = field(default_factory=list)


def merge(old: LoadedTables, new: NewFacts) -> MergedTables:
    """Join new facts to the tables of a trained model.

    Args:
        old: what the model knows.
        new: the new facts. Those that it knows already are left out.

    Raises:
        UserError: a relation is unknown, a link contradicts another one, an item cannot
            be linked, or no fact is new.
    """
    facts, known = new.data, old.data
    _refuse_unknown_relations(known.relations, new)
    users, of_user = _merged_ids(known.users, old.numbers["user"], facts.users)
    items, of_item = _merged_ids(known.items, old.numbers["item"], facts.items)
    entities, of_entity = _merged_entities(old, facts.entities)
    places = {token: n for n, token in enumerate(known.relations)}
    of_relation = np.array([places[r] for r in facts.relations], dtype=np.int64)
    numbers = {
        **{"user": of_user, "item": of_item, "relation": of_relation},
        **{"head": of_entity, "tail": of_entity},
    }
    pairs = _renumbered(facts.interactions, numbers)
    triples = _renumbered(facts.triples, numbers)
    before = known.parts[_TRAINING]
    added_pairs = _unknown_rows(before, pairs, {"user": users, "item": items})
    sizes = {"head": entities, "relation": known.relations, "tail": entities}
    added_triples = _unknown_rows(known.triples, triples, sizes)
    training = pd.concat([before, added_pairs], ignore_index=True)
    joined = NumberedDataset(
        users=users,
        items=items,
        entities=entities,
        relations=known.relations,
        parts={**known.parts, _TRAINING: training},
        triples=pd.concat([known.triples, added_triples], ignore_index=True),
        links=known.links,
        names=facts.names,
    )
    links = merged_links(old, joined, new, of_item, of_entity)
    data, unreachable = _of_reachable_items(
        dataclasses.replace(joined, links=links), len(known.items)
    )
    counts = {
        "users": len(users) - len(known.users),
        "items": len(data.items) - len(known.items),
        "entities": _n_new_entities(known, data),
        "interactions": len(added_pairs),
        "triples": len(added_triples),
    }
    n_repeated = {
        "interactions": len(pairs) - len(added_pairs),
        "triples": len(triples) - len(added_triples),
    }
    notes = _notes(known, data, unreachable, n_repeated)
    if not any(counts.values()) and len(links) == len(known.links):
        raise UserError("; ".join(["there is nothing to extend by", *notes]))
    return MergedTables(data, counts, notes)


def _refuse_unknown_relations(known: Sequence[str], new: NewFacts) -> None:
    names = set(known)
    unknown = [relation for relation in new.data.relations if relation not in names]
    if not unknown:
        return
    place = new.place("triples", "relation", unknown[0])
    noun = "relation" if len(unknown) == 1 else "relations"
    raise UserError(
        f"{place}the model was trained without the {noun} "
        f"{_listed(unknown, _MOST_RELATIONS)}; {suggest(unknown[0], names)} (a new "
        "relation needs a new training)"
    )


def _merged_ids(
    known: Sequence[str], numbers: Mapping[str, int], given: Sequence[str]
) -> tuple[list[str], IntArray]:
    """All ids of a kind, and the number of each given one among them."""
    tokens, of_given = list(known), np.zeros(len(given), dtype=np.int64)
    for place, token in enumerate(given):
        number = numbers.get(token, 0) - 1  # 0 is RecBole's padding
        if number < 0:
            number = len(tokens)
            tokens.append(token)
        of_given[place] = number
    return tokens, of_given


def _merged_entities(
    old: LoadedTables, given: Sequence[str]
) -> tuple[list[str], IntArray]:
    """As `_merged_ids`, but the number of an item without an entity is none."""
    known = {token: old.entity(token) for token in given}
    numbers = {token: n + 1 for token, n in known.items() if n is not None}
    return _merged_ids(old.data.entities, numbers, given)


def _renumbered(table: pd.DataFrame, numbers: Mapping[str, IntArray]) -> pd.DataFrame:
    """The columns of a table that have numbers, with these."""
    columns = [str(column) for column in table if column in numbers]
    return pd.DataFrame({column: numbers[column][table[column]] for column in columns})


def _unknown_rows(
    known: pd.DataFrame, given: pd.DataFrame, ids: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The distinct given rows that are not among the known ones."""
    given = given.drop_duplicates()
    first = next(iter(ids))
    # Few are given: those with another first column need not be looked at.
    is_near = mask_of(len(ids[first]), given[first])
    near = known[is_near[known[first]]]

    def keys(rows: pd.DataFrame) -> IntArray:
        columns = [rows[column].to_numpy(np.int64) for column in ids]
        key = np.zeros(len(rows), dtype=np.int64)
        for column, tokens in zip(columns, ids.values()):
            key = key * len(tokens) + column
        return key

    return given[~np.isin(keys(given), keys(near))]


def _n_new_entities(known: NumberedDataset, data: NumberedDataset) -> int:
    """New entities of triples that are no items."""
    is_item = mask_of(len(data.entities), data.links["entity"])
    return int((data.in_graph & ~is_item)[len(known.entities) :].sum())


def _of_reachable_items(
    data: NumberedDataset, n_known: int
) -> tuple[NumberedDataset, list[str]]:
    """Leave out the new items without a triple and an interaction; also their ids."""
    is_kept = (np.arange(len(data.items)) < n_known) | data.is_linked | data.is_used
    number = np.cumsum(is_kept) - 1

    def renumbered(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(item=number[table["item"]])

    kept = dataclasses.replace(
        data,
        items=[item for item, keep in zip(data.items, is_kept) if keep],
        parts={name: renumbered(part) for name, part in data.parts.items()},
        links=renumbered(data.links),
    )
    return kept, [item for item, keep in zip(data.items, is_kept) if not keep]


def _notes(
    known: NumberedDataset,
    data: NumberedDataset,
    unreachable: Sequence[str],
    n_repeated: Mapping[str, int],
) -> list[str]:
    notes = [
        f"{count:,} of the {kind} are known already, or repeated; they are left out"
        for kind, count in n_repeated.items()
        if count
    ]
    unlinked = [
        data.items[number]
        for number in np.flatnonzero(~data.is_linked)
        if number >= len(known.items)
    ]
    reasons = {
        "no triple and no interaction, so that nothing leads to them; they are left "
        "out": unreachable,
        "no triple, so that interactions alone lead to them": unlinked,
    }
    for reason, items in reasons.items():
        if items:
            named = _listed(items, _MOST_NAMED)
            notes.append(f"{len(items):,} of the new items ({named}) have {reason}")
    return notes


def _listed(ids: Sequence[str], most: int) -> str:
    more = ", ..." if len(ids) > most else ""
    return ", ".join(map(shown, ids[:most])) + more
