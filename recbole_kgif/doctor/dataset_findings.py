"""A data set: what is in it, and what in it may spoil a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_kgif.data.dataset_files import DatasetFiles
from recbole_kgif.data.feature_files import MissingRows
from recbole_kgif.data.locate import DatasetLocation
from recbole_kgif.data.numbered import (
    IntArray,
    NumberedDataset,
    mask_of,
)
from recbole_kgif.data.reader import DatasetCounts, read_dataset
from recbole_kgif.doctor.findings import Finding, Level, count
from recbole_kgif.doctor.graph_findings import (
    examine_entities,
    examine_ids,
    examine_triples,
    triples_by_relation,
)
from recbole_kgif.errors import UserError
from recbole_kgif.options.settings import check_loaded_columns

_SHARE_THAT_MATTERS = 0.05
# RecBole's split of so many interactions leaves one each for validation and test.
_LEAST_TO_SPLIT = 3


@dataclass(frozen=True)
class DatasetExamination:
    """What was found in one data set.

    Attributes:
        name: Its name.
        folder: Where its files are.
        findings: The findings.
        relations: Number of triples of each relation, the largest first.
        degrees: For "users" and "items" the numbers of their interactions, for
            "entities" those of the triples that they are in, one entry each.
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
        location: where they are.
        options: RecBole's options for them, such as `benchmark_filename`.

    Returns:
        What was found. Files that RecBole cannot read are the one finding then.
    """
    folder, name = location.folder, location.name
    try:
        check_loaded_columns(options, needs_knowledge_graph=True)
        files = DatasetFiles.from_options(folder, name, options, unlinked_items="drop")
        if files.filters_by_features is None:  # counted here, and not refused
            files = replace(files, filters_by_features=True)
        checked = read_dataset(files)
    except UserError as error:
        finding = Finding(
            "files",
            "cannot be used",
            Level.PROBLEM,
            f"{error}.",
            "Correct the file and run it again: a file is read up to its first error.",
        )
        return DatasetExamination(name, folder, [finding])
    data, counts = checked.content, checked.counts
    degrees = _degrees(data)
    relations = triples_by_relation(data)
    findings = [
        Finding("files", "sound", meaning="RecBole reads them as they are meant."),
        *_sizes(data, counts),
        *_linking(data, counts),
        *(_missing_rows(missing, counts) for missing in checked.missing),
        *_interactions(data, degrees["users"]),
        *(_leakage(data) if data.is_split else []),
        *examine_triples(data, relations),
        *examine_entities(data),
        *examine_ids(data),
        *(_distribution(kind, values) for kind, values in degrees.items()),
    ]
    return DatasetExamination(name, folder, findings, relations, degrees)


def _sizes(data: NumberedDataset, counts: DatasetCounts) -> list[Finding]:
    sparsity = 1 - counts.interactions / (counts.users * counts.items)
    kinds = ("users", "items", "interactions", "entities", "relations", "triples")
    numbers = {kind: getattr(counts, kind) for kind in kinds}
    shown_as = {kind: f"{number:,}" for kind, number in numbers.items()}
    if data.is_split:
        by_part = (f"{part} {len(table):,}" for part, table in data.parts.items())
        shown_as["interactions"] += f" ({', '.join(by_part)})"
    sizes = [Finding(kind, shown_as[kind], number=numbers[kind]) for kind in kinds]
    meaning = "Share of the pairs of a user and an item without an interaction."
    share = Finding("sparsity", f"{sparsity:.3%}", meaning=meaning, number=sparsity)
    return [*sizes[:3], share, *sizes[3:]]


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
    interactions, triples = data.interactions, data.triples
    degrees = {
        "users": np.bincount(interactions["user"]),
        "items": np.bincount(interactions["item"]),
        "entities": np.bincount(pd.concat([triples["head"], triples["tail"]])),
    }
    # Items and entities of links alone are in no interaction or triple.
    return {kind: values[values > 0] for kind, values in degrees.items()}


def _linking(data: NumberedDataset, counts: DatasetCounts) -> list[Finding]:
    has_link = mask_of(len(data.items), data.links["item"])
    is_used = data.is_used
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
            int((is_used & ~has_link).sum()),
            Level.NOTE,
            "They have no entity, so knowledge-aware models cannot use them.",
            "Link them, or leave them out by --unlinked_items=drop.",
            of=counts.items,
        ),
        count(
            "items without a triple",
            int((is_used & has_link & ~data.is_linked).sum()),
            Level.NOTE,
            "They have an entity that is in no triple, so the graph says nothing "
            "about them.",
            "Add triples, or leave the items out by --unlinked_items=drop.",
            of=counts.items,
        ),
        count(
            "interactions that linking drops",
            dropped,
            Level.WARNING if share > _SHARE_THAT_MATTERS else Level.NOTE,
            "RecBole leaves them out for knowledge-aware models and keeps them for all "
            "others, which are then trained on other data.",
            "Compare models with the command compare, which gives all of them the "
            "same; give --unlinked_items=drop for a single run.",
            of=counts.interactions,
        ),
    ]


def _missing_rows(missing: MissingRows, counts: DatasetCounts) -> Finding:
    return count(
        f"interactions of {missing.kind}s without a row in {missing.file_name}",
        missing.interactions,
        Level.WARNING,
        f"The first is {missing.place}. While that file is loaded, "
        f"{missing.consequence}.",
        "Add the rows.",
        of=counts.interactions,
    )


def _interactions(data: NumberedDataset, of_users: IntArray) -> list[Finding]:
    duplicates = sum(int(part.duplicated().sum()) for part in data.parts.values())
    if data.is_split:
        level = Level.NOTE
        meaning = (
            "A part has the same pair of user and item several times, which counts "
            "more in training and in the metrics."
        )
        advice = "Remove the lines: RecBole does not filter a pre-split data set."
    else:
        level = Level.WARNING
        meaning = (
            "The same pair of user and item occurs several times, and a random split "
            "can put one into training and another into test."
        )
        advice = "Give --rm_dup_inter=first, or remove the lines."
    total = len(data.interactions)
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
            "Add more interactions, or give the three parts in files of their own.",
        )
    ]


def _leakage(data: NumberedDataset) -> list[Finding]:
    """Between training, validation and test of a pre-split data set."""
    (train, valid, test), n_items = data.parts, len(data.items)
    pairs = {
        part: table["user"].astype("int64") * n_items + table["item"]
        for part, table in data.parts.items()
    }
    learned, tested = data.parts[train], data.parts[test]
    test_users, test_items = tested["user"].unique(), tested["item"].unique()
    advice = f"Remove the lines from the {test} part."
    return [
        count(
            "test interactions in training",
            int(pairs[test].isin(pairs[train]).sum()),
            Level.PROBLEM,
            "The model was trained on the answers, so the test metrics are too high.",
            advice,
            of=len(tested),
        ),
        count(
            "test interactions in validation",
            int(pairs[test].isin(pairs[valid]).sum()),
            Level.PROBLEM,
            "The best epoch is chosen by the answers, so the test metrics are too "
            "high.",
            advice,
            of=len(tested),
        ),
        count(
            "validation interactions in training",
            int(pairs[valid].isin(pairs[train]).sum()),
            Level.WARNING,
            "Training is stopped by what the model has learned, so rather late.",
            f"Remove the lines from the {valid} part.",
            of=len(pairs[valid]),
        ),
        count(
            "test users without training",
            int((~np.isin(test_users, learned["user"])).sum()),
            Level.WARNING,
            "Nothing is learned about them, so their test is a guess.",
            "Leave them out of the test, or expect lower metrics.",
            of=len(test_users),
        ),
        count(
            "test items without training",
            int((~np.isin(test_items, learned["item"])).sum()),
            Level.NOTE,
            "Only the graph says anything about them; others rank them at random.",
            of=len(test_items),
        ),
    ]
