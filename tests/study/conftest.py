"""The tiny data set as a run of a study loads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from recbole_kgif.training.corruption import TripleChange
from tests.conftest import TINY_OPTIONS

# As a comparison gives them to every model.
LOADED_COLUMNS = {
    "inter": ["user_id", "item_id"],
    "kg": ["head_id", "relation_id", "tail_id"],
    "link": ["item_id", "entity_id"],
}


@pytest.fixture
def load(data_path: Path, in_tmp_path: Path) -> Callable[..., Any]:
    """Load the tiny data set for a model, with its triples changed."""
    from recbole_kgif.training.loading import load_data, make_config

    def load_changed(
        model: str, triples: Optional[TripleChange] = None, **options: Any
    ) -> Any:
        config = make_config(
            model,
            "tiny",
            {
                **TINY_OPTIONS,
                "data_path": str(data_path),
                "checkpoint_dir": str(in_tmp_path),
                "load_col": LOADED_COLUMNS,
                **options,
            },
        )
        data = load_data(config, split_seed=1, linked_items_only=True, triples=triples)
        return config, data

    return load_changed
