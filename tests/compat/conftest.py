"""RecBole with the shims applied, and stock models run by it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from recbole_kgif import compat
from tests.compat.helpers import OPTIONS, Run


@pytest.fixture(scope="module", autouse=True)
def shims() -> tuple[str, ...]:
    return compat.apply_shims()


@pytest.fixture(scope="module")
def run(workplace: Path) -> Callable[[str], Run]:
    """Run a stock model by RecBole's own entry point, once a module."""
    from recbole.quick_start import run_recbole

    done: dict[str, Run] = {}

    def run_once(model: str) -> Run:
        if model not in done:
            folder = workplace / model
            with warnings.catch_warnings(record=True) as warned:
                # A user's Python shows these and hides the rest.
                warnings.simplefilter("ignore")
                for shown in (UserWarning, FutureWarning, RuntimeWarning):
                    warnings.simplefilter("default", shown)
                compat.silence_known_warnings()
                result = run_recbole(
                    model=model,
                    dataset="ml-100k",
                    config_dict={**OPTIONS, "checkpoint_dir": str(folder)},
                )
            (checkpoint,) = folder.iterdir()
            done[model] = Run(result, checkpoint, list(warned))
        return done[model]

    return run_once
