"""A data set: what is in it, and what in it may spoil a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from recbole_kgif.data.checks import DatasetCounts, check_dataset
from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.data.textfiles import shown
from recbole_kgif.doctor.findings import Finding, Level, count
from recbole_kgif.doctor.numbered import IntArray, NumberedDataset, read_numbered
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import check_loaded_columns

_SHARE_THAT_MATTERS = 0.05
_DOMINANT_SHARE = 0.9
_NAMED_RELATIONS = 5
# RecBole's split of so many interactions leaves one each for validation and test.
_LEAST_TO_SPLIT = 3


@dataclass(frozen=True)
class DatasetExamination:
    """What was found in one data set.

    Attributes:
        name: Its name.
        folder: Where its files lie.
        findings: The findings.
        relations: Number of triples of each relation, the largest first.
        degrees: For "users" and "items" the numbers of their interactions, for
            "entities" those of the triples that they stand in, a place each.
    """

    name: str
    folder: Path
    findings: list[Finding]
    relations: Mapping[str, int] = field(default_factory=dict)
    degrees: Mapping[str, IntArray] = field(default_factory=dict)


def examine_dataset(
    location: DatasetLocation, options: Mapping[str, Any]
) -> DatasetExamination:
    """Examine the files of a data set.

    Args:
        location: where they lie.
        options: RecBole's options for them, such as `benchmark_filename`.

    Returns:
        What was found. Files that RecBole cannot read are the one finding then.
    """
    folder, name = location.folder, location.name
    try:
        check_loaded_columns(options, needs_knowledge_graph=True)
        files = DatasetFiles.from_options(folder, name, options, unlinked_items="drop")
        counts = check_dataset(files)
    except UserError as error:
        finding = Finding(
            "files",
            "cannot be used",
            Level.PROBLEM,
            f"{error}.",
            "Correct the file and ask again: a file is read up to its first mistake.",
        )
        return DatasetExamination(name, folder, [finding])
    data = read_numbered(files)
    degrees = _degrees(data)
    relations = _triples_by_relation(data)
    findings = [
        Finding("files", "sound", meaning="RecBole reads them as they are meant."),
        *_sizes(data, counts),
        *_linking(data, counts),
        *_interactions(data, degrees["users"]),
        *(_leakage(data) if data.is_split else []),
        *_triples(data, relations),
        *_entities(data),
        *_ids(data),
        *(_distribution(kind, values) for kind, values in degrees.items()),
    ]
    return DatasetExamination(name, folder, findings, relations, degrees)


# --- sizes --------------------------------------------------------------------------


def _sizes(data: NumberedDataset, counts: DatasetCounts) -> list[Finding]:
    parts = {part: pairs.shape[1] for part, pairs in data.parts.items()}
    by_part = ", ".join(f"{part} {size:,}" for part, size in parts.items())
    interactions = f"{counts.interactions:,}"
    if data.is_split:
        interactions += f" ({by_part})"
    sparsity = 1 - counts.interactions / (counts.users * counts.items)
    return [
        Finding("users", f"{counts.users:,}", number=counts.users),
        Finding("items", f"{counts.items:,}", number=counts.items),
        Finding("interactions", interactions, number=counts.interactions),
        Finding(
            "sparsity",
            f"{sparsity:.3%}",
            meaning="Share of the pairs of a user and an item without an interaction.",
            number=sparsity,
        ),
        Finding("entities", f"{counts.entities:,}", number=counts.entities),
        Finding("relations", f"{counts.relations:,}", number=counts.relations),
        Finding("triples", f"{counts.triples:,}", number=counts.triples),
    ]


def _distribution(kind: str, degrees: IntArray) -> Finding:
    summary = quantiles(degrees)
    per = "triples" if kind == "entities" else "interactions"
    return Finding(
        f"{per} of {kind}",
        ", ".join(f"{name} {value:,g}" for name, value in summary.items()),
        number=summary["mean"],
    )


def quantiles(degrees: IntArray) -> dict[str, float]:
    """Least, median, mean, ninth decile and largest of some degrees."""
    return {
        "least": float(degrees.min()),
        "median": float(np.median(degrees)),
        "mean": round(float(degrees.mean()), 2),
        "90%": float(np.quantile(degrees, 0.9)),
        "largest": float(degrees.max()),
    }


def _degrees(data: NumberedDataset) -> dict[str, IntArray]:
    users, items = data.interactions
    heads, _, tails = data.triples
    degrees = {
        "users": np.bincount(users),
        "items": np.bincount(items),
        "entities": np.bincount(np.concatenate([heads, tails])),
    }
    # Items and entities of links alone are none of the interactions and triples.
    return {kind: values[values > 0] for kind, values in degrees.items()}


# --- items and the graph ------------------------------------------------------------


def _linking(data: NumberedDataset, counts: DatasetCounts) -> list[Finding]:
    linked, entities = data.links
    met = np.zeros(len(data.items), dtype=bool)
    met[data.interactions[1]] = True
    in_graph = np.zeros(len(data.entities), dtype=bool)
    in_graph[data.triples[[0, 2]]] = True
    is_linked = np.zeros(len(data.items), dtype=bool)
    is_linked[linked] = True
    dropped = counts.unlinked_interactions
    share = dropped / counts.interactions
    return [
        Finding(
            "linked items",
            f"{counts.linked_items:,} of {counts.items:,} "
            f"({counts.linked_items / counts.items:.1%})",
            meaning="Items of the interactions with an entity in the graph.",
            number=counts.linked_items,
        ),
        count(
            "items that no link names",
            int((met & ~is_linked).sum()),
            Level.NOTE,
            "They have no entity, so knowledge-aware models cannot have them.",
            "Link them, or leave them out by --unlinked_items=drop.",
            of=counts.items,
        ),
        count(
            "items without a triple",
            int((met[linked] & ~in_graph[entities]).sum()),
            Level.NOTE,
            "They have an entity that stands in no triple, so the graph says nothing "
            "of them.",
            "Add triples, or leave the items out by --unlinked_items=drop.",
            of=counts.items,
        ),
        count(
            "interactions that linking drops",
            dropped,
            Level.WARNING if share > _SHARE_THAT_MATTERS else Level.NOTE,
            "RecBole leaves them out for knowledge-aware models and keeps them for all "
            "others, which then see other data.",
            "Compare models with the command compare, which gives all of them the "
            "same; say --unlinked_items=drop for a run of your own.",
            of=counts.interactions,
        ),
    ]


def _entities(data: NumberedDataset) -> list[Finding]:
    heads, _, tails = data.triples
    proper = heads != tails
    is_cyclic, in_cycles = _cycles(heads[proper], tails[proper], len(data.entities))
    is_item = np.zeros(len(data.entities), dtype=bool)
    is_item[data.links[1]] = True
    neighbours = _neighbours(heads[proper], tails[proper], len(data.entities))
    in_graph = np.zeros(len(data.entities), dtype=bool)
    in_graph[data.triples[[0, 2]]] = True
    dangling = in_graph & ~is_item & (neighbours < 2)
    return [
        count(
            "dangling entities",
            int(dangling.sum()),
            Level.NOTE,
            "They have fewer than two neighbours and are no items, so no path leads "
            "through them. Models still learn an embedding for each.",
            "Nothing has to be done; without them the graph is smaller.",
            of=int(in_graph.sum()),
        ),
        Finding(
            "cycles of the triples",
            f"yes, through {in_cycles:,} entities" if is_cyclic else "none",
            meaning="KGIF and RecBole's models walk the triples in both directions, so "
            "cycles do no harm.",
            number=in_cycles,
        ),
    ]


def _neighbours(heads: IntArray, tails: IntArray, n_entities: int) -> IntArray:
    """How many different neighbours each entity has, shape: [n_entities]."""
    one = np.concatenate([heads, tails])
    other = np.concatenate([tails, heads])
    pairs = pd.unique(one * n_entities + other)
    return np.bincount(pairs // n_entities, minlength=n_entities)


def _cycles(heads: IntArray, tails: IntArray, n_entities: int) -> tuple[bool, int]:
    """Whether edges from heads to tails close a cycle, and how many entities do."""
    edges = coo_matrix(
        (np.ones(len(heads), dtype=np.int8), (heads, tails)),
        shape=(n_entities, n_entities),
    )
    _, component = connected_components(edges, directed=True, connection="strong")
    sizes = np.bincount(component)
    in_cycles = int(sizes[sizes > 1].sum())
    return in_cycles > 0, in_cycles


# --- interactions -------------------------------------------------------------------


def _interactions(data: NumberedDataset, of_users: IntArray) -> list[Finding]:
    duplicates = sum(
        _count_duplicates(_keys(pairs, data)) for pairs in data.parts.values()
    )
    if data.is_split:
        level, meaning, advice = (
            Level.NOTE,
            "A part has the same pair of user and item several times, which counts "
            "more in training and in the figures.",
            "Remove the lines: RecBole filters no data set that comes split.",
        )
    else:
        level, meaning, advice = (
            Level.WARNING,
            "The same pair of user and item stands several times, and a random split "
            "can put one into training and another into the test.",
            "Give --rm_dup_inter=first, or remove the lines.",
        )
    total = data.interactions.shape[1]
    return [
        *_users_to_split(data, of_users),
        count("duplicate interactions", duplicates, level, meaning, advice, of=total),
        count(
            "users with one interaction",
            int((of_users == 1).sum()),
            Level.NOTE,
            "Each is either trained on or tested, so its test is a guess.",
            "Leave them out when the split is made."
            if data.is_split
            else 'To leave them out, give "--user_inter_num_interval=[2,inf)".',
            of=len(data.users),
        ),
    ]


def _users_to_split(data: NumberedDataset, of_users: IntArray) -> list[Finding]:
    """Whether the usual split, of each user's interactions, has something to split."""
    if data.is_split or int((of_users >= _LEAST_TO_SPLIT).sum()):
        return []
    return [
        Finding(
            "users with three interactions or more",
            "none",
            Level.PROBLEM,
            "The split of each user's interactions leaves none for validation or test.",
            "Bring more interactions, or the three parts in files of their own.",
        )
    ]


