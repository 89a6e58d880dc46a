from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recbole_kgif.errors import UserError
from recbole_kgif.training.corruption import Ids, TripleChange, changed_triples

N_ENTITIES = 30


def triples(count: int = 200) -> Ids:
    random = np.random.default_rng(7)
    return np.stack(
        [
            random.integers(1, N_ENTITIES, count),
            random.integers(1, 5, count),
            random.integers(1, N_ENTITIES, count),
        ],
        axis=1,
    )


def rows(changed: Ids) -> list[tuple[int, ...]]:
    return [tuple(row) for row in changed.tolist()]


@pytest.mark.parametrize(
    ("kept", "count"), [(1, 200), (0.75, 150), (0.25, 50), (0.001, 0), (0, 0)]
)
def test_removal_keeps_a_share_in_its_order(kept: float, count: int) -> None:
    # Numbered, so that equal triples are told apart.
    numbered = triples()
    numbered[:, 0] = np.arange(200)
    left = changed_triples(numbered, N_ENTITIES, TripleChange(kept, 0, 1))
    assert left.shape == (count, 3)
    assert (np.diff(left[:, 0]) > 0).all()
    assert (left == numbered[left[:, 0]]).all()


def test_less_is_a_part_of_more_and_other_seeds_choose_others() -> None:
    before = triples()
    before[:, 0] = np.arange(200)
    quarter, half = (
        set(rows(changed_triples(before, N_ENTITIES, TripleChange(kept, 0, 3))))
        for kept in (0.25, 0.5)
    )
    assert quarter < half
    other = changed_triples(before, N_ENTITIES, TripleChange(0.5, 0, 4))
    assert set(rows(other)) != half


@pytest.mark.parametrize("replaced", [0.0, 0.5, 1.0])
def test_replacing_touches_tails_alone(replaced: float) -> None:
    before = triples()
    after = changed_triples(before, N_ENTITIES, TripleChange(1, replaced, 5))
    assert (after[:, :2] == before[:, :2]).all()
    is_other = after[:, 2] != before[:, 2]
    # One in 29 draws the tail that was there.
    assert replaced * 200 * 0.85 <= is_other.sum() <= replaced * 200
    assert after[:, 2].min() >= 1
    assert after[:, 2].max() < N_ENTITIES
    half = changed_triples(before, N_ENTITIES, TripleChange(1, 0.5, 5))
    if replaced == 1:
        # Each tail is drawn, so all entities come about; half is a part of it.
        assert len(set(after[:, 2].tolist())) == N_ENTITIES - 1
        kept = half[:, 2] == before[:, 2]
        assert (half[~kept] == after[~kept]).all()


def test_equal_arguments_give_equal_triples_whatever_else_is_drawn() -> None:
    before, change = triples(), TripleChange(0.5, 0.5, 9)
    untouched = before.copy()
    first = changed_triples(before, N_ENTITIES, change)
    np.random.seed(1)
    state = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]
    second = changed_triples(before, N_ENTITIES, change)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index, union-attr]
    assert (first == second).all()
    assert (before == untouched).all()


def test_a_share_is_between_none_and_all() -> None:
    with pytest.raises(ValueError, match=r"kept=1\.5"):
        TripleChange(1.5, 0, 1)
    with pytest.raises(ValueError, match="replaced=-1"):
        TripleChange(1, -1, 1)


@pytest.mark.parametrize("change", [(0.5, 0.0), (1.0, 1.0), (0.0, 0.0)])
def test_a_changed_graph_changes_nothing_else_of_the_data(
    load: Callable[..., Any], data_path: Path, change: tuple[float, float]
) -> None:
    folder = data_path / "tiny"
    parts = [(folder / f"tiny.{part}.inter") for part in ("train", "valid", "test")]
    lines = [line for part in parts for line in part.read_text("utf-8").splitlines()]
    everything = "\n".join(dict.fromkeys(lines)) + "\n"
    (folder / "tiny.inter").write_text(everything, "utf-8")
    random_split = {
        "benchmark_filename": None,
        "eval_args": {"split": {"RS": [0.6, 0.2, 0.2]}, "order": "RO", "mode": "full"},
    }
    for options in ({}, random_split):
        _, plain = load("KGIF", **options)
        _, changed = load("KGIF", TripleChange(*change, seed=1), **options)
        before, after = dict(plain.fingerprint), dict(changed.fingerprint)
        assert before.pop("triples") != after.pop("triples")
        assert before == after


def test_all_models_get_the_same_changed_graph(load: Callable[..., Any]) -> None:
    change = TripleChange(0.5, 0.5, 3)
    prints = [load(model, change)[1].fingerprint for model in ("KGIF", "CKE", "BPR")]
    assert prints[0] == prints[1] == prints[2]
    _, data = load("KGIF", change)
    assert len(data.dataset.kg_feat) == len(data.train._dataset.kg_feat) == 8


def test_triples_in_both_directions_are_refused(load: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match="kg_reverse_r=True: a triple would be"):
        load("CKE", TripleChange(0.5, 0, 1), kg_reverse_r=True)
