"""A trained model of two graphs side by side, and its extension by new facts."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import recbole_kgif as rk
from tests.conftest import TINY_OPTIONS

PARTS = ("train", "valid", "test")
# Two copies of the tiny data set that have nothing in common.
SIDES = ("left_", "right_")
OPTIONS = {
    name: value
    for name, value in TINY_OPTIONS.items()
    if name not in ("benchmark_filename", "show_progress", "state")
}
RELATION = "relation_id"

# Facts that touch the left copy alone.
NEW_INTERACTIONS = pd.DataFrame(
    {
        "user_id": ["zoe", "zoe", "zoe", "left_ann", "left_ann"],
        "item_id": ["left_alien", "left_brazil", "lone", "left_fargo", "left_alien"],
    }
)
NEW_TRIPLES = pd.DataFrame(
    {
        "head_id": ["sequel", "sequel", "sequel", "newcomer", "left_m_alien"],
        RELATION: ["directed_by", "has_genre", "written_by", "influenced", "has_genre"],
        "tail_id": ["left_scott", "left_scifi", "newcomer", "left_lynch", "left_scifi"],
    }
)
NEW_NAMES = pd.DataFrame({"item_id": ["sequel", "void"], "name": ["Sequel", "Void"]})


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    """Both copies of a table; they share the relations."""
    return pd.concat(
        [
            frame.assign(**{str(c): side + frame[c] for c in frame if c != RELATION})
            for side in SIDES
        ],
        ignore_index=True,
    )


@dataclass(frozen=True)
class Extended:
    """A model before and after, and the warnings of the extension."""

    before: Any
    after: Any
    notes: list[str]


def facts() -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """The interactions by part, the triples and the links of both copies."""
    from tests.test_api import tiny

    parts = {part: doubled(tiny(f"{part}.inter")) for part in PARTS}
    return parts, doubled(tiny("kg")), doubled(tiny("link"))


@pytest.fixture(scope="session")
def extended() -> Extended:
    before = rk.fit(*facts(), options=OPTIONS, epochs=4)
    # The training has no new items to choose these for.
    restored, weights = before._restored, torch.tensor([0.25, 0.125, 0.5])
    restored.checkpoint.state_dict["new_items.weights"] = weights
    restored.model.load_state_dict(restored.checkpoint.state_dict)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        after = before.extend(NEW_INTERACTIONS, NEW_TRIPLES, names=NEW_NAMES)
    return Extended(before, after, [str(warning.message) for warning in caught])


@pytest.fixture(scope="session")
def saved(extended: Extended, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model before it was extended."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    extended.before.save(folder)
    return folder