def _leakage(data: NumberedDataset) -> list[Finding]:
    """Between the parts of a data set that comes split: training, validation, test."""
    keys = {part: _keys(pairs, data) for part, pairs in data.parts.items()}
    (train, train_pairs), (valid, valid_pairs), (test, test_pairs) = keys.items()
    users, items = data.parts[train]
    test_users, test_items = data.parts[test]
    advice = f"Remove the lines from the {test} part."
    return [
        count(
            "test interactions in training",
            int(np.isin(test_pairs, train_pairs).sum()),
            Level.PROBLEM,
            "The model has learned the very answers, so the test figures are too high.",
            advice,
            of=len(test_pairs),
        ),
        count(
            "test interactions in validation",
            int(np.isin(test_pairs, valid_pairs).sum()),
            Level.PROBLEM,
            "The best epoch is chosen by the very answers, so the test figures are too "
            "high.",
            advice,
            of=len(test_pairs),
        ),
        count(
            "validation interactions in training",
            int(np.isin(valid_pairs, train_pairs).sum()),
            Level.WARNING,
            "Training is stopped by what the model has learned, so rather late.",
            f"Remove the lines from the {valid} part.",
            of=len(valid_pairs),
        ),
        count(
            "test users without training",
            int((~np.isin(np.unique(test_users), users)).sum()),
            Level.WARNING,
            "Nothing is learned of them, so their test is a guess.",
            "Leave them out of the test, or expect lower figures.",
            of=len(np.unique(test_users)),
        ),
        count(
            "test items without training",
            int((~np.isin(np.unique(test_items), items)).sum()),
            Level.NOTE,
            "Only the graph can tell of them; other models place them at random.",
            of=len(np.unique(test_items)),
        ),
    ]


