from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recbole_kgif.data.graph_filter import Intervals, filtered_triples
from recbole_kgif.errors import UserError
from recbole_kgif.experiments.planning import GivenOptions, find_dataset
from recbole_kgif.options.protocols import RECBOLE


def is_within(count: int, text: str) -> bool:
    """Whether a number is in the interval ``[low,high)`` or ``[low,high]``."""
    low, high = text[1:-1].split(",")
    return float(low) <= count and (
        count <= float(high) if text.endswith("]") else count < float(high)
    )


def by_a_loop(triples: list[tuple[int, int, int]], entity: str, relation: str) -> Any:
    """The filter as its definition reads."""
    while True:
        of_entity = Counter(e for h, _, t in triples for e in (h, t))
        of_relation = Counter(r for _, r, _ in triples)
        kept = [
            (h, r, t)
            for h, r, t in triples
            if is_within(of_entity[h], entity)
            and is_within(of_entity[t], entity)
            and is_within(of_relation[r], relation)
        ]
        if kept == triples:
            return kept
        triples = kept


@pytest.mark.parametrize(
    ("entity", "relation"),
    [("[3,inf)", "[0,inf)"), ("[0,inf)", "[9,12]"), ("[2,9)", "[4,inf)")],
)
def test_the_filter_is_that_of_a_loop(entity: str, relation: str) -> None:
    random = np.random.default_rng(3)
    rows = np.stack([random.integers(0, n, 60) for n in (12, 5, 25)], axis=1)
    rows[:3, 2] = rows[:3, 0]  # self loops count twice
    triples = pd.DataFrame(rows, columns=["head", "relation", "tail"])
    kept = filtered_triples(triples, Intervals(entity), Intervals(relation))
    expected = by_a_loop([tuple(row) for row in rows.tolist()], entity, relation)
    assert [tuple(row) for row in kept.to_numpy().tolist()] == expected
    assert 0 < len(kept) < len(triples)


def test_several_intervals_are_a_union() -> None:
    counts = pd.Series([1, 2, 3, 4, 5])
    allowed = Intervals("[1,2);(3, 4]").allow(counts)
    assert allowed.tolist() == [True, False, False, True, False]
    assert Intervals(None).allow(counts).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entity_kg_num_interval": "[99,inf)"}, "leaves none of the .* triples"),
        ({"relation_kg_num_interval": "[99,inf)"}, "leaves none of the .* triples"),
        ({"entity_kg_num_interval": "[2,inf)"}, "of pre-split data none can be left"),
    ],
)
def test_a_filter_that_leaves_too_little_is_refused(
    data_path: Any, options: dict[str, Any], message: str
) -> None:
    given = GivenOptions(in_arguments={"data_path": str(data_path), **options})
    with pytest.raises(UserError, match=message):
        find_dataset("tiny", None, RECBOLE, given)


def test_items_that_a_filter_drops_are_named(data_path: Any) -> None:
    parts = [data_path / f"tiny/tiny.{p}.inter" for p in ("train", "valid", "test")]
    lines = [line for part in parts for line in part.read_text("utf-8").splitlines()]
    header = lines[0]
    for part in parts:
        part.unlink()
    rows = [line for line in lines if line != header]
    whole = data_path / "tiny" / "tiny.inter"
    whole.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    options = {"data_path": str(data_path), "entity_kg_num_interval": "[2,inf)"}
    found = find_dataset("tiny", None, RECBOLE, GivenOptions(in_arguments=options))
    (warning,) = found.warnings
    assert warning.startswith("entity_kg_num_interval=[2,inf): leaves ")
    assert warning.endswith(" without a triple; they are left out")


def test_the_graph_of_pre_split_data_is_filtered(load: Any) -> None:
    _, whole = load("KGIF")
    _, filtered = load("KGIF", relation_kg_num_interval="[3,inf)")
    counts = Counter(whole.dataset.kg_feat["relation_id"].tolist())
    expected = sum(count for count in counts.values() if count >= 3)
    assert 0 < len(filtered.dataset.kg_feat) == expected < len(whole.dataset.kg_feat)
    assert filtered.fingerprint["split"] == whole.fingerprint["split"]