def _keys(pairs: IntArray, data: NumberedDataset) -> IntArray:
    """One number for each pair of user and item, shape: [n_interactions]."""
    return pairs[0] * len(data.items) + pairs[1]


def _count_duplicates(keys: IntArray) -> int:
    return len(keys) - len(pd.unique(keys))


# --- triples ------------------------------------------------------------------------


def _triples_by_relation(data: NumberedDataset) -> dict[str, int]:
    sizes = np.bincount(data.triples[1])
    order = np.argsort(-sizes, kind="stable")
    return {data.relations[number]: int(sizes[number]) for number in order}


def _triples(data: NumberedDataset, relations: Mapping[str, int]) -> list[Finding]:
    total = data.triples.shape[1]
    heads, _, tails = data.triples
    duplicated = pd.DataFrame(data.triples.T).duplicated()
    largest = next(iter(relations.values())) / total
    named = [
        f"{shown(name)} {size / total:.1%}"
        for name, size in list(relations.items())[:_NAMED_RELATIONS]
    ]
    is_dominated = len(relations) > 1 and largest > _DOMINANT_SHARE
    return [
        Finding(
            "largest relations",
            ", ".join(named),
            Level.NOTE if is_dominated else Level.OK,
            "Shares of the triples."
            + (" One relation outweighs all others." if is_dominated else ""),
            "See whether it says anything of what users like." if is_dominated else "",
            largest,
        ),
        count(
            "relations with one triple",
            sum(size == 1 for size in relations.values()),
            Level.NOTE,
            "Nothing can be learned of a relation that holds once.",
            "Merge them into one, or leave them out.",
            of=len(relations),
        ),
        count(
            "duplicate triples",
            int(duplicated.sum()),
            Level.NOTE,
            "RecBole keeps them, and each counts as an edge of its own.",
            "Remove the lines unless they are meant to weigh more.",
            of=total,
        ),
        count(
            "self triples",
            int((heads == tails).sum()),
            Level.NOTE,
            "Head and tail are the same entity, which tells nothing of another one.",
            "Remove the lines.",
            of=total,
        ),
    ]


# --- ids ----------------------------------------------------------------------------


def _ids(data: NumberedDataset) -> list[Finding]:
    in_both = set(data.relations).intersection(data.entities)
    entity_of = dict(zip(data.links[0].tolist(), data.links[1].tolist()))
    entity_numbers = {entity: number for number, entity in enumerate(data.entities)}
    others = sum(
        item in entity_numbers and entity_of.get(number) != entity_numbers[item]
        for number, item in enumerate(data.items)
    )
    return [
        count(
            "ids of a relation and an entity",
            len(in_both),
            Level.NOTE,
            "RecBole keeps the two apart, so nothing breaks; an exchanged column looks "
            "like this, too.",
            "Look whether the columns of the triples are in order.",
            of=len(data.relations),
        ),
        count(
            "ids of an item and another entity",
            others,
            Level.NOTE,
            "The id of an item is that of an entity which it is not linked to. RecBole "
            "goes by the links, so nothing breaks; wrong links look like this, too.",
            "Look whether the links are right.",
            of=len(data.items),
        ),
    ]
